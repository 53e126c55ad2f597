"""The Theta method (Assimakopoulos and Nikolopoulos 2000; as exponential smoothing with half the trend: Hyndman and Billah
2003), for all rows of an array at once.

It is statsmodels' ``ThetaModel(y, method="additive")``, which a test compares: the same seasonality test, decomposition, trend
and smoothing. That model takes 20 ms a series, and a forecast with measured intervals needs it some fifty times a series. No
product of matrices here: a row's last bit must not hang on the rows beside it.
"""

from typing import Any

import numpy as np
from scipy.signal import lfilter

from forecasting.calc.series import Floats

_CHI = 2.705543454095404  # 90 % point of chi-squared with one degree: as statsmodels tests for a season
_LEVEL = np.array([0.0001, 0.02, *np.arange(0.08, 1, 0.08), 0.9999])  # weights of the newest value that are tried first
_FINE = np.linspace(-1, 1, 17)[1:-1]  # then these, in steps to the neighbours


def theta(history: Floats, season: int, horizon: int) -> Floats:
    """Forecasts (series, horizon) of histories (series, cells), at least two seasons long and without NaN.

    Not bounded below: a falling trend may end under zero.
    """
    cells = history.shape[1]
    pattern = _pattern(history, season) * _seasonal(history, season)[:, None]
    level_of = history - np.take(pattern, np.arange(cells) % season, axis=1)
    centred = np.arange(cells) - (cells - 1) / 2
    trend = (level_of * centred).sum(axis=1) / (centred * centred).sum()
    weight, level = _smoothed(level_of)
    ahead = np.arange(horizon)
    drift = (ahead + ((1 - (1 - weight) ** cells) / weight)[:, None]) * trend[:, None] / 2
    forecast: Floats = level[:, None] + drift + np.take(pattern, (cells + ahead) % season, axis=1)
    return forecast


def _seasonal(history: Floats, season: int) -> Any:
    """Which rows repeat: the autocorrelation at one season stands out of the shorter ones."""
    centred = history - history.mean(axis=1, keepdims=True)
    variance = (centred * centred).sum(axis=1)
    lags = [(centred[:, lag:] * centred[:, : history.shape[1] - lag]).sum(axis=1) for lag in range(season + 1)]
    correlation = np.array(lags) / np.where(variance > 0, variance, 1)
    below = (correlation[:-1] ** 2).sum(axis=0)
    return history.shape[1] * correlation[-1] ** 2 > _CHI * np.where(below > 0, below, np.inf)


def _pattern(history: Floats, season: int) -> Floats:
    """By phase, the mean distance from a centred moving average of one season; sums to zero."""
    cells, even = history.shape[1], season % 2 == 0
    width = season + even
    weights = np.full(width, 1 / season)
    if even:
        weights[[0, -1]] /= 2
    half = width // 2
    smooth = np.full_like(history, np.nan)
    smooth[:, half : cells - half] = lfilter(weights, [1.0], history, axis=1)[:, width - 1 :]
    rest = history - smooth
    pattern = np.stack([np.nanmean(rest[:, phase::season], axis=1) for phase in range(season)], axis=1)
    centred: Floats = pattern - pattern.mean(axis=1, keepdims=True)
    return centred


def _smoothed(rows: Floats) -> tuple[Floats, Floats]:
    """Simple exponential smoothing from the first value: the weight with the least squared error, and the last level."""
    best = np.full(len(rows), np.inf)
    weight, level = np.full(len(rows), _LEVEL[0]), rows[:, 0].copy()
    chosen = np.zeros(len(rows), dtype=np.int64)
    for number, each in enumerate(_LEVEL):
        _try(rows, np.arange(len(rows)), each, (best, weight, level))
        chosen[weight == each] = number
    for number in np.unique(chosen):
        mine = np.flatnonzero(chosen == number)
        for step in _FINE:
            other = _LEVEL[min(max(number + int(np.sign(step)), 0), len(_LEVEL) - 1)]
            _try(rows, mine, _LEVEL[number] + abs(step) * (other - _LEVEL[number]), (best, weight, level))
    return weight, level


def _try(rows: Floats, mine: Any, each: float, found: tuple[Floats, Floats, Floats]) -> None:
    best, weight, level = found
    own = rows[mine]
    levels = lfilter([each], [1, each - 1], own, axis=1, zi=(1 - each) * own[:, :1])[0]
    error = ((own[:, 1:] - levels[:, :-1]) ** 2).sum(axis=1)
    better = error < best[mine]
    take = mine[better]
    best[take], weight[take], level[take] = error[better], each, levels[better, -1]
