"""What a model's answers really cost and when it reasons: figures that a price list does not show."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

BINS_A_DECADE = 20
_STEP = Decimal(1).scaleb(-12)
ENGAGED = Fraction(1, 2)


class Cell(NamedTuple):
    """Queries of one cost bin: floor(20 x log10(cost of the query)); None: costs nothing, or a part is unpriced."""

    bin: int | None
    queries: int
    cost: Decimal


class Quantiles(NamedTuple):
    """Cost of a query: median and 95th percentile, in the currency of the costs; None without a priced query.

    Nearest rank; the value is the mean cost of the bin that holds the rank, so it is off by less than the bin's width
    (12 %), and exact where all queries of the bin cost the same. ``unpriced``: queries without a bin, in no figure.
    """

    queries: int
    p50: Decimal | None
    p95: Decimal | None
    mean: Decimal | None
    unpriced: int


class Share(NamedTuple):
    """Calls of one kind and how many of them reasoned, of those whose source tells reasoning apart."""

    requests: int
    reasoning: int

    @property
    def part(self) -> Fraction | None:
        """Share that reasoned; None where no source tells."""
        return Fraction(self.reasoning, self.requests) if self.requests else None


def quantiles(cells: Iterable[Cell]) -> Quantiles:
    """Quantiles of the costs of queries from their bins; the bins of several days may come in any order."""
    summed: dict[int, tuple[int, Decimal]] = {}
    unpriced = 0
    for cell in cells:
        if cell.bin is None:
            unpriced += cell.queries
            continue
        queries, cost = summed.get(cell.bin, (0, Decimal(0)))
        summed[cell.bin] = queries + cell.queries, cost + cell.cost
    size = sum(queries for queries, _ in summed.values())
    if not size:
        return Quantiles(0, None, None, None, unpriced)
    mean = (sum((cost for _, cost in summed.values()), Decimal(0)) / size).quantize(_STEP)
    return Quantiles(size, _rank(summed, size, Fraction(1, 2)), _rank(summed, size, Fraction(19, 20)), mean, unpriced)


def _rank(summed: dict[int, tuple[int, Decimal]], size: int, part: Fraction) -> Decimal:
    left = -(-size * part.numerator // part.denominator)
    for number in sorted(summed):
        queries, cost = summed[number]
        left -= queries
        if left <= 0:
            return (cost / queries).quantize(_STEP)
    raise AssertionError("the rank lies within the queries")


def shares(rows: Iterable[tuple[Any, int, int, int]]) -> dict[Any, Share]:
    """Shares of calls that reasoned, by key. In: (key, requests, reasoning, unsplit); unsplit ones do not count."""
    found: dict[Any, Share] = {}
    for key, requests, reasoning, unsplit in rows:
        known = found.get(key, Share(0, 0))
        found[key] = Share(known.requests + requests - unsplit, known.reasoning + reasoning)
    return found


def engages_from(bands: dict[int | None, Share]) -> int | None:
    """Prompt tokens from which most calls reason: the lowest band of log2 from which every higher one with calls is at
    half or more; None where there is none.
    """
    known = sorted((band, share) for band, share in bands.items() if band is not None and share.requests)
    lowest = None
    for band, share in reversed(known):
        if Fraction(share.reasoning, share.requests) < ENGAGED:
            break
        lowest = band
    return None if lowest is None else int(2**lowest)
