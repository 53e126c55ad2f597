"""What is said of a series: its point, its intervals and its odds.

One distribution says how sure a series is, that of its sample paths (calc.paths): intervals are its quantiles, and its median is
where past forecasts would have put the series, as what they missed on one side is made up for. Points must also add up
(invariant 10), which medians do not. So the whole is stated at its median, its parts share what theirs differ from it, each
within its interval as far as these reach (calc.fitted), and all between are sums. An interval holds its point: it is widened
where a sum of parts lies beyond what the sum's own past says. A month is the sum of its days, and its distribution is moved
there. Where so few past forecasts are known that no interval is stated (intervals.ENOUGH), points are those of the models.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from forecasting.calc.intervals import LEVELS, Marginals
from forecasting.calc.series import Floats

PERCENTS = tuple(range(1, 100))
MIDDLE = PERCENTS.index(50)
_STEP = Decimal(1).scaleb(-12)
_STRETCH = 2.0


class Band(NamedTuple):
    """The bounds of LEVELS; None: too few errors are known to state it."""

    low_95: Decimal | None
    low_80: Decimal | None
    high_80: Decimal | None
    high_95: Decimal | None


def stated_of(likely: Marginals, row: int) -> tuple[int, ...]:
    """The LEVELS of which there are errors enough for an interval."""
    return tuple(level for level in LEVELS if likely.states(row, level))


def band(point: Decimal, quantiles: Floats, stated: Sequence[int]) -> Band:
    """The intervals of a cell, which hold its stated ``point``. In: its QUANTILES."""
    if not stated:
        return Band(None, None, None, None)
    low_95, low_80, _, high_80, high_95 = (_amount(value) for value in quantiles)
    widest = (min(low_95, point), max(high_95, point)) if LEVELS[-1] in stated else (None, None)
    return Band(widest[0], min(low_80, point), max(high_80, point), widest[1])


def medians(likely: Marginals) -> Floats:
    """Where past forecasts would have put the series, at constant prices, (series, horizon); NaN where refused.

    The models' points where nothing is stated.
    """
    middle = likely.quantiles((1 / 2,))[:, :, 0]
    stated = [bool(stated_of(likely, row)) for row in range(len(likely.known))]
    return np.where(np.array(stated, dtype=bool)[:, None], middle, likely.baseline.point)


class Move(NamedTuple):
    """What takes a total's distribution to its stated point: a factor, and what is added then."""

    factor: float
    added: float


def move(totals: Floats, point: float) -> Move:
    """So that ``point`` is the median of the totals: in proportion, which keeps their sign; where that would stretch, evenly."""
    middle = float(np.median(totals))
    factor = point / middle if middle else 0.0
    return Move(factor, 0.0) if 1 / _STRETCH <= factor <= _STRETCH else Move(1.0, point - middle)


def percentiles(totals: Floats, point: Decimal, least: float, most: float) -> tuple[Decimal, ...]:
    """PERCENTS of a total from its value on each sample path, moved so that its ``point`` is the median.

    None is below ``least`` or above ``most``, unless the point is.
    """
    moved = move(totals, float(point))
    found = [_amount(value) for value in np.percentile(totals, PERCENTS) * moved.factor + moved.added]
    low, high = min(Decimal(least), point), max(Decimal(most), point)
    found = [min(max(each, low), high) for each in found]
    below, above = found[:MIDDLE], found[MIDDLE + 1 :]
    return (*(min(each, point) for each in below), point, *(max(each, point) for each in above))


def share_above(percentiles: Sequence[Decimal], limit: Decimal) -> float:
    """The probability that a total is above a limit, from its PERCENTS: linear between them, 0 and 1 beyond them."""
    if limit < percentiles[0]:
        return 1.0
    if limit >= percentiles[-1]:
        return 0.0
    return 1 - float(np.interp(float(limit), [float(one) for one in percentiles], PERCENTS)) / 100


def _amount(value: float) -> Decimal:
    return Decimal(repr(float(value))).quantize(_STEP)
