"""How good forecasts were: the baseline run again from origins in the past, against what came, by level of the hierarchy.

Nothing of the future is seen: at an origin models, method, scales and intervals are made of the cells before it. MASE: mean
absolute error over the in-sample mean seasonal difference. WAPE: sum of absolute errors over the sum of actuals. WQL:
weighted quantile loss, twice the pinball loss of QUANTILES over the actuals, their mean. Bias: (forecast - actual) / actual.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecasting.calc import hierarchy
from forecasting.calc.baseline import NAIVE, NONE, Baseline, forecast
from forecasting.calc.events import Event, factors, usual
from forecasting.calc.fitted import fitted
from forecasting.calc.intervals import LEVELS, QUANTILES, marginals
from forecasting.calc.price_index import PriceIndex
from forecasting.calc.series import Floats, Key, Panel

SERVED = ""  # the method that the product would have served
SCORES = ("MASE", "WAPE", "WQL", "Bias", *(f"Coverage{level}" for level in LEVELS), "TotalWAPE")


@dataclass(frozen=True)
class Run:
    """Forecasts of one level from one origin beside what came; all (series, horizon), quantiles with QUANTILES last.

    ``point``: as it is stated (calc.fitted); of seasonal naive asked for by name, what it says itself.
    ``scale``: (series,), the in-sample mean absolute seasonal difference; ``methods``: NONE where refused (then NaN).
    """

    method: str
    level: tuple[str, ...]
    origin: int
    keys: tuple[Key, ...]
    actual: Floats
    point: Floats
    quantiles: Floats
    scale: Floats
    methods: tuple[str, ...]


class Variance(NamedTuple):
    """An actual against the forecast that was in force. ``difference`` = actual - forecast, ``share`` of the forecast.

    ``band``: the best of the bands given that it keeps, '' if none; ``inside``: by interval, whether the actual lay in it.
    """

    forecast: Decimal
    actual: Decimal
    difference: Decimal
    share: float | None
    band: str
    inside: dict[int, bool]


def origins_of(panel: Panel, horizon: int, count: int) -> list[int]:
    """The last ``count`` origins whose horizons do not overlap, oldest first; those before two seasons are left out."""
    found = [panel.cells - horizon * number for number in range(count, 0, -1)]
    return [origin for origin in found if origin >= 2 * panel.grain.season]


def backtest(
    panel: Panel,
    horizon: int,
    origins: Sequence[int],
    levels: Sequence[Sequence[str]] | None = None,
    *,
    methods: Sequence[str] = (SERVED, NAIVE),
    index: PriceIndex | None = None,
    events: Sequence[Event] = (),
) -> list[Run]:
    """Runs by origin, method and level (the finest alone without ``levels``).

    With an ``index``, forecasts are made at constant prices and priced with what it says of the time; the panel's costs and
    all results are at the prices of their time. ``events``: of the calendar, taken to have been known at every origin.
    """
    found: list[Run] = []
    for origin in origins:
        past = panel.until(origin)
        then, ahead = _prices(panel, origin, horizon, index)
        cost = usual(past, events).cost / then
        ahead = ahead * factors(past, events, horizon)[0]
        constant = replace(past, cost=cost)
        for method in methods:
            made = forecast(constant, horizon, method=method)
            found += [_run(panel, made, tuple(level), method, ahead) for level in levels or [panel.dimensions]]
    return found


def scores(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a method, level and SCORES over all its series and origins; ``Cells``: how many actuals were forecast."""
    rows = []
    for method, level in dict.fromkeys((run.method, run.level) for run in runs):
        mine = [run for run in runs if (run.method, run.level) == (method, level)]
        rows.append({"Method": method, "Level": level, **_scores(mine)})
    return pd.DataFrame(rows)


def by_series(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a method, level and series: SCORES over its origins, and the method of the last one."""
    rows = []
    for method, level in dict.fromkeys((run.method, run.level) for run in runs):
        mine = [run for run in runs if (run.method, run.level) == (method, level)]
        for key in dict.fromkeys(key for run in mine for key in run.keys):
            parts = [_of_series(run, run.keys.index(key)) for run in mine if key in run.keys]
            rows.append({"Method": method, "Level": level, "Key": key, "Used": parts[-1].methods[0], **_scores(parts)})
    return pd.DataFrame(rows)


def variance(
    forecast_: Decimal,
    actual: Decimal,
    bands: Sequence[tuple[str, float]],
    intervals: dict[int, tuple[Decimal, Decimal]],
) -> Variance:
    """The forecast in force against the actual. ``bands``: (name, share) such as run, walk and crawl, in any order.

    ``intervals``: level -> its bounds. A forecast of nothing has no share and keeps no band.
    """
    share = float((actual - forecast_) / forecast_) if forecast_ else None
    kept = [name for name, most in sorted(bands, key=lambda band: band[1]) if share is not None and abs(share) <= most]
    inside = {level: low <= actual <= high for level, (low, high) in intervals.items()}
    return Variance(forecast_, actual, actual - forecast_, share, kept[0] if kept else "", inside)


def _prices(panel: Panel, origin: int, horizon: int, index: PriceIndex | None) -> tuple[Floats, Floats]:
    """Factors of history and future, against the prices in force at the end of the history."""
    if index is None:
        return np.ones((len(panel.keys), origin)), np.ones((len(panel.keys), horizon))
    base = panel.at(origin - 1)
    return index.factors(panel, base, 0, origin), index.factors(panel, base, origin, horizon)


def _run(panel: Panel, made: Baseline, level: tuple[str, ...], method: str, ahead: Floats) -> Run:
    origin, scaled = made.panel.cells, ahead
    stated = made.point if method == NAIVE else fitted(made, marginals(made))  # that to beat is plain seasonal naive
    point = stated * ahead
    if level != panel.dimensions:
        point = hierarchy.summed(made.panel, level, point)
        scaled = hierarchy.blended(made, level, ahead)
        made = hierarchy.aggregate(made, level)
    actual = np.stack([
        panel.cost[rows, origin : origin + made.horizon].sum(axis=0) for rows in hierarchy.groups(panel, level).values()
    ])  # fmt: skip
    quantiles = marginals(made).quantiles() * scaled[:, :, None]
    return Run(method, level, origin, made.panel.keys, actual, point, quantiles, _in_sample(made.panel), made.methods)


def _in_sample(panel: Panel) -> Floats:
    differences = np.abs(panel.cost[:, panel.grain.season :] - panel.cost[:, : -panel.grain.season])
    count = (~np.isnan(differences)).sum(axis=1)
    return np.where(count > 0, np.nansum(differences, axis=1) / np.maximum(count, 1), np.nan)


def _of_series(run: Run, row: int) -> Run:
    one = slice(row, row + 1)
    return Run(
        run.method, run.level, run.origin, run.keys[one], run.actual[one], run.point[one], run.quantiles[one], run.scale[one],
        run.methods[one],
    )  # fmt: skip


def _scores(runs: Sequence[Run]) -> dict[str, float]:
    """SCORES of some runs; NaN where nothing can be said. Series that do not vary in the sample have no MASE."""
    ratios, absolute, pinball, bias, total, actuals, cells = list[Floats](), 0.0, 0.0, 0.0, 0.0, 0.0, 0
    inside = np.zeros(len(LEVELS))
    for run in runs:
        told = ~np.isnan(run.actual) & ~np.isnan(run.point)
        error = np.where(told, run.point - run.actual, 0)
        scale = np.where(run.scale > 0, run.scale, np.nan)
        with_any = told.any(axis=1)
        ratios.append((np.abs(error).sum(axis=1) / np.maximum(told.sum(axis=1), 1) / scale)[with_any])
        absolute, bias = absolute + float(np.abs(error).sum()), bias + float(error.sum())
        total += float(np.abs(error.sum(axis=1)).sum())
        actuals, cells = actuals + float(run.actual[told].sum()), cells + int(told.sum())
        for place, level in enumerate(QUANTILES):
            above = run.actual - run.quantiles[:, :, place]
            pinball += float(np.maximum(level * above, (level - 1) * above)[told].sum()) * 2 / len(QUANTILES)
        inside += [_inside(run, told, place) for place in range(len(LEVELS))]
    every = np.concatenate(ratios) if ratios else np.empty(0)
    over = actuals if actuals > 0 else float("nan")
    shares = dict(
        zip((f"Coverage{level}" for level in LEVELS), inside / max(cells, 1) if cells else inside * np.nan, strict=True)
    )
    mase = float(np.nanmean(every)) if (~np.isnan(every)).any() else float("nan")
    return {
        "MASE": mase, "WAPE": absolute / over, "WQL": pinball / over, "Bias": bias / over, **shares,
        "TotalWAPE": total / over, "Cells": cells,
    }  # fmt: skip


def _inside(run: Run, told: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]", place: int) -> int:
    """How many actuals lie in an interval; a hair's breadth for what floats make of equal costs."""
    middle = len(LEVELS)
    low, high = run.quantiles[:, :, middle - 1 - place], run.quantiles[:, :, middle + 1 + place]
    hair = 1e-9 * np.maximum(np.abs(run.actual), 1)
    return int(((run.actual >= low - hair) & (run.actual <= high + hair) & told).sum())


def refused(runs: Sequence[Run]) -> int:
    """Series and origins that had no forecast."""
    return sum(method == NONE for run in runs for method in run.methods)
