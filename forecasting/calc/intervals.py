"""Conformal intervals: how wrong forecasts turned out before is how wrong they are taken to be again.

The errors of past forecasts, in scales of their series, are pooled over all series; where a series was itself checked at ten
origins or more, its own errors weigh as much as the pool's. Errors of neighbouring horizons (``bucket``) are of one kind. No
shape is assumed. Coverage is measured: an interval is made for each past forecast from the errors of the others that do not
overlap it, and it is counted how often the actual cost lay inside. With n past forecasts, quantiles are taken further out by
(n + 1) / n: the next error is one more of them. Where that is beyond the outermost error, n is too few: an interval of a level
is stated only if ceil((n + 1) x level) <= n, which is from 4 past forecasts on for 80 % and from 19 on for 95 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.calc.baseline import LAUNCH, NONE, Baseline
from forecasting.calc.series import Floats, Ints

OWN = 10  # past forecasts of a series from which on its own errors say something
LEVELS = (80, 95)
QUANTILES = (*((100 - level) / 200 for level in reversed(LEVELS)), 1 / 2, *((100 + level) / 200 for level in LEVELS))
ENOUGH = {level: -(-level // (100 - level)) for level in LEVELS}  # past forecasts from which on an interval is stated
MIXED, POOLED, LAUNCHES = "own errors and the pool's", "the pool's errors", "earlier launches"


@dataclass(frozen=True)
class Coverage:
    """Share of past cells inside the interval of each of LEVELS, and how many they were."""

    shares: tuple[float, ...]
    cells: int


@dataclass(frozen=True)
class Marginals:
    """Sorted errors of each series and bucket, in units of cost: what is added to the point.

    ``errors[row][bucket]``; a refused row has none. ``basis``: by row, whose errors they are. ``known``: by row, how many past
    forecasts (or earlier launches) they are of. ``least`` and ``most``: by row, what its cost cannot be below and above.
    """

    baseline: Baseline
    errors: tuple[tuple[Floats, ...], ...]
    basis: tuple[str, ...]
    known: tuple[int, ...]
    least: Floats
    most: Floats

    def states(self, row: int, level: int) -> bool:
        """Whether there are errors enough for the interval of one of LEVELS; without the first, there are no odds either."""
        return self.known[row] >= ENOUGH[level]

    def at(self, row: int, levels: Floats) -> Floats:
        """Cost of a row at probabilities ``levels`` of shape (..., horizon): of that shape, within its bounds."""
        cost, width = np.empty(levels.shape), self.baseline.grain.bucket
        levels = np.clip(1 / 2 + (levels - 1 / 2) * _further(self.known[row]), 0, 1)
        for bucket, errors in enumerate(self.errors[row]):
            cells = slice(bucket * width, (bucket + 1) * width)
            cost[..., cells] = _quantiles(errors, levels[..., cells])
        found: Floats = np.clip(cost + self.baseline.point[row], self.least[row], self.most[row])
        return found

    def quantiles(self, levels: Sequence[float] = QUANTILES) -> Floats:
        """(series, horizon, levels); NaN where refused."""
        found = np.full((*self.baseline.point.shape, len(levels)), np.nan)
        grid = np.repeat(np.array(levels)[:, None], self.baseline.horizon, axis=1)
        for row in self.baseline.served:
            found[row] = self.at(row, grid).T
        return found


def marginals(baseline: Baseline) -> Marginals:
    """The errors to expect of every series of a forecast."""
    pool = _buckets(baseline, baseline.errors)
    merged = [np.sort(each.ravel()[~np.isnan(each.ravel())]) for each in pool]
    checked, every = baseline.checked, _count_of(baseline.errors)
    errors, basis, known = list[tuple[Floats, ...]](), list[str](), list[int]()
    for row, method in enumerate(baseline.methods):
        known.append(len(baseline.launched[row].futures) if method == LAUNCH else every)
        if method == NONE:
            errors.append(())
            basis.append("")
        elif method == LAUNCH:
            launched = baseline.launched[row]
            errors.append(tuple(np.sort(each.ravel()) for each in _split(baseline, launched.futures - launched.point)))
            basis.append(LAUNCHES)
        else:
            own = [each[:, row].ravel() for each in pool] if checked[row] >= OWN else []
            mixed = [_mixed(mine, all_) for mine, all_ in zip(own, merged, strict=True)] if own else merged
            errors.append(tuple(each * baseline.scale[row] for each in mixed))
            basis.append(MIXED if own else POOLED)
    history = np.nan_to_num(baseline.panel.cost)
    least = np.where((history < 0).any(axis=1), -np.inf, 0.0)
    most = np.where((history > 0).any(axis=1), np.inf, 0.0)
    return Marginals(baseline, tuple(errors), tuple(basis), tuple(known), least, most)


def coverage(baseline: Baseline) -> tuple[Coverage, tuple[Coverage, ...]]:
    """Coverage of all series together, and of each, at its past forecasts (see above). No cells: nothing could be measured.

    Errors are judged in scales, which is the same: interval and actual are moved and scaled alike.
    """
    inside = np.zeros((len(LEVELS), len(baseline.methods)))
    cells = np.zeros(len(baseline.methods), dtype=np.int64)
    for number, origin in enumerate(baseline.origins):
        others = [n for n, other in enumerate(baseline.origins) if abs(other - origin) >= baseline.horizon]
        rest = baseline.errors[others]
        if not others or np.isnan(rest).all():
            continue
        _count(baseline, baseline.errors[number], rest, inside, cells)
    for row, launched in baseline.launched.items():
        inside[:, row], cells[row] = _of_launches(launched.futures - launched.point)
    each = [_share(inside[:, row], int(cells[row])) for row in range(len(cells))]
    whole = [row for row in baseline.served if row not in baseline.launched]
    return _share(inside[:, whole].sum(axis=1), int(cells[whole].sum())), tuple(each)


def _count(baseline: Baseline, actual: Floats, rest: Floats, inside: Floats, cells: Ints) -> None:
    """Add to ``inside`` and ``cells`` which errors of one origin lie within intervals made of the rest."""
    wider = _further(_count_of(rest))
    bounds = np.concatenate([_bounds(level, wider) for level in LEVELS])
    mixed = (~np.isnan(rest)).any(axis=2).sum(axis=0) >= OWN
    for now, then in zip(_split(baseline, actual), _buckets(baseline, rest), strict=True):
        merged = np.sort(then[~np.isnan(then)])
        if not len(merged):
            continue
        limits = np.tile(_quantiles(merged, bounds), (len(now), 1))
        own = then[:, mixed].transpose(1, 0, 2).reshape(int(mixed.sum()), then.shape[0] * then.shape[2])
        limits[mixed] = _mixed_quantiles(own, merged, bounds)
        told = ~np.isnan(now)
        cells += told.sum(axis=1)
        for place in range(len(LEVELS)):
            low, high = limits[:, 2 * place, None], limits[:, 2 * place + 1, None]
            inside[place] += (told & (now >= low) & (now <= high)).sum(axis=1)


def _mixed_quantiles(own: Floats, merged: Floats, levels: Floats) -> Floats:
    """(rows, levels): quantiles of each row's errors and the pool's (``_mixed``); rows of which all are known at once."""
    found = np.empty((len(own), len(levels)))
    whole = ~np.isnan(own).any(axis=1)
    for row in np.flatnonzero(~whole):
        found[row] = _quantiles(_mixed(own[row], merged), levels)
    size = own.shape[1]
    share = _quantiles(merged, (np.arange(size) + 1 / 2) / max(size, 1))
    both = np.sort(np.concatenate([own[whole], np.tile(share, (int(whole.sum()), 1))], axis=1), axis=1)
    place = levels * (2 * size - 1)
    low = np.minimum(place.astype(np.int64), max(2 * size - 2, 0))
    found[whole] = both[:, low] + (both[:, low + 1] - both[:, low]) * (place - low) if size else 0
    return found


def _of_launches(errors: Floats) -> tuple[Floats, int]:
    inside = np.zeros(len(LEVELS))
    for number, error in enumerate(errors):
        rest = np.sort(np.delete(errors, number, axis=0).ravel())
        for place, level in enumerate(LEVELS):
            low, high = _quantiles(rest, _bounds(level, _further(len(errors) - 1)))
            inside[place] += ((error >= low) & (error <= high)).sum()
    return inside, errors.size


def _bounds(level: int, wider: float) -> Floats:
    half = min(level / 200 * wider, 1 / 2)
    return np.array([1 / 2 - half, 1 / 2 + half])


def _count_of(errors: Floats) -> int:
    """Past forecasts of all series."""
    return int((~np.isnan(errors)).any(axis=2).sum())


def _further(known: int) -> float:
    """(n + 1) / n: how much further from the middle quantiles of n past forecasts are taken."""
    return 1 + 1 / max(known, 1)


def _share(inside: Floats, cells: int) -> Coverage:
    return Coverage(tuple(float(each / cells) if cells else float("nan") for each in inside), cells)


def _split(baseline: Baseline, values: Floats) -> list[Floats]:
    """Values by bucket of the horizon, their last axis."""
    width = baseline.grain.bucket
    return [values[..., low : low + width] for low in range(0, baseline.horizon, width)]


def _buckets(baseline: Baseline, errors: Floats) -> list[Floats]:
    """Errors by bucket; a horizon that no past forecast reached has those of the longest that did."""
    found = _split(baseline, errors)
    for place in range(1, len(found)):
        if np.isnan(found[place]).all():
            found[place] = found[place - 1]
    return found


def _mixed(own: Floats, merged: Floats) -> Floats:
    """Own errors, and as many evenly chosen from the sorted pool; sorted."""
    mine = own[~np.isnan(own)]
    share = _quantiles(merged, (np.arange(len(mine)) + 1 / 2) / max(len(mine), 1))
    return np.sort(np.concatenate([mine, share])) if len(mine) else merged


def _quantiles(ordered: Floats, levels: Floats) -> Floats:
    """Quantiles of sorted values, linear between them."""
    found: Floats = np.interp(levels * (len(ordered) - 1), np.arange(len(ordered)), ordered)
    return found
