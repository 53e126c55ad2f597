"""Which anomalies people hear of: one alert a node of the hierarchy, gated by the money at stake, judged by people afterwards.

An alert is worth sending when what it can save is more than what it costs to look at it. With a precision p, one in 1/p
alerts is real, so an episode is told when its impact reaches triage cost / p. The precision is what people said of earlier
alerts, and the one assumed while they have said little.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from scipy.stats import beta

from forecasting.calc.anomaly import Episode
from forecasting.calc.series import Key

REAL, EXPECTED, WRONG = "real", "expected", "wrong"  # what people say: act on it; known beforehand; nothing there
VERDICTS = (REAL, EXPECTED, WRONG)
_PRIOR = 10  # judged alerts that the assumed precision weighs as much as
_TAIL = (100 - 95) / 200
_WIDE = Context(prec=40, rounding=ROUND_HALF_EVEN)


class Feedback(NamedTuple):
    """What a person said of an alert; it holds for every episode of the key that meets its time, whatever is found later."""

    key: Key
    start: datetime
    end: datetime
    verdict: str


class Precision(NamedTuple):
    """Share of judged alerts that were real. ``low``, ``high``: 95 % interval (Clopper-Pearson); ``judged``: how many.

    ``used``: judged and assumed together, what the gate uses.
    """

    share: float | None
    low: float
    high: float
    judged: int
    used: float


class Alert(NamedTuple):
    """An episode that is told. ``below``: the episodes of nodes under it at the same time, largest first."""

    episode: Episode
    below: tuple[Episode, ...]


def precision(feedback: Sequence[Feedback], assumed: float) -> Precision:
    """The precision shown and the one used. ``assumed``: above 0 up to 1, from the assumption register. Raises ValueError."""
    if not 0 < assumed <= 1:
        raise ValueError(f"an assumed precision is above 0 and at most 1, not {assumed}")
    wrong = {one.verdict for one in feedback} - set(VERDICTS)
    if wrong:
        raise ValueError(f"no verdict {', '.join(sorted(wrong))}; possible: {', '.join(VERDICTS)}")
    judged, real = len(feedback), sum(one.verdict == REAL for one in feedback)
    low = float(beta.ppf(_TAIL, real, judged - real + 1)) if real else 0.0
    high = float(beta.ppf(1 - _TAIL, real + 1, judged - real)) if real < judged else 1.0
    used = (real + _PRIOR * assumed) / (judged + _PRIOR)
    return Precision(real / judged if judged else None, low, high, judged, used)


def least_impact(triage_cost: Decimal, of: Precision) -> Decimal:
    """The money from which an alert is worth a look: triage cost / precision, to a hundredth."""
    return _WIDE.quantize(_WIDE.divide(triage_cost, Decimal(repr(of.used))), Decimal("0.01"))


def alerts(levels: Sequence[Sequence[Episode]], least: float, feedback: Sequence[Feedback] = ()) -> list[Alert]:
    """Alerts of the episodes of each level, the whole first; keys of a level begin with those of the level above.

    Top-down: an episode is told at the highest node that shows it; those of nodes below at the same time are listed with it.
    One that nets out above is told where it stands. Not told: below ``least`` (either way), or said to be expected, and with
    that one those below it.
    """
    told: list[Alert] = []
    known: list[Episode] = []
    rest = [list(level) for level in levels]
    for number, level in enumerate(rest):
        for episode in level:
            if abs(episode.impact) < least:
                continue
            if any(_holds(above, episode) and _same_way(above, episode) for above in known):
                continue
            known.append(episode)
            if _said(episode, feedback) == EXPECTED:
                continue
            below = [one for deeper in rest[number + 1 :] for one in deeper if _holds(episode, one)]
            told.append(Alert(episode, tuple(sorted(below, key=lambda one: (-abs(one.impact), one.key)))))
    return sorted(told, key=lambda alert: (-abs(alert.episode.impact), alert.episode.start, alert.episode.key))


def _holds(above: Episode, below: Episode) -> bool:
    """Whether the first is of a node above the second's, at a time they share."""
    node = len(above.key) < len(below.key) and below.key[: len(above.key)] == above.key
    return node and above.start < below.end and below.start < above.end


def _same_way(one: Episode, other: Episode) -> bool:
    return (one.impact > 0) == (other.impact > 0)


def _said(episode: Episode, feedback: Sequence[Feedback]) -> str:
    """The last verdict on the key at a time that meets the episode; ''."""
    mine = [one for one in feedback if one.key == episode.key and one.start < episode.end and episode.start < one.end]
    return mine[-1].verdict if mine else ""
