"""Points that add up: what the finest series are said to cost is what the whole is said to cost, cell by cell (invariant 10).

The best single figure of a series is the median of what may come, and medians do not add up: where many parts cost little on
most days and much on some, the sum of their medians is far below what all of them cost together. Means add up, and are the worse
forecast of every part: on real traffic (tests.bench.forecast) 1.06 times seasonal naive's error, where medians have 0.90. So the
whole is told by its own past, and what its parts differ from it is given to them by how unsure they are (0.92 to 0.94): each
moves within its interval as long as the intervals reach that far. Every other level is the sum of the finest series.
"""

from typing import Any

import numpy as np

from forecasting.calc import hierarchy
from forecasting.calc.baseline import Baseline
from forecasting.calc.intervals import LEVELS, Marginals, marginals
from forecasting.calc.series import Floats
from forecasting.calc.stated import medians, stated_of

_LOW, _HIGH = len(LEVELS) - 1, len(LEVELS) + 1  # of QUANTILES: the bounds of the inner interval


def fitted(base: Baseline, likely: Marginals) -> Floats:
    """The stated points of the finest series at constant prices, (series, horizon); NaN where refused.

    ``likely``: of ``base``. Where the whole has no interval, its point is what its parts come to: they stay as they are.
    """
    own, served = medians(likely), base.served
    whole = marginals(hierarchy.aggregate(base, ()))
    if not served or not stated_of(whole, 0):
        return own
    mine = own[served]
    gap = medians(whole)[0] - mine.sum(axis=0)
    spread, room = _spread(likely, mine, gap), _room(likely, mine, gap)
    found = own.copy()
    found[served] = mine + gap * _shares(np.abs(gap), spread, room)
    return found


def _spread(likely: Marginals, mine: Floats, gap: Floats) -> Floats:
    """How far each series may go towards its interval's end on the side of the gap."""
    served = likely.baseline.served
    quantiles = likely.quantiles()[served]
    stated = np.array([bool(stated_of(likely, row)) for row in served])[:, None]
    way = np.where(gap > 0, quantiles[:, :, _HIGH] - mine, mine - quantiles[:, :, _LOW])
    found: Floats = np.where(stated, np.maximum(way, 0), 0)
    return found


def _room(likely: Marginals, mine: Floats, gap: Floats) -> Floats:
    """How far each series may go at all: what never was below (above) zero is not said to be."""
    served = likely.baseline.served
    least, most = likely.least[served][:, None], likely.most[served][:, None]
    found: Floats = np.maximum(np.where(gap > 0, most - mine, mine - least), 0)
    return found


def _shares(gap: Floats, spread: Floats, room: Floats) -> Floats:
    """(series, horizon), of 1 each cell: by spread as far as the intervals reach, else by room, else by those without end."""
    endless = np.isinf(room)
    bounded: Floats = np.where(endless, 0, room)
    open_ = np.where(endless, np.maximum(spread, 1e-12), 0)
    further = np.where(endless.any(axis=0), open_, np.where(bounded.sum(axis=0) > 0, bounded, 1))
    weights: np.ndarray[Any, np.dtype[np.float64]] = np.where(spread.sum(axis=0) >= gap, spread, further)
    total = weights.sum(axis=0)
    found: Floats = np.where(total > 0, weights / np.where(total > 0, total, 1), 0)
    return found
