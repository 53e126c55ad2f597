"""How predictions fared: what was predicted against what came, in counts that add up, and what may be said of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd

from allocation.calc.marginal_rates import wilson
from allocation.calc.predict_calibration import TRACKED, UNKNOWN
from finops.focus import TIERS
from finops.frames import require_columns

MINIMUM = 30  # predictions below which tracking claims nothing
NOMINAL = 0.8  # what an interval says that it covers
LEAST, MOST = 0.77, 0.86  # what an interval of 80 % may cover
OTHERS = "(others)"  # use cases kept together
COUNTS = ("unknown", "bounded", "below", "above", "hits")
AS_STATED, TOO_NARROW, TOO_WIDE, TOO_FEW = "as_stated", "too_narrow", "too_wide", "too_few"


@dataclass(frozen=True)
class Counts:
    """Predictions that were compared. ``unknown``: refused, in no other count. ``bounded``: with interval and cost.

    ``came``: how many of those not refused turned out to be of each of TIERS.
    """

    unknown: int = 0
    bounded: int = 0
    below: int = 0
    above: int = 0
    hits: int = 0
    came: tuple[int, ...] = (0,) * len(TIERS)

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return Counts(**sums, came=tuple(one + two for one, two in zip(self.came, other.came, strict=True)))


class Tracking(NamedTuple):
    """How predictions of one use case (None: all) fared. Rates come with their counts; None below the minimum.

    ``coverage``: share of the ``bounded`` whose cost was within the interval, ``low`` to ``high`` at 95 % confidence; ``below``
    and ``above``: the others. ``majority``: the hit rate of always saying the commonest tier that came. ``unknown``: refused.
    """

    feature: str | None
    unknown: int
    bounded: int
    covered: int
    below: int
    above: int
    coverage: float | None
    low: float | None
    high: float | None
    verdict: str
    judged: int
    hits: int
    hit_rate: float | None
    majority_tier: str
    majority: float | None


def counted(frame: pd.DataFrame) -> list[tuple[str, str, Counts]]:
    """(cost centre, feature, counts) of a frame of TRACKED; cost or bounds NaN: not compared by cost."""
    require_columns(frame, TRACKED, name="predictions")
    places = frame.groupby(["cost_centre", "feature"], sort=True)
    return [(str(centre), str(feature), _counts(rows)) for (centre, feature), rows in places]


def told(feature: str | None, counts: Counts) -> Tracking:
    """What counts say."""
    judged, covered = sum(counts.came), counts.bounded - counts.below - counts.above
    commonest = max(range(len(TIERS)), key=lambda place: counts.came[place])
    enough = judged >= MINIMUM
    rates: tuple[float | None, float | None, float | None] = (None, None, None)
    verdict = TOO_FEW
    if counts.bounded >= MINIMUM:
        found = wilson(covered, counts.bounded)
        rates = float(found.estimate), float(found.low), float(found.high)
        verdict = TOO_NARROW if found.high < LEAST else TOO_WIDE if found.low > MOST else AS_STATED
    return Tracking(
        feature, counts.unknown, counts.bounded, covered, counts.below, counts.above, *rates, verdict, judged, counts.hits,
        counts.hits / judged if enough else None, TIERS[commonest] if judged else "",
        counts.came[commonest] / judged if enough else None,
    )  # fmt: skip


def by_feature(rows: Iterable[tuple[str, Counts]], most: int | None = None) -> list[Tracking]:
    """All together first, then by use case, by name; beyond the ``most`` compared ones as OTHERS, last.

    In: (use case, counts), of any number of cost centres.
    """
    sums: dict[str, Counts] = {}
    for feature, counts in rows:
        sums[feature] = sums.get(feature, Counts()).plus(counts)
    whole = reduce(Counts.plus, sums.values(), Counts())
    large = sorted(sums, key=lambda feature: (feature == OTHERS, -sum(sums[feature].came), feature))[:most]
    shown = [
        told(feature, sums[feature]) for feature in sorted(large, key=lambda feature: (feature == OTHERS, feature))
    ]
    rest = [sums[feature] for feature in sums.keys() - set(large)]
    return [told(None, whole), *shown, *([told(OTHERS, reduce(Counts.plus, rest))] if rest else [])]


def tracking(frame: pd.DataFrame) -> Sequence[Tracking]:
    """Predictions of a frame of TRACKED against what came, all together first, then by use case."""
    return by_feature((feature, counts) for _, feature, counts in counted(frame))


def _counts(frame: pd.DataFrame) -> Counts:
    unknown = (frame["predicted"] == UNKNOWN).to_numpy(dtype=bool)
    known = frame[~unknown]
    low, high, cost = (known[name].to_numpy(dtype=float) for name in ("cost_low", "cost_high", "cost"))
    with_bounds = np.isfinite(low) & np.isfinite(high) & np.isfinite(cost)
    return Counts(
        int(unknown.sum()), int(with_bounds.sum()), int((cost < low)[with_bounds].sum()),
        int((cost > high)[with_bounds].sum()), int((known["predicted"] == known["tier"]).sum()),
        tuple(int((known["tier"] == tier).sum()) for tier in TIERS),
    )  # fmt: skip
