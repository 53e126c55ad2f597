"""GET /api/v1/forecasts: what was stored, at every level, within the caller's scope."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client

from forecasting import forecasts
from forecasting.models import Forecast, ForecastDay
from tests.conftest import empty_ledger
from tests.forecasting.test_forecasts import made, spent
from tests.web.ledger import bearer, centre, person

PATH = "/api/v1/forecasts"


@pytest.fixture(scope="module")
def found(django_db_setup: None, django_db_blocker: Any) -> Iterator[Forecast]:
    with django_db_blocker.unblock():
        centre("CC-100")
        spent(("CC-100", "gpt-5", Decimal(100)), ("CC-200", "o5", Decimal(40)))
        yield made(horizon=14)
        empty_ledger()


def ask(headers: dict[str, str], status: int = 200, **query: str) -> Any:
    answer = Client().get(PATH, query, **headers)
    assert answer.status_code == status, answer.content
    return answer.json()


@pytest.fixture
def analyst(found: Forecast, django_db_blocker: Any) -> Iterator[dict[str, str]]:
    with django_db_blocker.unblock():
        user = person("ann", "analyst")
        yield bearer(user)
        user.delete()


@pytest.mark.parametrize("level", forecasts.levels(forecasts.DIMENSIONS))
def test_every_level_answers_what_is_stored_each_point_inside_its_interval(
    found: Forecast, analyst: dict[str, str], level: tuple[str, ...]
) -> None:
    said = ask(analyst, group_by=",".join(level), granularity="day")
    assert (said["forecast"], said["starts_on"], said["horizon"]) == (found.pk, "2026-09-20", 14)
    days = [day for row in said["results"] for day in row["days"]]
    stored = ForecastDay.objects.filter(series__forecast=found, series__level=list(level))
    assert sum(Decimal(day["point"]) for day in days) == stored.aggregate(cost=Sum("point"))["cost"]
    assert all(Decimal(day["low_80"]) <= Decimal(day["point"]) <= Decimal(day["high_80"]) for day in days)
    assert all(
        ("95" in row["coverage"]) == (day["low_95"] is not None) for row in said["results"] for day in row["days"]
    )
    assert {row["unstated"] for row in said["results"]} == {""}
    assert {tuple(row["key"]) for row in said["results"]} == {level}
    september = [row["months"][0] for row in said["results"]]
    assert sum(Decimal(month["actual"]) for month in september) == Decimal(140) * Decimal(
        "24.7"
    )  # 62 days in: 19 of them
    for month in september:
        assert (month["low_80"], month["point"]) == (month["percentiles"][9], month["percentiles"][49])
        assert Decimal(month["low_80"]) <= Decimal(month["point"]) <= Decimal(month["high_80"])


def test_the_parts_of_every_level_add_up_to_the_whole_and_days_to_their_month(analyst: dict[str, str]) -> None:
    (whole,) = ask(analyst, granularity="day")["results"]
    for names in ("x_CostCentre", "x_Model", "x_CostCentre,x_Model"):
        parts = [row for row in ask(analyst, group_by=names)["results"] if row["months"]]
        assert len(parts) > 1
        for number, month in enumerate(whole["months"]):
            assert sum(Decimal(row["months"][number]["point"]) for row in parts) == Decimal(month["point"])
    for month in whole["months"]:
        days = [Decimal(day["point"]) for day in whole["days"] if day["day"].startswith(month["month"])]
        assert sum(days) + Decimal(month["actual"]) == Decimal(month["point"])


def test_the_whole_has_months_alone_unless_days_are_asked_for(analyst: dict[str, str]) -> None:
    (row,) = ask(analyst)["results"]
    assert (row["key"], row["method"], "days" in row) == ({}, "sum of its series", False)
    assert [month["month"] for month in row["months"]] == ["2026-09", "2026-10"]
    assert [month["whole"] for month in row["months"]] == [True, False]


def test_an_owner_sees_the_own_cost_centre_and_no_sum_of_others(found: Forecast, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        user = person("owner", "owner", "CC-100")
        try:
            headers = bearer(user)
            assert ask(headers)["results"] == []
            assert ask(headers, group_by="x_Model")["results"] == []
            rows = ask(headers, group_by="x_CostCentre,x_Model")["results"]
            assert [row["key"] for row in rows] == [{"x_CostCentre": "CC-100", "x_Model": "gpt-5"}]
        finally:
            user.delete()


def test_pages_of_one_row_are_the_whole_list(analyst: dict[str, str]) -> None:
    whole = ask(analyst, group_by="x_CostCentre")["results"]
    first = ask(analyst, group_by="x_CostCentre", limit="1")
    second = ask(analyst, group_by="x_CostCentre", limit="1", cursor=first["next"])
    assert [*first["results"], *second["results"]] == whole
    assert (len(whole), second["next"]) == (2, None)


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({"group_by": "nonsense"}, 400, "each once"), ({"granularity": "hour"}, 400, "month or day"),
        ({"currency": "usd"}, 400, "is not an ISO 4217"), ({"forecast": "0"}, 400, "a whole number"),
        ({"forecast": "999999"}, 404, "There is no such forecast"), ({"currency": "EUR"}, 200, "every night"),
        ({"group_by": "x_Feature"}, 404, "has no series by x_Feature"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why(
    analyst: dict[str, str], query: dict[str, str], status: int, told: str
) -> None:
    assert told in str(ask(analyst, status, **query))
