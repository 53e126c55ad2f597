"""/api/v1/posting-matrix, statement-policy, delivery-plan, close-policy: read, proposed, put in force by another person."""

import json
from typing import Any

import pytest
from django.test import Client

from allocation.calc import close_policy, gl
from finops.models import Approval
from tests.web.ledger import bearer, person

pytestmark = pytest.mark.django_db
PLAN = {
    "code": "books",
    "working_day": 3,
    "files": ["workbook"],
    "stage": "final",
    "channel": "folder",
    "address": "/srv/b",
}
# Path -> a document, another one, one that cannot be used and what is said of it.
DOCUMENTS: dict[str, tuple[Any, Any, Any, str]] = {
    "posting-matrix": (
        {"suspense": "9998"}, {"entries": [{"event": "charge", "debit": "6000", "credit": "{liability}"}]},
        {"entries": [{"event": "tea", "debit": "1", "credit": "2"}]}, "entries 1: event is one of",
    ),
    "statement-policy": (
        [{"cost_centre": "*", "kind": "showback"}], [{"cost_centre": "CC-1", "dispute_days": 3}],
        [{"cost_centre": "CC-1", "dispute_days": 99}], "CC-1: dispute_days must be from 1 to 60, not 99",
    ),
    "delivery-plan": (
        [PLAN], [PLAN | {"code": "erp", "working_day": 8}], [PLAN | {"working_day": 40}], "books: working_day: 1 to 20",
    ),
    "close-policy": (
        [{"gate": "unpriced", "limit": "0.002"}], [{"holidays": ["2026-12-25"]}],
        [{"gate": "unpriced"}, {"gate": "unpriced", "limit": "x"}], "entry 2: limit: a number of at least 0",
    ),
}  # fmt: skip


def ask(client: Client, path: str, status: int, body: Any = None, **headers: Any) -> Any:
    where = f"/api/v1/{path}"
    if body is None:
        answer = client.get(where)
    else:
        answer = client.post(where, json.dumps(body), content_type="application/json", **headers)
    assert answer.status_code == status, answer.content
    return answer.json()


def of(name: str, role: str) -> Client:
    found = Client()
    found.force_login(person(name, role, "CC-100" if role in ("viewer", "owner") else ""))
    return found


@pytest.mark.parametrize("path", DOCUMENTS)
def test_it_is_proposed_accepted_by_another_person_and_then_in_force(path: str) -> None:
    ann, bob = of("ann", "finance"), of("bob", "finance")
    first, second, _, _ = DOCUMENTS[path]
    empty = ask(ann, path, 200)
    assert (empty["version"], empty["loaded_by"], empty["entries"]) == (None, "", type(first)())
    for number, document in enumerate((first, second), start=1):
        asked = ask(ann, path, 202, {"entries": document})
        assert (asked["state"], asked["prepared_by"], asked["details"]["entries"]) == ("proposed", "ann", document)
        assert ask(bob, path, 200)["version"] == (number - 1 or None)
        ask(ann, f"approvals/{asked['id']}/decision", 403, {"accept": True})
        ask(bob, f"approvals/{asked['id']}/decision", 200, {"accept": True})
        now = ask(bob, path, 200)
        assert (now["version"], now["loaded_by"], now["entries"]) == (number, "ann", document)


@pytest.mark.parametrize("path", DOCUMENTS)
@pytest.mark.parametrize(
    ("role", "reads", "proposes"),
    [
        ("viewer", 403, 403), ("owner", 403, 403), ("analyst", 200, 403), ("finance", 200, 202), ("admin", 403, 403),
        ("auditor", 200, 403),
    ],
)  # fmt: skip
def test_finance_proposes_what_analyst_and_auditor_read(path: str, role: str, reads: int, proposes: int) -> None:
    client = of("someone", role)
    ask(client, path, reads)
    ask(client, path, proposes, {"entries": DOCUMENTS[path][0]})
    assert Approval.objects.count() == (proposes == 202)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_what_cannot_be_used_is_refused_with_entry_and_field(path: str) -> None:
    finance = of("ann", "finance")
    document, _, wrong, message = DOCUMENTS[path]
    assert f"entries: {message}" in ask(finance, path, 400, {"entries": wrong})["detail"]
    shape = "object" if isinstance(document, dict) else "list"
    other: Any = [] if isinstance(document, dict) else {}
    body: Any
    for body in ({}, [], {"entries": other}, {"entries": None}, {"entries": document, "more": 1}):
        detail = ask(finance, path, 400, body)["detail"]
        assert detail == f"entries: the body is an object with the {shape} `entries` alone"
    assert ask(finance, f"{path}?month=2026-09", 400)["detail"].startswith("month: no such parameter")
    assert not Approval.objects.exists()


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_same_proposal_sent_twice_with_its_key_is_one(path: str) -> None:
    finance, body = of("ann", "finance"), {"entries": DOCUMENTS[path][0]}
    answers = [ask(finance, path, 202, body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert answers[0] == answers[1]
    assert Approval.objects.count() == 1


@pytest.mark.parametrize("path", ["posting-matrix", "close-policy"])
def test_what_holds_is_told_with_its_defaults_and_proposed_whole_it_changes_nothing(path: str) -> None:
    parse: Any = {"posting-matrix": gl.parse, "close-policy": close_policy.parse}[path]
    ann, bob = of("ann", "finance"), of("bob", "finance")
    assert parse(ask(ann, path, 200)["effective"]) == parse([])
    asked = ask(ann, path, 202, {"entries": DOCUMENTS[path][0]})
    ask(bob, f"approvals/{asked['id']}/decision", 200, {"accept": True})
    now = ask(ann, path, 200)
    assert parse(now["effective"]) == parse(now["entries"]) != parse([])
    ask(ann, path, 202, {"entries": now["effective"]})


def test_drivers_and_the_tree_are_told_of_one_month() -> None:
    ann, bob = of("ann", "analyst"), of("bob", "finance")
    tree = [
        {"code": "CC-1", "to": "2026-09-01"}, {"code": "CC-1", "from": "2026-09-01"}, {"code": "CC-2", "from": "2026-09-30"},
        {"code": "CC-3"},
    ]  # fmt: skip
    weights = [{"month": f"2026-{n:02}", "name": "headcount", "cost_centre": "CC-1", "value": str(n)} for n in (8, 9)]
    for path, entries in (("cost-centres/tree", tree), ("drivers", weights)):
        asked = ask(ann, path, 202, {"entries": entries})
        ask(bob, f"approvals/{asked['id']}/decision", 200, {"accept": True})
    assert ask(ann, "cost-centres/tree", 200)["entries"] == tree
    assert ask(ann, "cost-centres/tree?month=2026-08", 200)["entries"] == [tree[0], tree[3]]
    assert ask(ann, "cost-centres/tree?month=2026-09", 200)["entries"] == tree[1:]
    assert ask(ann, "drivers?month=2026-09", 200)["entries"] == weights[1:]
    assert ask(ann, "drivers?month=2026-07", 200)["entries"] == []
    for path in ("drivers", "cost-centres/tree"):
        assert ask(ann, f"{path}?month=2026-13", 400)["detail"].startswith("month: ")
    assert ask(ann, "mappings?month=2026-09", 400)["detail"].startswith("month: no such parameter")


@pytest.mark.parametrize("path", DOCUMENTS)
def test_tokens_do_no_more_than_their_scope(path: str) -> None:
    headers: dict[str, Any] = {
        scope: bearer(person(f"t-{scope}", "finance"), scope) for scope in ("read", "write", "ingest")
    }
    body: Any = {"data": json.dumps({"entries": DOCUMENTS[path][0]}), "content_type": "application/json"}
    got = {
        scope: (
            Client().get(f"/api/v1/{path}", **given).status_code,
            Client().post(f"/api/v1/{path}", **body, **given).status_code,
        )
        for scope, given in headers.items()
    }
    assert got == {"read": (200, 403), "write": (200, 202), "ingest": (403, 403)}
