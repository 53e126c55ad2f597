"""Reads of stored forecasts, within a scope."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import QuerySet

from allocation.models import CostCentre, CostDaily
from allocation.scope import Scope
from allocation.selectors import CostQuery, choices, costs
from finops.periods import Period
from forecasting import forecasts
from forecasting.calc.intervals import ENOUGH, LEVELS
from forecasting.calc.stated import Band, share_above
from forecasting.models import Forecast, ForecastDay, ForecastMonth, ForecastSeries
from forecasting.selectors import Amounts, budgets

CENTRE = "x_CostCentre"


class NoForecast(LookupError):
    """What was asked for is not there; the message says what is."""


class NoneYet(NoForecast):
    """No forecast was made yet; the message says how to get one."""


@dataclass(frozen=True)
class Asked:
    """Which series: the columns that tell them apart (none: the whole), and of which values."""

    level: tuple[str, ...] = ()
    currency: str = ""
    forecast: int | None = None

    @property
    def money(self) -> str:
        """The currency, by default the site's."""
        return self.currency or str(settings.REPORT_CURRENCY)


def held(asked: Asked) -> Forecast:
    """The forecast asked for, by default the newest. Raises NoForecast."""
    if asked.forecast is not None:
        found = Forecast.objects.filter(pk=asked.forecast).first()
        if found is None:
            raise NoForecast("There is no such forecast.")
    else:
        found = forecasts.in_force(asked.currency)
    if found is None:
        raise NoneYet(
            f"There is no forecast in {asked.money} yet: one is made every night, and by `manage.py forecast`."
        )
    if list(asked.level) not in found.series.values_list("level", flat=True).distinct():
        kept = ", ".join("+".join(level) or "(none)" for level in forecasts.levels(found.dimensions))
        raise NoForecast(f"This forecast has no series by {'+'.join(asked.level)}; it has: {kept}")
    return found


def series(scope: Scope, found: Forecast, level: Sequence[str]) -> "QuerySet[ForecastSeries]":
    """Series of a level by key: all of them, or of the cost centres in scope those of levels that tell these apart."""
    rows = found.series.filter(level=list(level)).order_by("key")
    return rows if scope.everything else scope.of(rows.filter(level__contains=[CENTRE]))


def notes(scope: Scope, found: Forecast) -> list[str]:
    """What was left out, which names series of everybody: for those who see everything."""
    return list(found.notes) if scope.everything else []


def marks(scope: Scope, found: Forecast) -> list[dict[str, Any]]:
    """Events and price steps ahead, as far as they concern what is in scope, and without the names of anything else."""
    if scope.everything or not found.marks:
        return list(found.marks)
    seen = choices(scope, Period(found.history_from, found.starts_on + timedelta(days=found.horizon)))
    seen[CENTRE] = list(scope.of(CostCentre.objects.all(), "id").values_list("code", flat=True))
    kept = []
    for mark in found.marks:
        where = dict(mark["where"])
        for name in [CENTRE] if CENTRE in where else where:  # what names a cost centre is told to it whole
            where[name] = [value for value in where[name] if value in seen[name]]
        if all(where.values()):
            kept.append(mark | {"where": where})
    return kept


def band(row: ForecastSeries, day: ForecastDay) -> Band:
    """The intervals of a day: those that are stated for its series, which are the keys of its coverage.

    Of a forecast that an older product made all of them are.
    """
    inner, outer = (str(level) in row.coverage for level in LEVELS)
    return Band(
        day.low_95 if outer else None, day.low_80 if inner else None,
        day.high_80 if inner else None, day.high_95 if outer else None,
    )  # fmt: skip


def unstated(row: ForecastSeries) -> str:
    """Why a series has no interval and no odds; '' where it has."""
    first = LEVELS[0]
    if not row.method or str(first) in row.coverage:
        return ""
    needed = ENOUGH[first]
    return (
        f"fewer than {needed} past forecasts as long as this one are known, too few to state how sure it is: an interval of "
        f"{first} % takes {needed}; forecast fewer days (manage.py forecast --horizon), or wait for more history"
    )


class Month(NamedTuple):
    """One month of a series. ``low_80`` and ``high_80`` None: no interval is stated. ``budget`` None: nothing was budgeted for
    it; ``over``: probability that it is passed, None without a budget or an interval, and where the forecast does not reach
    the month's end.
    """

    row: ForecastMonth
    low_80: Decimal | None
    high_80: Decimal | None
    budget: Decimal | None
    over: float | None


def months(found: Forecast, rows: Iterable[ForecastSeries]) -> dict[int, list[Month]]:
    """By series, its months in their order. Budgets are of the whole and of cost centres."""
    budget_of: dict[date, Amounts] = {}
    made: dict[int, list[Month]] = defaultdict(list)
    for row in ForecastMonth.objects.filter(series__in=list(rows)).select_related("series").order_by("series", "month"):
        budget = None
        if row.series.level in ([], [CENTRE]):
            if row.month not in budget_of:
                budget_of[row.month] = budgets(Period.month_of(row.month), currency=found.currency)
            budget = budget_of[row.month].get(row.series.key[0] if row.series.level else None)
        spread = row.percentiles
        over = None if budget is None or not row.whole or not spread else share_above(spread, budget)
        low, high = (spread[9], spread[89]) if spread else (None, None)
        made[row.series_id].append(Month(row, low, high, budget, over))
    return dict(made)


def actuals(scope: Scope, row: ForecastSeries, days: Period) -> dict[date, Decimal | None]:
    """What each day of a series cost, as the forecast counts it: with what corrects it since. None: nobody recorded anything."""
    currency = row.forecast.currency
    frame = costs(scope, CostQuery(days, ("ChargeDate", *row.level), currency=currency, restated=True))
    for name, value in zip(row.level, row.key, strict=True):
        frame = frame[frame[name].fillna("") == value]
    recorded = CostDaily.objects.filter(
        billing_currency=currency, charge_date__gte=days.start, charge_date__lt=days.end, corrects_date=None
    )
    there = set(recorded.values_list("charge_date", flat=True).distinct())
    found: dict[date, Decimal | None] = {day: Decimal(0) if day in there else None for day in days.days()}
    for day, cost in zip(frame["ChargeDate"], frame["EffectiveCost"], strict=True):
        found[day] = (found[day] or Decimal(0)) + (cost or Decimal(0))
    return found
