"""Whether traffic has one mode of cost or two: an excess mass test on the histogram of log cost, no shape being assumed.

The excess mass at a level is what lies above it in the best one or two intervals of the axis; the gap is by how much two
intervals hold more than one (Mueller and Sawitzki 1991; at its most twice Hartigan's dip). It is the share of queries that
would have to move to make one mode of the two, so it is a size and not only a test. Chance makes gaps as wide as the root of
the queries that it has to play with, those of the lesser interval and the valley; so a gap counts over the root of their
share, which lets a rare dear mode be seen beside a great one. Uniform traffic is the hardest one-mode case: it exceeds 1.4 over
the root of all queries about one time in a hundred (simulated, over three and five decades), bell shapes hardly ever.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
MINIMUM = 100  # queries below which nothing is said of modes
LEAST = 0.001  # share of queries that must move however many there are: no wiggle is a mode
LEAST_QUERIES = 6
_CRITICAL = 1.4
_LEVELS = 100
_SMOOTHING = 1.0  # standard deviation in bins: token counts are whole and leave combs where queries are small


class Split(NamedTuple):
    """``at``: the first bin of the dearer mode, None: one mode. ``gap``: of the clearest two; ``needed``: what it had to be."""

    at: int | None
    gap: float
    needed: float


class _Gap(NamedTuple):
    score: float
    gap: float
    needed: float
    lower: int  # the last bin of the cheaper interval
    upper: int  # the first of the dearer


def split_of(bins: Mapping[int, int]) -> Split | None:
    """Where queries by bin part into two modes, at the emptiest bin between them; None: too few queries to say."""
    size = sum(bins.values())
    if size < MINIMUM:
        return None
    first, last = min(bins), max(bins)
    margin = int(4 * _SMOOTHING)
    counts = np.zeros(last - first + 1 + 2 * margin)
    for number, queries in bins.items():
        counts[number - first + margin] = queries
    offsets = np.arange(-margin, margin + 1)
    kernel = np.exp(-(offsets**2) / (2 * _SMOOTHING**2))
    density = np.convolve(counts / size, kernel / kernel.sum(), mode="same")
    found = _clearest(density, size)
    if found.score < 1:
        return Split(None, found.gap, found.needed)
    between = density[found.lower + 1 : found.upper]
    emptiest = np.flatnonzero(between == between.min())
    middle = int(emptiest[len(emptiest) // 2])
    at = min(max(first + found.lower + 1 + middle - margin, first + 1), last)
    return Split(at, found.gap, found.needed)


def _clearest(density: Floats, size: int) -> _Gap:
    """The gap that exceeds most what it needs, over all levels."""
    least = max(LEAST, LEAST_QUERIES / size)
    best = _Gap(0.0, 0.0, least, 0, 0)
    mass = np.concatenate([[0.0], np.cumsum(density)])
    levels = np.union1d(density, np.linspace(0, density.max(), _LEVELS))  # a narrow tall mode hides no flat one
    for level in levels[:-1]:
        sums = np.concatenate([[0.0], np.cumsum(density - level)])
        before = sums - np.minimum.accumulate(sums)  # the best interval that ends here
        after = np.maximum.accumulate(sums[::-1])[::-1] - sums  # that begins here
        two = np.maximum.accumulate(before) + np.maximum.accumulate(after[::-1])[::-1]
        cut = int(two.argmax())
        gap = float(two[cut] - before.max())
        if gap <= best.gap * 1e-9:
            continue
        ends = int(before[: cut + 1].argmax())
        begins = cut + int(after[cut:].argmax())
        lesser = min(mass[begins], mass[-1] - mass[ends])
        needed = max(least, _CRITICAL * sqrt(lesser / size))
        if gap / needed > best.score:
            best = _Gap(gap / needed, gap, needed, ends - 1, begins)
    return best
