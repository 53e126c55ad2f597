"""Rebuild derived data from the facts."""

from datetime import date
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from allocation.derived import refresh
from finops.periods import Period, PeriodError
from ingest.selectors import days_with_facts
from ingest.services import mark_days
from web.management.base import LedgerCommand, WrongUse, day


class Command(LedgerCommand):
    """Recomputes cube, ratings, charges and allocation of the days between ``--from`` and ``--to`` (default: all)."""

    help = "Rebuild derived data from the facts."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--from", dest="first", type=day, metavar="D")
        parser.add_argument("--to", dest="last", type=day, metavar="D", help="the last day, inclusive")

    def run(self, **options: Any) -> dict[str, Any]:
        try:
            period = Period.through(options["first"] or date.min, options["last"] or date.max)
        except PeriodError as error:
            raise WrongUse(error) from None
        mark_days(days_with_facts(period))
        with tqdm(unit=" days", disable=None, leave=False) as bar:

            def show(done: int, count: int) -> None:
                bar.total = count
                bar.update(done - bar.n)

            days = refresh(show)
        self.stdout.write(f"{days} days rebuilt.")
        return {"days": days}
