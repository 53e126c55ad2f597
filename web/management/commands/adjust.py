"""Move money between cost centres by hand: ask for it, and see what was asked for."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from allocation.attribution import adjustments
from web.management.base import LedgerCommand, as_option, json_option
from web.management.files import naming, read_yaml
from web.management.people import of_finance


class Command(LedgerCommand):
    """``adjust propose FILE --as USER``; another person posts it: ``approvals accept ID --as USER``."""

    help = "Ask for an adjustment between cost centres, which another person has to approve, or list them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        propose = actions.add_parser("propose", help="ask for one")
        propose.add_argument("file", type=Path, help="YAML: month, currency, reason, evidence, parts")
        as_option(propose, required=True, help="a user with the role finance")
        json_option(propose)
        json_option(actions.add_parser("list", help="what was asked for, and what became of it"))

    def run(self, **options: Any) -> dict[str, Any]:
        if options["action"] == "list":
            return self._list()
        with naming(options["file"], ValueError):
            asked = adjustments.propose(read_yaml(options["file"]), by=of_finance(options["user"]))
        self.stdout.write(f"{asked.subject} waits for another person: manage.py approvals accept {asked.pk} --as USER")
        return {"approval": asked.pk, "subject": asked.subject}

    def _list(self) -> dict[str, Any]:
        found = []
        for asked in adjustments.requests():
            posted = getattr(asked, "adjustment", None)
            on = f"{posted.charge_date:%Y-%m-%d}" if posted else None
            self.stdout.write(f"{asked.pk:>5}  {asked.subject}: {asked.state}" + (f", charged on {on}" if on else ""))
            found.append({"approval": asked.pk, "subject": asked.subject, "state": asked.state, "charge_date": on})
        if not found:
            self.stdout.write("No adjustment was asked for.")
        return {"adjustments": found}
