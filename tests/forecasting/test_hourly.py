"""The next hours, from hours as calls have them: repeats the day, lies in its interval, says what is known by the day alone."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command

from forecasting import hourly
from forecasting.calc.baseline import ForecastError
from forecasting.calc.hourly import HourSeries
from tests.forecasting.watched import NOW, call, owned, taken
from tests.web.ledger import Usage, load
from web.management.base import RefusedHere, WrongUse

pytestmark = pytest.mark.usefixtures("ledger")
FIRST = datetime(2026, 9, 6, tzinfo=UTC)  # two weeks before NOW


def costs(at: datetime) -> dict[str, str]:
    """Office hours cost three times as much; the chat always the same."""
    return {"search": "3" if 8 <= at.hour < 18 else "1", "chat": "0.5"}


def used(folder: Path, until: datetime = NOW) -> None:
    owned()
    hours = [FIRST + timedelta(hours=n) for n in range(int((until - FIRST).total_seconds() // 3600))]
    taken(folder, [call(at + timedelta(minutes=30), cost, team) for at in hours for team, cost in costs(at).items()])


def of(found: hourly.Hourly, *key: str) -> HourSeries:
    (one,) = (each for each in found.series if each.key == key)
    return one


def test_hours_that_repeat_by_the_day_are_forecast_to_repeat_each_inside_its_interval(tmp_path: Path) -> None:
    used(tmp_path)
    found = hourly.make(NOW, horizon=48)
    assert (found.starts, found.history_from) == (NOW, FIRST)
    whole = of(found)
    assert [hour.at for hour in whole.hours] == [NOW + timedelta(hours=n) for n in range(48)]
    for number, hour in enumerate(whole.hours):
        expected = sum(Decimal(cost) for cost in costs(hour.at).values())
        assert hour.point == pytest.approx(expected, rel=Decimal("0.02")), hour
        low_95, low_80, high_80, high_95 = hour.band
        assert low_80 is not None
        assert high_80 is not None
        assert low_80 <= hour.point <= high_80
        assert (low_95, high_95) == (None, None)  # ten past forecasts of the whole
        parts = sum(of(found, code).hours[number].point for code in ("CC-100", "CC-200"))
        assert hour.point == pytest.approx(parts, rel=Decimal("0.01"))  # medians, which need not add up
    assert whole.history == 14 * 24 + 12
    assert found.without == 0


def test_what_is_known_by_the_day_alone_is_not_spread_but_told(tmp_path: Path) -> None:
    used(tmp_path)
    before = of(hourly.make(NOW, horizon=24))
    load(Usage("100", "CC-100", day=date(2026, 9, 18), feature="bucket"))
    found = hourly.make(NOW, horizon=24)
    assert found.without == 100
    assert [hour.point for hour in of(found).hours] == [hour.point for hour in before.hours]


def test_what_cannot_be_forecast_by_the_hour_says_why(tmp_path: Path) -> None:
    with pytest.raises(ForecastError, match="no cost in USD of the last 35 days is known by the hour"):
        hourly.make(NOW)
    for horizon in (0, 169):
        with pytest.raises(ForecastError, match=f"1 to 168 hours, not {horizon}"):
            hourly.make(NOW, horizon=horizon)
    used(tmp_path, FIRST + timedelta(hours=20))
    young = of(hourly.make(FIRST + timedelta(hours=20), horizon=24))
    assert (young.method, young.hours) == ("", ())
    with pytest.raises(WrongUse, match="not 500"):
        call_command("forecast", "--hourly", "--horizon", "500")
    with pytest.raises(RefusedHere, match="no cost in EUR"):
        call_command("forecast", "--hourly", "--currency", "eur")


def test_the_command_tells_the_hours_and_stores_nothing(tmp_path: Path) -> None:
    owned()
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [now - timedelta(hours=n) for n in range(1, 14 * 24)]
    taken(tmp_path, [call(at + timedelta(minutes=30), "1") for at in hours])
    out = io.StringIO()
    call_command("forecast", "--hourly", "--horizon", "24", "--json", stdout=out)
    *lines, last = out.getvalue().splitlines()
    said = json.loads(last)
    assert [len(each["hours"]) for each in said["series"]] == [24, 24]
    assert len(lines) == 1 + 24
    assert Decimal(said["series"][0]["hours"][0]["point"]) == pytest.approx(Decimal(1), rel=Decimal("0.01"))
