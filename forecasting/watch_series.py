"""The hours of budgets as burn rates need them: what was spent, what was budgeted, what was forecast. Four queries.

Read from the hours that the watch keeps (forecasting.watch_hours), never from events. Where a source tells only days, their
cost is spread evenly over their hours once they are over; the running day's hours of a budget most of whose money is such are
not known.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.db.models import F, Sum

from forecasting import forecasts, watch_hours
from forecasting.calc.burnrate import DAY, WEEK, Array, Watched, season, spread, watched
from forecasting.calc.watch_policy import Policy
from forecasting.models import ForecastDay, SpendDay, SpendHour
from forecasting.watch_budgets import Running, Subject, per_day

_MOSTLY = 0.5  # of the last week's money, from which on what tells only days makes the running day unknown
_FORECAST_DAYS = 4  # whose forecasts windows of three days meet
_LEVELS = (("code", "x_CostCentre"), ("provider", "ServiceProviderName"), ("model", "x_Model"))


class Window(NamedTuple):
    """Consecutive hours from midnight of ``first`` up to ``end``; ``known``: days of which anything is kept."""

    first: date
    end: datetime
    known: frozenset[date]

    @property
    def hours(self) -> int:
        """How many."""
        return int((self.end - _at(self.first)).total_seconds() // 3600)


def window(now: datetime) -> Window | None:
    """The hours that are kept; None: none yet. Two queries."""
    end = watch_hours.known_until(now)
    days = frozenset(SpendDay.objects.filter(charge_date__lte=now.date()).values_list("charge_date", flat=True))
    return Window(min(days), end, days) if end is not None and days and end > _at(min(days)) else None


def level_of(subject: Subject) -> tuple[str, ...]:
    """The columns that tell its forecast apart."""
    return tuple(column for name, column in _LEVELS if getattr(subject, name))


def key_of(subject: Subject) -> tuple[str, ...]:
    """Their values."""
    return tuple(value for name, _ in _LEVELS if (value := getattr(subject, name)))


def watched_of(runs: Sequence[Running], seen: Window, policy: Policy) -> dict[Subject, Watched]:
    """Budgets of one currency as the rules of burn see them. Two queries. Raises BurnError of a budget below 0."""
    spent, expected = _spent([one.subject for one in runs], seen), _expected(runs, seen)
    longest = max((hours for rule in policy.burn for hours in rule.hours), default=0)
    history, begins = max(seen.hours - longest, 0), seen.first.weekday() * DAY
    days = -(-seen.hours // DAY)
    found = {}
    for one in runs:
        spend = spent[one.subject][: seen.hours]
        budget = np.repeat([float(amount) / DAY for amount in per_day(one, seen.first, days)], DAY)[: seen.hours]
        points = expected.get(one.subject)
        if points is not None:
            weights = season(spend[:history], begins, policy.season)
            points = spread(points, weights, seen.first.weekday())[: seen.hours]
            points = np.where(np.isnan(points), np.nan, np.maximum(points, 0))
        found[one.subject] = watched(spend, budget, begins, history, policy.season, points)
    return found


def _spent(subjects: Sequence[Subject], seen: Window) -> dict[Subject, Array]:
    """Spend by hour, priced or at the proxy price; NaN: not known."""
    names = ["cost_centre__code", *(name for name in ("provider", "model") if any(getattr(s, name) for s in subjects))]
    rows = SpendHour.objects.filter(billing_currency=subjects[0].currency, charge_date__gte=seen.first).order_by()
    if all(subject.code is not None for subject in subjects):
        rows = rows.filter(cost_centre__code__in={subject.code for subject in subjects})
    sums = rows.values(*names, "charge_date", "hour").annotate(money=Sum(F("cost") + F("unpriced")))
    days = -(-seen.hours // DAY)
    hourly: dict[Any, Array] = defaultdict(lambda: np.zeros(days * DAY))
    daily: dict[Any, Array] = defaultdict(lambda: np.zeros(days))
    start, wanted = _at(seen.first), set(subjects)
    for *key, day, hour, money in sums.values_list(*names, "charge_date", "hour", "money"):
        code, provider, model = (*key, "", "")[:3] if "provider" in names else (key[0], "", (*key, "")[1])
        for subject in holding(code, provider, model, subjects[0].currency) & wanted:
            if hour is None:
                if 0 <= (at := (day - seen.first).days) < days:
                    daily[subject][at] += float(money)
            elif 0 <= (at := int((hour - start).total_seconds() // 3600)) < days * DAY:
                hourly[subject][at] += float(money)
    known = np.array([seen.first + timedelta(days=n) in seen.known for n in range(days)])
    return {subject: _together(hourly[subject], daily[subject], known, seen) for subject in subjects}


def holding(code: str | None, provider: str, model: str, currency: str) -> set[Subject]:
    """Every subject that has this cost in it."""
    return {
        Subject(owner, of, which, currency) for owner in {code, None} for of in {provider, ""} for which in {model, ""}
    }


def _together(hourly: Array, daily: Array, known: Any, seen: Window) -> Array:
    whole = int((seen.end - _at(seen.first)).days)  # days that are over
    flat = daily.copy()
    flat[whole:] = 0
    found = np.where(np.repeat(known, DAY), hourly + spread(flat, np.ones(WEEK), seen.first.weekday()), np.nan)
    last = max(whole - 7, 0)
    by_day = daily[last:].sum()
    if by_day > _MOSTLY * (by_day + hourly[last * DAY :].sum()):
        found[whole * DAY :] = np.nan
    return found


def _expected(runs: Sequence[Running], seen: Window) -> dict[Subject, Array]:
    """What the forecasts in force before each of the last days said of it; NaN where none did."""
    days = -(-seen.hours // DAY)
    since = seen.end.date() - timedelta(days=_FORECAST_DAYS)
    by_key = {(level_of(one.subject), key_of(one.subject)): one.subject for one in runs}
    rows = ForecastDay.objects.filter(
        day__range=(since, seen.end.date()), series__forecast__starts_on__lte=F("day"),
        series__forecast__starts_on__gt=since - timedelta(days=_FORECAST_DAYS),
        series__forecast__currency=runs[0].subject.currency, series__forecast__dimensions=list(forecasts.DIMENSIONS),
        series__level__in=[list(level) for level in {level for level, _ in by_key}],
    )  # fmt: skip
    found: dict[Subject, Array] = {}
    names = ("series__level", "series__key", "day", "point")
    for level, key, day, point in rows.order_by("series__forecast__made_at", "series__forecast_id").values_list(*names):
        subject = by_key.get((tuple(level), tuple(key)))
        if subject is not None and 0 <= (at := (day - seen.first).days) < days:
            found.setdefault(subject, np.full(days, np.nan))[at] = float(point)
    return found


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
