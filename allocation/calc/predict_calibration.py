"""Intervals that hold what they promise: conformal calibration by rolling origins.

History up to a day predicts the days after it; how far each bound was missed there (on the log axis, by 1 query in 11,
conformalised quantile regression of Romano, Patterson and Candes 2019, each side apart) moves the bounds of what is
predicted next. As those days were unseen too, a trend and a drift of the usual size are in the margin. What differs from week
to week for all queries at once is not, hence AIMED. What was predicted from few days missed by more than it would now, and
counts only where the history is no longer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from allocation.calc.predict_history import (
    ANY,
    AT,
    BOUNDS,
    HALF_LIFE,
    LEVELS,
    NOTHING,
    Floats,
    History,
    HistoryError,
    learnt,
    looked_up,
    prepared,
)
from finops.focus import TIERS

NEEDED = 100  # predictions compared with what came, below which no interval is given
OWN = 300  # of one use case, from which its own misses count and not those of all
AHEAD = 7  # days that a calibration looks ahead
WINDOWS = 4
AIMED = 0.82  # what margins are made for: days to come differ from each other more than queries of one day do
NOISE = 1e-9  # relative, of floats: where all cost the same, none lies beside the bound that they are
TRACKED = ("cost_centre", "feature", "predicted", "tier", "cost_low", "cost_high", "cost")
UNKNOWN = "unknown"


class Bounds(NamedTuple):
    """Bounds of 80 % on the log axis: of cost, and of output tokens + 1; NaN: not known."""

    cost_low: float
    cost_high: float
    output_low: float
    output_high: float


@dataclass(frozen=True)
class Predictor:
    """History and by how much its bounds are to be moved: use case -> margins in the order of BOUNDS, None: others."""

    history: History
    margins: Mapping[str | None, Floats]

    def bounds(self, feature: str, statistics: Floats) -> Bounds:
        """Calibrated bounds of one kind of query; NaN where too few predictions were compared or nothing has a price."""
        found = self.moved(statistics[None, :], np.array([feature], dtype=object))[0]
        return Bounds(*(float(value) for value in found))

    def moved(self, statistics: Floats, features: np.ndarray[tuple[int], np.dtype[np.object_]]) -> Floats:
        """Calibrated bounds (rows, BOUNDS) of many."""
        margins = {name: self.margins.get(name, self.margins[None]) for name in set(features)}
        found: Floats = statistics[:, [AT[name] for name in BOUNDS]] + np.array([margins[name] for name in features])
        for low, high in ((0, 1), (2, 3)):  # margins that narrow may cross a narrow pair
            pair = found[:, [low, high]]
            found[:, low], found[:, high] = pair.min(axis=1), pair.max(axis=1)
        return found


def learn(frame: pd.DataFrame, ahead: int = AHEAD) -> Predictor:
    """A predictor of the queries of the next ``ahead`` days from a frame of predict_history.COLUMNS. Raises HistoryError."""
    rows = prepared(frame)
    if not len(rows):
        raise HistoryError("history is empty; predictions need queries whose tier is known")
    days = rows["day"].to_numpy()
    today = float(days.max())
    missed, features = [], []
    origins = [today - back * ahead for back in range(WINDOWS, 0, -1)]
    grown = [origin for origin in origins if origin - days.min() >= HALF_LIFE]
    for origin in grown or origins:
        before, after = rows[days <= origin], rows[(days > origin) & (days <= origin + ahead)]
        if len(before) and len(after):
            statistics, known = _of_rows(learnt(before, origin, ((),)), after)
            low_high = statistics[:, [AT[name] for name in BOUNDS]]
            came = after[["log_cost", "log_cost", "log_output", "log_output"]].to_numpy(dtype=float)
            missed.append(
                (low_high - came)[known] * np.array([1, -1, 1, -1])
            )  # positive: the bound was missed by so much
            features.append(after["feature"].to_numpy()[known])
    scores = np.concatenate(missed) if missed else np.empty((0, len(BOUNDS)))
    of = np.concatenate(features) if features else np.empty(0, dtype=object)
    # What other use cases missed by may widen the bounds of one, never narrow them: its costs may be a few values.
    pooled = _margins(scores, NEEDED)
    pooled = np.where(np.isnan(pooled), pooled, np.array([-1, 1, -1, 1]) * np.maximum(pooled * [-1, 1, -1, 1], 0))
    margins: dict[str | None, Floats] = {None: pooled}
    for name in sorted(set(of)):
        own = _margins(scores[of == name], OWN)
        margins[name] = np.where(np.isnan(own), pooled, own)
    return Predictor(learnt(rows, today), margins)


def _margins(scores: Floats, least: int) -> Floats:
    """What to add to each bound so that half of 1 - AIMED of the scores miss it; NaN where there are fewer than ``least``."""
    found = np.full(len(BOUNDS), np.nan)
    for place, sign in enumerate((-1, 1, -1, 1)):
        of = np.sort(scores[:, place][np.isfinite(scores[:, place])])
        if len(of) >= least:
            rank = min(ceil((len(of) + 1) * (1 + AIMED) / 2), len(of))
            found[place] = sign * of[rank - 1]
    return found


def _of_rows(history: History, rows: pd.DataFrame) -> tuple[Floats, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Statistics of every prepared row, and whether its kind is known; of what can be known before the call: not the tools."""
    columns = list(LEVELS[-1])
    codes, keys = pd.factorize(pd.MultiIndex.from_frame(rows.assign(tools=ANY)[columns]))
    found = [looked_up(history, dict(zip(columns, key, strict=True))) for key in keys]
    table = np.array([NOTHING if one.why else one.statistics for one in found])
    return table[codes], np.array([not one.why for one in found])[codes]


def held_out(frame: pd.DataFrame, ahead: int = AHEAD) -> pd.DataFrame:
    """TRACKED of the queries of the last ``ahead`` days of a frame, predicted from those before: as if they were to come.

    Empty where there are no days before them.
    """
    seen = frame["day"] <= frame["day"].max() - ahead
    if not seen.any():
        return pd.DataFrame({name: [] for name in TRACKED})
    return predicted(learn(frame[seen], ahead), frame[~seen])


def predicted(predictor: Predictor, frame: pd.DataFrame) -> pd.DataFrame:
    """What would have been predicted of the queries of a frame of COLUMNS, beside what came: TRACKED, one row per query."""
    rows = prepared(frame)
    if not len(rows):
        return pd.DataFrame({name: [] for name in TRACKED})
    statistics, known = _of_rows(predictor.history, rows)
    likeliest = np.array(TIERS, dtype=object)[np.nan_to_num(statistics[:, : len(TIERS)]).argmax(axis=1)]
    bounds = predictor.moved(statistics, rows["feature"].to_numpy())
    return pd.DataFrame(
        {
            "cost_centre": rows["cost_centre"], "feature": rows["feature"],
            "predicted": np.where(known, likeliest, UNKNOWN), "tier": rows["tier"],
            "cost_low": 10 ** bounds[:, 0] * (1 - NOISE), "cost_high": 10 ** bounds[:, 1] * (1 + NOISE),
            "cost": rows["cost"],
        }
    )  # fmt: skip
