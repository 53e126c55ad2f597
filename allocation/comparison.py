"""Who pays what more or less: cost before and after a change that is made for good, or only to look."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from allocation.models import CostDaily
from allocation.selectors import UNALLOCATED
from finops.periods import Period


def compare(period: Period, change: Callable[[], Any], *, dry_run: bool) -> list[dict[str, str]]:
    """Effective cost per cost centre and currency before and after ``change``, as strings with 12 decimals.

    The change is really made, in one transaction, and rolled back for a dry run: what it says is what will happen.
    """
    with transaction.atomic():
        before = _costs(period)
        change()
        after = _costs(period)
        if dry_run:
            transaction.set_rollback(True)
    zero = Decimal(0)
    return [
        {
            "cost_centre": code, "currency": currency, "before": f"{before.get((code, currency), zero):.12f}",
            "after": f"{after.get((code, currency), zero):.12f}",
            "difference": f"{after.get((code, currency), zero) - before.get((code, currency), zero):.12f}",
        }
        for code, currency in sorted(before.keys() | after.keys())
    ]  # fmt: skip


def _costs(period: Period) -> dict[tuple[str, str], Decimal]:
    rows = CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    sums = rows.values_list("cost_centre__code", "billing_currency").annotate(cost=Sum("effective_cost")).order_by()
    return {(code or UNALLOCATED, currency): cost for code, currency, cost in sums}
