"""Approvals on pages: another person of finance decides, the preparer sees why not, and what was accepted is carried out."""

from typing import Any

import pytest
from django.test import Client

from allocation.models import TermsVersion
from finops.models import Approval, AuditEvent
from tests.web.connected import PAYLOAD
from tests.web.ledger import person
from tests.web.money_pages import BLIND, READERS, client_of, page, text
from web import approving

pytestmark = pytest.mark.django_db
CONTRACT = {"code": "frame", "provider": "openai", "discount": "10", "valid_from": "2026-01-01"}


def asked(by: str = "ana", *entries: dict[str, Any]) -> Approval:
    return approving.propose_agreements("contracts", list(entries or [CONTRACT]), by=by)


def decide(client: Client, request: Approval, decision: str = "accept", **more: str) -> Any:
    return client.post(f"/approvals/{request.pk}/decide", {"decision": decision, **more})


@pytest.mark.parametrize("role", [*READERS, *BLIND])
def test_the_matrix_of_roles(role: str) -> None:
    request, client = asked(), client_of(role)
    assert client.get("/approvals/").status_code == (200 if role in READERS else 403)
    assert client.get(f"/approvals/{request.pk}/decide").status_code == 405, "no GET decides anything"
    assert decide(client, request).status_code == (302 if role == "finance" else 403)
    assert TermsVersion.objects.exists() == (role == "finance")


def test_what_another_person_accepts_is_carried_out_and_audited() -> None:
    request, client = asked(), client_of("finance", "fin")
    found = text(page(client, "/approvals/"))
    assert "contracts: 1 entry" in found
    assert "asked by ana" in found
    assert all(part in found for part in ("frame: ", "provider openai", "discount 10", "valid from 2026-01-01"))
    answer = decide(client, request, reason="signed", next="/commitments/?month=2026-09")
    assert answer["Location"] == "/commitments/?month=2026-09"
    assert TermsVersion.objects.get(live=True).document == [CONTRACT]
    decided = AuditEvent.objects.get(action="agreements.approve")
    assert (decided.actor, decided.details["reason"]) == ("fin", "signed")
    shown = text(page(client, "/approvals/"))
    assert "Nothing waits" in shown
    assert "accepted fin" in shown


def test_the_preparer_cannot_accept_and_is_told_why_but_may_withdraw() -> None:
    request, client = asked("fin"), client_of("finance", "fin")
    markup = page(client, "/approvals/")
    assert "You prepared this: another person of finance accepts it." in markup
    assert 'value="accept"' not in markup
    decide(client, request)
    assert "another person has to approve it" in page(client, "/approvals/")
    assert not TermsVersion.objects.exists()
    decide(client, request, "reject")
    request.refresh_from_db()
    assert request.state == "rejected"


def test_a_site_of_one_person_may_accept_its_own(settings: Any) -> None:
    settings.SELF_APPROVAL = True
    request, client = asked("fin"), client_of("finance", "fin")
    assert 'value="accept"' in page(client, "/approvals/")
    decide(client, request)
    assert TermsVersion.objects.exists()


def test_who_does_not_decide_sees_who_does() -> None:
    asked()
    markup = page(client_of("auditor"), "/approvals/")
    assert "A person with the role finance decides." in markup
    assert "<form" not in markup.replace('<form class="who"', "")


def test_nothing_is_decided_twice_or_by_chance() -> None:
    request, client = asked(), client_of("finance", "fin")
    for wrong in ({"decision": "perhaps"}, {"decision": ""}, {"decision": "accept", "reason": "x" * 2_001}):
        client.post(f"/approvals/{request.pk}/decide", wrong)
        assert Approval.objects.get().state == "proposed"
    decide(client, request, "reject")
    decide(client, request)
    assert "was rejected by fin already" in page(client, "/approvals/")
    assert not TermsVersion.objects.exists()
    assert client.post("/approvals/999/decide", {"decision": "accept"}).status_code == 404
    assert client.post(f"/approvals/{2**70}/decide", {"decision": "accept"}).status_code == 404


def test_what_cannot_be_carried_out_any_more_stays_open_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    request, client = asked(), client_of("finance", "fin")

    def refuse(_: Approval) -> None:
        raise ValueError("frame: discount: is above 100")

    monkeypatch.setitem(approving.CARRY_OUT, approving.AGREEMENTS, refuse)
    decide(client, request)
    assert "It cannot be carried out any more, and stays open: frame: discount: is above 100." in page(
        client, "/approvals/"
    )
    assert Approval.objects.get().state == "proposed"


def test_a_decision_needs_the_csrf_token_and_leads_to_no_other_site() -> None:
    request = asked()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(person("fin", "finance"))
    assert decide(strict, request).status_code == 403
    client = client_of("finance", "fin2")
    assert decide(client, request, next="https://example.com/")["Location"] == "/approvals/"


def test_no_name_becomes_markup() -> None:
    asked(PAYLOAD, CONTRACT | {"note": "n", "code": PAYLOAD})
    markup = page(client_of("finance", "fin"), "/approvals/")
    assert "<img" not in markup


def test_the_page_costs_as_many_queries_however_much_waits(django_assert_max_num_queries: Any) -> None:
    client = client_of("finance", "fin")
    for number in range(30):
        asked("ana", CONTRACT | {"code": f"c{number}"})
    with django_assert_max_num_queries(9):
        client.get("/approvals/")
