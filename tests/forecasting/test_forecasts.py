"""Forecasts of daily cost on a real ledger: stored with how they were come by, exact in their sums, priced as of their day."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from allocation.derived import refresh
from allocation.models import BillingPeriod
from forecasting import forecasts
from forecasting.calc.baseline import ForecastError
from forecasting.forecast_selectors import band, unstated
from forecasting.models import Forecast, ForecastMonth, ForecastSeries
from ingest import price_approvals
from ingest.prices import load_overrides
from ingest.services import Import, ingest_file
from tests.records import payload, write_lines
from tests.web.ledger import Usage, load

pytestmark = pytest.mark.usefixtures("ledger")
BEFORE = date(2026, 9, 20)
FIRST = date(2026, 7, 1)  # 81 days of history


def spent(*amounts: tuple[str, str, Decimal]) -> None:
    """Every day from FIRST until BEFORE: (cost centre, model, amount on a Monday; a tenth more each weekday after)."""
    days = [FIRST + timedelta(days=number) for number in range((BEFORE - FIRST).days)]
    load(
        *(
            Usage(str(amount * (10 + day.weekday()) / 10), centre, model=model, day=day)
            for day in days
            for centre, model, amount in amounts
        )
    )


def made(**given: Any) -> Forecast:
    return forecasts.make(by="ann", before=BEFORE, **{"horizon": 42} | given)


def series(found: Forecast, *level: str) -> dict[tuple[str, ...], ForecastSeries]:
    return {tuple(row.key): row for row in found.series.filter(level=list(level))}


def test_what_repeats_by_the_week_is_forecast_to_repeat_with_method_history_and_coverage() -> None:
    spent(("CC-100", "gpt-5", Decimal(100)), ("CC-200", "o5", Decimal(40)))
    found = made()
    assert (found.history_from, found.starts_on, found.horizon) == (FIRST, BEFORE, 42)
    whole = series(found)[()]
    assert (whole.method, whole.refusal, whole.history) == ("sum of its series", "", 81)
    days = {row.day: row for row in whole.days.all()}
    assert len(days) == 42
    monday = days[date(2026, 9, 21)]
    assert monday.point == pytest.approx(Decimal(140), rel=Decimal("0.02"))
    assert days[date(2026, 9, 27)].point == pytest.approx(Decimal("224"), rel=Decimal("0.02"))  # Sunday: 140 x 1.6
    assert (found.coverage, found.checked) == ({"80": None, "95": None}, 0)  # 81 days hold no two forecasts of 42 apart
    near = made(horizon=7)
    held = series(near)[()]
    for day in held.days.all():
        found_80, found_95 = band(held, day)[1:3], band(held, day)[::3]
        assert found_80[0] <= day.point <= found_80[1]
        assert found_95 == (None, None)  # eight past forecasts of the whole: 95 % takes nineteen
    month = held.months.get()
    assert month.percentiles[9] <= month.point == month.percentiles[49] <= month.percentiles[89]
    assert near.checked > 0
    assert set(near.coverage) == {"80", "95"}
    assert 0.5 < near.coverage["95"] <= 1


def test_month_actuals_of_every_level_add_up_exactly_and_with_three_past_forecasts_no_interval_is_stated() -> None:
    spent(("CC-100", "gpt-5", Decimal("100.12345678901")), ("CC-200", "gpt-5", Decimal("0.00000000007")),
          ("CC-200", "o5", Decimal(40)))  # fmt: skip
    found = made()
    for level in forecasts.levels(forecasts.DIMENSIONS):
        rows = series(found, *level).values()
        september = ForecastMonth.objects.filter(series__in=rows, month=date(2026, 9, 1))
        weekdays = sum((10 + (FIRST + timedelta(days=n)).weekday()) for n in range(62, 81))
        assert sum(row.actual for row in september) == Decimal("140.12345678908") * weekdays / 10, level
        assert all(row.whole for row in september)
    whole = series(found)[()]
    october = ForecastMonth.objects.get(series=whole, month=date(2026, 10, 1))
    assert (october.actual, october.whole, october.percentiles) == (
        0,
        True,
        [],
    )  # 81 - 42 days hold three, a week apart
    assert october.point == sum(row.point for row in whole.days.filter(day__month=10))
    assert (whole.coverage, {band(whole, day) for day in whole.days.all()}) == ({}, {(None,) * 4})
    assert unstated(whole).startswith("fewer than 4 past forecasts as long as this one are known")
    november = ForecastMonth.objects.filter(series=series(found)[()], month=date(2026, 11, 1))
    assert not november.exists()  # 42 days end on the last of October


def test_a_series_whose_month_has_no_price_at_all_is_no_obstacle_to_the_others() -> None:
    spent(("CC-100", "gpt-5", Decimal(100)))
    load(*(Usage(None, "CC-200", model="new", day=date(2026, 9, day)) for day in range(1, 20)))
    found = made()
    month = series(found)[()].months.get(month=date(2026, 9, 1))
    weekdays = sum((10 + (FIRST + timedelta(days=n)).weekday()) for n in range(62, 81))
    assert month.actual == Decimal(10) * weekdays
    assert not series(found, "x_CostCentre")["CC-200",].method


def test_of_a_series_without_a_known_day_the_actuals_hold_what_has_a_price_and_the_refusal_says_why() -> None:
    """CC-200 spends 3 a day beside usage without a price: no day's cost is known, and 3 a day are spent all the same."""
    spent(("CC-100", "gpt-5", Decimal(100)))
    for day in range(1, 20):
        load(
            Usage("3", "CC-200", model="own", day=date(2026, 9, day)),
            Usage(None, "CC-200", model="own", feature="x", estimate="1", day=date(2026, 9, day)),
        )
    found = made()
    [finest] = [row for key, row in series(found, *forecasts.DIMENSIONS).items() if "CC-200" in key]
    assert "is not known, and on the others nothing was spent" in finest.refusal
    weekdays = sum((10 + (FIRST + timedelta(days=n)).weekday()) for n in range(62, 81))
    assert series(found)[()].months.get(month=date(2026, 9, 1)).actual == 10 * weekdays + 57


def test_the_same_history_is_stored_once_and_a_changed_one_anew() -> None:
    spent(("CC-100", "gpt-5", Decimal(100)))
    assert made() == made()
    load(Usage("5", "CC-100", model="gpt-5", feature="late", day=date(2026, 9, 1)))
    made()
    assert Forecast.objects.count() == 2


def test_thin_history_is_refused_by_series_with_the_reason_and_an_empty_ledger_at_all() -> None:
    with pytest.raises(ForecastError, match="nothing was spent in USD before today"):
        made()
    spent(("CC-100", "gpt-5", Decimal(100)))
    load(Usage("3", "CC-300", model="new", day=date(2026, 9, 18)))
    found = made()
    new = series(found, "x_CostCentre")["CC-300",]
    assert (new.method, new.days.count(), new.months.count()) == ("", 0, 0)
    assert "1 of 1 series are not in it" in new.refusal
    leaf = ForecastSeries.objects.get(forecast=found, level=list(forecasts.DIMENSIONS), key__contains=["CC-300"])
    assert leaf.refusal.startswith("2 days of history; a forecast needs 7 days")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dimensions": ("nonsense",)}, "'nonsense' is none of them"), ({"dimensions": ()}, "at least one"),
        ({"horizon": 0}, "1 to 400 days, not 0"), ({"horizon": 401}, "not 401"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_named(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ForecastError, match=told):
        made(**given)


def test_an_announced_price_is_in_the_forecast_from_its_day_on_and_an_old_one_out_of_the_history(
    tmp_path: Path,
) -> None:
    rates = [("2026-01-01", "2026-08-10", "1"), ("2026-08-10", "2026-10-01", "2"), ("2026-10-01", None, "3")]
    entries = [
        {"provider": "openai", "model": "gpt-5", "valid_from": first, **({"valid_to": last} if last else {}),
         "prices": {"input": price, "output": price}}
        for first, last, price in rates
    ]  # fmt: skip
    (tmp_path / "prices.yaml").write_text(yaml.safe_dump(entries))
    load_overrides(tmp_path / "prices.yaml", actor="ann")
    for asked in price_approvals.pending():
        price_approvals.approve(asked["id"], by="bob")
    days = [FIRST + timedelta(days=number) for number in range((BEFORE - FIRST).days)]
    calls = [payload(f"c{day}", model="gpt-5", model_group="gpt-5", at=f"{day}T13:00:00Z") for day in days]
    ingest_file(Import(write_lines(tmp_path / "calls.jsonl", calls), "litellm"))
    refresh()
    found = made(dimensions=("ServiceProviderName", "x_Model"))
    (whole,) = series(found).values()
    by_day = dict(whole.days.values_list("day", "point"))
    assert len({round(cost, 9) for day, cost in by_day.items() if day < date(2026, 10, 1)}) == 1
    assert by_day[date(2026, 10, 1)] / by_day[date(2026, 9, 30)] == pytest.approx(Decimal("1.5"), rel=Decimal("1e-6"))
    assert whole.checked > 0


def test_the_forecast_in_force_when_a_month_was_frozen_is_kept_and_old_ones_are_pruned() -> None:
    spent(("CC-100", "gpt-5", Decimal(100)))
    kept, other = made(), made(horizon=30)
    Forecast.objects.filter(pk=kept.pk).update(made_at="2026-09-04T08:00:00Z")
    Forecast.objects.filter(pk=other.pk).update(made_at="2026-09-05T08:00:00Z")
    newest = made(horizon=20)
    BillingPeriod.objects.create(month=date(2026, 8, 1), state="soft_closed", soft_closed_at="2026-09-04T12:00:00Z")
    forecasts.keep_at_closes()
    forecasts.keep_at_closes()
    assert list(Forecast.objects.filter(closes=date(2026, 8, 1))) == [kept]
    forecasts.prune()
    assert set(Forecast.objects.all()) == {kept, newest}
