"""Show quarantined records."""

from typing import Any

from django.core.management.base import CommandParser

from ingest.run_selectors import run_exists
from ingest.selectors import quarantine_of
from web.management.base import LedgerCommand, WrongUse, count, json_option


class Command(LedgerCommand):
    """``quarantine list RUN``: reason and place of every record that was not taken."""

    help = "List the quarantined records of a run."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list")
        listing.add_argument("run", type=count)
        json_option(listing)

    def run(self, **options: Any) -> dict[str, Any]:
        if not run_exists(options["run"]):
            raise WrongUse(f"there is no run {options['run']}")
        rows = quarantine_of(options["run"])
        for row in rows:
            offset = "" if row["byte_offset"] is None else f" (byte {row['byte_offset']:,})"
            self.stdout.write(f"{row['place']}{offset}: {row['reason']} {row['detail']}")
        if not rows:
            self.stdout.write("Nothing was quarantined.")
        return {"run": options["run"], "records": rows}
