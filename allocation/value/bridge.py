"""Reads of the cost bridge and of the monthly indices: a bounded number of queries, whatever the number of calls."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.db.models import Q, Sum

from allocation import selectors
from allocation.calc.bridge import Bridge, bridge
from allocation.calc.bridge_sides import Cell, Count, Fixed, Line, Side, added
from allocation.calc.indices import Index, Month, chained_indices
from allocation.models import Basis, CostDaily
from allocation.scope import Scope
from allocation.selectors import CostQuery, QueryError
from allocation.value.shares import USAGE, shares
from finops.focus import COST_COLUMNS, FIELDS

# How the bridge's cells are asked for: FOCUS column -> dimension of a cell.
DIMENSIONS = {
    "x_CostCentre": "cost_centre", "x_Team": "team", "ServiceProviderName": "provider", "x_Model": "model",
    "x_QueryTier": "tier", "x_Environment": "environment", "x_Feature": "feature",
}  # fmt: skip
_CELL = ("cost_centre__code", "team__code", "environment", "feature", "provider", "model", "tier")  # as a cell has them
_GROUP = (*_CELL, "service", "price_class", "original_currency", "fx_rate", "effect")
_COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
_MOVED = (Basis.SHARED, Basis.VARIANCE)  # rows of cost_daily that no charge stands behind
ZERO = Decimal(0)


class _Read(NamedTuple):
    """What the database says of one side."""

    shares: list[dict[str, Any]]
    daily: list[dict[str, Any]]


def cost_bridge(scope: Scope, before: CostQuery, after: CostQuery, column: str = "EffectiveCost") -> Bridge:
    """Why ``after`` costs more than ``before``: any two periods and filters of one currency, within a scope.

    Where the two filter differently on a dimension they are compared without it: by what else they differ. Grouping and
    ``restated`` of the questions do not count: cost is as it was charged. Raises QueryError.
    """
    if before.currency != after.currency:
        raise QueryError(f"cannot compare {before.currency} with {after.currency}: a bridge has one currency")
    if column not in COST_COLUMNS:
        raise QueryError(f"no cost column {column!r}; possible: {', '.join(COST_COLUMNS)}")
    differ = [
        field for name, field in DIMENSIONS.items()
        if sorted(before.filters.get(name, ())) != sorted(after.filters.get(name, ()))
    ]  # fmt: skip
    one, two = (_side(_read(scope, query, column), column) for query in (before, after))
    return bridge(one, two, ignoring=differ)


def monthly_indices(scope: Scope, query: CostQuery, column: str = "EffectiveCost") -> list[Index]:
    """The chained indices of the months of a period; days of a month outside of it do not count. One query."""
    frame = selectors.costs(scope, replace(query, group_by=("ChargeDate",)))
    sums: dict[str, list[Any]] = defaultdict(lambda: [ZERO, 0, 0, 0])
    for day, *values in zip(
        *(frame[name] for name in ("ChargeDate", column, "Queries", "Requests", "x_Tokens")), strict=True
    ):
        month = sums[f"{day:%Y-%m}"]
        sums[f"{day:%Y-%m}"] = [a + b for a, b in zip(month, values, strict=True)]
    return chained_indices([Month(name, *sums[name]) for name in _months(query)])


def _months(query: CostQuery) -> list[str]:
    return sorted({f"{day:%Y-%m}" for day in query.period.days()})


def _read(scope: Scope, query: CostQuery, column: str) -> _Read:
    sums = {f"sum_{name}": Sum(name) for name in ("quantity", *_COSTS)}
    found = shares(scope, query).values(*_GROUP).annotate(**sums)
    daily = selectors.filtered(scope, CostDaily.objects.all(), query).filter(billing_currency=query.currency)
    sums = {
        "queries": Sum("queries"), "requests": Sum("requests"), "cost": Sum(FIELDS[column]),
        "estimated": Sum(FIELDS[column], filter=Q(tier_estimated=True)),
    }  # fmt: skip
    counted = daily.order_by().values(*_CELL, "basis").annotate(**{f"sum_{name}": each for name, each in sums.items()})
    return _Read(list(found), list(counted))


def _side(read: _Read, column: str) -> Side:
    lines: list[Line] = []
    counts: list[Count] = []
    fixed: list[Fixed] = []
    for row in read.shares:
        cell = Cell(*(row[name] for name in _CELL))
        if row["effect"] == USAGE:
            lines.append(_line(cell, row, column))
        else:
            fixed.append(Fixed(cell, row["effect"], row[f"sum_{FIELDS[column]}"] or ZERO))
    for row in read.daily:
        cell = Cell(*(row[name] for name in _CELL))
        if row["sum_queries"] or row["sum_requests"]:
            counts.append(Count(cell, row["sum_queries"], row["sum_requests"]))
        if row["basis"] in _MOVED:
            fixed.append(Fixed(cell, "shared", row["sum_cost"]))
    tiered = [row for row in read.daily if row["tier"]]
    tiers = [added(row[name] or ZERO for row in tiered) for name in ("sum_cost", "sum_estimated")]
    return Side(lines, counts, fixed, *tiers)


def _line(cell: Cell, row: Mapping[str, Any], column: str) -> Line:
    """Usage with its cost at list, contracted and as asked for; NULL (unpriced, or not of this column) is no cost."""
    listed, contracted, cost = (row[f"sum_{name}"] or ZERO for name in ("list_cost", "contracted_cost", FIELDS[column]))
    if column == "ListCost":
        contracted = listed
    rate = Fraction(row["fx_rate"] or 1)
    currency = row["original_currency"]
    return Line(
        cell, row["service"], row["price_class"], row["sum_quantity"], Fraction(listed) / rate, listed, contracted, cost,
        currency,
    )  # fmt: skip
