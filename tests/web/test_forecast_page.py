"""The pages Forecast and Accuracy: page, files and API say the same to the cent; owners see their own; what lacks is named."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.test import Client

from allocation.scope import scope_of
from finops.models import User
from forecasting import calendar, forecast_selectors
from forecasting.calc.backtest import SCORES
from forecasting.models import Backtest, Forecast, ForecastMonth
from tests.conftest import empty_ledger
from tests.web.forecasted import EVENT, made
from tests.web.ledger import bearer, person
from web import formats


@pytest.fixture(scope="module")
def found(django_db_setup: None, django_db_blocker: Any) -> Iterator[Forecast]:
    with django_db_blocker.unblock():
        forecast = made()
        for name, role, code in (("ann", "analyst", ""), ("olga", "owner", "CC-200")):
            person(name, role, code)
        yield forecast
        empty_ledger()


@pytest.fixture
def live(found: Forecast, django_db_blocker: Any) -> Iterator[Forecast]:
    with django_db_blocker.unblock():
        yield found


def page(who: str, path: str = "/forecast/", status: int = 200, **query: str) -> str:
    client = Client()
    client.force_login(User.objects.get(username=who))
    answer = client.get(path, query)
    assert answer.status_code == status
    return answer.content.decode()


def file(who: str, path: str, **query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page(who, path, **query))))


def api(who: str, path: str, **query: str) -> Any:
    answer = Client().get(path, query, **bearer(User.objects.get(username=who)))
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_without_a_forecast_the_page_says_what_is_missing_and_how_to_get_it(ledger: None) -> None:
    person("eve", "analyst")
    text = page("eve")
    assert "There is no forecast in USD yet" in text
    assert "manage.py ingest_file" in text  # nothing was spent either
    assert "manage.py backtest" in page("eve", "/forecast/accuracy/")
    assert "manage.py forecast" in page("eve", "/forecast/accuracy/")
    assert file("eve", "/forecast/forecast.csv") == []


@pytest.mark.parametrize("query", [{}, {"cost_centre": "CC-100"}, {"cost_centre": "CC-100", "model": "gpt-5"}])
def test_the_months_are_the_same_on_page_in_csv_and_in_the_api_that_it_links_to(
    live: Forecast, query: dict[str, str]
) -> None:
    text = page("ann", **query)
    rows = file("ann", "/forecast/forecast.csv", **query)
    (address, *_) = (each for each in re.findall(r'href="([^"]+)">API</a>', text) if "granularity" not in each)
    (series,) = api("ann", address.replace("&amp;", "&"))["results"]
    assert [row["month"] for row in rows] == ["2026-09", "2026-10"]
    for row, month in zip(rows, series["months"], strict=True):
        for name in ("actual", "point", "low_80", "high_80"):
            assert Decimal(row[name]) == Decimal(month[name]), name
            assert formats.money(Decimal(month[name]), "USD") in text or not Decimal(month[name])
        assert (row["budget"] or None) == (month["budget"] and row["budget"])
        assert Decimal(row["budget"] or 0) == Decimal(month["budget"] or 0)
        assert float(row["probability_over_budget"] or -1) == (-1 if month["over"] is None else month["over"])


def test_the_actual_to_date_is_the_sum_of_the_days_before_and_the_point_the_median_of_the_month(live: Forecast) -> None:
    days = file("ann", "/forecast/days.csv")
    (september, _) = file("ann", "/forecast/forecast.csv")
    was = sum(Decimal(row["actual"]) for row in days if row["day"].startswith("2026-09") and row["actual"])
    ahead = sum(Decimal(row["point"]) for row in days if row["day"].startswith("2026-09") and row["point"])
    assert was == Decimal(september["actual"]) > 0
    # the series of two days is not forecast: its six dollars are spent all the same
    whole = ForecastMonth.objects.get(series__forecast=live, series__level=[], month=date(2026, 9, 1))
    assert Decimal(september["point"]) == whole.percentiles[49] == pytest.approx(was + ahead, rel=Decimal("0.01"))
    assert Decimal(september["low_80"]) <= Decimal(september["point"]) <= Decimal(september["high_80"])
    assert (days[0]["day"], days[-1]["day"]) == ("2026-07-20", "2026-10-31")


def test_the_probability_of_passing_a_budget_is_that_of_the_sample_paths(live: Forecast) -> None:
    whole = ForecastMonth.objects.get(series__forecast=live, series__level=[], month=date(2026, 9, 1))
    (row, _) = file("ann", "/forecast/forecast.csv")
    below = sum(one <= 9_000 for one in whole.percentiles)
    assert float(row["probability_over_budget"]) == pytest.approx(1 - below / 100, abs=0.011)
    assert "P(over budget)" in page("ann")
    certain = page("ann", cost_centre="CC-100")
    assert "&gt;99" in certain  # its budget is one dollar
    assert "none" in page("ann", cost_centre="CC-200")


def test_the_chart_marks_the_calendar_event_and_the_forecast_knows_of_it(live: Forecast) -> None:
    text = page("ann")
    assert f"Autumn sale {formats.TIMES}1.50" in text
    assert 'class="mark-event"' in text
    days = {row["day"]: row for row in file("ann", "/forecast/days.csv")}
    # Mondays: the first before the sale, the second in it
    assert float(days["2026-09-28"]["point"]) == pytest.approx(1.5 * float(days["2026-09-21"]["point"]), rel=0.1)
    assert api("ann", "/api/v1/forecasts")["marks"] == live.marks
    assert [mark["event"] for mark in live.marks] == ["Autumn sale"]


def test_marks_name_no_model_that_a_reader_never_used(live: Forecast) -> None:
    """CC-200 uses claude-haiku-4-5 of anthropic alone."""
    found = Forecast.objects.get(pk=live.pk)
    found.marks = [
        {"where": where}
        for where in (
            {"ServiceProviderName": ["openai"], "x_Model": ["gpt-5"]}, {"x_Model": ["claude-haiku-4-5", "gpt-5"]}, {},
            {"x_CostCentre": ["CC-100", "CC-200"]}, {"x_CostCentre": ["CC-100"]},
        )
    ]  # fmt: skip
    kept = forecast_selectors.marks(scope_of(User.objects.get(username="olga")), found)
    assert [mark["where"] for mark in kept] == [{"x_Model": ["claude-haiku-4-5"]}, {}, {"x_CostCentre": ["CC-200"]}]
    assert forecast_selectors.marks(scope_of(User.objects.get(username="ann")), found) == found.marks


def test_the_table_of_series_says_method_skill_coverage_and_why_one_is_refused(live: Forecast) -> None:
    rows = {row["series"]: row for row in file("ann", "/forecast/series.csv", by="cost_centre,provider,model,tier")}
    assert len(rows) == 5
    new = rows["CC-300 · openai · brand-new · Simple"]
    assert (new["method"], new["point"]) == ("", "")
    assert "2 days of history; a forecast needs 7 days" in new["refusal"]
    old = rows["CC-100 · openai · gpt-5 · Simple"]
    assert old["method"] in ("median ensemble", "seasonal naive")
    assert 0 < float(old["skill"]) < 1.2
    assert 0.5 < float(old["coverage_80"]) <= 1
    text = page("ann", by="cost_centre,provider,model,tier")
    assert "2 days of history; a forecast needs 7 days" in text
    assert old["method"] in text


def test_the_workbook_holds_the_three_tables_of_the_view(live: Forecast) -> None:
    client = Client()
    client.force_login(User.objects.get(username="ann"))
    book = openpyxl.load_workbook(io.BytesIO(client.get("/forecast/forecast.xlsx?cost_centre=CC-100").content))
    assert book.sheetnames == ["Months", "Days", "Series"]
    months = file("ann", "/forecast/forecast.csv", cost_centre="CC-100")
    assert [row[3].value for row in book["Months"].iter_rows(min_row=2)] == pytest.approx(
        [float(row["point"]) for row in months]
    )


def test_an_owner_sees_the_own_cost_centre_and_nothing_of_others(live: Forecast) -> None:
    text = page("olga")
    assert "CC-200" in text
    assert "CC-100" not in text
    assert [row["month"] for row in file("olga", "/forecast/forecast.csv")] == ["2026-09", "2026-10"]
    mine = page("ann", "/forecast/forecast.csv", cost_centre="CC-200")
    assert page("olga", "/forecast/forecast.csv") == mine
    assert "No such series" in page("olga", cost_centre="CC-100")
    assert file("olga", "/forecast/forecast.csv", cost_centre="CC-100") == []
    assert {row["series"] for row in file("olga", "/forecast/series.csv")} == {"CC-200 · claude-haiku-4-5"}
    said = api("olga", "/api/v1/forecasts", group_by="x_CostCentre", **{"filter[x_CostCentre]": "CC-100"})
    assert (said["results"], said["notes"]) == ([], [])
    assert any("CC-100" in note for note in api("ann", "/api/v1/forecasts")["notes"])


def test_choices_lead_to_series_that_are_stored(live: Forecast) -> None:
    text = page("ann", provider="openai")
    addresses = re.findall(r'href="(\?[^"#]+)[#"]', text)
    assert len(addresses) > 8
    for address in {each.replace("&amp;", "&") for each in addresses}:
        assert "No such series" not in page("ann", f"/forecast/{address}"), address


def test_what_makes_no_sense_in_the_address_is_refused_by_name(live: Forecast) -> None:
    for name, value in (
        ("by", "nonsense"), ("currency", "usd"), ("month", "x"), ("by", "tier,tier"), ("by", "environment"), ("team", "a"),
    ):  # fmt: skip
        assert f"<p>{name}: " in page("ann", status=400, **{name: value})
    assert "at close" in page("ann", by="model,cost_centre")
    assert "There is no forecast in EUR yet" in page("ann", currency="EUR")
    assert "No such series" in page("ann", model="nobody")
    several = page("ann", provider="openai", tier="simple")
    assert "A forecast is made of the whole and by " in several
    assert "together there is none: take one of them out" in several


def test_accuracy_shows_the_stored_backtest_as_the_api_and_the_csv_do(live: Forecast) -> None:
    said = api("ann", "/api/v1/forecasts/accuracy")
    stored = Backtest.objects.get()
    assert (said["backtest"], said["horizon"], said["origins"]) == (stored.pk, 14, stored.origins)
    rows = file("ann", "/forecast/accuracy/backtest.csv")
    assert len(rows) == len(said["results"]) == 2 * 9  # served and naive, of nine levels
    for row, one in zip(rows, said["results"], strict=True):
        assert row["method"] == one["method"]
        assert [float(row[name]) for name in SCORES] == [one[name] for name in SCORES]
    text = page("ann", "/forecast/accuracy/")
    assert f"{said['results'][0]['MASE']:.2f}" in text


def test_a_forecast_at_a_close_stands_beside_what_came_with_its_band_and_why(live: Forecast) -> None:
    said = api("ann", "/api/v1/forecasts/closes")["results"]
    assert [(row["month"], row["closed_month"]) for row in said] == [
        ("2026-08", "2026-07"), ("2026-08", "2026-06"), ("2026-07", "2026-06"),
    ]  # fmt: skip
    rows = file("ann", "/forecast/accuracy/closes.csv")
    text = page("ann", "/forecast/accuracy/")
    for row, one in zip(rows, said, strict=True):
        assert Decimal(row["difference"]) == Decimal(one["actual"]) - Decimal(one["forecast"])
        assert Decimal(row["actual"]) == Decimal(one["actual"]) > 0
        share = abs(Decimal(one["difference"]) / Decimal(one["forecast"]))
        assert (
            row["band"]
            == one["band"]
            == ("run" if share <= Decimal("0.12") else "crawl" if share <= Decimal("0.2") else "")
        )
        assert formats.money(Decimal(one["forecast"]), "USD") in text
    assert "/explore/?month=2026-08" in text
    assert text.count("Spend rose") + text.count("Spend fell") + text.count("Spend stayed") == 2  # once a month


def test_an_owner_sees_the_own_forecasts_at_closes_alone(live: Forecast) -> None:
    said = api("olga", "/api/v1/forecasts/closes")["results"]
    assert {row["x_CostCentre"] for row in said} == {"CC-200"}
    whole = api("ann", "/api/v1/forecasts/closes")["results"]
    assert all(Decimal(mine["actual"]) < Decimal(all_["actual"]) for mine, all_ in zip(said, whole, strict=True))
    assert "CC-100" not in page("olga", "/forecast/accuracy/")


def test_calendar_events_are_read_by_all_and_proposed_by_analysts_and_finance(live: Forecast) -> None:
    assert api("olga", "/api/v1/calendar")["entries"] == [EVENT]
    ann, olga = (User.objects.get(username=name) for name in ("ann", "olga"))

    def post(user: User, entries: Any) -> Any:
        return Client().post("/api/v1/calendar", {"entries": entries}, "application/json", **bearer(user, "write"))

    assert post(olga, [EVENT]).status_code == 403
    wrong = post(ann, [{**EVENT, "dates": ["soon"]}])
    assert wrong.status_code == 400
    assert "sale: dates 'soon' is no day" in wrong.content.decode()
    asked = post(ann, [EVENT, {"code": "xmas", "dates": ["2026-12-25"]}])
    assert (asked.status_code, asked.json()["kind"]) == (202, "calendar")
    assert len(calendar.in_force()) == 1  # until somebody else accepts
