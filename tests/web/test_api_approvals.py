"""Agreements are proposed by one person and put in force by another; who may do neither is refused."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from allocation.models import TermsVersion
from finops.models import Approval, AuditEvent
from tests.web.ledger import bearer, person

pytestmark = pytest.mark.django_db
CONTRACT = {"code": "frame", "provider": "openai", "discount": "10", "valid_from": "2026-01-01"}


def ask(headers: dict[str, str], method: str, path: str, body: Any = None) -> Any:
    data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    return getattr(Client(raise_request_exception=False), method)(f"/api/v1/{path}", **data, **headers)


@pytest.fixture
def analyst() -> dict[str, str]:
    return bearer(person("ann", "analyst"), "write")


@pytest.fixture
def finance() -> dict[str, str]:
    return bearer(person("fin", "finance"), "write")


def test_a_proposal_is_in_force_only_after_another_person_accepted_it(
    analyst: dict[str, str], finance: dict[str, str]
) -> None:
    asked = ask(analyst, "post", "contracts", {"entries": [CONTRACT]})
    assert (asked.status_code, asked.json()["state"]) == (202, "proposed")
    assert ask(analyst, "get", "contracts").json()["entries"] == []
    decided = ask(finance, "post", f"approvals/{asked.json()['id']}/decision", {"accept": True, "reason": "signed"})
    assert (decided.status_code, decided.json()["decided_by"]) == (200, "fin")
    assert ask(analyst, "get", "contracts").json()["entries"] == [CONTRACT]
    done = list(AuditEvent.objects.order_by("id").values_list("action", "actor"))
    assert done[-3:] == [("agreements.propose", "ann"), ("agreements.approve", "fin"), ("contracts.load", "ann")]


def test_nobody_accepts_what_they_prepared_and_nothing_is_decided_twice(
    analyst: dict[str, str], finance: dict[str, str]
) -> None:
    own = ask(finance, "post", "contracts", {"entries": [CONTRACT]}).json()["id"]
    answer = ask(finance, "post", f"approvals/{own}/decision", {"accept": True})
    assert (answer.status_code, "another person" in answer.json()["detail"]) == (403, True)
    assert ask(finance, "post", f"approvals/{own}/decision", {"accept": False}).status_code == 200  # withdrawn
    assert ask(finance, "post", f"approvals/{own}/decision", {"accept": False}).status_code == 409
    assert not TermsVersion.objects.exists()
    assert ask(analyst, "post", f"approvals/{own}/decision", {"accept": True}).status_code == 403  # not finance
    assert ask(finance, "post", "approvals/999/decision", {"accept": True}).status_code == 404
    assert ask(finance, "get", "approvals/1/decision").status_code == 405


@pytest.mark.parametrize(
    "body", [[], {}, {"entries": {}}, {"entries": [], "more": 1}, {"entries": [{"code": "frame", "discount": 12.5}]}]
)
def test_what_is_no_list_of_agreements_is_refused_in_words(body: Any, analyst: dict[str, str]) -> None:
    answer = ask(analyst, "post", "contracts", body)
    assert (answer.status_code, "entries" in answer.json()["detail"]) == (400, True)
    assert not Approval.objects.exists()


def test_what_waits_is_listed_by_state_and_page(finance: dict[str, str]) -> None:
    for number in range(3):
        Approval.objects.create(kind="price", subject=f"gpt-{number}", prepared_by="ann")
    page = ask(finance, "get", "approvals?state=proposed&limit=2").json()
    assert [row["subject"] for row in page["results"]] == ["gpt-2", "gpt-1"]
    last = ask(finance, "get", f"approvals?state=proposed&limit=2&cursor={page['next']}").json()
    assert ([row["subject"] for row in last["results"]], last["next"]) == (["gpt-0"], None)
    assert ask(finance, "get", "approvals?state=done").status_code == 400


def test_the_command_line_decides_too_and_one_person_alone_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Approval.objects.create(kind="note", subject="a thing", prepared_by="ann")
    person("ann", "finance")
    person("fin", "finance")
    with pytest.raises(CommandError) as refused:
        call_command("approvals", "accept", str(asked.pk), "--as", "ann")
    assert refused.value.returncode == 3
    call_command("approvals", "accept", str(asked.pk), "--as", "fin")
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by) == ("accepted", "fin")
    call_command("approvals", "list")
    assert "Nothing waits" in capsys.readouterr().out
