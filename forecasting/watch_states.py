"""What stands of budgets now: spent, left, at close with the probability of a breach, burn rates and a gateway's verdict.

Every figure comes from the cube, from the hours that the watch keeps and from the stored forecast: the number of queries
depends on neither the number of events nor of budgets, and no event is read.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from django.db.models import Max

from allocation import selectors as cube
from allocation.models import CostCentre, CostDaily
from allocation.scope import EVERYTHING, Scope
from allocation.selectors import CostQuery
from finops.periods import Period
from forecasting import forecasts, watch_series
from forecasting.calc import watch
from forecasting.calc.burnrate import Reading, Watched, hours_left, rates, readings
from forecasting.calc.watch import Close, Spent, Standing
from forecasting.calc.watch_futures import PARTS, Month, futures
from forecasting.calc.watch_policy import BUDGET, Policy
from forecasting.forecast_selectors import unstated
from forecasting.models import Forecast, ForecastDay, ForecastMonth, ForecastSeries
from forecasting.watch_budgets import Running, Subject

WINDOWS = (1, 6, 24, 72)  # hours, whose rates are told
_NOTHING = Decimal(0)
_BY = ("x_CostCentre", "ServiceProviderName", "x_Model")


class Part(NamedTuple):
    """Cost, and usage without a price at its proxy price."""

    cost: Decimal = _NOTHING
    unpriced: Decimal = _NOTHING


class State(NamedTuple):
    """One budget as it stands. ``actual`` and ``unpriced``: of the whole period so far, the running day too.

    ``rates``: hours -> times the budget's flat rate, None: not known or without limit; ``hours_left`` at the last day's rate;
    ``known_until``: up to where its hours are known; ``breach_on``: the day on which half of all futures have exceeded it;
    ``note``: what of it is not in its forecast.
    """

    running: Running
    standing: Standing
    verdict: str
    actual: Decimal
    unpriced: Decimal
    rates: dict[int, float | None]
    hours_left: float | None
    fired: tuple[Reading, ...]
    known_until: datetime | None
    breach_on: date | None
    note: str


def states(runs: Sequence[Running], policy: Policy, now: datetime) -> list[State]:
    """What stands of these budgets, in their order. Twelve queries for each currency they are in, at most."""
    found: dict[Subject, State] = {}
    by_currency: dict[str, list[Running]] = defaultdict(list)
    for one in runs:
        by_currency[one.subject.currency].append(one)
    for currency, mine in by_currency.items():
        found |= _of_currency(currency, mine, policy, now)
    return [found[one.subject] for one in runs]


def _of_currency(currency: str, runs: list[Running], policy: Policy, now: datetime) -> dict[Subject, State]:
    period = runs[0].period
    known = _known(currency, period, now.date())
    before, since = (_spent(runs, currency, days) for days in _parted(period, known))
    closes = _Closes(forecasts.in_force(currency), runs, period, known)
    seen = watch_series.window(now)
    burnt: dict[Subject, Watched] = {}
    if seen is not None:
        able = [one for one in runs if all(amount >= 0 for _, amount in one.lines)]
        burnt = watch_series.watched_of(able, seen, policy) if able else {}
    found = {}
    for one in runs:
        past, now_ = before.get(one.subject, Part()), since.get(one.subject, Part())
        spent = Spent(one.amount, past.cost, past.unpriced, now_.cost + now_.unpriced)
        close, reason, note = closes.of(one.subject, spent)
        hours = burnt.get(one.subject)
        fired = tuple(readings(hours, policy.burn)) if hours is not None else ()
        standing = watch.standing(spent, policy, close, reason, fired)
        left = None if hours is None else hours_left(float(standing.left or 0), hours, WINDOWS[2])
        half = close.breaches[1] if close else None
        found[one.subject] = State(
            one, standing, watch.VERDICTS[standing.state], past.cost + now_.cost, past.unpriced + now_.unpriced,
            _rates(hours), left, fired, seen and seen.end, None if half is None else known + timedelta(days=half),
            note,
        )  # fmt: skip
    return found


def _known(currency: str, period: Period, today: date) -> date:
    """The first day of the period that is not whole yet: the one after the last day with any cost, today at the latest."""
    rows = CostDaily.objects.filter(billing_currency=currency, corrects_date=None, charge_date__lt=today)
    last = rows.aggregate(day=Max("charge_date"))["day"]
    first = period.start if last is None else last + timedelta(days=1)
    return min(max(first, period.start), period.end)


def _parted(period: Period, known: date) -> tuple[Period | None, Period | None]:
    return (
        Period(period.start, known) if known > period.start else None,
        Period(known, period.end) if known < period.end else None,
    )


def _spent(runs: Sequence[Running], currency: str, days: Period | None) -> dict[Subject, Part]:
    """What budgets' days cost. Two queries."""
    found: dict[Subject, Part] = defaultdict(Part)
    if days is None:
        return found
    codes = {one.subject.code for one in runs}
    query = CostQuery(days, _BY, currency=currency)
    scope = EVERYTHING
    if None not in codes:
        ids = CostCentre.objects.filter(code__in=[code for code in codes if code is not None]).values_list(
            "id", flat=True
        )
        scope = Scope(cost_centres=frozenset(ids))
    frame = cube.costs(scope, query)
    wanted = {one.subject for one in runs}
    columns = (*_BY, "EffectiveCost", "x_UnpricedEstimate")
    for code, provider, model, cost, unpriced in zip(*(frame[name] for name in columns), strict=True):
        for subject in watch_series.holding(code, provider, model, currency) & wanted:
            held = found[subject]
            found[subject] = Part(held.cost + cost, held.unpriced + unpriced)
    return found


def _rates(hours: Watched | None) -> dict[int, float | None]:
    if hours is None:
        return dict.fromkeys(WINDOWS)
    told = {}
    for length in WINDOWS:
        last = rates(hours.spend[-length:], hours.meant[BUDGET][-length:], length)
        told[length] = float(last[-1]) if len(last) and np.isfinite(last[-1]) else None
    return told


class _Closes:
    """What budgets come to at close, of the forecast in force. Three queries."""

    def __init__(self, made: Forecast | None, runs: Sequence[Running], period: Period, known: date) -> None:
        self._made, self._days = made, [day for day in period.days() if day >= known]
        self._series: dict[tuple[tuple[str, ...], tuple[str, ...]], ForecastSeries] = {}
        self._points: dict[int, dict[date, Decimal]] = defaultdict(dict)
        self._months: dict[int, dict[date, Month]] = defaultdict(dict)
        if made is None or not self._days:
            return
        wanted = {(watch_series.level_of(one.subject), watch_series.key_of(one.subject)) for one in runs}
        levels = [list(level) for level in {level for level, _ in wanted}]
        for row in made.series.filter(level__in=levels):
            if (place := (tuple(row.level), tuple(row.key))) in wanted:
                self._series[place] = row
        held = [row.pk for row in self._series.values()]
        last = Period.month_of(self._days[-1]).end
        days = ForecastDay.objects.filter(series__in=held, day__gte=self._days[0].replace(day=1), day__lt=last)
        for pk, day, point in days.values_list("series_id", "day", "point"):
            self._points[pk][day] = point
        months = ForecastMonth.objects.filter(
            series__in=held, month__range=(self._days[0].replace(day=1), self._days[-1])
        )
        for pk, month, actual, point, percentiles in months.values_list(
            "series_id", "month", "actual", "point", "percentiles"
        ):
            self._months[pk][month] = Month(actual, point, percentiles)

    def of(self, subject: Subject, spent: Spent) -> tuple[Close | None, str, str]:
        """What it comes to, or why that is not known, and what of it is not in it."""
        if not self._days:
            return watch.at_close(spent, np.zeros((PARTS, 0))), "", ""
        if self._made is None:
            return None, f"there is no forecast in {subject.currency} yet", ""
        level = watch_series.level_of(subject)
        if level not in forecasts.levels(self._made.dimensions):
            return None, f"no forecast is kept by {' and '.join(level)}", ""
        row = self._series.get((level, watch_series.key_of(subject)))
        if row is None:
            return None, "nothing was spent on it when the forecast was made", ""
        if not row.method:
            return None, row.refusal or "its history is too thin to forecast", ""
        points, months = self._points[row.pk], self._months[row.pk]
        missing = [day for day in self._days if day not in points or day.replace(day=1) not in months]
        if missing:
            return None, f"the forecast of {self._made.starts_on} does not reach {missing[0]}", ""
        if not all(month.percentiles for month in months.values()):
            return None, unstated(row) or "its forecast states no odds", ""
        return watch.at_close(spent, futures(points, months, set(self._days))), "", row.refusal
