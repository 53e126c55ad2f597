"""/api/v1/statements: lists within the scope, one document, and answers that have one effect."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from allocation.calc.statements import content_hash
from allocation.close import statements
from allocation.models import Statement
from finops.models import AuditEvent
from finops.periods import Period
from tests.allocation.close.test_statements import adjustment
from tests.web.ledger import Usage, bearer, freeze, load, person

pytestmark = pytest.mark.django_db
SEPTEMBER = Period.month("2026-09")
FRIDAY = datetime(2026, 10, 2, 9, tzinfo=UTC)
BASE = "/api/v1/statements"


@pytest.fixture(autouse=True)
def issued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements.timezone, "now", lambda: FRIDAY)
    load(Usage("12.346", "CC-100"), Usage("7", "CC-200"), Usage("2", None))
    freeze()
    statements.issue(SEPTEMBER, "fin-1")


def number(code: str = "CC-100") -> int:
    return Statement.objects.get(cost_centre__code=code).pk


def caller(role: str, scope: str = "write") -> dict[str, str]:
    return bearer(person(f"api-{role}", role, "CC-100" if role in ("viewer", "owner") else ""), scope)


def post(step: str, body: Any, headers: dict[str, str], code: str = "CC-100", **more: str) -> Any:
    return Client().post(f"{BASE}/{number(code)}/{step}", body, content_type="application/json", **headers, **more)


def test_an_owner_lists_their_own_and_finance_all() -> None:
    for role, codes in (("owner", ["CC-100"]), ("finance", ["CC-200", "CC-100"])):
        answer = Client().get(f"{BASE}?month=2026-09&state=issued", **caller(role, "read")).json()
        assert [(row["x_CostCentre"], row["amount"]) for row in answer["results"]] == [
            (code, {"CC-100": "12.35", "CC-200": "7.00"}[code]) for code in codes
        ]
        assert "document" not in answer["results"][0]


def test_a_page_continues_where_the_former_ended() -> None:
    headers = caller("auditor", "read")
    first = Client().get(f"{BASE}?limit=1", **headers).json()
    second = Client().get(f"{BASE}?limit=1&cursor={first['next']}", **headers).json()
    assert [row["x_CostCentre"] for row in first["results"] + second["results"]] == ["CC-200", "CC-100"]
    assert second["next"] is None


def test_one_statement_comes_with_the_document_its_hash_is_of() -> None:
    body = Client().get(f"{BASE}/{number()}", **caller("owner", "read")).json()
    assert content_hash(body["document"]) == body["content_hash"]
    assert body["document"]["amount"] == body["amount"] == "12.35"
    assert (body["dispute_until"], body["replaced"]) == ("2026-10-09", False)


def test_who_may_not_see_a_statement_is_told_that_there_is_none() -> None:
    owner = caller("owner")
    assert Client().get(f"{BASE}/{number('CC-200')}", **owner).status_code == 404
    assert post("accept", {}, owner, "CC-200").status_code == 404
    assert Client().get(f"{BASE}/{2**70}", **owner).status_code == 404


def test_an_owner_accepts_once_however_often_it_is_sent() -> None:
    owner, key = caller("owner"), {"HTTP_IDEMPOTENCY_KEY": "k1"}
    first, again = post("accept", {}, owner, **key), post("accept", {}, owner, **key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["state"] == again.json()["state"] == "accepted"
    assert again["Idempotency-Replayed"] == "true"
    assert AuditEvent.objects.filter(action="statement.accept").count() == 1
    assert post("accept", {}, owner).status_code == 409


def test_a_dispute_is_resolved_by_another_person_of_finance() -> None:
    owner, finance = caller("owner"), caller("finance")
    assert post("dispute", {"reason": ""}, owner).status_code == 400
    disputed = post("dispute", {"reason": "Not our key"}, owner).json()
    assert (disputed["state"], disputed["amount"]) == ("disputed", "12.35")
    refused = post("resolve", {"resolution": "mine"}, owner)
    assert (refused.status_code, refused.json()["detail"]) == (403, "This needs the role finance.")
    moved = adjustment("CC-100")
    assert post("resolve", {"resolution": "x", "adjustment": 99}, finance).status_code == 409
    body = post("resolve", {"resolution": "Moved", "adjustment": moved.pk}, finance).json()
    assert (body["state"], body["adjustment"], body["amount"]) == ("accepted", moved.pk, "12.35")


@pytest.mark.parametrize("role", ["viewer", "analyst", "admin", "auditor"])
def test_nobody_else_answers(role: str) -> None:
    headers = caller(role)
    for step, body in (("accept", {}), ("dispute", {"reason": "x"}), ("resolve", {"resolution": "x"})):
        assert post(step, body, headers).status_code == (404 if role in ("viewer", "admin") else 403), step
    assert set(Statement.objects.values_list("state", flat=True)) == {"issued"}


def test_a_token_that_reads_answers_nothing_and_strangers_are_asked_who_they_are() -> None:
    assert post("accept", {}, caller("owner", "read")).status_code == 403
    assert post("accept", {}, {}).status_code == 401


@pytest.mark.parametrize("body", [[], {"amount": "0"}, "accept"])
def test_what_an_answer_does_not_know_is_refused(body: Any) -> None:
    assert post("accept", body, caller("owner")).status_code == 400


def test_parameters_that_do_not_exist_are_refused() -> None:
    headers = caller("finance", "read")
    for question in ("state=lost", "month=2026-13", "centre=CC-1", "limit=0", "cursor=x"):
        assert Client().get(f"{BASE}?{question}", **headers).status_code == 400, question
