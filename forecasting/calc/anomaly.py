"""Anomalies: cells that cost far more or less than was forecast for them, and levels that moved for good.

What is judged is the panel at constant prices and without calendar events (price_index, events): a price step that was
announced is no anomaly, its explanation is known. Detection knows no money; which episodes are worth a person's time is
decided afterwards (anomaly_alerts), so that a threshold never hides what it was applied to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from forecasting.calc.baseline import SERVED, models
from forecasting.calc.series import HOUR, Floats, Grain, Key, Panel

POINT, SHIFT = (
    6.0,
    4.0,
)  # scales off the forecast, and off the median of the season before: one default, tuned to no series
SPIKE, DROP, RISE, FALL, NEW, BACK = "spike", "drop", "level_up", "level_down", "new_key", "back_after_silence"
_SIGMA, _MEAN_SIGMA = 1.4826, 1.2533  # what a median or mean absolute deviation is of a standard deviation (normal)
_FLOOR = 0.01  # of the mean level: what repeats to the cent is not an anomaly when a cent is missing


class Episode(NamedTuple):
    """One anomaly of one series: hits less than a season apart. ``end`` is the instant after its last hit.

    ``kind``: what its strongest hit is. ``peak``: the distance of that one in scales, infinite where nothing was usual.
    ``expected`` and ``actual`` cost of all its cells, at constant prices; ``impact`` = actual - expected: within an episode
    more and less net out.
    """

    key: Key
    kind: str
    start: datetime
    end: datetime
    peak: float
    expected: float
    actual: float
    impact: float


@dataclass(frozen=True)
class Scores:
    """By cell (series, cells): what the forecast in force said, the scale of its errors until then, how many of these off the
    actual was, and by how many the level moved; NaN where it cannot be told: too young, or not known.
    """

    panel: Panel
    expected: Floats
    scale: Floats
    distance: Floats
    shift: Floats


def scored(panel: Panel, *, point: float = POINT) -> Scores:
    """Scores of every cell from what was known before it. Forecast and scale are made once a day, for the day ahead.

    The scale is the median absolute deviation of the forecast errors in the series' memory, as a standard deviation; where a
    few errors are far greater than most, half of what their mean deviation says; and at least 1 % of the mean cost. What was
    a spike does not return in the forecast of the next days: where a few hits of a season stand alone, the forecast takes
    what was expected in their stead. Many are the new usual.
    """
    grain, step = panel.grain, _ahead(panel.grain)
    expected, distance, usual = (np.full(panel.cost.shape, np.nan) for _ in range(3))
    plain = panel.cost.copy()
    for origin in range(SERVED * grain.season, panel.cells, step):
        day = slice(origin, min(origin + step, panel.cells))
        then = replace(panel.until(origin), cost=plain[:, :origin])
        expected[:, day] = models(then, step)[0][:, : day.stop - origin]
        usual[:, day] = _scale(panel, panel.cost[:, :origin] - expected[:, :origin])[:, None]
        distance[:, day] = _over(panel.cost[:, day] - expected[:, day], usual[:, day])
        _calm(plain, expected, distance, (max(0, day.stop - grain.season), day.stop), point)
    return Scores(panel, expected, usual, distance, _over(_moves(panel), usual))


def episodes(scores: Scores, since: int = 0, *, point: float = POINT, shift: float = SHIFT) -> list[Episode]:
    """Episodes with a hit at cell ``since`` or later, by time and series. New series are one episode each: their first season.

    A new series is one that began a season or more after the panel did.
    """
    found, season = list[Episode](), scores.panel.grain.season
    for row, begin in enumerate(scores.panel.begins):
        far, moved = (np.nan_to_num(np.abs(each[row]), posinf=np.inf) for each in (scores.distance, scores.shift))
        hits = np.flatnonzero((far >= point) | (moved >= shift))
        parts = np.split(hits, np.flatnonzero(np.diff(hits) > season) + 1) if len(hits) else []
        found += [_episode(scores, row, cells, far >= point) for cells in parts if cells[-1] >= since]
        if season <= begin < scores.panel.cells and begin + season > since:
            found.append(_new(scores, row, int(begin)))
    return sorted(found, key=lambda one: (one.start, one.key))


def explained(
    episode: Episode, changes: Sequence[tuple[datetime, Key, str]], places: Sequence[int], within: timedelta
) -> list[str]:
    """What dated changes (prices, launches) lie in an episode or up to ``within`` before it, for the same key, in words.

    ``changes``: (instant, key, words), the key being what stands at ``places`` of an episode's key.
    """
    mine = tuple(episode.key[place] for place in places)
    return [words for at, key, words in changes if key == mine and episode.start - within <= at < episode.end]


def _ahead(grain: Grain) -> int:
    return grain.season if grain == HOUR else 1


def _calm(plain: Floats, expected: Floats, distance: Floats, last: tuple[int, int], point: float) -> None:
    """Write what was expected over the hits of the last season, in series that had them in less than a quarter of it."""
    season = slice(*last)
    hits = np.nan_to_num(np.abs(distance[:, season]), posinf=np.inf) >= point
    alone = hits & (hits.sum(axis=1) * 4 < last[1] - last[0])[:, None]
    plain[:, season] = np.where(alone, expected[:, season], plain[:, season])


def _scale(panel: Panel, errors: Floats) -> Floats:
    """By series, the scale of its errors so far, at least 1 % of its mean; NaN before two seasons of errors."""
    grain, found = panel.grain, np.full(len(errors), np.nan)
    for row, begin in enumerate(panel.begins):
        first = max(errors.shape[1] - grain.memory, int(begin), 0)
        recent = errors[row, first:][~np.isnan(errors[row, first:])]
        if len(recent) >= SERVED * grain.season:
            apart = np.abs(recent - np.median(recent))
            scale = max(_SIGMA * np.median(apart), _MEAN_SIGMA * apart.mean() / 2)
            found[row] = max(scale, _FLOOR * np.nanmean(panel.cost[row, first : errors.shape[1]]))
    return found


def _moves(panel: Panel) -> Floats:
    """By cell, the median of the differences to the season before over the season that ends with it.

    Of the same phases, so that a gap moves nothing; NaN unless half of them are known, and before two seasons of life.
    """
    season, found = panel.grain.season, np.full(panel.cost.shape, np.nan)
    if panel.cells < SERVED * season:
        return found
    windows = np.lib.stride_tricks.sliding_window_view(panel.cost[:, season:] - panel.cost[:, :-season], season, axis=1)
    enough = (~np.isnan(windows)).sum(axis=2) * 2 >= season
    medians = np.full(enough.shape, np.nan)
    medians[enough] = np.nanmedian(windows[enough], axis=1)
    found[:, SERVED * season - 1 :] = medians
    alive = np.arange(panel.cells)[None] >= panel.begins[:, None] + SERVED * season
    return np.where(alive, found, np.nan)


def _over(difference: Floats, scale: Floats) -> Floats:
    """Difference in scales; a difference where nothing ever differed is infinite, none is 0, unknown is NaN."""
    with np.errstate(invalid="ignore"):
        ratio = difference / np.where(scale > 0, scale, np.nan)
        still = (scale == 0) & ~np.isnan(difference)
        return np.where(still, np.where(difference == 0, 0.0, np.copysign(np.inf, difference)), ratio)


def _episode(scores: Scores, row: int, cells: "np.ndarray[tuple[int], np.dtype[np.int64]]", far: Floats) -> Episode:
    panel, first, last = scores.panel, int(cells[0]), int(cells[-1])
    distance, shift = scores.distance[row], scores.shift[row]
    points = [cell for cell in cells if far[cell]]
    top = max(points or cells, key=lambda cell: abs(distance[cell] if points else shift[cell]))
    peak = float(distance[top] if points else shift[top])
    if np.isinf(peak):
        kind = BACK
    elif points:
        kind = SPIKE if peak > 0 else DROP
    else:
        kind = RISE if peak > 0 else FALL
    span = slice(first, last + 1)
    told = ~np.isnan(panel.cost[row, span]) & ~np.isnan(scores.expected[row, span])
    expected = float(scores.expected[row, span][told].sum())
    actual = float(panel.cost[row, span][told].sum())
    return Episode(
        panel.keys[row], kind, panel.at(first), panel.at(last + 1), peak, expected, actual, actual - expected
    )


def _new(scores: Scores, row: int, begin: int) -> Episode:
    panel = scores.panel
    end = min(begin + panel.grain.season, panel.cells)
    actual = float(np.nansum(panel.cost[row, begin:end]))
    return Episode(panel.keys[row], NEW, panel.at(begin), panel.at(end), float("inf"), 0.0, actual, actual)
