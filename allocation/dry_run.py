"""What the rules in force would change, without changing it."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
from django.db.models import Sum

from allocation import rulebook
from allocation.calc import assign as assigning
from allocation.calc.rules import assign
from allocation.models import AllocatedCost, Charge
from finops.periods import Period
from ingest.selectors import key_dimensions

UNALLOCATED = "(unallocated)"
_MONEY = pa.decimal128(30, 12)


def allocation_diff(period: Period) -> list[dict[str, Any]]:
    """Effective cost per cost centre and currency as allocated now (before) and by the rules in force (after), as strings.

    Rows are ordered by code; those without a difference are there too, so that totals can be compared.
    """
    before: dict[tuple[str, str], Decimal] = {}
    rows = AllocatedCost.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    for code, currency, cost in rows.values_list("cost_centre__code", "charge__billing_currency").annotate(
        cost=Sum("effective_cost")
    ):
        before[code or UNALLOCATED, currency] = cost or Decimal(0)
    after: dict[tuple[str, str], Decimal] = {}
    charges = Charge.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    for day in charges.order_by("charge_date").values_list("charge_date", flat=True).distinct():
        _add_day(day, after)
    zero = Decimal(0)
    return [
        {
            "cost_centre": code, "currency": currency, "before": f"{before.get((code, currency), zero):.12f}",
            "after": f"{after.get((code, currency), zero):.12f}",
            "difference": f"{after.get((code, currency), zero) - before.get((code, currency), zero):.12f}",
        }
        for code, currency in sorted(before.keys() | after.keys())
    ]  # fmt: skip


def _add_day(day: Any, sums: dict[tuple[str, str], Decimal]) -> None:
    rows = list(
        Charge.objects.filter(charge_date=day).values_list("usage_key_id", "billing_currency", "effective_cost")
    )
    keys, currencies, costs = zip(*rows, strict=True)
    parts = assigning.parts(keys, assign(key_dimensions(set(keys)), rulebook.in_force().rules, day))
    shared = assigning.shares(pa.array(costs, _MONEY), parts).to_pylist()
    for row, code, cost in zip(parts.row, parts.cost_centre, shared, strict=True):
        place = (code or UNALLOCATED, currencies[row])
        sums[place] = sums.get(place, Decimal(0)) + (cost or 0)
