"""Backtests of a ledger: what they score, that they see nothing of the future, and what is kept of them and of closes."""

import io
import json
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from allocation.models import BillingPeriod
from allocation.scope import EVERYTHING
from forecasting import backtests, calendar, forecasts, tasks
from forecasting.calc.baseline import ForecastError
from forecasting.forecast_closes import kept
from forecasting.models import Backtest, Forecast, ForecastMonth
from tests.forecasting.test_forecasts import BEFORE, FIRST, spent
from tests.web.ledger import Usage, load
from web.management.base import RefusedHere, WrongUse

pytestmark = pytest.mark.usefixtures("ledger")


def made(**given: Any) -> Backtest:
    return backtests.make(by="ann", before=BEFORE, **{"horizon": 7, "origins": 3} | given)


def row(found: Backtest, *level: str, method: str = "served") -> dict[str, Any]:
    (one,) = (row for row in found.scores if row["level"] == list(level) and row["method"] == method)
    return dict(one)


def test_what_repeats_to_the_cent_is_forecast_without_error_at_every_level_from_the_last_origins() -> None:
    spent(("CC-100", "gpt-5", Decimal(100)), ("CC-200", "o5", Decimal(40)))
    found = made()
    assert found.origins == [(BEFORE - timedelta(days=7 * n)).isoformat() for n in (3, 2, 1)]
    assert (found.history_from, found.until, found.horizon, found.refused) == (FIRST, BEFORE, 7, 0)
    assert {tuple(one["level"]) for one in found.scores} == set(forecasts.levels(forecasts.DIMENSIONS))
    for one in found.scores:
        assert one["WAPE"] == pytest.approx(0, abs=1e-6), one
        assert one["cells"] == one["series"] * 7 * 3
    assert row(found, "x_CostCentre")["series"] == 2


def test_a_step_that_no_origin_before_it_could_see_is_its_error() -> None:
    """Twice the cost in the last week: the forecast of that week said half of what came, both others were right."""
    days = [FIRST + timedelta(days=number) for number in range((BEFORE - FIRST).days)]
    last = BEFORE - timedelta(days=7)
    load(*(Usage("20" if day >= last else "10", "CC-100", day=day) for day in days))
    found = made(origins=2)
    whole = row(found)
    assert whole["WAPE"] == pytest.approx(7 * 10 / (7 * 10 + 7 * 20), abs=1e-6)
    assert whole["Bias"] == pytest.approx(-7 * 10 / (7 * 10 + 7 * 20), abs=1e-6)
    assert whole["Coverage80"] == pytest.approx(0.5)


def test_a_calendar_that_knew_of_it_takes_the_error_away() -> None:
    days = [FIRST + timedelta(days=number) for number in range((BEFORE - FIRST).days)]
    last = BEFORE - timedelta(days=7)
    load(*(Usage("20" if day >= last else "10", "CC-100", day=day) for day in days))
    before = made(origins=2)
    calendar.load([{"code": "sale", "dates": [f"{last}/{BEFORE - timedelta(days=1)}"], "factor": "2"}], actor="ann")
    after = made(origins=2)
    assert after != before
    assert row(after)["WAPE"] == pytest.approx(0, abs=1e-6)


def test_the_same_backtest_is_stored_once_and_the_newest_is_shown() -> None:
    assert backtests.newest() is None
    spent(("CC-100", "gpt-5", Decimal(100)))
    assert made() == made()
    other = made(origins=2)
    assert (Backtest.objects.count(), backtests.newest()) == (2, other)
    assert backtests.newest("EUR") is None


def test_a_history_that_is_too_thin_is_refused_with_the_reason() -> None:
    with pytest.raises(ForecastError, match="nothing was spent in USD"):
        made()
    load(*(Usage("10", "CC-100", day=BEFORE - timedelta(days=ago)) for ago in range(1, 31)))
    with pytest.raises(ForecastError, match="30 days of history hold no forecast of 28 days that could be judged"):
        made(horizon=28)
    with pytest.raises(ForecastError, match="1 to 26 origins, not 0"):
        made(origins=0)
    assert not Backtest.objects.exists()


def test_the_command_prints_a_row_a_level_and_says_the_same_as_json() -> None:
    out = io.StringIO()
    today = timezone.now().date()
    load(*(Usage(str(10 + ago % 5), "CC-100", day=today - timedelta(days=ago)) for ago in range(1, 80)))
    call_command("backtest", "--horizon", "7", "--origins", "2", "--by", "x_CostCentre,x_Model", "--json", stdout=out)
    *lines, last = out.getvalue().splitlines()
    said = json.loads(last)
    assert said["scores"] == Backtest.objects.get().scores
    text = "\n".join(lines)
    assert re.search(r"^the whole +served +\d", text, re.M)
    assert re.search(r"^cost centre . model +seasonal naive +\d", text, re.M)
    with pytest.raises(WrongUse, match="'nonsense' is none of them"):
        call_command("backtest", "--by", "nonsense", stdout=out)
    with pytest.raises(RefusedHere, match="nothing was spent in EUR"):
        call_command("backtest", "--currency", "eur", stdout=out)


def test_the_nightly_run_makes_one_where_the_last_is_a_week_old() -> None:
    today = timezone.now().date()
    load(*(Usage("10", "CC-100", day=today - timedelta(days=ago)) for ago in range(1, 120)))
    tasks.forecast()
    first = Backtest.objects.get()
    backtests.make_weekly()
    assert Backtest.objects.count() == 1
    Backtest.objects.filter(pk=first.pk).update(made_at=first.made_at - timedelta(days=8), digest="of another history")
    backtests.make_weekly()
    assert Backtest.objects.count() == 2


def test_without_a_horizon_a_forecast_reaches_as_far_as_history_can_judge() -> None:
    """81 days less three weeks are 60: as many whole weeks as fit in twice, so that two past forecasts do not overlap."""
    spent(("CC-100", "gpt-5", Decimal(100)))
    found = forecasts.make(by="ann", before=BEFORE)
    assert found.horizon == 28
    assert found.checked > 0
    assert found.series.get(level=[]).method
    assert found.series.filter(refusal__contains="ask for fewer").count() == 0


def test_the_forecast_at_a_close_is_set_against_what_came() -> None:
    spent(("CC-100", "gpt-5", Decimal(100)))
    days = [date(2026, 3, 1) + timedelta(days=number) for number in range(122)]
    load(*(Usage("100", "CC-100", day=day) for day in days))
    then = forecasts.make(by="ann", before=date(2026, 7, 1), horizon=31)
    Forecast.objects.filter(pk=then.pk).update(made_at="2026-07-04T08:00:00Z")
    BillingPeriod.objects.create(month=date(2026, 6, 1), state="closed", soft_closed_at="2026-07-05T08:00:00Z")
    forecasts.keep_at_closes()
    assert kept(EVERYTHING) == []  # July is open
    BillingPeriod.objects.create(month=date(2026, 7, 1), state="soft_closed", soft_closed_at="2026-08-05T08:00:00Z")
    (one,) = kept(EVERYTHING)
    row_ = ForecastMonth.objects.get(series__forecast=then, series__level=[], month=date(2026, 7, 1))
    july = sum(100 * (10 + date(2026, 7, day).weekday()) for day in range(1, 32)) / Decimal(10)
    assert (one.month, one.closes, one.ahead, one.owner) == (date(2026, 7, 1), date(2026, 6, 1), 1, "")
    assert (one.found.forecast, one.found.actual, one.found.difference) == (row_.point, july, july - row_.point)
    assert one.found.forecast == pytest.approx(Decimal(3_100))
    assert one.found.band == ""  # 4,020 came: 30 % more
    assert one.inside is False
