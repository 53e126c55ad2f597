"""/api/v1/periods: the close by two people over HTTP, what is refused, and who may look."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from allocation.models import BillingPeriod
from finops.models import AuditEvent
from tests.allocation.close.months import calls, month_of_calls
from tests.web.ledger import bearer, person

pytestmark = pytest.mark.usefixtures("ledger")


def ask(headers: dict[str, Any], method: str, path: str, body: Any = None, **more: Any) -> Any:
    data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    return getattr(Client(raise_request_exception=False), method)(f"/api/v1/{path}", **data, **headers, **more)


@pytest.fixture
def ann(ledger: None, tmp_path: Path) -> dict[str, str]:
    month_of_calls(tmp_path)
    return bearer(person("ann", "finance"), "write")


@pytest.fixture
def bob(ann: dict[str, str]) -> dict[str, str]:
    return bearer(person("bob", "finance"), "write")


def test_two_people_close_a_month_and_the_figures_say_its_state(ann: dict[str, str], bob: dict[str, str]) -> None:
    assert ask(ann, "get", "costs?month=2026-09").json()["period_state"] == "open"
    first = ask(ann, "post", "periods/2026-09/steps", {"to": "preliminary"}, HTTP_X_REQUEST_ID="abc")
    assert (first.status_code, first.json()["state"], first.json()["next"]) == (200, "preliminary", "soft_closed")
    assert AuditEvent.objects.get(action="period.prepare").details["request"] == "abc"
    own = ask(ann, "post", "periods/2026-09/steps", {"to": "soft_closed"})
    assert (own.status_code, "another person" in own.json()["detail"]) == (403, True)
    second = ask(bob, "post", "periods/2026-09/steps", {"to": "soft_closed"})
    assert (second.status_code, second.json()["prepared_by"], second.json()["soft_closed_by"]) == (200, "ann", "bob")
    assert ask(ann, "get", "costs?month=2026-09").json()["period_state"] == "soft_closed"
    detail = ask(ann, "get", "periods/2026-09").json()
    assert detail["manifest"] == detail["manifest_detail"]["sha256"] == second.json()["manifest"]
    assert detail["manifest_detail"]["document"]["tables"]["charge"]["rows"] == 6
    assert [(task["task"], task["state"]) for task in detail["checklist"] if task["task"] in ("soft_close", "close")] == [
        ("soft_close", "done"), ("close", "open")
    ]  # fmt: skip
    listed = ask(ann, "get", "periods").json()["results"]
    assert [(row["month"], row["state"]) for row in listed] == [("2026-09", "soft_closed")]


def test_gates_hold_a_step_until_a_waiver_is_accepted_by_another(
    ann: dict[str, str], bob: dict[str, str], tmp_path: Path
) -> None:
    calls(tmp_path, "2026-09-20", team="nobody")
    ask(ann, "post", "periods/2026-09/steps", {"to": "preliminary"})
    held = ask(bob, "post", "periods/2026-09/steps", {"to": "soft_closed"})
    assert (held.status_code, "unallocated" in held.json()["detail"]) == (409, True)
    detail = ask(ann, "get", "periods/2026-09").json()
    assert detail["held_by"] == ["unallocated"]
    gate = next(gate for gate in detail["gates"] if gate["gate"] == "unallocated")
    assert (gate["value"], gate["limit"], gate["ok"]) == ("0.250000000", "0.05", False)
    asked = ask(bob, "post", "periods/2026-09/waivers", {"gate": "unallocated", "reason": "a new team"})
    assert (asked.status_code, asked.json()["state"]) == (202, "proposed")
    assert [row["id"] for row in ask(ann, "get", "periods/2026-09").json()["waiting"]] == [asked.json()["id"]]
    decision = f"approvals/{asked.json()['id']}/decision"
    assert ask(bob, "post", decision, {"accept": True}).status_code == 403
    assert ask(ann, "post", decision, {"accept": True}).status_code == 200
    assert ask(bob, "post", "periods/2026-09/steps", {"to": "soft_closed"}).status_code == 200


def test_a_closed_month_is_opened_again_by_two(ann: dict[str, str], bob: dict[str, str]) -> None:
    assert ask(ann, "post", "periods/2026-09/reopen", {"reason": "too early"}).status_code == 409
    ask(ann, "post", "periods/2026-09/steps", {"to": "preliminary"})
    ask(bob, "post", "periods/2026-09/steps", {"to": "soft_closed"})
    asked = ask(ann, "post", "periods/2026-09/reopen", {"reason": "wrong invoice"})
    assert asked.status_code == 202
    assert ask(bob, "post", f"approvals/{asked.json()['id']}/decision", {"accept": True}).status_code == 200
    detail = ask(ann, "get", "periods/2026-09").json()
    assert (detail["state"], detail["version"], [row["version"] for row in detail["former"]]) == ("open", 2, [1])


def test_a_step_that_is_sent_twice_with_its_key_is_taken_once(ann: dict[str, str]) -> None:
    answers = [
        ask(ann, "post", "periods/2026-09/steps", {"to": "preliminary"}, HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert AuditEvent.objects.filter(action="period.prepare").count() == 1


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("periods/2026-13/steps", {"to": "preliminary"}, 404),
        ("periods/september/steps", {"to": "preliminary"}, 404),
        ("periods/2026-09/steps", {"to": "open"}, 400),
        ("periods/2026-09/steps", {}, 400),
        ("periods/2026-09/steps", {"to": "closed"}, 409),
        ("periods/2026-09/waivers", {"gate": "colour", "reason": "x"}, 400),
        ("periods/2026-09/waivers", {"gate": "unpriced", "reason": ""}, 400),
        ("periods/2026-09/waivers", {"gate": "unpriced", "reason": "nothing fails"}, 409),
        ("periods/2026-09/tasks", {"task": "tea"}, 409),
        ("periods/2026-09/tasks", {"task": "sources"}, 409),
    ],
)
def test_what_cannot_be_done_is_a_problem(ann: dict[str, str], path: str, body: Any, code: int) -> None:
    answer = ask(ann, "post", path, body)
    assert (answer.status_code, answer["Content-Type"]) == (code, "application/problem+json")
    assert not BillingPeriod.objects.exclude(state="open").exists()


def test_tasks_by_hand_are_ticked_and_lists_are_paged(ann: dict[str, str], tmp_path: Path) -> None:
    done = ask(ann, "post", "periods/2026-09/tasks", {"task": "invoices"}).json()
    assert [(task["state"], task["done_by"]) for task in done["checklist"] if task["task"] == "invoices"] == [
        ("done", "ann")
    ]
    calls(tmp_path, "2026-08-31", "2026-10-01")
    page = ask(ann, "get", "periods?limit=2").json()
    assert [row["month"] for row in page["results"]] == ["2026-10", "2026-09"]
    rest = ask(ann, "get", f"periods?limit=2&cursor={page['next']}").json()
    assert ([row["month"] for row in rest["results"]], rest["next"]) == (["2026-08"], None)


@pytest.mark.parametrize(("role", "reads"), [("analyst", 200), ("auditor", 200), ("admin", 403), ("viewer", 403)])
def test_only_finance_takes_steps_and_the_others_read_as_their_roles_allow(
    ann: dict[str, str], role: str, reads: int
) -> None:
    headers = bearer(person("other", role, "CC-1" if role == "viewer" else ""), "write")
    assert ask(headers, "get", "periods/2026-09").status_code == reads
    assert ask(headers, "post", "periods/2026-09/steps", {"to": "preliminary"}).status_code == 403
    assert ask(headers, "post", "periods/2026-09/reopen", {"reason": "x"}).status_code == 403
