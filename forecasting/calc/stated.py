"""What is said of a series: its point, its intervals and its odds.

One distribution says all of a series, that of its sample paths (calc.paths). The stated point of a day is its median, that of a
month the median of the month's total, an interval its quantiles. So a point always lies inside its intervals, and it is where
past forecasts of the series would have put it: what they missed on one side is made up for. Medians do not add up: neither
those of days to their month, nor those of parts to the whole. Where so few past forecasts are known that no interval is stated
(intervals.ENOUGH), there is no distribution either: then points are those of the models, and add up.
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


class Band(NamedTuple):
    """The bounds of LEVELS; None: too few errors are known to state it."""

    low_95: Decimal | None
    low_80: Decimal | None
    high_80: Decimal | None
    high_95: Decimal | None


def stated_of(likely: Marginals, row: int) -> tuple[int, ...]:
    """The LEVELS of which there are errors enough for an interval."""
    return tuple(level for level in LEVELS if likely.states(row, level))


def told(point: Decimal, quantiles: Floats, stated: Sequence[int]) -> tuple[Decimal, Band]:
    """The point of a cell and its intervals. In: the models' ``point``, which stands where nothing is stated; QUANTILES."""
    if not stated:
        return point, Band(None, None, None, None)
    low_95, low_80, middle, high_80, high_95 = (_amount(value) for value in quantiles)
    widest = (low_95, high_95) if LEVELS[-1] in stated else (None, None)
    return middle, Band(widest[0], low_80, high_80, widest[1])


def points(likely: Marginals) -> Floats:
    """The stated points as numbers at constant prices, (series, horizon); NaN where refused."""
    middle = likely.quantiles((1 / 2,))[:, :, 0]
    stated = [bool(stated_of(likely, row)) for row in range(len(likely.known))]
    return np.where(np.array(stated, dtype=bool)[:, None], middle, likely.baseline.point)


def percentiles(totals: Floats) -> tuple[Decimal, ...]:
    """PERCENTS of a total, from its value on each sample path."""
    return tuple(_amount(value) for value in np.percentile(totals, PERCENTS))


def share_above(percentiles: Sequence[Decimal], limit: Decimal) -> float:
    """The probability that a total is above a limit, from its PERCENTS: linear between them, 0 and 1 beyond them."""
    if limit < percentiles[0]:
        return 1.0
    if limit >= percentiles[-1]:
        return 0.0
    return 1 - float(np.interp(float(limit), [float(one) for one in percentiles], PERCENTS)) / 100


def _amount(value: float) -> Decimal:
    return Decimal(repr(float(value))).quantize(_STEP)
