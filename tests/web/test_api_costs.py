"""GET /api/v1/costs: sums, scope, compare, pages, refusals."""

from datetime import date
from decimal import Decimal

import pytest
from django.test import Client

from allocation.models import CostDaily
from allocation.selectors import FILTERS
from tests.web.ledger import Usage, bearer, load, person

pytestmark = pytest.mark.django_db
URL = "/api/v1/costs"


def ask(headers: dict[str, str], status: int = 200, **parameters: str) -> dict:
    answer = Client().get(URL, parameters, **headers)
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == ("application/json" if status == 200 else "application/problem+json")
    return answer.json()


@pytest.fixture
def finance() -> dict[str, str]:
    return bearer(person("finance", "finance"))


@pytest.fixture
def usage() -> None:
    load(
        Usage("12.34", "CC-100", "search", tier="complex", model="gpt-5-mini", queries=100, tokens=5_000),
        Usage("0.000000000001", "CC-100", "search", day=date(2026, 9, 30), provenance="billed"),
        Usage("7.5", "CC-200", tier="research", model="claude-opus", provider="anthropic", estimated=True),
        Usage("3.25", None, environment="", feature="chat"),
        Usage(None, "CC-200", model="unknown", estimate="1.5", tokens=777),
        Usage("10", "CC-100", day=date(2026, 8, 31), tier="complex", model="gpt-5-mini"),
        Usage("4", "CC-300", day=date(2026, 8, 1)),
        Usage("99", "CC-100", currency="EUR"),
    )


def test_the_answer_of_the_contract(usage: None, finance: dict[str, str]) -> None:
    body = ask(
        finance, month="2026-09", group_by="x_CostCentre,x_QueryTier", column="EffectiveCost", currency="USD",
        compare="previous", **{"filter[x_Model]": "gpt-5*"},
    )  # fmt: skip
    assert body["results"][0] == {
        "x_CostCentre": "CC-100", "x_QueryTier": "complex", "EffectiveCost": "12.340000000000", "BillingCurrency": "USD",
        "Previous": "10.000000000000", "Requests": "100", "Queries": "100", "x_EstimatedQueries": "0", "x_Tokens": "5000",
        "x_UnpricedTokens": "0", "x_UnpricedEstimate": "0.000000000000", "x_Provenance": "computed",
    }  # fmt: skip
    assert [(row["x_CostCentre"], row["EffectiveCost"], row["Previous"]) for row in body["results"][1:]] == [
        ("CC-100", "0.000000000001", "0.000000000000"),
        ("CC-300", "0.000000000000", "4.000000000000"),
        (None, "3.250000000000", "0.000000000000"),
    ]
    assert body["totals"]["EffectiveCost"] == "15.590000000001"
    assert body["totals"]["unallocated"] == "3.250000000000"
    assert body["totals"]["Previous"] == "14.000000000000"
    assert body["next"] is None
    assert body["period_state"] == "open"
    assert body["currencies"] == ["USD", "EUR"]


def test_unpriced_is_money_and_never_zero(usage: None, finance: dict[str, str]) -> None:
    body = ask(finance, month="2026-09")
    assert body["totals"]["unpriced"] == {"tokens": "777", "estimate": "1.500000000000"}
    assert body["totals"]["EffectiveCost"] == "23.090000000001"
    [row] = body["results"]
    assert row["x_Provenance"] == "billed,computed"
    assert row["x_EstimatedQueries"] == "10"


@pytest.mark.parametrize("granularity", ["day", "month", "total"])
def test_every_granularity_has_the_same_totals(granularity: str, usage: None, finance: dict[str, str]) -> None:
    body = ask(
        finance,
        start="2026-08-01",
        end="2026-10-01",
        group_by="x_CostCentre",
        granularity=granularity,
        compare="previous",
    )
    assert sum(Decimal(row["EffectiveCost"]) for row in body["results"]) == Decimal("37.090000000001")
    assert body["totals"]["EffectiveCost"] == "37.090000000001"
    column = {"day": "ChargeDate", "month": "BillingPeriodStart"}.get(granularity)
    if column:
        assert {row[column] for row in body["results"]} <= {"2026-08-01", "2026-08-31", "2026-09-01", "2026-09-30"}


def test_days_of_a_longer_month_before_count_on_the_last_day(usage: None, finance: dict[str, str]) -> None:
    body = ask(finance, month="2026-09", granularity="day", compare="previous")
    assert [(row["ChargeDate"], row["Previous"]) for row in body["results"]] == [
        ("2026-09-01", "4.000000000000"),
        ("2026-09-30", "10.000000000000"),
    ]


def test_a_quarter_is_compared_with_the_quarter_before(finance: dict[str, str]) -> None:
    load(Usage("5", day=date(2026, 9, 30)), Usage("2", day=date(2026, 4, 1)), Usage("1", day=date(2026, 3, 31)))
    body = ask(finance, start="2026-07-01", end="2026-10-01", compare="previous", granularity="month")
    assert [(r["BillingPeriodStart"], r["EffectiveCost"][:2], r["Previous"][:2]) for r in body["results"]] == [
        ("2026-07-01", "0.", "2."), ("2026-09-01", "5.", "0."),
    ]  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_every_value_of_a_dimension_is_found_by_it_the_missing_one_too(
    name: str, usage: None, finance: dict[str, str]
) -> None:
    for row in ask(finance, month="2026-09", group_by=name)["results"]:
        found = ask(finance, month="2026-09", group_by=name, **{f"filter[{name}]": row[name] or ""})
        assert found["results"] == [row]
        assert found["totals"]["EffectiveCost"] == row["EffectiveCost"]


def test_one_sees_the_own_cost_centres_only(usage: None) -> None:
    viewer = bearer(person("viewer", "viewer", "CC-100"))
    body = ask(viewer, month="2026-09", group_by="x_CostCentre")
    assert [row["x_CostCentre"] for row in body["results"]] == ["CC-100"]
    assert body["totals"]["EffectiveCost"] == "12.340000000001"
    assert body["totals"]["unallocated"] == "0.000000000000"
    assert body["totals"]["unpriced"]["tokens"] == "0"
    for foreign in ("CC-200", "CC-*", "(unallocated)", "nothing", "CC-200,(unallocated)"):
        body = ask(viewer, month="2026-09", group_by="x_CostCentre,x_Model", **{"filter[x_CostCentre]": foreign})
        assert {row["x_CostCentre"] for row in body["results"]} <= {"CC-100"}
        assert "claude" not in str(body)
    assert ask(bearer(person("nobody")), month="2026-09")["results"] == []


def test_pages_join_without_gap_or_overlap_while_rows_come_and_go(finance: dict[str, str]) -> None:
    names = ["Z", "a", "é", "b*", "m-1", "zz", "Á"]
    load(*(Usage(str(n), None if n == 6 else f"CC-{n}", model=name) for n, name in enumerate(names, start=1)))
    question = {"month": "2026-09", "group_by": "x_CostCentre,x_Model", "limit": "2"}
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        answer = Client().get(URL, question | ({"cursor": cursor} if cursor else {}), **finance)
        body = answer.json()
        assert body["totals"]["EffectiveCost"] == ("28.000000000000" if pages == 0 else "27.000000000000")
        seen += [row["x_Model"] for row in body["results"]]
        cursor, pages = body["next"], pages + 1
        assert (f"cursor={cursor}" in answer.get("Link", "")) == bool(cursor)
        CostDaily.objects.filter(model="Z").delete()
    assert pages == 4
    assert seen == ["Z", "a", "é", "b*", "m-1", "Á", "zz"]


def test_a_cursor_continues_its_own_question_only(usage: None, finance: dict[str, str]) -> None:
    question = {"month": "2026-09", "group_by": "x_Model", "limit": "1"}
    cursor = ask(finance, **question)["next"]
    for changed in ({"group_by": "x_QueryTier"}, {"column": "ListCost"}, {"month": "2026-08"}):
        assert "cursor" in ask(finance, 400, **(question | changed | {"cursor": cursor}))["detail"]
    for wrong in ("", "x", "é", "e30", cursor[:-3], cursor + "AAAA", "W10", "\x00"):
        ask(finance, 400, **(question | {"cursor": wrong}))


@pytest.mark.parametrize(
    "parameters",
    [
        {}, {"month": "2026-13"}, {"month": "0000-01"}, {"month": "9999-12"}, {"month": "2026-9"}, {"month": "٢٠٢٦-٠٩"},
        {"month": "2026-09", "start": "2026-09-01"}, {"start": "2026-09-01"}, {"start": "2026-09-02", "end": "2026-09-02"},
        {"start": "2024-01-01", "end": "2026-01-01"}, {"start": "2026-02-30", "end": "2026-03-01"},
        {"month": "2026-09", "group_by": "password"}, {"month": "2026-09", "group_by": "x_Model,x_Model"},
        {"month": "2026-09", "group_by": "ChargeDate"}, {"month": "2026-09", "group_by": "x_Model;drop table charge"},
        {"month": "2026-09", "group_by": "x_Model,x_Team,x_Feature,x_QueryTier,x_CostCentre"},
        {"month": "2026-09", "granularity": "hour"}, {"month": "2026-09", "column": "Cost"},
        {"month": "2026-09", "currency": "usd"}, {"month": "2026-09", "currency": "XXX"}, {"month": "2026-09", "compare": "yes"},
        {"month": "2026-09", "limit": "0"},
        {"month": "2026-09", "limit": "1001"}, {"month": "2026-09", "limit": "-1"}, {"month": "2026-09", "limit": "²"},
        {"month": "2026-09", "filter[Nothing]": "x"}, {"month": "2026-09", "filter[x_Model": "x"},
        {"month": "2026-09", "filter[x_Model]": "a\x00b"}, {"month": "2026-09", "filter[x_Model]": "x" * 300},
        {"month": "2026-09", "filter[x_Model]": ",".join("abcdefghij" * 11)}, {"month": "2026-09", "cost_centre": "CC-1"},
        {"month": "2026-09", "format": "csv"}, {"month": "2026-09", "format": "json"}, {"month": "1999-12"},
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_named(parameters: dict[str, str], finance: dict[str, str]) -> None:
    problem = ask(finance, 400, **parameters)
    assert set(problem) == {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == 400
    assert problem["instance"] == URL


@pytest.mark.parametrize(
    "value", ["'; drop table charge; --", "(((", "[a-", "\\", "a\\*", "*" * 200, "é*", "😀?", "%", "_*"]
)
def test_filters_are_values_never_patterns_or_sql(value: str, usage: None, finance: dict[str, str]) -> None:
    body = ask(finance, month="2026-09", group_by="x_Model", **{"filter[x_Model]": value})
    assert len(body["results"]) == (4 if value.strip("*") == "" else 0)


def test_columns_and_empty_values(usage: None, finance: dict[str, str]) -> None:
    body = ask(finance, month="2026-09", column="BilledCost", group_by="x_Environment", **{"filter[x_Environment]": ""})
    assert body["results"][0]["BilledCost"] == "0.000000000000"
    assert body["results"][0]["x_Environment"] == ""
    assert "EffectiveCost" not in body["results"][0]
