"""GET /api/v1/usage: tokens by class against SQL on the facts and against /costs, by pages, within scope."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from finops.models import User
from tests.allocation.value.agent_traces import world
from tests.conftest import empty_ledger
from tests.web.ledger import person

_FACTS = (
    "SELECT count(*)::text, count(*) FILTER (WHERE begins)::text, sum(input_uncached)::text, sum(output_visible)::text "
    "FROM usage_event e JOIN ingest_usagekey k ON k.id = e.usage_key_id WHERE k.feature = ANY(%s)"
)


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        world(tmp_path_factory.mktemp("usage"))
        for name, role, code in (("ann", "analyst", ""), ("olga", "owner", "CC-200")):
            person(name, role, code)
        yield
        empty_ledger()


@pytest.fixture
def live(made: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def asked(name: str, path: str = "usage", **given: str) -> dict[str, Any]:
    client = Client()
    client.force_login(User.objects.get(username=name))
    answer = client.get(f"/api/v1/{path}", {"month": "2026-09"} | given)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def facts(*features: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [list(features)])
        return tuple(cursor.fetchone() or ())


def figures(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["Requests"], row["Queries"], row["tokens"]["input_uncached"], row["tokens"]["output_visible"]


def test_usage_is_that_of_the_facts(live: None) -> None:
    assert figures(asked("ann")["totals"]) == facts("review", "answers")
    rows = asked("ann", group_by="x_Feature")["results"]
    assert {row["x_Feature"]: figures(row) for row in rows} == {name: facts(name) for name in ("review", "answers")}
    assert figures(asked("olga")["totals"]) == facts("answers"), "the own cost centre alone"


@pytest.mark.parametrize("group", ["x_CostCentre", "x_QueryTier,x_Model", "x_Team,x_Environment"])
@pytest.mark.parametrize("granularity", ["total", "month", "day"])
def test_counts_and_tokens_are_those_of_costs(live: None, group: str, granularity: str) -> None:
    usage = asked("ann", group_by=group, granularity=granularity)
    costs = asked("ann", "costs", group_by=group, granularity=granularity)
    columns = [*group.split(","), *{"day": ["ChargeDate"], "month": ["BillingPeriodStart"]}.get(granularity, [])]
    told = [
        {
            tuple(row[name] for name in columns): [row[name] for name in ("Requests", "Queries", "x_Tokens")]
            for row in rows
        }
        for rows in (usage["results"], costs["results"])
    ]
    assert told[0] == told[1]
    for row in usage["results"]:
        assert sum(map(int, row["tokens"].values())) == int(row["x_Tokens"])


def test_a_row_per_token_class_sums_to_the_row_of_all(live: None) -> None:
    whole = asked("ann")["totals"]
    rows = asked("ann", group_by="x_TokenClass")["results"]
    assert {row["x_TokenClass"]: row["x_Tokens"] for row in rows} == whole["tokens"]
    assert {row["Requests"] for row in rows} == {None}, "a call has tokens of several classes"
    both = asked("ann", group_by="x_CostCentre,x_TokenClass")
    assert sum(int(row["x_Tokens"]) for row in both["results"]) == int(whole["x_Tokens"])
    assert both["totals"] == whole


def test_filters_narrow_it_as_they_narrow_costs(live: None) -> None:
    for name, value in (
        ("x_QueryTier", "complex"),
        ("x_Feature", "rev*"),
        ("x_CostCentre", "CC-200"),
        ("x_Model", "nothing"),
    ):
        given = {f"filter[{name}]": value}
        usage, costs = asked("ann", **given)["totals"], asked("ann", "costs", **given)["totals"]
        assert [usage[each] for each in ("Requests", "Queries", "x_Tokens")] == [
            costs[each] for each in ("Requests", "Queries", "x_Tokens")
        ], name
        assert sum(map(int, usage["tokens"].values())) == int(usage["x_Tokens"]), name
    assert asked("ann", **{"filter[x_Model]": "nothing"})["notes"] != []


def test_pages_leave_out_and_repeat_nothing(live: None) -> None:
    given = {"group_by": "x_QueryTier,x_TokenClass", "granularity": "day"}
    whole = asked("ann", **given)["results"]
    found, cursor = [], None
    for _ in range(len(whole) + 1):
        page = asked("ann", **given, limit="7", **({"cursor": cursor} if cursor else {}))
        found += page["results"]
        if (cursor := page["next"]) is None:
            break
    assert found == whole != []


@pytest.mark.parametrize(
    "given",
    [
        {"group_by": "x_TokenClass,x_TokenClass"},
        {"group_by": "ChargeDate"},
        {"column": "ListCost"},
        {"month": "2026-13"},
    ],
)
def test_a_wrong_question_is_refused(live: None, given: dict[str, str]) -> None:
    client = Client()
    client.force_login(User.objects.get(username="ann"))
    assert client.get("/api/v1/usage", {"month": "2026-09"} | given).status_code == 400
