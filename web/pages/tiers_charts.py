"""Drawings of the page Tiers & agents: lines of cost per query by tier, and its distribution with modes and marks.

Figures in, places in a box 1000 wide out; text is HTML beside the drawing. Floats begin here.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import log10
from typing import NamedTuple

from allocation.calc.distribution import Distribution
from allocation.calc.tier_table import Point
from allocation.value.tiers import Distributions
from ingest.calc.price_transparency import BINS_A_DECADE
from web import formats, tier_words
from web.dimensions import tier_name
from web.pages.charts import BOX, Lines, Tick, joined

HEIGHT = 300
_BINS = 4  # of a twentieth of a decade in one bar: five bars a decade can be read
_ROOM, _LEVELS, _NEAR = (
    0.30,
    4,
    13.0,
)  # part of the height for marks; their rows; per cent within which two would collide


class Bar(NamedTuple):
    """A part of a column: tier, place and size in the box, and what it says."""

    tier: str
    left: float
    top: float
    width: float
    height: float
    text: str


class Mark(NamedTuple):
    """A figure on the axis of cost: its name and amount, place in per cent, row of its label, and whether that stands left."""

    name: str
    amount: str
    at: float
    row: int
    leftward: bool


class Histogram(NamedTuple):
    """Shares of queries upwards and of cost downwards from ``zero`` (in the box), by tier; ``valley``: between two modes."""

    bars: list[Bar]
    zero: float
    valley: float | None
    ticks: list[Tick]
    marks: list[Mark]


class Month(NamedTuple):
    """A row of the table behind the lines: each tier's point, in the order of the lines."""

    start: date
    points: list[Point]


def monthly_lines(lines: Mapping[str, Sequence[Point]], currency: str) -> tuple[Lines, Lines | None]:
    """Known cost per query by tier, and dashed over it that of queries whose tier is estimated (None: there are none)."""
    names = [f"{_start(point):%b %y}" for point in next(iter(lines.values()), ())]
    known = [(tier, [_decimal(point.cost_per_query) for point in points]) for tier, points in lines.items()]
    guessed = [(tier, [_decimal(point.estimated_cost_per_query) for point in points]) for tier, points in lines.items()]
    both = [*known, *((f"{tier} estimated", values) for tier, values in guessed)]
    found = joined(both, names, lambda value: formats.unit_cost(Decimal(f"{value:.6g}"), currency))
    own = len(known)
    labels = [label for label in found.labels if not label.name.endswith("estimated")]
    solid = found._replace(paths=found.paths[:own], dots=found.dots[:own], labels=labels)
    dashed = found._replace(paths=_of_tiers(lines, found.paths[own:]), dots=_of_tiers(lines, found.dots[own:]))
    return solid, dashed if any(path for _, path in dashed.paths) else None


def _of_tiers(lines: Mapping[str, Sequence[Point]], paths: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(tier, path) for tier, (_, path) in zip(lines, paths, strict=True)]


def by_month(lines: Mapping[str, Sequence[Point]]) -> list[Month]:
    """The months that any tier has queries or cost in, oldest first."""
    rows = [Month(_start(points[0]), list(points)) for points in zip(*lines.values(), strict=True)]
    return [row for row in rows if any(_holds(point) for point in row.points)]


def histogram(found: Distributions, currency: str) -> Histogram | None:
    """The distribution; None without a query that costs something."""
    whole = found.whole
    if not whole.bins:
        return None
    valley = _valley(whole)
    anchor = valley or 0
    columns: dict[int, dict[str, list[Decimal]]] = {}
    for tier, part in found.tiers.items():
        for number, queries, cost in part.bins:
            sums = columns.setdefault((number - anchor) // _BINS, {}).setdefault(tier, [Decimal(0), Decimal(0)])
            sums[0] += queries
            sums[1] += cost
    first, last = min(columns) - 1, max(columns) + 1
    width = BOX / (last - first + 1)
    most = [max(sum(float(sums[n]) for sums in column.values()) for column in columns.values()) for n in (0, 1)]
    up, down = most[0] / whole.queries, most[1] / float(whole.spend)
    unit = HEIGHT * (1 - _ROOM) / (up + down)
    zero = HEIGHT * _ROOM + up * unit
    bars: list[Bar] = []
    for place, column in sorted(columns.items()):
        left, above, below = (place - first) * width, zero, zero
        for tier in (name for name in found.tiers if name in column):
            many, spent = column[tier]
            tall, deep = float(many) / whole.queries * unit, float(spent) / float(whole.spend) * unit
            text = _said(tier, (place * _BINS + anchor, many, spent), whole, currency)
            above -= tall
            bars.append(Bar(tier, round(left, 2), round(above, 2), round(width * 0.94, 2), round(tall, 2), text))
            bars.append(Bar(tier, round(left, 2), round(below, 2), round(width * 0.94, 2), round(deep, 2), text))
            below += deep
    axis = _Axis((first * _BINS + anchor) / BINS_A_DECADE, (last + 1) * _BINS + anchor)
    return Histogram(
        bars, round(zero, 2), None if valley is None else axis.at(valley / BINS_A_DECADE) * BOX / 100, axis.ticks(currency),
        _marks(whole, axis, currency),
    )  # fmt: skip


class _Axis:
    """log10 of cost to per cent from the left."""

    def __init__(self, low: float, end: int) -> None:
        self.low, self.high = low, end / BINS_A_DECADE

    def at(self, log: float) -> float:
        return round((log - self.low) / (self.high - self.low) * 100, 3)

    def ticks(self, currency: str) -> list[Tick]:
        decades = [n for n in range(-12, 10) if self.low <= n <= self.high]
        every = 1 if len(decades) <= 6 else 2
        return [
            Tick(formats.unit_cost(Decimal(10) ** n, currency), self.at(n))
            for n in decades
            if n % every == 0 and 3 < self.at(n) < 97
        ]


def _marks(whole: Distribution, axis: _Axis, currency: str) -> list[Mark]:
    """Median, mean, p95 and p99, dearest first on the lowest row, so that no line runs through a label."""
    assert whole.mean is not None
    values = [("median", whole.quantiles["p50"].value), ("mean", _decimal(whole.mean) or Decimal(0))]
    values += [(name, whole.quantiles[name].value) for name in ("p95", "p99")]
    ordered = sorted(((name, value, axis.at(log10(value))) for name, value in values), key=lambda each: each[2])
    return [
        Mark(name, tier_words.each(value, currency), at, number, at > 72)
        for number, (name, value, at) in enumerate(ordered)
    ]


def _valley(whole: Distribution) -> int | None:
    bounds = [mode.high for mode in whole.modes if mode.high is not None]
    return round(BINS_A_DECADE * log10(bounds[0])) if bounds else None


def _said(tier: str, column: tuple[int, Decimal, Decimal], whole: Distribution, currency: str) -> str:
    start, queries, cost = column
    low, high = (formats.unit_cost(Decimal(10 ** (n / BINS_A_DECADE)), currency) for n in (start, start + _BINS))
    return (
        f"{tier_name(tier)}, {low} to {high} a query: {formats.whole(int(queries))} queries, "
        f"{formats.percent(queries / whole.queries)} of all; {formats.money(cost, currency)}, "
        f"{formats.percent(cost / whole.spend)} of cost"
    )


def _start(point: Point) -> date:
    return date.fromisoformat(f"{point.month}-01")


def _holds(point: Point) -> bool:
    return bool(point.queries or point.spend or point.estimated_queries or point.estimated_spend)


def _decimal(value: Fraction | None) -> Decimal | None:
    return None if value is None else Decimal(value.numerator) / Decimal(value.denominator)
