"""What single queries may cost: caps (how many cost more, and how much money lies above) and watch bands.

Queries are known by bins of their cost (20 a decade), with count and exact cost. All bins but one lie wholly on one side of a
cap; of that one the single costs decide. With them every figure is exact, without them it is told between which two it lies.
A query of a provider's bucket is known by its average alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from allocation.calc.bridge_sides import added
from allocation.calc.distribution import bin_of, by_bin, edge
from finops.money import SCALE
from forecasting.calc.alerting import Signal
from forecasting.calc.watch_policy import Bands
from ingest.calc.price_transparency import Cell

_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_STEP = Decimal(1).scaleb(-SCALE)
_NOTHING = Decimal(0)


class CapError(ValueError):
    """Queries cannot be held against a cap; the message says why."""


class Cap(NamedTuple):
    """What a query of some kind may cost at most; ``subject`` names it in alerts. ``severity``: of a breach."""

    subject: str
    most: Decimal
    severity: str


class Costs(NamedTuple):
    """Queries of one cost: how many, and what each of them costs."""

    each: Decimal
    queries: int


class Breaches(NamedTuple):
    """Queries above a cap. ``low`` and ``high``: bounds of their number; ``above_low``, ``above_high``: of the money above it.

    ``queries``: all that cost something; ``without``: those that cost nothing or have no price, of which none is counted.
    """

    queries: int
    without: int
    low: int
    high: int
    above_low: Decimal
    above_high: Decimal

    @property
    def exact(self) -> bool:
        """Whether number and money are known exactly."""
        return self.low == self.high and self.above_low == self.above_high


class Band(NamedTuple):
    """Queries that cost ``low`` or more and less than ``high`` (None: no bound): how many, and what they cost."""

    low: Decimal | None
    high: Decimal | None
    queries: int
    cost: Decimal


class Move(NamedTuple):
    """The mean cost of a query moved from one band into another on a day (bands count from 0, the cheapest)."""

    group: str
    day: str
    before: int
    now: int
    mean: Decimal
    queries: int
    cost: Decimal


def undecided(most: Decimal) -> int:
    """The bin whose single costs decide, for whoever reads them. Raises CapError."""
    if not most.is_finite() or most <= 0:
        raise CapError(f"a cap is an amount above 0, not {most}")
    return bin_of(most)


def breaches(cells: Iterable[Cell], most: Decimal, single: Sequence[Costs] | None = None) -> Breaches:
    """Queries above ``most``; one that costs just as much is none.

    In: bins in any order; ``single``: the queries of the undecided bin. Raises CapError where they are others than that bin's.
    """
    middle = undecided(most)
    sizes, sums, without = by_bin(cells)
    size, spend = sizes.pop(middle, 0), sums.pop(middle, _NOTHING)
    over = [number for number in sizes if number > middle]
    count = sum(sizes[number] for number in over)
    above = _above(added(sums[number] for number in over), count, most)
    queries = sum(sizes.values()) + size
    if single is not None:
        if sum(one.queries for one in single) != size:
            raise CapError(f"{sum(one.queries for one in single)} single costs for the {size} queries around {most}")
        dear = [one for one in single if one.each > most]
        more = sum(one.queries for one in dear)
        cost = added(_WIDE.multiply(one.each, Decimal(one.queries)) for one in dear)
        above = _WIDE.add(above, _above(cost, more, most))
        return Breaches(queries, without, count + more, count + more, above, above)
    if not size:
        return Breaches(queries, without, count, count, above, above)
    least, top = _bounds(size, spend, most, edge(middle), edge(middle + 1))
    return Breaches(
        queries, without, count + least[0], count + top[0], _WIDE.add(above, least[1]), _WIDE.add(above, top[1])
    )


def _bounds(
    size: int, spend: Decimal, most: Decimal, low: Decimal, high: Decimal
) -> tuple[tuple[int, Decimal], tuple[int, Decimal]]:
    """Least and largest number of queries above the cap, and money above it, of a bin of which count and cost are known.

    Number: those below the cap cost ``low`` at least, those above ``high`` at most. Money: none lies above where all cost the
    same below it; the most does where as many as possible cost ``high`` and the others ``low``.
    """
    whole, cap, bottom, top = (Fraction(value) for value in (spend, most, low, high))
    beyond = max(whole - size * cap, Fraction(0))  # what cannot lie below the cap
    spare = max(whole - size * bottom, Fraction(0))  # what lies above the cheapest that all may be
    least = min(max(_ceil(beyond / (top - cap)), 1), size) if beyond else 0
    largest = size if beyond else 0  # of a cap at the edge, where all cost as much or more
    if cap > bottom:
        largest = max(min(_ceil(spare / (cap - bottom)) - 1, size), least)
    money = max(min(spare / (top - bottom), Fraction(size)) * (top - cap), beyond) if largest else Fraction(0)
    return (least, _decimal(beyond)), (largest, _decimal(money))


def banded(cells: Iterable[Cell], edges: Sequence[Decimal]) -> list[Band]:
    """Queries by band, exhausting them: len(edges) + 1 bands, ascending. Raises CapError where an edge is no edge of a bin."""
    numbers = []
    for one in edges:
        number = undecided(one)
        if edge(number) != one:
            near = ", ".join(f"{edge(at).normalize():.6g}" for at in (number, number + 1))
            raise CapError(
                f"{one} lies inside a bin: bands of bins have their edges, here {near}; or count single costs"
            )
        numbers.append(number)
    sizes, sums, _ = by_bin(cells)
    bounds = [None, *edges, None]
    found = []
    for at, (low, high) in enumerate(pairwise(bounds)):
        inside = [
            number for number in sizes
            if (at == 0 or number >= numbers[at - 1]) and (at == len(numbers) or number < numbers[at])
        ]  # fmt: skip
        found.append(Band(low, high, sum(sizes[number] for number in inside), added(sums[number] for number in inside)))
    return found


def moves(group: str, days: Sequence[tuple[str, int, Decimal]], given: Bands) -> list[Move]:
    """The days on which the mean cost of a query of a tier or feature left its band.

    In: (day, queries, cost) in order; days of too few queries say nothing. A mean leaves its band by the margin beyond the
    edge, so that one that lies on an edge does not move every day; the first day sets the band.
    """
    found: list[Move] = []
    held: int | None = None
    for day, queries, cost in days:
        if queries < given.queries:
            continue
        mean = _WIDE.divide(cost, Decimal(queries))
        at = sum(mean >= one for one in given.edges)
        if held is None:
            held = at
        elif at != held and _beyond(mean, held, at, given):
            found.append(Move(group, day, held, at, _WIDE.quantize(mean, _STEP), queries, cost))
            held = at
    return found


def _beyond(mean: Decimal, held: int, at: int, given: Bands) -> bool:
    if at > held:
        return mean >= _WIDE.multiply(given.edges[held], 1 + given.margin)
    return mean < _WIDE.multiply(given.edges[held - 1], 1 - given.margin)


def signals(caps: Sequence[Cap], found: Mapping[str, Breaches]) -> list[Signal]:
    """A signal for every cap that is broken for sure; the money at stake is at least what lies above it."""
    told = []
    for cap in caps:
        one = found.get(cap.subject)
        if one is None or not one.low:
            continue
        number = f"{one.low:,}" if one.low == one.high else f"{one.low:,} to {one.high:,}"
        why = f"{number} of {one.queries:,} queries cost more than {cap.most.normalize():f}: {one.above_low:,.2f} above it"
        told.append(Signal(cap.subject, "query_cap", cap.severity, one.above_low, why))
    return told


def _above(cost: Decimal, queries: int, most: Decimal) -> Decimal:
    return _WIDE.subtract(cost, _WIDE.multiply(most, Decimal(queries)))


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


def _decimal(value: Fraction) -> Decimal:
    return _WIDE.quantize(_WIDE.divide(Decimal(value.numerator), Decimal(value.denominator)), _STEP)
