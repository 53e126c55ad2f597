"""Intervals for money whose tier is estimated: by measured errors of the reference, by chance of what was observed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

from allocation.calc.bucket_errors import LEVELS, Measured
from finops.focus import TIERS

ZERO = Decimal(0)
_STEP = Decimal(1).scaleb(-12)
_Z = [NormalDist().inv_cdf((1 + float(level)) / 2) for level in LEVELS]


class Group(NamedTuple):
    """Estimated cost by tier of one provider and model. ``parts``: of it by what it was spread: source -> part of one.

    ``deviation``: standard deviations of the shares of spend that rest on observed queries; empty: nothing is observed.
    """

    cost: Mapping[str, Decimal]
    reference: Decimal
    observed: Decimal
    deviation: Mapping[str, float]


class Bounds(NamedTuple):
    """A tier's estimated cost, and between what it lies at each of LEVELS; None where no error was measured."""

    tier: str
    cost: Decimal
    share: Decimal  # of all estimated cost
    low: tuple[Decimal | None, ...]
    high: tuple[Decimal | None, ...]


def bounds(groups: Sequence[Group], measured: Mapping[str, Measured]) -> list[Bounds]:
    """Bounds of the estimated cost of each tier that has any, or may.

    Errors are added up as if all buckets erred the same way: the shape of the reference is wrong for all of them alike.
    """
    sums = {tier: sum((group.cost.get(tier, ZERO) for group in groups), ZERO) for tier in TIERS}
    whole = sum(sums.values(), ZERO)
    if whole <= 0:
        return []
    found = []
    for tier in TIERS:
        reaches = [_reach(groups, tier, n, measured) for n in range(len(LEVELS))]
        if not sums[tier] and not any(reaches):
            continue
        low = tuple(None if by is None else max(sums[tier] - by, ZERO) for by in reaches)
        high = tuple(None if by is None else min(sums[tier] + by, whole) for by in reaches)
        found.append(Bounds(tier, sums[tier], (sums[tier] / whole).quantize(_STEP), low, high))
    return found


def _reach(groups: Sequence[Group], tier: str, level: int, measured: Mapping[str, Measured]) -> Decimal | None:
    """By how much money a tier may be off; None: of some of it no error was measured."""
    reach = ZERO
    for group in groups:
        of = sum(group.cost.values(), ZERO)
        if group.reference and tier in measured:
            reach += of * group.reference * measured[tier].reach[level]
        elif group.reference and group.cost.get(tier):
            return None
        if group.observed:
            reach += of * group.observed * Decimal(_Z[level] * group.deviation.get(tier, 0.0))
    return reach.quantize(_STEP)


def deviations(bins: Sequence[tuple[str, int | None, int, Decimal]], seen: int, requests: int) -> dict[str, float]:
    """Standard deviation of each tier's share of spend in a bucket of so many requests, by so many queries seen.

    In: (tier, bin, queries, cost) of what such queries cost. The share is a ratio of sums; its variance by the delta method,
    (1 / seen + 1 / requests) x E[c^2 (of the tier - share)^2] / E[c]^2, a bin's queries at their mean.
    """
    priced = [(tier, queries, float(cost)) for tier, number, queries, cost in bins if number is not None and cost > 0]
    whole, count = sum(cost for *_, cost in priced), sum(queries for _, queries, _ in priced)
    if not whole or not count or not seen:
        return {}
    found = {}
    for tier in TIERS:
        share = sum(cost for of, _, cost in priced if of == tier) / whole
        second = sum(cost**2 / queries * ((of == tier) - share) ** 2 for of, queries, cost in priced)
        found[tier] = sqrt((1 / seen + 1 / max(requests, 1)) * second * count) / whole
    return found
