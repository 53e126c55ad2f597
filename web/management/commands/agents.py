"""Tasks of agents: derive them, see who ran away, say from when on one has."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.calc.agents import AgentsError
from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery
from allocation.value import agent_runaways, agent_tasks
from finops.periods import Period, PeriodError
from web.management.base import LedgerCommand, WrongUse, as_option, json_option
from web.management.files import naming, read_yaml

MOST = 50


class Command(LedgerCommand):
    """``agents refresh``, ``agents runaways YYYY-MM``, ``agents limits [FILE --as USER]``."""

    help = "Derive the tasks of agents, list those that ran away, or load the limits beyond which they have."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        refresh = actions.add_parser(
            "refresh", help="derive the days that changed; the worker does it every few minutes"
        )
        json_option(refresh)
        listed = actions.add_parser("runaways", help="tasks that ran away in a month")
        listed.add_argument("month", help="YYYY-MM")
        json_option(listed)
        limits = actions.add_parser("limits", help="show the limits, or load them from a YAML file")
        limits.add_argument("file", type=Path, nargs="?", help="width, floor, calls, cost, rounds, minimum")
        as_option(limits, help="who loads them")
        json_option(limits)

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] == "refresh":
            days = agent_tasks.refresh()
            self.stdout.write(f"{days} day{'s' if days != 1 else ''} derived")
            return {"days": days}
        if options["action"] == "runaways":
            try:
                return self._runaways(Period.month(options["month"]))
            except PeriodError as error:
                raise WrongUse(error) from None
        if options["file"] is not None:
            with naming(options["file"], AgentsError):
                version = agent_tasks.load_limits(read_yaml(options["file"]), actor=options["user"])
            self.stdout.write(f"Limits, version {version.number}: every day is judged anew at the next refresh")
        found = {name: None if value is None else str(value) for name, value in agent_tasks.limits()._asdict().items()}
        for name, value in found.items():
            self.stdout.write(f"{name}: {value or 'none'}")
        return found

    def _runaways(self, period: Period) -> dict[str, Any]:
        query = CostQuery(period)
        rows = list(agent_runaways.listed(EVERYTHING, query))
        for row in rows[:MOST]:
            self.stdout.write(
                f"{row.pk}  {row.begins_at:%Y-%m-%d %H:%M}  {row.feature or '(no use case)'}  {row.reason}: "
                f"{row.value.normalize():f} beyond {row.bound:.2f}; {row.cost:.2f} {row.currency}, {row.state}"
            )
        if len(rows) > MOST:
            self.stdout.write(f"and {len(rows) - MOST} more; the API has all: /api/v1/agents/runaways")
        return {"runaways": len(rows), **agent_runaways.summary(EVERYTHING, query).states}
