"""Look at months and their checklists, tick what is done by hand, propose a close policy."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.calc.closing import WORDS, StepError
from allocation.close import checklist, policy
from finops.periods import Period, PeriodError
from web import periods
from web.management.base import LedgerCommand, RefusedHere, WrongUse, as_option, json_option
from web.management.files import naming, read_yaml
from web.management.people import of_finance

_MARKS = {"done": "x", "waived": "w", "open": " ", "blocked": "!"}


class Command(LedgerCommand):
    """``periods``, ``periods show MONTH``, ``periods done MONTH TASK --as USER``, ``periods policy FILE --as USER``."""

    help = "Months with their states, gates and checklists."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action")
        json_option(actions.add_parser("list", help="all months with cost (the default)"))
        show = actions.add_parser("show", help="gates and checklist of a month")
        show.add_argument("month", metavar="YYYY-MM")
        json_option(show)
        done = actions.add_parser("done", help="a task that is done by hand is done")
        done.add_argument("month", metavar="YYYY-MM")
        done.add_argument("task")
        done.add_argument("--undo", action="store_true", help="it is not done after all")
        as_option(done, required=True)
        json_option(done)
        asked = actions.add_parser("policy", help="propose limits of gates, holidays and tasks; another person accepts")
        asked.add_argument("file", type=Path, help="YAML: a list of entries")
        as_option(asked, required=True)
        json_option(asked)

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            return {"show": self._show, "done": self._done, "policy": self._policy}.get(
                options["action"], self._list
            )(**options)  # fmt: skip
        except PeriodError as error:
            raise WrongUse(error) from None
        except StepError as error:
            raise RefusedHere(error) from None

    def _list(self, **_: Any) -> dict[str, Any]:
        found = periods.listing()
        for row in found:
            self.stdout.write(
                f"{row['month']}  {WORDS[row['state']]:<12} {row['manifest'][:12] if row['manifest'] else ''}"
            )
        if not found:
            self.stdout.write("No month has cost yet. Import usage: `manage.py ingest_file PATH --source KIND`.")
        return {"periods": found}

    def _show(self, **options: Any) -> dict[str, Any]:
        found = periods.detail(Period.month(options["month"]))
        write = self.stdout.write
        write(f"{found['month']} is {WORDS[found['state']]}, version {found['version']}")
        for gate in found["gates"]:
            mark = "ok" if gate["ok"] else "waived" if gate["waived"] else "FAILS"
            write(f"  {gate['gate']:<12} {mark:<7} {periods.shown(gate):<24} {gate['told']}".rstrip())
        for task in found["checklist"]:
            write(f"  [{_MARKS[task['state']]}] {task['due']} {task['task']:<15} {task['title']} ({task['owner']})")
        if found["manifest"]:
            write(f"  manifest {found['manifest']}")
        if found["next"]:
            write(f"Next: `manage.py close_month {found['month']} --to {found['next']} --as USER`")
        return found

    def _done(self, **options: Any) -> dict[str, Any]:
        period, by = Period.month(options["month"]), of_finance(options["user"])
        task = checklist.mark(period, options["task"], by=by, done=not options["undo"])
        self.stdout.write(f"{period} {task.code}: {'done by ' + task.done_by if task.done_by else 'open'}.")
        return {"month": str(period), "task": task.code, "done_by": task.done_by}

    def _policy(self, **options: Any) -> dict[str, Any]:
        by = of_finance(options["user"])
        with naming(options["file"], ValueError):
            asked = policy.propose(read_yaml(options["file"]) or [], by=by)
        self.stdout.write(f"Proposed. Another person accepts: `manage.py approvals accept {asked.pk} --as USER`.")
        return {"approval": asked.pk, "state": asked.state}
