"""/api/v1/sources: an admin with a write token connects and changes; a key goes in and never comes out."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from finops.models import AuditEvent
from ingest.connections import Trial
from ingest.models import Connection, Credential
from tests.web.connected import connected, ran
from tests.web.ledger import bearer, person
from web import connecting
from web.models import IdempotencyKey

pytestmark = pytest.mark.django_db
KEY = "sk-admin-CANARY-0123456789-wxyz"


@pytest.fixture
def admin() -> dict[str, str]:
    return bearer(person("admin", "admin"), "write")


@pytest.fixture(autouse=True)
def trials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was tried; a connection named ``refused`` fails."""
    tried: list[str] = []

    def try_out(item: Connection) -> Trial:
        tried.append(item.name)
        return Trial(item.name != "refused", "answered 401" if item.name == "refused" else "The key works")

    monkeypatch.setattr(connecting, "try_out", try_out)
    return tried


def ask(headers: dict[str, str], method: str, path: str = "", body: Any = None, **extra: Any) -> Any:
    data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    client = Client(raise_request_exception=False)
    return getattr(client, method)(f"/api/v1/sources{path}", **data, **headers, **extra)


def source(**given: Any) -> dict[str, Any]:
    return {"name": "prod", "kind": "openai", "key": KEY, **given}


def test_one_is_made_and_told_without_its_key(admin: dict[str, str], trials: list[str]) -> None:
    answer = ask(admin, "post", body=source(every=30, begins_on="2026-10-01", account="org-1"))
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert told["key"] | {"last_used_at": None} == {
        "last_four": "wxyz", "fingerprint": Credential.objects.get().fingerprint, "reference": "", "version": 1,
        "last_used_at": None,
    }  # fmt: skip
    assert (told["name"], told["state"], told["every"], told["begins_on"]) == ("prod", "never", 30, "2026-10-01")
    assert told["base_url"] == "https://api.openai.com/v1"
    assert trials == ["prod"]
    for path in ("", "/prod"):
        body = ask(admin, "get", path).content.decode()
        assert KEY not in body
        assert "wxyz" in body
    assert KEY not in answer.content.decode()
    assert KEY not in str(list(AuditEvent.objects.values_list())) + str(list(Connection.objects.values()))


def test_an_unanswered_one_is_not_made_unless_that_is_chosen(admin: dict[str, str], trials: list[str]) -> None:
    answer = ask(admin, "post", body=source(name="refused"))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert "answered 401" in answer.json()["detail"]
    assert Connection.objects.count() == 0
    assert ask(admin, "post", body=source(name="refused", untried=True)).status_code == 201
    assert trials == ["refused"]


def test_a_name_is_taken_once(admin: dict[str, str]) -> None:
    connected("prod")
    assert ask(admin, "post", body=source()).status_code == 409


@pytest.mark.parametrize(
    "given",
    [
        {"name": "Has Blanks"}, {"name": "../x"}, {"name": None}, {"kind": "nothing"}, {"kind": "codex"}, {"key": ""},
        {"key": None}, {"base_url": "http://169.254.169.254/"}, {"base_url": "file:///etc/passwd"}, {"options": {"x": "y"}},
        {"options": "x"}, {"options": {"a": {"b": 1}}}, {"every": 0}, {"every": "often"}, {"begins_on": "x"},
        {"account": ""}, {"enabled": True}, {"role": "admin"}, {"key": "env:FINOPS_SECRET_KEY"}, {"key": "a\x00b"},
        {"account": "a\x00b"}, {"base_url": "https://x/\x00"}, {"key": "x" * 8_193}, {"untried": "perhaps"},
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_problem_that_shows_no_key(admin: dict[str, str], given: dict[str, Any]) -> None:
    answer = ask(admin, "post", body=source(**given))
    assert answer.status_code == 400, answer.content
    assert "CANARY" not in answer.content.decode()
    assert (Connection.objects.count(), Credential.objects.count()) == (0, 0)


@pytest.mark.parametrize("body", [[], "x", 5, None])
def test_a_body_that_is_no_object(admin: dict[str, str], body: Any) -> None:
    assert ask(admin, "post", body=body if body is not None else [None]).status_code == 400


def test_key_rhythm_and_switch_change(admin: dict[str, str]) -> None:
    item = connected("prod", next_due_at=timezone.now() + timedelta(hours=9))
    told = ask(admin, "patch", "/prod", {"every": 15, "enabled": False, "key": KEY}).json()
    assert (told["every"], told["state"], told["key"]["last_four"]) == (15, "disabled", "wxyz")
    item.refresh_from_db()
    assert item.every == timedelta(minutes=15)
    assert ask(admin, "patch", "/prod", {"enabled": True}).json()["state"] == "never"
    for wrong in ({"name": "x"}, {"every": 0}, {"key": ""}, {"base_url": "https://evil.example"}):
        assert ask(admin, "patch", "/prod", wrong).status_code == 400
    assert ask(admin, "patch", "/none", {"every": 5}).status_code == 404
    assert ask(admin, "patch", "/prod", {}).status_code == 200


def test_another_rhythm_brings_the_next_pull_nearer_and_never_farther(admin: dict[str, str]) -> None:
    item = connected("prod", next_due_at=timezone.now() + timedelta(hours=9))
    ask(admin, "patch", "/prod", {"every": 60})
    item.refresh_from_db()
    assert item.next_due_at is not None
    assert item.next_due_at <= timezone.now() + timedelta(hours=1)
    ask(admin, "patch", "/prod", {"every": 1440})
    nearer, _ = item.next_due_at, item.refresh_from_db()
    assert item.next_due_at == nearer


def test_sync_makes_it_due(admin: dict[str, str]) -> None:
    connected("prod", next_due_at=timezone.now() + timedelta(hours=1))
    assert ask(admin, "post", "/prod/sync").json()["next_due_at"] is None
    Connection.objects.update(enabled=False)
    assert ask(admin, "post", "/prod/sync").status_code == 409
    assert ask(admin, "post", "/none/sync").status_code == 404


def test_every_post_honours_its_key(admin: dict[str, str], trials: list[str]) -> None:
    first = ask(admin, "post", body=source(), HTTP_IDEMPOTENCY_KEY="k")
    again = ask(admin, "post", body=source(), HTTP_IDEMPOTENCY_KEY="k")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert (Connection.objects.count(), trials) == (1, ["prod"])
    assert ask(admin, "post", body=source(key="sk-other-0000000"), HTTP_IDEMPOTENCY_KEY="k").status_code == 422
    assert KEY not in str(list(IdempotencyKey.objects.values_list()))
    assert ask(admin, "post", "/prod/sync", HTTP_IDEMPOTENCY_KEY="s").status_code == 200
    assert ask(admin, "post", "/prod/sync", HTTP_IDEMPOTENCY_KEY="s")["Idempotency-Replayed"] == "true"
    assert AuditEvent.objects.filter(action="connection.sync_asked").count() == 1


@pytest.mark.parametrize("role", ["viewer", "owner", "analyst", "finance", "auditor", "admin"])
@pytest.mark.parametrize("scope", ["read", "write", "ingest"])
def test_the_matrix_of_roles_and_scopes(role: str, scope: str) -> None:
    connected("conn")
    headers = bearer(person("p", role, "CC-100" if role in ("viewer", "owner") else ""), scope)
    reads = scope != "ingest" and role not in ("viewer", "owner")
    writes = scope == "write" and role == "admin"
    assert ask(headers, "get").status_code == (200 if reads else 403)
    assert ask(headers, "get", "/conn").status_code == (200 if reads else 403)
    assert ask(headers, "post", "/conn/sync").status_code == (200 if writes else 403)
    assert ask(headers, "patch", "/conn", {"every": 5}).status_code == (200 if writes else 403)
    assert ask(headers, "post", body=source(account="other")).status_code == (201 if writes else 403)
    assert ask(headers, "delete", "/conn").status_code == (405 if writes else 403)


def test_a_session_needs_the_csrf_token() -> None:
    connected("conn")
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("admin", "admin"))
    assert client.post("/api/v1/sources/conn/sync").status_code == 403
    assert client.patch("/api/v1/sources/conn", "{}", content_type="application/json").status_code == 403


def test_pages_of_a_list_hold_everything_once(admin: dict[str, str]) -> None:
    for n in range(3):
        connected(f"c{n}", account=f"a{n}")
        ran(None, kind="generic", account=f"f{n}")
    found: list[Any] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        body = Client().get("/api/v1/sources", query, **admin).json()
        found += [(row["name"], row["account"]) for row in body["results"]]
        if body["next"] is None:
            break
        query["cursor"] = body["next"]
    assert found == [("c0", "a0"), ("c1", "a1"), ("c2", "a2"), ("generic", "f0"), ("generic", "f1"), ("generic", "f2")]
    assert Client().get("/api/v1/sources?x=1", **admin).status_code == 400
