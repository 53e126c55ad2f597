"""What the page of a month shows of its accruals."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from allocation.close import accruals, accrued
from allocation.close.accrued import Accrued
from allocation.models import JournalEntry
from finops.periods import Period
from web.journals import standing

_POSTED = ("posted", "exported", "numbered")
_SUMS = ("reversed", "posted", "to_come")


def of_period(period: Period) -> dict[str, Any]:
    """What web/money/period_accruals.html needs."""
    entry = JournalEntry.objects.filter(month=period.start).order_by("-number").first()
    state = standing(entry)
    rows = accrued.of(period)
    return {
        "accrued": rows, "accrued_sums": _sums(rows), "accrual_run": accruals.in_force(period),
        "journal_entry": entry, "journal_state": state, "journal_posted": state in _POSTED,
    }  # fmt: skip


def _sums(rows: Iterable[Accrued]) -> list[dict[str, Any]]:
    found: dict[str, list[Accrued]] = {}
    for row in rows:
        found.setdefault(row.currency, []).append(row)
    return [
        {"currency": currency, **_added(mine, *_SUMS), "earlier": _earlier(mine)} for currency, mine in found.items()
    ]


def _earlier(rows: Iterable[Accrued]) -> dict[str, Decimal]:
    """Of it what earlier months owe, and what invoices are expected to add: borne by no cost centre of this month."""
    return _added([part for row in rows for part in row.parts if part.cost_centre is None], *_SUMS[1:])


def _added(rows: Iterable[Any], *names: str) -> dict[str, Decimal]:
    mine = list(rows)
    return {name: sum((getattr(row, name) for row in mine), Decimal(0)) for name in names}
