"""Months of usage for tests of the close: two people, calls on every day that is asked for, and the way to a closed month."""

from datetime import date
from pathlib import Path
from typing import Any

from allocation import closing, rulebook
from allocation.close import statements
from allocation.derived import refresh
from allocation.models import BillingPeriod, Statement
from finops.periods import Period
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines

AUGUST, SEPTEMBER, OCTOBER = (Period.month(month) for month in ("2026-08", "2026-09", "2026-10"))
PREPARER, APPROVER = "ann", "bob"
RULES = [{"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"shares": {"CC-1": "0.7", "CC-2": "0.3"}}}]
COUNT = iter(range(10**9))


def calls(folder: Path, *days: str, **given: Any) -> None:
    """One call of gpt-5 on each day, imported and derived."""
    number = next(COUNT)
    records = [
        payload(f"{number}-{at}", at=f"{day}T13:00:00.000000Z", prompt=1_000, output=1_000, **given)
        for at, day in enumerate(days)
    ]
    ingest_file(Import(write_lines(folder / f"{number}.jsonl", records), "litellm"))
    refresh()


def month_of_calls(folder: Path, period: Period = SEPTEMBER) -> None:
    """Calls on the first, a middle and the last day of a month, borne by CC-1 and CC-2."""
    rulebook.load(RULES, actor="test")
    last = date.fromordinal(period.end.toordinal() - 1)
    calls(folder, f"{period}-01", f"{period}-15", f"{last}")


def agreed(period: Period = SEPTEMBER) -> None:
    """Every statement of the month is accepted by its owner."""
    for statement in Statement.objects.filter(month=period.start, state="issued"):
        statements.accept(statement, by="owner")


def soft_close(period: Period = SEPTEMBER) -> BillingPeriod:
    """Frozen, by two people."""
    closing.close_step(period, "preliminary", by=PREPARER)
    return closing.close_step(period, "soft_closed", by=APPROVER)
