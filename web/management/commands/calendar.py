"""Load and look at calendar events: days on which usage is known not to be as usual."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.calc.contracts_fields import AgreementError
from forecasting import calendar
from web import approving
from web.management.base import LedgerCommand, WrongUse, as_option, json_option
from web.management.files import naming, read_yaml


class Command(LedgerCommand):
    """``calendar load FILE --as USER``, ``calendar show``."""

    help = "Propose calendar events from a YAML file, or show those that forecasts know of."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="propose a file; in force once another person has accepted it")
        load.add_argument("file", type=Path, help="YAML: a list of entries")
        as_option(load, default=None, help="who asks for it")
        json_option(load)
        json_option(actions.add_parser("show", help="what is in force"))

    def run(self, **options: Any) -> dict[str, Any]:
        return self._load(options["file"], options["user"]) if options["action"] == "load" else self._show()

    def _load(self, path: Path, user: str | None) -> dict[str, Any]:
        if not user:
            raise WrongUse("say who asks for it: --as USER")
        with naming(path, AgreementError):
            asked = approving.propose_document(calendar.KIND, read_yaml(path) or [], by=user)
        self.stdout.write(f"{asked.subject} wait for another person: manage.py approvals accept {asked.pk} --as USER")
        return {"approval": asked.pk, "entries": len(asked.details["entries"])}

    def _show(self) -> dict[str, Any]:
        live = calendar.version()
        if live is None:
            self.stdout.write("No calendar events are in force. Propose some: manage.py calendar load FILE --as USER")
            return {"version": None, "entries": []}
        self.stdout.write(f"Version {live.number}, loaded by {live.loaded_by}")
        for one in calendar.in_force():
            days = ", ".join(str(dates) if len(dates) > 1 else f"{dates.start}" for dates in one.dates)
            where = "".join(f"; {name}: {', '.join(values)}" for name, values in one.where.items())
            factor = "measured at its past dates" if one.factor is None else f"{one.factor:f} of usual"
            self.stdout.write(f"{one.code}: {one.name}: {days}: {factor}{where}")
        return {"version": live.number, "entries": live.document}
