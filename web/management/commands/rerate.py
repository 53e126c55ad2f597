"""Price usage again with the book as it is now."""

from typing import Any

from django.core.management.base import CommandParser

from allocation.comparison import compare
from allocation.costing.terms import rate_anew
from allocation.derived import refresh
from finops.periods import Period, PeriodError
from ingest.selectors import days_with_facts
from web.management.base import LedgerCommand, WrongUse, day
from web.management.difference import say


class Command(LedgerCommand):
    """Rates the cube of the days anew (loading prices rebuilt the slots that need it from the facts).

    With ``--dry-run`` it only shows who pays what more or less, and why.
    """

    help = "Price usage again with the book as it is now."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--from", dest="first", type=day, metavar="D", required=True)
        parser.add_argument("--to", dest="last", type=day, metavar="D", required=True, help="inclusive")
        parser.add_argument("--dry-run", action="store_true", help="change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            period = Period.through(options["first"], options["last"])
        except PeriodError as error:
            raise WrongUse(error) from None
        days, dry = days_with_facts(period), options["dry_run"]

        def change() -> None:
            rate_anew(days)
            refresh()

        rows = compare(period, change, dry_run=dry)
        say(self.stdout, rows, dry_run=dry)
        return {"from": str(period.start), "to": str(options["last"]), "dry_run": dry, "cost_centres": rows}
