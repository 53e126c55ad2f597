"""Run the allocation rules over a month."""

from typing import Any

from django.core.management.base import CommandParser

from allocation.close.periods import is_frozen, posting_day
from allocation.comparison import compare
from allocation.derived import refresh
from allocation.reallocating import reallocate, restate
from allocation.rule_changes import CAUSE
from finops.periods import Period, PeriodError
from ingest.credentials import COMMAND_LINE
from web.management.base import LedgerCommand, WrongUse
from web.management.difference import say


class Command(LedgerCommand):
    """Assigns every charge of the month anew; with ``--dry-run`` only says who would pay what more or less.

    A month that is closed stays as it is: an open one bears the corrections.
    """

    help = "Run the allocation rules over a month."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("month", metavar="YYYY-MM")
        parser.add_argument(
            "--dry-run", action="store_true", help="change nothing; show the difference per cost centre"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            period = Period.month(options["month"])
        except PeriodError as error:
            raise WrongUse(error) from None
        refresh()
        dry, bearing = options["dry_run"], period
        if is_frozen(period.start):
            bearing = Period.month_of(posting_day(period.start))
            self.stdout.write(f"{period} is closed and stays as it is: {bearing} bears what moves.")
            rows = compare(bearing, lambda: restate(period, by=COMMAND_LINE), dry_run=dry, cause=CAUSE)
        else:
            rows = compare(period, lambda: reallocate([period.start]), dry_run=dry, cause=CAUSE)
        say(self.stdout, rows, dry_run=dry)
        return {"month": str(period), "dry_run": dry, "cost_centres": rows}
