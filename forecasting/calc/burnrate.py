"""Burn rates: how much faster a budget is spent, hour by hour, than was meant.

The rate of a window is what was spent in its hours divided by what was meant to be spent in them: 1 is as meant. Hours are
consecutive; arrays are float64, oldest hour first, in units of currency: what is estimated from an exact ledger, never what
is owed. An hour not known yet (NaN) counts on neither side.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from forecasting.calc.watch_policy import BUDGET, EXPECTED, SEASON, BurnRule, Season

Array = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
DAY, WEEK = 24, 168
KNOWN = 0.5  # of what was meant in a window, the part whose hours must be known for a rate to be told


class BurnError(ValueError):
    """Hours cannot be watched; the message says why."""


class Watched(NamedTuple):
    """Hours of one budget. All arrays have one length; the first ``history`` hours are what came before those watched.

    ``begins``: hour of the week of the first one (0: Monday, midnight, on the issuer's clock). ``meant``: what was meant to be
    spent by hour, under each name that a rule may be held ``against``.
    """

    begins: int
    history: int
    spend: Array
    meant: dict[str, Array]


class Reading(NamedTuple):
    """What a rule saw at the end of one hour: the rate of each window, and of the longest what was spent and meant."""

    rule: BurnRule
    rates: tuple[float, ...]
    spent: float
    meant: float

    @property
    def over(self) -> float:
        """Spent beyond what was meant in the longest window."""
        return self.spent - self.meant


def season(history: Array, begins: int, given: Season) -> Array:
    """Weight of each hour of the week (168, about 1 on average) from a history: weekday x hour of the day, both drawn to 1.

    The shorter the history the more: an hour of the day by days / (days + shrink_days), a weekday by weeks / (weeks +
    shrink_weeks). Without any known spend all are 1. No weight lies below ``floor``.
    """
    if not 0 <= begins < WEEK:
        raise BurnError(f"the first hour is one of a week, 0 to {WEEK - 1}, not {begins}")
    hours = (np.arange(len(history)) + begins) % WEEK
    of_day, of_weekday = hours % DAY, hours // DAY
    daily = _drawn(history, of_day, DAY, given.shrink_days, DAY)
    level = np.divide(history, daily[of_day], out=np.full(len(history), np.nan), where=daily[of_day] > 0)
    weekly = _drawn(level, of_weekday, WEEK // DAY, given.shrink_weeks, WEEK)
    weights = np.outer(weekly, daily).ravel()
    found: Array = np.maximum(weights / weights.mean(), given.floor)
    return found


def _drawn(history: Array, group: Any, groups: int, shrink: float, span: int) -> Array:
    """Mean of each group of hours relative to all known ones, drawn to 1; a negative one (corrections) counts as none."""
    known = ~np.isnan(history)
    counts = np.bincount(group[known], minlength=groups)
    sums = np.bincount(group[known], weights=history[known], minlength=groups)
    level = sums.sum() / max(counts.sum(), 1)
    if level <= 0:
        return np.ones(groups)
    means = np.maximum(np.divide(sums, counts, out=np.full(groups, level), where=counts > 0), 0) / level
    times = counts * groups / span
    drawn: Array = (times * means + shrink) / np.where(times + shrink > 0, times + shrink, 1)
    return np.where(times + shrink > 0, drawn, 1.0)


def watched(
    spend: Array, budget: Array, begins: int, history: int, given: Season, expected: Array | None = None
) -> Watched:
    """Hours as rules see them.

    In: ``spend`` by hour; ``budget`` meant for each hour, flat over its period; ``history``: how many of the first hours the
    season comes from; ``expected`` by the forecast in force, NaN where there was none. All finite and not negative but
    ``spend``, whose corrections may be. Raises BurnError.
    """
    budget = np.asarray(budget, dtype=np.float64)
    expected = np.full(len(budget), np.nan) if expected is None else np.asarray(expected, dtype=np.float64)
    spend = np.asarray(spend, dtype=np.float64)
    if not len(spend) == len(budget) == len(expected):
        raise BurnError(
            f"{len(spend)} hours of spend, {len(budget)} of budget, {len(expected)} of forecast: one length"
        )
    if not 0 <= history <= len(spend):
        raise BurnError(f"a history of {history} hours does not lie in {len(spend)}")
    if np.isinf(spend).any() or not np.isfinite(budget).all() or np.isinf(expected).any():
        raise BurnError("an hour's spend, budget or forecast is infinite, or its budget not known")
    if (budget < 0).any() or (expected < 0).any():
        raise BurnError("a budget or forecast of an hour is negative")
    weights = season(spend[:history], begins, given)
    seasonal = budget * weights[(np.arange(len(spend)) + begins) % WEEK]
    meant = {BUDGET: budget, SEASON: seasonal, EXPECTED: np.where(np.isnan(expected), seasonal, expected)}
    return Watched(begins, history, spend, meant)


def rates(spend: Array, meant: Array, hours: int) -> Array:
    """Rate of the window that ends with each hour; NaN: fewer hours than it has, or too few of them known.

    Money spent where none was meant has an infinite rate.
    """
    found = np.full(len(spend), np.nan)
    if len(spend) < hours:
        return found
    spent, due, known = _sums(spend, meant, hours)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(due > 0, spent / due, np.where(spent > 0, np.inf, np.nan))
    found[hours - 1 :] = np.where(known, rate, np.nan)
    return found


def _sums(spend: Array, meant: Array, hours: int) -> tuple[Array, Array, Flags]:
    """Of each whole window: spent and meant in its known hours, and whether enough of it is known."""
    known = ~np.isnan(spend)
    windows = np.lib.stride_tricks.sliding_window_view
    spent = windows(np.where(known, spend, 0), hours).sum(axis=1)
    due = windows(np.where(known, meant, 0), hours).sum(axis=1)
    whole = windows(meant, hours).sum(axis=1)
    counted = windows(known, hours).sum(axis=1)
    enough = np.where(whole > 0, due >= KNOWN * whole, counted >= KNOWN * hours)
    return spent, due, enough & (counted > 0)


def fires(seen: Watched, rule: BurnRule) -> Flags:
    """Whether the rule fires at the end of each hour; of the history never."""
    meant = seen.meant[rule.against]
    found = np.ones(len(seen.spend), dtype=bool)
    for hours in rule.hours:
        rate = rates(seen.spend, meant, hours)
        found &= rate >= max(rule.at_least, _busiest(rate, seen.history, rule))
    found[: seen.history] = False
    return found


def _busiest(rate: Array, history: int, rule: BurnRule) -> float:
    """The rate that the history asks for; infinite where it is not steady enough, or there is none."""
    if rule.of_busiest is None or rule.busiest_most is None:
        return 0.0
    past = rate[:history][~np.isnan(rate[:history])]
    if not len(past) or (most := float(past.max())) > rule.busiest_most:
        return float("inf")
    return rule.of_busiest * most


def readings(seen: Watched, rules: Sequence[BurnRule]) -> list[Reading]:
    """What the rules that fire at the end of the last hour saw, in the order of the rules."""
    found = []
    for rule in rules:
        if not len(seen.spend) or not fires(seen, rule)[-1]:
            continue
        meant = seen.meant[rule.against]
        spent, due, _ = _sums(seen.spend[-rule.hours[-1] :], meant[-rule.hours[-1] :], rule.hours[-1])
        rate = tuple(float(rates(seen.spend[-hours:], meant[-hours:], hours)[-1]) for hours in rule.hours)
        found.append(Reading(rule, rate, float(spent[-1]), float(due[-1])))
    return found


def hours_left(left: float, seen: Watched, hours: int) -> float | None:
    """Hours until what is left of a budget is spent if the last ``hours`` go on; 0: nothing is left; None: nothing is spent."""
    last = seen.spend[-hours:]
    known = last[~np.isnan(last)]
    if left <= 0:
        return 0.0
    return left / float(known.mean()) if len(known) and known.sum() > 0 else None


def spread(daily: Array, weights: Array, weekday: int) -> Array:
    """Days as hours, by the weights of the hours of a week (``season``): for sources that tell days alone.

    In: spend by day (NaN: not known), ``weekday`` of the first (0: Monday). The hours of a day add up to it. Windows shorter
    than a day then see the day's own rate.
    """
    by_day = np.asarray(weights, dtype=np.float64).reshape(WEEK // DAY, DAY)
    parts = by_day / by_day.sum(axis=1, keepdims=True)
    found: Array = (np.asarray(daily)[:, None] * parts[(np.arange(len(daily)) + weekday) % (WEEK // DAY)]).ravel()
    return found
