"""Small pure steps from a selector's frame to what a block shows. Money stays decimal until a chart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from finops.focus import COST_COLUMNS
from finops.frames import require_columns
from finops.money import require_money, total
from web.dimensions import OTHER, tier_rank

ZERO = Decimal(0)
COUNTS = ("Requests", "Queries", "x_Tokens", "x_UnpricedTokens", "x_EstimatedQueries", "x_BillPricedTokens")


@dataclass(frozen=True)
class Line:
    """One row of a table: a value of a dimension (None: unallocated) with its cost now and before."""

    name: str | None
    cost: Decimal
    before: Decimal = ZERO
    requests: int = 0
    queries: int = 0
    members: int = 1

    @property
    def delta(self) -> Decimal:
        """What it costs more than before."""
        return self.cost - self.before

    def share_of(self, whole: Decimal) -> Decimal | None:
        """Its part of a total; None where the total is not positive."""
        return self.cost / whole if whole > 0 else None


@dataclass(frozen=True)
class Totals:
    """Everything in a frame of costs, added up."""

    cost: Decimal = ZERO
    unpriced_estimate: Decimal = ZERO
    requests: int = 0
    queries: int = 0
    tokens: int = 0
    unpriced_tokens: int = 0
    estimated_queries: int = 0
    bill_priced_tokens: int = 0  # without a price, and a bill states their money

    @property
    def per_query(self) -> Decimal | None:
        """Mean cost of a query."""
        return self.cost / self.queries if self.queries else None

    @property
    def coverage(self) -> Decimal | None:
        """Part of the tokens that has a price."""
        return 1 - Decimal(self.unpriced_tokens) / self.tokens if self.tokens else None


@dataclass(frozen=True)
class Quantiles:
    """Where the queries of a distribution lie: median and p99 within one bin (12 %), the mean exact."""

    median: float
    p99: float
    mean: Decimal
    queries: int


def totals(frame: pd.DataFrame, column: str) -> Totals:
    """Add up a frame of costs."""
    require_columns(frame, [column, *COUNTS], name="costs")
    require_money(frame, [column, "x_UnpricedEstimate"])
    counts = (int(frame[name].sum()) for name in COUNTS)
    return Totals(total(frame[column]), total(frame["x_UnpricedEstimate"]), *counts)


def lines(now: pd.DataFrame, before: pd.DataFrame, key: str, column: str) -> list[Line]:
    """One line per value of ``key`` in either frame, dearest first, ties by name.

    Invariant: the costs add up to the total of ``now`` and the former costs to that of ``before``.
    """
    require_money(now, [column])
    found: dict[str | None, list[Any]] = {}
    for row in _rows(now, key, column, "Requests", "Queries"):
        entry = found.setdefault(row[0], [ZERO, ZERO, 0, 0])
        entry[0], entry[2], entry[3] = entry[0] + row[1], entry[2] + row[2], entry[3] + row[3]
    for name, cost in _rows(before, key, column):
        found.setdefault(name, [ZERO, ZERO, 0, 0])[1] += cost
    return sorted(
        (Line(name, *values) for name, values in found.items()), key=lambda line: (-line.cost, line.name or "")
    )


def top(rows: Sequence[Line], most: int = 9, *, by: Callable[[Line], Decimal] = lambda line: line.cost) -> list[Line]:
    """The ``most`` largest lines and one *Other* that holds the rest, so that the totals stay."""
    ranked = sorted(rows, key=lambda line: (-abs(by(line)), line.name or ""))
    if len(ranked) <= most + 1:
        return ranked
    return [*ranked[:most], together(ranked[most:], OTHER)]


def together(rows: Sequence[Line], name: str) -> Line:
    """Lines as one."""
    return Line(
        name,
        sum((line.cost for line in rows), ZERO),
        sum((line.before for line in rows), ZERO),
        sum(line.requests for line in rows),
        sum(line.queries for line in rows),
        len(rows),
    )


def in_tier_order(rows: Sequence[Line]) -> list[Line]:
    """Simple to research; what has no tier last."""
    return sorted(rows, key=lambda line: (tier_rank(line.name), line.name or ""))


def series(frame: pd.DataFrame, key: str, column: str, days: Sequence[date]) -> dict[str | None, list[Decimal]]:
    """Cost per day for each value of ``key``; days without any are 0."""
    place = {day: index for index, day in enumerate(days)}
    found: dict[str | None, list[Decimal]] = {}
    for name, day, cost in _rows(frame, key, "ChargeDate", column):
        values = found.setdefault(name, [ZERO] * len(days))
        if (index := place.get(as_date(day))) is not None:
            values[index] += cost
    return found


def until(frame: pd.DataFrame, end: date) -> pd.DataFrame:
    """The rows before a day."""
    return frame.loc[np.array([as_date(day) < end for day in frame["ChargeDate"].to_list()], dtype=bool)]


def last_day(frame: pd.DataFrame) -> date | None:
    """The last day that a frame has."""
    return max((as_date(day) for day in frame["ChargeDate"].to_list()), default=None)


def quantiles(distribution: pd.DataFrame) -> Quantiles | None:
    """Median, p99 and mean of the queries that have a bin; None without any."""
    rows = sorted(binned(distribution))
    queries = sum(row[2] for row in rows)
    if queries == 0:
        return None
    cost = sum((row[3] for row in rows), ZERO)
    return Quantiles(_quantile(rows, 0.5, queries), _quantile(rows, 0.99, queries), cost / queries, queries)


def binned(distribution: pd.DataFrame) -> list[tuple[int, str, int, Decimal]]:
    """(bin, tier, queries, cost) of the queries that have a bin."""
    require_columns(distribution, ["x_QueryTier", "Bin", "Queries", "Cost"], name="distribution")
    return [
        (int(place), str(tier or ""), int(queries), cost)
        for place, tier, queries, cost in _rows(distribution, "Bin", "x_QueryTier", "Queries", "Cost")
        if place is not None
    ]


def as_date(value: Any) -> date:
    """A day from a date, a Timestamp or its text."""
    return value if type(value) is date else date.fromisoformat(str(value)[:10])


def _quantile(rows: list[tuple[int, str, int, Decimal]], part: float, queries: int) -> float:
    seen = 0
    for place, _, number, _ in rows:
        seen += number
        if seen >= part * queries:
            return float(10 ** ((place + 0.5) / 20))
    raise AssertionError("the parts add up to less than the whole")  # pragma: no cover


def _rows(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    require_columns(frame, columns)
    values = [[None if _missing(value) else value for value in frame[name].to_list()] for name in columns]
    money = [name in COST_COLUMNS or name == "Cost" for name in columns]
    filled = [
        [ZERO if value is None else value for value in column] if exact else column
        for column, exact in zip(values, money, strict=True)
    ]
    return list(zip(*filled, strict=True))


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)
