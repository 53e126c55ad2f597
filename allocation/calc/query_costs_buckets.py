"""What queries of buckets cost, by the tiers over which the cube parts them."""

from collections.abc import Mapping
from decimal import Decimal
from math import log10
from typing import NamedTuple

from allocation.calc.bucket_tiers import shared
from allocation.calc.layers import prorated

_BINS_A_DECADE = 20


class Binned(NamedTuple):
    """Queries of one tier and bin (NULL: without a cost), and their cost together."""

    tier: str
    bin: int | None
    queries: int
    cost: Decimal


def in_tiers(row: Binned, tiers: Mapping[str, tuple[int, Decimal]]) -> list[Binned]:
    """A bucket's queries in its tiers, by the (queries, cost) that the day's buckets of its key have in each.

    Queries and cost of the parts add up to the row's. Each tier lies as far from the row's bin as its cost per query from
    that of all tiers: how far single queries of a tier lie apart is not known.
    """
    names = list(tiers)
    queries = shared(row.queries, [tiers[name][0] for name in names])
    dear = [tiers[name][1] for name in names]
    costs = prorated(row.cost, dear if any(dear) else [Decimal(count) for count in queries])
    counts, whole = sum(tiers[name][0] for name in names), sum(dear, Decimal(0))
    found = []
    for name, count, cost in zip(names, queries, costs, strict=True):
        place, (of_tier, money) = row.bin, tiers[name]
        if place is not None and of_tier and money and whole:
            place += round(_BINS_A_DECADE * log10(float(money / whole) * counts / of_tier))
        if count or cost:
            found.append(Binned(name, place, count, cost))
    return found or [row]
