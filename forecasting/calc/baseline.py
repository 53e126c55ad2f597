"""The baseline forecast: per cell the median of seasonal naive, seasonal average and Theta, and how wrong it used to be.

Every series is forecast again from origins in its own past, as it would have been then. Those errors, in units of the series'
usual seasonal difference, decide the method (a series for which the median loses to seasonal naive is served seasonal naive),
and are what intervals and paths are made of (forecasting.calc.intervals, forecasting.calc.paths).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from forecasting.calc import launches
from forecasting.calc.series import Floats, Grain, Panel, known
from forecasting.calc.theta import theta

ENSEMBLE, NAIVE, LAUNCH, SUM, NONE = "median ensemble", "seasonal naive", "launch pool", "sum of its series", ""
SERVED = 2  # seasons of history from which on a season can be told from a level
CHECKED = 3  # seasons a series must have had at a past origin; and past forecasts of which errors are learnt, at least
_LEAST_SCALE = 0.01  # of the level: what repeats to the cent will not do so for ever


class ForecastError(ValueError):
    """Nothing can be forecast as asked; the message says what can."""


@dataclass(frozen=True)
class Baseline:
    """A forecast at constant prices: ``point`` (series, horizon), NaN where refused.

    ``methods``: by series, NONE where refused; ``refusals``: why, '' where served. ``history``: cells of its own life.
    ``scale``: (series,), the usual seasonal difference. ``origins``: cells of the past at which it was forecast again, newest
    first. ``misses``: (origins, series, horizon), actual less forecast by the served method; NaN where there was too little
    history or the cost is not known. ``scales``: (origins, series), the usual seasonal difference at that origin. ``skill``:
    mean absolute error of the served method over that of seasonal naive at the same origins, in scales; NaN where there is
    none. ``launched``: by row, the pool of a launch.
    """

    panel: Panel
    horizon: int
    point: Floats
    methods: tuple[str, ...]
    refusals: tuple[str, ...]
    history: tuple[int, ...]
    scale: Floats
    origins: tuple[int, ...]
    misses: Floats
    scales: Floats
    skill: Floats
    launched: dict[int, launches.Pool]

    @property
    def grain(self) -> Grain:
        """The width of its cells."""
        return self.panel.grain

    @cached_property
    def errors(self) -> Floats:
        """``misses`` in scales."""
        usable = np.where(self.scales > 0, self.scales, np.nan)
        found: Floats = self.misses / usable[:, :, None]
        return found

    @property
    def checked(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """By series, at how many past origins it was checked."""
        return np.asarray((~np.isnan(self.errors)).any(axis=2).sum(axis=0), dtype=np.int64)

    @property
    def served(self) -> list[int]:
        """Rows that have a forecast."""
        return [row for row, method in enumerate(self.methods) if method != NONE]


def forecast(panel: Panel, horizon: int, *, method: str = "") -> Baseline:
    """The baseline forecast of the ``horizon`` cells after the panel; with ``method`` by that one, whichever is better.

    Raises ForecastError for a horizon below 1. What cannot be forecast is refused by series, with the reason.
    """
    if horizon < 1:
        raise ForecastError(f"a horizon is at least one {panel.grain.name}, not {horizon}")
    grain, cells = panel.grain, panel.cells
    first = int(panel.begins.min(initial=cells)) + CHECKED * grain.season
    origins = tuple(range(cells - horizon, first - 1, -grain.stride))[: grain.origins]
    misses, then = _misses(panel, origins, horizon)
    usable = np.where(then > 0, then, np.nan)[:, :, None]
    size = [_mean_size(each / usable) for each in misses]
    naive = np.full(len(panel.keys), method == NAIVE) if method else size[0] > size[1]
    ensemble, season = models(panel, horizon)
    found = Baseline(
        panel, horizon, np.where(naive[:, None], season, ensemble), tuple(NAIVE if each else ENSEMBLE for each in naive),
        tuple("" for _ in panel.keys), tuple(int(cells - begin) for begin in panel.begins), scales(panel), origins,
        np.where(naive[:, None], misses[1], misses[0]), then, _ratio(np.where(naive, size[1], size[0]), size[1]), {},
    )  # fmt: skip
    return _judged(found)


def models(panel: Panel, horizon: int) -> tuple[Floats, Floats]:
    """(median ensemble, seasonal naive) for the cells after the panel, each (series, horizon).

    Not negative where no history is, as two of the three members never are. NaN for a series that is not two seasons old. A
    model sees whole seasons of at most ``memory``.
    """
    grain, cells = panel.grain, panel.cells
    lives = np.minimum(cells - panel.begins, grain.memory) // grain.season * grain.season
    found = np.full((2, len(panel.keys), horizon), np.nan)
    for life in np.unique(lives[lives >= SERVED * grain.season]):
        rows = lives == life
        history = known(panel.cost[rows, cells - life :], grain.season)
        found[:, rows] = _models(history, grain, horizon)
    return found[0], found[1]


def scales(panel: Panel) -> Floats:
    """By series, the mean absolute difference to the season before in its recent history; at least 1 % of its mean size."""
    grain = panel.grain
    recent = panel.cost[:, -(grain.scale + grain.season) :]
    alive = np.arange(panel.cells)[None, -recent.shape[1] :] >= panel.begins[:, None]
    recent = np.where(alive, recent, np.nan)
    differences = np.abs(recent[:, grain.season :] - recent[:, : -grain.season])
    return np.fmax(_mean(differences), _LEAST_SCALE * np.nan_to_num(_mean(np.abs(panel.cost[:, -grain.memory :]))))


def _models(history: Floats, grain: Grain, horizon: int) -> Floats:
    last = history[:, -grain.season :]
    seasons = min(grain.average, history.shape[1] // grain.season)
    recent = history[:, -seasons * grain.season :].reshape(len(history), seasons, grain.season)
    ahead = np.arange(horizon) % grain.season
    members = [last[:, ahead], recent.mean(axis=1)[:, ahead], theta(history, grain.season, horizon)]
    return np.stack([np.median(members, axis=0), members[0]])


def _misses(panel: Panel, origins: Sequence[int], horizon: int) -> tuple[Floats, Floats]:
    """Actual less forecast of both models at each origin, (2, origins, series, horizon), and the scales, (origins, series)."""
    misses = np.full((2, len(origins), len(panel.keys), horizon), np.nan)
    then = np.full((len(origins), len(panel.keys)), np.nan)
    for number, origin in enumerate(origins):
        past = panel.until(origin)
        old = origin - panel.begins >= CHECKED * panel.grain.season
        then[number] = scales(past)
        actual = panel.cost[:, origin : origin + horizon]
        for model, points in enumerate(models(past, horizon)):
            misses[model, number, old] = (actual - points)[old]
    return misses, then


def _judged(found: Baseline) -> Baseline:
    """The forecast without what history cannot carry, and with launches."""
    refusals = [_refusal(found, row) for row in range(len(found.methods))]
    methods, point = list(found.methods), found.point.copy()
    young = [row for row, why in enumerate(refusals) if why == LAUNCH]
    pools = launches.pools(found.panel, young, found.horizon, SERVED)
    launched = {row: pool for row, pool in pools.items() if not pool.why}
    for row, why in enumerate(refusals):
        if row in launched:
            methods[row], refusals[row], point[row] = LAUNCH, "", launched[row].point
        elif why:
            methods[row], refusals[row], point[row] = NONE, pools[row].why if row in pools else why, np.nan
    return replace(found, point=point, methods=tuple(methods), refusals=tuple(refusals), launched=launched)


def _refusal(found: Baseline, row: int) -> str:
    """Why a series is refused; LAUNCH: it is too young for a season and may be forecast as a launch; ''."""
    grain, life = found.grain, found.history[row]
    if not life:
        unknown = np.isnan(found.panel.cost[row]) & ~np.isnan(found.panel.cost).all(axis=0)
        if unknown.any():
            return f"the cost of {grain.said(int(unknown.sum()))} is not known, and on the others nothing was spent"
        return "nothing was spent in the history"
    if life < grain.season:
        return f"{grain.said(life)} of history; a forecast needs {grain.said(grain.season)}"
    mine = found.panel.cost[row, -min(life, grain.memory) :]
    told, needed = int((~np.isnan(mine)).sum()), SERVED * grain.season
    if life < needed:
        return LAUNCH
    if told < needed or told < len(mine) / 2:
        return f"the cost of {grain.said(len(mine) - told)} of the last {grain.said(len(mine))} is not known"
    past = int(found.checked.sum())
    if past < CHECKED:
        needed = (CHECKED + (CHECKED - 1)) * grain.season + found.horizon
        return (
            f"{grain.said(life)} of history; to know how wrong {grain.said(found.horizon)} ahead turn out takes "
            f"{grain.said(needed)}, of this series or of others beside it: ask for fewer, or wait"
        )
    return ""


def _mean(values: Floats) -> Floats:
    """Mean by row of what is known; NaN where nothing is."""
    count = (~np.isnan(values)).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)


def _mean_size(errors: Floats) -> Floats:
    return _mean(np.abs(errors).transpose(1, 0, 2).reshape(errors.shape[1], -1))


def _ratio(mine: Floats, naive: Floats) -> Floats:
    both = (naive > 0) & ~np.isnan(mine)
    return np.where(both, mine / np.where(both, naive, 1), np.where(mine == 0, 1.0, np.nan))
