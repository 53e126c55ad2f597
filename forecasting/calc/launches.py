"""Series too young to have a season: what became of earlier launches at the same age, applied to the level so far.

Launches spike and then fall (of eight real ones the second day had 0.42 of the first), so neither the last day nor a trend
says what comes. The forecast is the level so far times the median of what the others had season by season; its intervals are
theirs too, and of theirs alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.calc.series import Floats, Panel, known

DONORS = 9  # between the least and the greatest of nine lies the tenth with 80 %: below, no such interval exists


@dataclass(frozen=True)
class Pool:
    """What earlier launches say of a young series: ``point`` (horizon,), ``futures`` (donors, horizon): theirs on its level.

    ``why``: '' or why they say nothing, and then both are empty.
    """

    point: Floats
    futures: Floats
    why: str = ""


def pools(panel: Panel, young: Sequence[int], horizon: int, seasons: int) -> dict[int, Pool]:
    """The pool of every young row of a panel. ``seasons``: the age from which on a series is not young.

    A donor began after the panel did (by a season at least: else its launch was not seen) and has a known future as long as
    the horizon from the same age on.
    """
    found = {}
    grain, begins = panel.grain, panel.begins
    for row in young:
        age = panel.cells - int(begins[row])
        level = float(np.nanmean(panel.cost[row, begins[row] :]))
        donors = np.flatnonzero((begins >= grain.season) & (begins + age + horizon <= panel.cells))
        futures = [_future(panel, int(donor), age, horizon) for donor in donors]
        told = [future for future in futures if future is not None]
        if len(told) < DONORS:
            found[row] = Pool(np.empty(0), np.empty((0, 0)), _why(panel, age, seasons, horizon, len(told)))
        else:
            shares = np.stack(told)
            found[row] = Pool(level * _decay(shares, grain.season), level * shares)
    return found


def _future(panel: Panel, donor: int, age: int, horizon: int) -> Floats | None:
    """What a series cost after that age, over its mean until then; None where too little of it is known, or some below 0."""
    begin = int(panel.begins[donor])
    until, after = np.split(panel.cost[donor, begin : begin + age + horizon], [age])
    if np.isnan(until).mean() > 1 / 2 or np.isnan(after).mean() > 1 / 2:
        return None
    if np.nanmin(until) < 0 or np.nanmin(after) < 0 or not np.nanmean(until):
        return None
    future: Floats = known(after[None], min(panel.grain.season, horizon))[0] / np.nanmean(until)
    return future


def _decay(shares: Floats, season: int) -> Floats:
    """By cell, the median over donors of the mean of that season."""
    point = np.empty(shares.shape[1])
    for low in range(0, shares.shape[1], season):
        point[low : low + season] = np.median(shares[:, low : low + season].mean(axis=1))
    return point


def _why(panel: Panel, age: int, seasons: int, horizon: int, donors: int) -> str:
    grain = panel.grain
    return (
        f"{grain.said(age)} of history; a forecast needs {grain.said(seasons * grain.season)}, or {DONORS} earlier launches "
        f"that were followed for {grain.said(age + horizon)}, and there are {donors}"
    )
