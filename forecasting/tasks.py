"""Tasks of forecasting."""

import logging
from datetime import timedelta
from functools import partial

from django.utils import timezone

from finops.celery import app
from finops.locks import try_lock
from finops.models import SiteMark
from forecasting import anomalies as anomaly_finding
from forecasting import backtests, forecasts
from forecasting import watch as watching
from forecasting.calc.baseline import ForecastError

FORECAST = "forecast"  # the mark that says for which day the last nightly forecast was made
HOUR = 3  # UTC, from which on a day's forecast is made: late usage of the day before has mostly come
ANOMALIES = "anomalies"  # the mark that says after the forecast of which day anomalies were found last
_LOCK = 0x46434153  # "FCAS"
_ANOMALIES_LOCK = 0x414E4D54  # "ANMT"
logger = logging.getLogger(__name__)


@app.task(name="forecasting.forecast")
def forecast() -> None:
    """Once a night: forecast, judge it once a week, keep what was in force at closes, delete what is old."""
    now = timezone.now()
    today = (now - timedelta(hours=HOUR)).date().isoformat()
    with try_lock(_LOCK) as mine:
        if not mine or SiteMark.objects.filter(name=FORECAST, value__day=today).exists():
            return
        for what, make in (("forecast", partial(forecasts.make, by="system")), ("backtest", backtests.make_weekly)):
            try:
                make()
            except ForecastError as refused:
                logger.info("no %s tonight: %s", what, refused)
        forecasts.keep_at_closes()
        forecasts.prune()
        SiteMark.objects.update_or_create(name=FORECAST, defaults={"value": {"day": today}})


@app.task(name="forecasting.anomalies")
def anomalies() -> None:
    """Once a night, after the forecast: find anomalies in what the days cost."""
    forecast_of = SiteMark.objects.filter(name=FORECAST).first()
    day = None if forecast_of is None else forecast_of.value["day"]
    with try_lock(_ANOMALIES_LOCK) as mine:
        if not mine or day is None or SiteMark.objects.filter(name=ANOMALIES, value__day=day).exists():
            return
        try:
            anomaly_finding.run()
        except anomaly_finding.AnomalyError as refused:
            logger.info("no anomalies tonight: %s", refused)
        SiteMark.objects.update_or_create(name=ANOMALIES, defaults={"value": {"day": day}})


@app.task(name="forecasting.watch")
def watch() -> None:
    """One look at budgets, caps and bands; what it has to tell goes out with web.deliver."""
    watching.run()
