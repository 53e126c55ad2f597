"""Who pays what more or less, and why: cost before and after a change that is made for good, or only to look."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction

from allocation.selectors import UNALLOCATED
from finops.periods import Period

ZERO = Decimal(0)


class _Cost(NamedTuple):
    effective: Decimal
    list: Decimal
    unpriced: bool


def compare(
    period: Period, change: Callable[[], Any], *, dry_run: bool, without: Iterable[date] = (), cause: str = ""
) -> list[dict[str, Any]]:
    """Effective cost per cost centre and currency before and after ``change``, as strings with 12 decimals.

    ``causes`` sums to the difference: price (list price of priced usage), newly_priced, agreement (what contracts,
    commitments and capacity make of the list price), charge (of no call), bill (what bills state beyond the computed); or
    ``cause`` alone, where one is named. ``without``: first days of months that are left out.
    The change is really made, in one transaction, and rolled back for a dry run: what it says is what will happen.
    """
    with transaction.atomic():
        before = _costs(period, list(without))
        change()
        after = _costs(period, list(without))
        if dry_run:
            transaction.set_rollback(True)
    sums: dict[Any, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    causes: dict[Any, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    nothing = _Cost(ZERO, ZERO, unpriced=False)
    for place in before.keys() | after.keys():
        centre, currency, kind, _ = place
        old, new = before.get(place, nothing), after.get(place, nothing)
        sums[centre, currency][0] += old.effective
        sums[centre, currency][1] += new.effective
        listed = new.list - old.list
        if cause:
            causes[centre, currency][cause] += new.effective - old.effective
        elif kind == "usage":
            causes[centre, currency]["newly_priced" if old.unpriced and not old.list else "price"] += listed
            causes[centre, currency]["agreement"] += new.effective - old.effective - listed
        else:
            causes[centre, currency][kind] += new.effective - old.effective
    return [
        {
            "cost_centre": centre or UNALLOCATED, "currency": currency, "before": f"{old:.12f}", "after": f"{new:.12f}",
            "difference": f"{new - old:.12f}",
            "causes": {name: f"{cost:.12f}" for name, cost in sorted(causes[centre, currency].items()) if cost},
        }
        for (centre, currency), (old, new) in sorted(sums.items(), key=lambda item: (item[0][0] or UNALLOCATED, item[0][1]))
    ]  # fmt: skip


def _costs(period: Period, without: list[date]) -> dict[tuple[str | None, str, str, str], _Cost]:
    """(cost centre, currency, what kind of charge, SKU) -> its cost."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o.code, c.billing_currency, CASE WHEN c.provenance = 'billed' THEN 'bill' WHEN c.tier = '' THEN "
            "'charge' ELSE 'usage' END, c.sku_id, coalesce(sum(a.effective_cost), 0), coalesce(sum(a.list_cost), 0), "
            "bool_or(c.list_cost IS NULL AND c.effective_cost IS NULL) FROM allocated_cost a "
            "JOIN charge c ON c.id = a.charge_id LEFT JOIN allocation_costcentre o ON o.id = a.cost_centre_id "
            "WHERE a.charge_date >= %s AND a.charge_date < %s "
            "AND NOT date_trunc('month', a.charge_date)::date = ANY(%s) GROUP BY 1, 2, 3, 4",
            [period.start, period.end, without],
        )
        return {row[:4]: _Cost(*row[4:]) for row in cursor.fetchall()}
