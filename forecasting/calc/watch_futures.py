"""Whole futures of the days that are left, from a forecast as it is stored: days by point, months by percentile."""

from collections.abc import Collection, Mapping, Sequence
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


def futures(
    points: Mapping[date, Decimal], months: Mapping[date, Month], days: Collection[date] | None = None
) -> Array:
    """Futures of shape (PARTS, days), days ascending: future k has in every month that month's k-th percentile.

    In: ``points`` of all days of these months that are forecast; ``months`` by their first day, each with its percentiles;
    ``days``: those of ``points`` that are told, by default all. A future's days are the forecast's, all times what the rest of
    its month comes to over the sum of these points; where that is
    nothing, or some are below zero, evenly. So totals of a month's days have the month's own quantiles, and a future that is
    dear today is dear to the end. Raises KeyError where a month is missing.
    """
    every = sorted(points)
    found = np.zeros((PARTS, len(every)))
    for first in sorted({day.replace(day=1) for day in every}):
        month, at = months[first], [place for place, day in enumerate(every) if day.replace(day=1) == first]
        rest = np.array([float(one - month.actual) for one in month.percentiles])
        values = np.array([float(points[every[place]]) for place in at])
        if values.sum() > 0 and values.min() >= 0:
            found[:, at] = np.outer(rest / values.sum(), values)
        else:
            found[:, at] = np.outer(rest, np.ones(len(at)) / len(at))
    return found if days is None else found[:, [place for place, day in enumerate(every) if day in days]]
