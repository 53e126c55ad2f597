"""Agents on page, in files and through the API: one world of traces, every figure against SQL on the facts and by hand."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from allocation.models import Grant, Runaway
from allocation.scope import EVERYTHING, scope_of
from allocation.selectors import CostQuery
from allocation.value import agents
from finops.models import AuditEvent, User
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES
from tests.allocation.value.agent_traces import outcome, query_of, world
from tests.conftest import empty_ledger
from tests.web.ledger import bearer, person

SEPTEMBER = CostQuery(Period(date(2026, 9, 1), date(2026, 10, 1)))
_COST = " + ".join(
    f"coalesce(e.{name} * (SELECT max(r.list_rate / r.per) FROM rating r WHERE r.charge_date = e.charge_date "
    f"AND (r.usage_key_id, r.rate_slot_id, r.price_class) = (e.usage_key_id, e.rate_slot_id, '{name}')), 0)"
    for name in TOKEN_CLASSES
)
# by use case: tasks, calls, failed calls, retries, cost, of one number of calls to another; of the facts alone
_FACTS = f"""
WITH c AS (SELECT e.query_id, k.feature, coalesce(e.failed, 0) AS failed, {_COST} AS cost, lag(e.failed) OVER (
    PARTITION BY e.query_id, e.agent ORDER BY e.occurred_at) AS before
    FROM usage_event e JOIN ingest_usagekey k ON k.id = e.usage_key_id WHERE k.feature = ANY(%s)),
t AS (SELECT query_id, feature, count(*) AS calls, sum(failed) AS failed, count(before) AS retries, sum(cost) AS cost
    FROM c GROUP BY 1, 2)
SELECT feature, count(*), sum(calls)::int, sum(failed)::int, sum(retries)::int, sum(cost),
    percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY calls),
    percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY cost) FROM t GROUP BY 1
"""


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        world(tmp_path_factory.mktemp("agents"))
        for name, role, code in (("ann", "analyst", ""), ("olga", "owner", "CC-200"), ("vera", "viewer", "CC-100")):
            person(name, role, code)
        yield
        empty_ledger()


@pytest.fixture
def live(made: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def client(name: str) -> Client:
    found = Client()
    found.force_login(User.objects.get(username=name))
    return found


def of(name: str, **filters: str) -> dict[str, Any]:
    answer = client(name).get("/api/v1/agents/workflows", {"month": "2026-09"} | filters)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_workflows_are_what_the_facts_say(live: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [["review", "answers"]])
        facts = {row[0]: row[1:] for row in cursor.fetchall()}
    found = {line.of.feature: line.found for line in agents.report(EVERYTHING, SEPTEMBER).lines}
    assert set(found) == {"review", "answers"}
    for feature, (tasks, calls, failed, retries, cost, of_calls, of_cost) in facts.items():
        own = found[feature]
        assert (own.tasks, own.calls, own.failed_calls, own.retries, own.cost) == (tasks, calls, failed, retries, cost)
        if own.tasks >= 30:
            assert [*own.calls_per_task] == of_calls
            assert [*own.cost_per_task] == of_cost
        else:
            assert own.cost_per_task == (None, None, None), "too few to say"
    assert (found["answers"].depth, found["answers"].fan_out) == (2, 1)


def test_the_api_has_the_figures_of_the_report_and_the_page_shows_them(live: None) -> None:
    found, told = agents.report(EVERYTHING, SEPTEMBER), of("ann")
    assert [row["x_Feature"] for row in told["results"]] == [line.of.feature for line in found.lines]
    review, own = told["results"][0], found.lines[0].found
    assert Decimal(review["cost"]) == own.cost
    assert Decimal(review["cost_per_task"]["p95"]) == own.cost_per_task.p95
    assert own.cost_per_outcome is not None
    assert review["cost_per_outcome"]["estimate"] == f"{own.cost_per_outcome.estimate:.12f}", "money is text"
    assert (review["tasks"], review["calls"], review["resolved"]) == (own.tasks, own.calls, own.resolved)
    assert told["totals"]["tasks"] == sum(row["tasks"] for row in told["results"])
    assert sum(row["tasks"] for row in told["by_calls"]) == told["totals"]["tasks"]
    assert sum(Decimal(row["cost"]) for row in told["by_calls"]) == Decimal(told["totals"]["cost"])
    page = client("ann").get("/tiers/agents/?month=2026-09").content.decode()
    for text in (f"{own.tasks}", f"${own.failed_cost:.2f}" if own.failed_cost >= 1 else "review", "CC-100, core"):
        assert text in page
    rows = list(
        csv.DictReader(io.StringIO(client("ann").get("/tiers/agents/agents.csv?month=2026-09").content.decode()))
    )
    assert [Decimal(row["cost"]) for row in rows[:-1]] == [line.found.cost for line in found.lines]
    assert rows[-1]["x_CostCentre"] == "Total"
    assert Decimal(rows[-1]["cost"]) == sum(line.found.cost for line in found.lines)
    book = openpyxl.load_workbook(io.BytesIO(client("ann").get("/tiers/agents/agents.xlsx?month=2026-09").content))
    assert book.sheetnames == ["Workflows", "Tasks by calls", "Outcomes", "Runaways"]
    assert book["Tasks by calls"].max_row == 1 + len(found.bins)


def test_an_owner_sees_the_own_cost_centre_alone_everywhere(live: None) -> None:
    assert [row["x_CostCentre"] for row in of("olga")["results"]] == ["CC-200"]
    assert of("vera")["totals"]["tasks"] == of("ann", **{"filter[x_CostCentre]": "CC-100"})["totals"]["tasks"]
    assert client("olga").get("/api/v1/agents/runaways", {"month": "2026-09"}).json()["results"] == []
    assert client("olga").get("/api/v1/agents/outcomes", {"month": "2026-09"}).json()["results"] == []
    page = client("olga").get("/tiers/agents/?month=2026-09").content.decode()
    assert "answers" in page
    assert "CC-100" not in page
    number = Runaway.objects.first()
    assert number is not None
    said = client("olga").post(
        f"/api/v1/agents/runaways/{number.pk}/decision", {"decision": "expected"}, content_type="application/json"
    )
    assert said.status_code == 404


def test_filters_take_tasks_out_of_every_part(live: None) -> None:
    complex_ones = of("ann", **{"filter[x_QueryTier]": "complex", "filter[x_Feature]": "review"})
    assert complex_ones["totals"]["tasks"] == sum(1 for n in range(1, 43) if 1 + n % 4 == 4) + 1  # and `round`
    assert [row["x_Feature"] for row in complex_ones["results"]] == ["review"]
    wrong = client("ann").get("/api/v1/agents/workflows", {"month": "2026-09", "filter[x_Model]": "x"})
    assert wrong.status_code == 400


def test_runaways_are_found_told_and_decided(live: None) -> None:
    found = {(row.query_id, row.reason): row for row in Runaway.objects.all()}
    assert set(found) == {(query_of("long"), "calls"), (query_of("long"), "cost"), (query_of("round"), "loop")}
    loop = found[query_of("round"), "loop"]
    assert (loop.value, loop.bound, loop.state) == (9, 6, "open")
    listed = client("ann").get("/api/v1/agents/runaways", {"month": "2026-09", "state": "open"}).json()["results"]
    assert {row["id"] for row in listed} == {row.pk for row in found.values()}
    page = client("ann").get("/tiers/agents/?month=2026-09").content.decode()
    assert "9 rounds where 6 are a loop" in page
    address = f"/tiers/agents/runaways/{loop.pk}/decide"
    assert client("vera").post(address, {"decision": "expected"}).status_code == 403
    back = client("ann").post(address, {"decision": "expected", "note": "a test", "back": "?month=2026-09"})
    assert back["Location"] == "/tiers/agents/?month=2026-09#runaways"
    loop.refresh_from_db()
    assert (loop.state, loop.decided_by, loop.note) == ("expected", "ann", "a test")
    assert AuditEvent.objects.filter(action="agents.decide", actor="ann").count() == 1
    headers: Any = bearer(User.objects.get(username="ann"), "write") | {"HTTP_IDEMPOTENCY_KEY": "again"}
    said = Client().post(
        f"/api/v1/agents/runaways/{loop.pk}/decision", {"decision": "open"}, content_type="application/json", **headers
    )
    assert (said.status_code, said.json()["state"], said.json()["decided_by"]) == (200, "open", "")
    wrong = client("ann").post(address, {"decision": "forgotten"}, follow=True).content.decode()
    assert "expected one of: confirmed, expected, open" in wrong


def test_an_outcome_costs_all_attempts_at_its_task(live: None) -> None:
    """36 cases, each sixth resolved by a second attempt: 42 traces in all, six of which failed."""
    (row,) = client("ann").get("/api/v1/agents/outcomes", {"month": "2026-09"}).json()["results"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(cost), sum(cost) FILTER (WHERE query_id = ANY(%s)) FROM agent_task WHERE query_id = ANY(%s)",
            [[query_of(6 * n) for n in range(1, 7)], [query_of(n) for n in range(1, 43)]],
        )
        whole, failed = cursor.fetchone()
    assert (row["tasks"], row["resolved"], row["attempts"], row["untraced"]) == (36, 36, 42, 0)
    assert (Decimal(row["cost"]), Decimal(row["failed_cost"]), Decimal(row["people"])) == (whole, failed, Decimal(12))
    assert Decimal(row["per_resolved"]) == round(whole / 36, 12)
    assert Decimal(row["per_resolved_with_people"]) == round((whole + 12) / 36, 12)
    own = agents.report(EVERYTHING, SEPTEMBER).lines[0].found
    assert (own.tried, own.resolved, own.failed_cost) == (42, 36, failed)


def test_an_attempt_without_a_known_trace_takes_its_task_out_and_is_counted(live: None) -> None:
    from django.db import transaction

    from allocation.value import outcomes

    with transaction.atomic():
        outcomes.take([outcome("nowhere", False, task="case-1")], by="ann")
        (row,) = agents.outcome_costs(EVERYTHING, SEPTEMBER)
        assert (row.tasks, row.untraced) == (35, 1)
        transaction.set_rollback(True)


def test_another_currency_and_an_empty_month_say_so(live: None) -> None:
    euro = of("ann", currency="EUR")
    assert (euro["results"], euro["totals"], euro["elsewhere"]) == ([], None, {"USD": 52})
    assert (
        "another currency than EUR" in client("ann").get("/tiers/agents/?month=2026-09&currency=EUR").content.decode()
    )
    nobody = client("ann").get("/tiers/agents/?feature=nobody").content.decode()
    assert "No task of an agent in" in nobody
    assert "No usage has x_Feature &#x27;nobody&#x27; in 2026-09." in nobody
    assert agents.report(scope_of(User(is_active=False)), SEPTEMBER).lines == []
    assert Grant.objects.count() == 3


def test_the_command_derives_lists_and_loads_limits(live: None, tmp_path: Path) -> None:
    def told(*given: str) -> dict[str, Any]:
        out = io.StringIO()
        call_command("agents", *given, "--json", stdout=out)
        found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
        return found

    assert told("refresh") == {"days": 0}
    assert told("runaways", "2026-09")["runaways"] == 3
    (tmp_path / "limits.yaml").write_text("{calls: 500, rounds: 12}")
    assert told("limits", str(tmp_path / "limits.yaml"))["rounds"] == "12"
    assert told("refresh")["days"] > 0
    assert Runaway.objects.get(reason="loop").state == "withdrawn"
