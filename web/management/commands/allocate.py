"""Run the allocation rules over a month."""

from typing import Any

from django.core.management.base import CommandParser

from allocation.comparison import compare
from allocation.derived import allocate_days, refresh
from finops.periods import Period, PeriodError
from ingest.selectors import days_with_facts
from web.management.base import LedgerCommand, WrongUse
from web.management.difference import say


class Command(LedgerCommand):
    """Assigns every charge of the month anew; with ``--dry-run`` only says who would pay what more or less."""

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
        days, dry = days_with_facts(period), options["dry_run"]
        rows = compare(period, lambda: allocate_days(days), dry_run=dry)
        say(self.stdout, rows, dry_run=dry)
        return {"month": str(period), "dry_run": dry, "cost_centres": rows}
