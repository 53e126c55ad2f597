"""Forecasts of the demo: a made-up event of the month ahead, those that closes were made on, one in force, and a backtest.

Forecasts at closes are made of the days before them as they are known now, and dated as if they had been made then.
"""

from datetime import timedelta

from allocation.calc.closing import FROZEN
from allocation.models import BillingPeriod
from finops.periods import Period
from forecasting import backtests, calendar, forecasts
from forecasting.calc.baseline import ForecastError
from forecasting.models import Forecast
from web.demo.agreements import PREPARER
from web.demo.window import Window

NAME = "example: a campaign of support"
_FIRST, _LAST, _FACTOR = 10, 12, "1.4"  # days of the month after the running one, and usage over usual


def load(window: Window) -> None:
    """All of it; what is there stays."""
    ahead = Period.month_of(Period.month_of(window.until).end)
    days = f"{ahead.start.replace(day=_FIRST)}/{ahead.start.replace(day=_LAST)}"
    calendar.load([{"code": "campaign", "name": NAME, "dates": [days], "factor": _FACTOR}], actor=PREPARER)
    try:
        _at_closes()
        forecasts.make(by=PREPARER, before=window.until)
        backtests.make(by=PREPARER, before=window.until)
    except ForecastError:
        return  # a demo of a few days has no history to judge a forecast by; the pages say so


def _at_closes() -> None:
    """Of every frozen month, the forecast that was in force when it was."""
    for period in BillingPeriod.objects.filter(state__in=FROZEN, soft_closed_at__isnull=False).order_by("month"):
        if period.soft_closed_at is None or Forecast.objects.filter(closes=period.month).exists():
            continue
        after = Period.month_of(period.month).end
        found = forecasts.make(by=PREPARER, before=after, horizon=len(Period.month_of(after)))
        Forecast.objects.filter(pk=found.pk).update(made_at=period.soft_closed_at - timedelta(hours=1))
    forecasts.keep_at_closes()
