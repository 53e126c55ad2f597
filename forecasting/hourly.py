"""The next hours, forecast from the hours that the budget watch keeps (forecasting.watch_hours): asked for, not stored."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

import pandas as pd
from django.conf import settings
from django.db.models import Sum

from finops.money import MONEY_DTYPE
from finops.periods import Period
from forecasting import calendar, history, watch_hours
from forecasting.calc.baseline import ForecastError
from forecasting.calc.daily import Known, lay
from forecasting.calc.hourly import HourSeries, hours
from forecasting.calc.series import AT, COST, HOUR, panel
from forecasting.models import SpendDay, SpendHour

HORIZON, MOST = 48, 168
DIMENSIONS = ("x_CostCentre", "ServiceProviderName", "x_Model", "x_QueryTier")
LEVELS = ((), ("x_CostCentre",))
_COLUMNS = ("cost_centre__code", "provider", "model", "tier")


class Hourly(NamedTuple):
    """A forecast of the hours from ``starts`` on. ``without``: cost of the history of which only the day is known, not in it."""

    starts: datetime
    history_from: datetime
    currency: str
    series: list[HourSeries]
    without: Decimal
    known: Decimal


def make(now: datetime, *, horizon: int = HORIZON, currency: str = "") -> Hourly:
    """Forecast the hours after the last known one. Raises ForecastError."""
    if not 1 <= horizon <= MOST:
        raise ForecastError(f"an hourly forecast reaches 1 to {MOST} hours, not {horizon}")
    currency = currency or settings.REPORT_CURRENCY
    watch_hours.refresh(now)
    end = watch_hours.known_until(now)
    first = now.date() - timedelta(days=watch_hours.WINDOW)
    rows = SpendHour.objects.filter(billing_currency=currency, charge_date__gte=first)
    sums = rows.values_list("hour", *_COLUMNS).annotate(Sum("cost"), Sum("unpriced")).order_by()
    found = list(sums)
    told = [row for row in found if row[0] is not None and end is not None and row[0] < end]
    if not told or end is None:
        raise ForecastError(f"no cost in {currency} of the last {watch_hours.WINDOW} days is known by the hour")
    days = set(SpendDay.objects.filter(charge_date__gte=first).values_list("charge_date", flat=True))
    start = _at(min(row[0] for row in told).date())
    frame = pd.DataFrame({
        name: [row[place] or "" for row in told] for place, name in enumerate(DIMENSIONS, start=1)
    })  # fmt: skip
    frame[AT] = pd.to_datetime([row[0] for row in told], utc=True)
    frame[COST] = pd.Series([None if row[-1] else row[-2] for row in told], dtype=MONEY_DTYPE)
    every = Period(start.date(), end.date() + timedelta(days=1))
    gaps = [(_at(day), _at(day + timedelta(days=1))) for day in every.days() if day not in days]
    held = panel(frame, DIMENSIONS, HOUR, start, end, gaps, signed=True)
    prices = history.prices(every, (end + timedelta(hours=horizon)).date() + timedelta(days=1), DIMENSIONS)
    laid = lay(Known(frame, held, prices, calendar.known()), horizon)
    without = sum((row[-2] for row in found if row[0] is None), Decimal(0))
    return Hourly(end, start, currency, hours(laid, LEVELS), without, sum((row[-2] for row in told), Decimal(0)))


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
