"""Whole futures of the days that are left, from a forecast as it is stored: days by point, months by percentile."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
PARTS = 99  # percentiles 1 to 99 of a month


class Month(NamedTuple):
    """One calendar month of a forecast series: what its days before the forecast cost, its point and its percentiles."""

    actual: Decimal
    point: Decimal
    percentiles: Sequence[Decimal]


def futures(points: Mapping[date, Decimal], months: Mapping[date, Month]) -> Array:
    """Futures of shape (PARTS, days), days ascending: future k has in every month that month's k-th percentile.

    In: ``points`` of consecutive days; ``months`` by their first day, with every month that has a day. A future's days are
    the forecast's, all times what the rest of its month comes to over what was meant; where nothing was meant, evenly. So
    totals have the month's own quantiles, and a future that is dear today is dear to the end. Raises KeyError where a month
    is missing.
    """
    days = sorted(points)
    found = np.zeros((PARTS, len(days)))
    for first in sorted({day.replace(day=1) for day in days}):
        month, at = months[first], [place for place, day in enumerate(days) if day.replace(day=1) == first]
        rest = np.array([float(one - month.actual) for one in month.percentiles])
        meant = float(month.point - month.actual)
        values = np.array([float(points[days[place]]) for place in at])
        if meant > 0 and values.any():
            found[:, at] = np.outer(rest / meant, values)
        else:
            found[:, at] = np.outer(rest, np.ones(len(at)) / len(at))
    return found
