"""/api/v1/invoices: proposed by one person, in force once another has accepted; derived ones are told beside them."""

import json
from typing import Any

import pytest
from django.test import Client

from allocation.models import Invoice
from finops.models import Approval, AuditEvent
from tests.web.ledger import bearer, person

pytestmark = pytest.mark.django_db
INVOICE = {
    "issuer": "OpenAI", "number": "INV-7", "billing_account": "org-1", "billing_period": "2026-09", "currency": "USD",
    "total": "12.00", "tax": "2.00",
    "lines": [
        {"description": "input", "model": "gpt-5", "class": "input_uncached", "quantity": "4000000", "amount": "5.00"},
        {"description": "support", "category": "Purchase", "amount": "5.00"},
    ],
}  # fmt: skip


def ask(headers: dict[str, str], path: str = "", body: Any = None, key: str = "", **query: str) -> Any:
    client, url = Client(raise_request_exception=False), f"/api/v1/{path or 'invoices'}"
    if body is None:
        return client.get(url, query, **headers)
    extra = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    return client.post(url, json.dumps(body), content_type="application/json", **headers, **extra)


@pytest.fixture
def analyst() -> dict[str, str]:
    return bearer(person("ana", "analyst"), "write")


@pytest.fixture
def finance() -> dict[str, str]:
    return bearer(person("fin", "finance"), "write")


def test_an_invoice_is_in_force_once_another_person_accepts_it(
    analyst: dict[str, str], finance: dict[str, str]
) -> None:
    answer = ask(analyst, body=INVOICE)
    assert (answer.status_code, answer.json()["state"], answer.json()["subject"]) == (202, "proposed", "OpenAI INV-7")
    assert not Invoice.objects.exists()
    path = f"approvals/{answer.json()['id']}/decision"
    assert ask(analyst, path, {"accept": True}).status_code == 403
    assert ask(finance, path, {"accept": True}).status_code == 200
    [told] = ask(analyst, month="2026-09").json()["results"]
    assert (told["number"], told["revision"], told["total"], told["tax"], told["entered_by"]) == (
        "INV-7", 1, "12.000000000000", "2.000000000000", "ana",
    )  # fmt: skip
    lines = ask(analyst, f"invoices/{told['id']}").json()["lines"]
    assert [(line["category"], line["amount"]) for line in lines] == [
        ("Usage", "5.000000000000"), ("Purchase", "5.000000000000"), ("Tax", "2.000000000000"),
    ]  # fmt: skip
    assert Invoice.objects.get().approval == Approval.objects.get()
    assert AuditEvent.objects.filter(action="invoice.enter").count() == 1


def test_nobody_accepts_an_invoice_of_their_own(finance: dict[str, str]) -> None:
    path = f"approvals/{ask(finance, body=INVOICE).json()['id']}/decision"
    assert ask(finance, path, {"accept": True}).status_code in (403, 409)
    assert not Invoice.objects.exists()


def test_the_same_key_proposes_once(analyst: dict[str, str]) -> None:
    first, second = ask(analyst, body=INVOICE, key="k"), ask(analyst, body=INVOICE, key="k")
    assert (first.json()["id"], second["Idempotency-Replayed"]) == (second.json()["id"], "true")
    assert Approval.objects.count() == 1
    assert ask(analyst, body=INVOICE | {"total": "13.00"}, key="k").status_code == 422


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"total": "13.00"}, "its lines and tax add up to 12.00, its total is 13.00"),
        ({"total": 12.0}, "total is a number in quotes"), ({"currency": "dollars"}, "not an ISO 4217"),
        ({"billing_period": "2026-13"}, "billing_period"), ({"paid": True}, "there is no field paid"),
        ({"number": ""}, "number is missing"), ({"lines": [{"amount": "12", "class": "tokens"}]}, "line 1: class"),
        ({"lines": [{"model": "m"}]}, "line 1: amount"), ({"lines": "none"}, "lines is a list"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(analyst: dict[str, str], change: dict[str, Any], said: str) -> None:
    answer = ask(analyst, body=INVOICE | change)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert said in answer.json()["detail"]
    assert not Approval.objects.exists()


def test_lists_have_pages_and_filters(analyst: dict[str, str], finance: dict[str, str]) -> None:
    for number in ("A", "B", "C"):
        asked = ask(analyst, body=INVOICE | {"number": number}).json()["id"]
        ask(finance, f"approvals/{asked}/decision", {"accept": True})
    body = ask(analyst, limit="2").json()
    rest = ask(analyst, limit="2", cursor=body["next"]).json()
    assert [row["number"] for row in (*body["results"], *rest["results"])] == ["C", "B", "A"]
    assert ask(analyst, month="2026-08").json()["results"] == ask(analyst, issuer="x").json()["results"] == []
    page = ask(analyst, f"invoices/{body['results'][0]['id']}", limit="2").json()
    assert len(ask(analyst, f"invoices/{page['id']}", limit="2", cursor=page["next"]).json()["lines"]) == 1
    assert ask(analyst, "invoices/999999").status_code == 404
    assert ask(analyst, month="x").status_code == 400


@pytest.mark.parametrize(("role", "read", "write"), [("viewer", 403, 403), ("admin", 200, 403), ("auditor", 200, 403)])
def test_others_read_at_most(
    role: str, read: int, write: int, analyst: dict[str, str], finance: dict[str, str]
) -> None:
    ask(finance, f"approvals/{ask(analyst, body=INVOICE).json()['id']}/decision", {"accept": True})
    headers = bearer(person(role, role, "CC-100" if role == "viewer" else ""), "write")
    assert (ask(headers).status_code, ask(headers, body=INVOICE).status_code) == (read, write)
    assert ask(headers, f"invoices/{Invoice.objects.get().pk}").status_code == read
    assert Client().get(f"/api/v1/invoices/{Invoice.objects.get().pk}").status_code == 401
