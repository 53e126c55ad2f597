"""How the cost of queries is distributed: mean, quantiles, what the dearest hundredth costs, and modes on the log axis.

Two kinds of input give the same figures: bins of log10 cost (20 a decade) with count and exact cost, as the ledger keeps
them, and single costs. Ranks are those of SQL's ``percentile_disc``: the first cost at which the share of queries so far
is as large. Of single costs every figure is exact; of bins sums and the mean are, a quantile is off by less than its bin
is wide (12 %), and the share of the dearest is bounded.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor, log10
from typing import NamedTuple

from allocation.calc.bridge_sides import WIDE, added
from allocation.calc.distribution_modes import Split, split_of
from ingest.calc.price_transparency import BINS_A_DECADE, Cell

STEP = Decimal(1).scaleb(-12)
QUANTILES = {"p50": Fraction(1, 2), "p95": Fraction(19, 20), "p99": Fraction(99, 100)}
TOP = Fraction(1, 100)
ONE_MODE, TWO_MODES, TOO_FEW = "one_mode", "two_modes", "too_few"


class Quantile(NamedTuple):
    """A cost and between which it lies; all three the same where it is exact."""

    value: Decimal
    low: Decimal
    high: Decimal


class Top(NamedTuple):
    """Of the dearest hundredth of queries (rounded up): how many, what they cost, its share, and bounds of the share."""

    queries: int
    spend: Decimal
    share: Fraction
    low: Fraction
    high: Fraction


class Mode(NamedTuple):
    """One mode: all queries that cost ``low`` or more and less than ``high`` (None: without bound)."""

    low: Decimal | None
    high: Decimal | None
    queries: int
    spend: Decimal
    query_share: Fraction
    spend_share: Fraction
    median: Quantile
    mean: Fraction


class Distribution(NamedTuple):
    """Of the queries that cost something. ``without``: those that cost nothing or have no price, in no other figure.

    ``modes``: one, two, or none below the minimum of queries; they exhaust queries and spend, being parted at the emptiest
    bin. ``gap``: the share of queries that would have to move to make one mode of two, ``needed``: what chance may make of it.
    ``bins``: (bin, queries, spend) for the chart, ascending. None: there is no such query.
    """

    queries: int
    spend: Decimal
    without: int
    mean: Fraction | None
    quantiles: dict[str, Quantile]
    top: Top | None
    verdict: str
    modes: list[Mode]
    gap: float | None
    needed: float | None
    bins: list[tuple[int, int, Decimal]]


class _Group(NamedTuple):
    """Queries between two costs, dear to cheap known only as far as ``low`` <= each <= ``high``; ``low`` = ``high``: exactly."""

    low: Decimal
    high: Decimal
    queries: int
    spend: Decimal

    @property
    def each(self) -> Decimal:
        return self.low if self.low == self.high else (self.spend / self.queries).quantize(STEP)


def edge(number: int) -> Decimal:
    """The least cost of a bin: 10 ** (bin / 20)."""
    return WIDE.power(Decimal(10), Decimal(number) / BINS_A_DECADE)


def bin_of(cost: Decimal) -> int:
    """floor(20 x log10(cost)) of a positive cost, by floats as the ledger's bins are."""
    return floor(BINS_A_DECADE * log10(cost))


def of_bins(cells: Iterable[Cell]) -> Distribution:
    """The distribution of queries known by bin; bins of several days, models or tiers may come in any order."""
    counts, spends, without = by_bin(cells)
    bins = [(number, counts[number], spends[number]) for number in sorted(counts)]
    return _of_groups(bins, [_Group(edge(n), edge(n + 1), queries, spend) for n, queries, spend in bins], without)


def by_bin(cells: Iterable[Cell]) -> tuple[dict[int, int], dict[int, Decimal], int]:
    """Queries and their cost by bin, and how many queries cost nothing or have no price.

    Cost without a query is in the nearest bin that has some, so that no money is lost.
    """
    counts: dict[int, int] = defaultdict(int)
    spends: dict[int, Decimal] = defaultdict(Decimal)
    without = 0
    for cell in cells:
        if cell.bin is None:
            without += cell.queries
        else:
            counts[cell.bin] += cell.queries
            spends[cell.bin] = WIDE.add(spends[cell.bin], cell.cost)
    peopled = [number for number in counts if counts[number]]
    for number in sorted(set(counts) - set(peopled)):  # of a bucket's tier that is less than half a query
        if peopled:
            near = min(peopled, key=lambda each: (abs(each - number), each))
            spends[near] = WIDE.add(spends[near], spends[number])
        del counts[number], spends[number]
    return counts, spends, without


def of_costs(costs: Iterable[Decimal | None]) -> Distribution:
    """The distribution of single queries by their costs; None: a part has no price."""
    known, without = [], 0
    for cost in costs:
        if cost is None or cost <= 0:
            without += 1
        else:
            known.append(cost)
    known.sort()
    binned: dict[int, list[Decimal]] = defaultdict(list)
    for cost in known:
        binned[bin_of(cost)].append(cost)
    bins = [(number, len(binned[number]), added(binned[number])) for number in sorted(binned)]
    return _of_groups(bins, [_Group(cost, cost, 1, cost) for cost in known], without)


def _of_groups(bins: list[tuple[int, int, Decimal]], groups: Sequence[_Group], without: int) -> Distribution:
    size, spend = sum(queries for _, queries, _ in bins), added(cost for *_, cost in bins)
    if not size:
        return Distribution(0, spend, without, None, {}, None, TOO_FEW, [], None, None, [])
    split = split_of({number: queries for number, queries, _ in bins})
    return Distribution(
        size, spend, without, Fraction(spend) / size,
        {name: _quantile(groups, part) for name, part in QUANTILES.items()}, _top(groups, size, spend),
        _verdict(split), _modes(groups, split, size, spend), split and split.gap, split and split.needed, bins,
    )  # fmt: skip


def _verdict(split: Split | None) -> str:
    if split is None:
        return TOO_FEW
    return ONE_MODE if split.at is None else TWO_MODES


def _modes(groups: Sequence[_Group], split: Split | None, size: int, spend: Decimal) -> list[Mode]:
    if split is None:
        return []
    parts: list[tuple[Decimal | None, Decimal | None, Sequence[_Group]]]
    if split.at is None:
        parts = [(None, None, groups)]
    else:
        bound = edge(split.at)
        below = [group for group in groups if group.low < bound]
        parts = [(None, bound, below), (bound, None, groups[len(below) :])]
    return [_mode(low, high, part, size, spend) for low, high, part in parts]


def _mode(low: Decimal | None, high: Decimal | None, groups: Sequence[_Group], size: int, spend: Decimal) -> Mode:
    queries, cost = sum(group.queries for group in groups), added(group.spend for group in groups)
    shares = Fraction(queries, size), Fraction(cost) / Fraction(spend)
    return Mode(low, high, queries, cost, *shares, _quantile(groups, QUANTILES["p50"]), Fraction(cost) / queries)


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


def _quantile(groups: Sequence[_Group], part: Fraction) -> Quantile:
    left = _ceil(part * sum(group.queries for group in groups))
    for group in groups:
        left -= group.queries
        if left <= 0:
            return Quantile(group.each, group.low, group.high)
    raise AssertionError("the rank lies within the queries")


def _top(groups: Sequence[_Group], size: int, spend: Decimal) -> Top:
    """Of the bin in which the hundredth ends as many as are needed: at least its mean each, at most its upper bound each, or
    all that the others leave, each of which costs its lower bound or more.
    """
    wanted = left = _ceil(TOP * size)
    sure = Decimal(0)
    least = most = Fraction(0)
    for group in reversed(groups):
        if group.queries > left:
            least = Fraction(group.spend) * left / group.queries
            rest = Fraction(group.spend) - (group.queries - left) * Fraction(group.low)
            most = max(min(left * Fraction(group.high), rest), least)
            break
        sure, left = WIDE.add(sure, group.spend), left - group.queries
        if not left:
            break
    low, high = ((Fraction(sure) + more) / Fraction(spend) for more in (least, most))
    cost = WIDE.add(sure, WIDE.divide(Decimal(least.numerator), Decimal(least.denominator)).quantize(STEP))
    return Top(wanted, cost, low, low, high)
