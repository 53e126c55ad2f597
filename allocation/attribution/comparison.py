"""Who pays what more or less by a change of what is split: cost with splits and variances, before and after."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from allocation.models import CostDaily
from allocation.selectors import UNALLOCATED

ZERO = Decimal(0)


def compare(change: Callable[[], Any], cause: str, *, dry_run: bool) -> list[dict[str, Any]]:
    """Effective cost per cost centre and currency before and after ``change``, as allocation.comparison tells it."""
    with transaction.atomic():
        before = _costs()
        change()
        after = _costs()
        if dry_run:
            transaction.set_rollback(True)
    rows = []
    for centre, currency in sorted(before.keys() | after.keys(), key=lambda place: (place[0] or UNALLOCATED, place[1])):
        old, new = before.get((centre, currency), ZERO), after.get((centre, currency), ZERO)
        rows.append(
            {
                "cost_centre": centre or UNALLOCATED, "currency": currency, "before": f"{old:.12f}", "after": f"{new:.12f}",
                "difference": f"{new - old:.12f}", "causes": {cause: f"{new - old:.12f}"} if new != old else {},
            }
        )  # fmt: skip
    return rows


def _costs() -> dict[tuple[str | None, str], Decimal]:
    rows = (
        CostDaily.objects.order_by()
        .values_list("cost_centre__code", "billing_currency")
        .annotate(Sum("effective_cost"))
    )
    return {(centre, currency): cost for centre, currency, cost in rows}
