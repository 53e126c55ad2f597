"""/api/v1/webhooks: what happens in the ledger is told once, signed, tried again, and to nobody it must not reach."""

import hashlib
import hmac
import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from allocation import closing
from allocation.close import statements
from allocation.models import BillingPeriod, Correction, Statement
from finops import audit
from finops.models import AuditEvent, User
from finops.periods import Period
from ingest.models import Credential
from tests.ingest.loopback import Reply, serving
from tests.web.ledger import Usage, bearer, freeze, load, person
from web import delivery, webhook_sending, webhooks
from web.models import Delivery, Webhook

pytestmark = pytest.mark.django_db
URL, SECRET = "/api/v1/webhooks", "correct horse battery"
SEPTEMBER = Period.month("2026-09")


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ALLOWED_NETWORKS, settings.SITE_URL = ["127.0.0.0/8"], "https://ledger.example.com"


@pytest.fixture
def finance() -> User:
    return person("fin", "finance")


def ask(user: User, url: str = "http://127.0.0.1:9/in", **body: Any) -> Any:
    given = {"url": url, "events": ["period.closed"], "secret": SECRET} | body
    return Client().post(URL, given, content_type="application/json", **bearer(user, "write"))


def made(user: User, url: str, *events: str) -> int:
    answer = ask(user, url, events=list(events or webhooks.EVENTS))
    assert answer.status_code == 201, answer.content
    number: int = answer.json()["id"]
    return number


def send() -> int:
    return delivery.send_due(timezone.now() + timedelta(seconds=1))


def test_the_secret_is_sealed_and_shown_nowhere(finance: User) -> None:
    answer = ask(finance)
    assert answer.status_code == 201
    assert answer.json()["secret_ends"] == SECRET[-4:]
    texts = [answer.content.decode(), Client().get(URL, **bearer(finance)).content.decode()]
    texts += [
        str(list(AuditEvent.objects.values())),
        str(Credential.objects.values().get()),
        str(Webhook.objects.values()),
    ]
    assert not any(SECRET in text for text in texts)
    assert AuditEvent.objects.get(action="webhook.create").actor == "fin"


def test_what_happens_is_told_once_signed_and_logged(finance: User) -> None:
    with serving(Reply(204, b"")) as server:
        number = made(finance, f"{server.url}/in", "period.closed", "period.soft_closed")
        event = audit.record(action="period.close", actor="bo", subject="2026-09", details={"version": 2})
        audit.record(action="rules.load", actor="bo", subject="v2")  # nobody asked to be told
        assert (webhook_sending.emit(), webhook_sending.emit()) == (1, 0)
        assert (send(), send()) == (1, 0)
        [asked] = server.asked
    assert (asked.method, asked.path, asked.headers["x-ledger-event"]) == ("POST", "/in", "period.closed")
    signed = f"{asked.headers['x-ledger-timestamp']}.".encode() + asked.body
    assert asked.headers["x-ledger-signature"] == f"v1={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"
    assert json.loads(asked.body) == {
        "event": "period.closed", "id": f"audit-{event.pk}", "at": event.at.isoformat(), "subject": "2026-09",
        "month": "2026-09", "actor": "bo", "details": {"version": 2}, "url": "https://ledger.example.com",
    }  # fmt: skip
    [row] = Client().get(f"{URL}/{number}/deliveries", **bearer(finance)).json()["results"]
    assert (row["state"], row["attempts"], row["event"], row["event_id"]) == (
        "sent",
        1,
        "period.closed",
        f"audit-{event.pk}",
    )
    assert asked.headers["x-ledger-delivery"] == str(row["id"])


def test_every_event_there_is_is_told_by_what_services_do(finance: User) -> None:
    load(Usage("10", "CC-100"))
    made(finance, "http://127.0.0.1:9/in")
    freeze()
    statements.issue(SEPTEMBER, "ann")
    statements.dispute(Statement.objects.get(), by="own", reason="not ours")
    Correction.objects.create(charge_date=date(2026, 8, 3), posted_on=date(2026, 9, 1), cause="rerate")
    alerts = ("alert.opened", "alert.worse", "alert.unanswered", "alert.ended")
    for action in ("period.soft_close", "period.close", "period.reopen", "journal.export", *alerts):
        audit.record(action=action, actor="ann", subject="2026-09")
    assert webhook_sending.emit() == len(webhooks.EVENTS)
    told = {name: webhook_sending.body(name, what) for _, _, name, what in (
        row.occasion.split(":") for row in Delivery.objects.all())}  # fmt: skip
    assert set(told) == set(webhooks.EVENTS)
    assert told["statement.issued"]["details"]["CC-100 USD"][0].startswith("10.00")
    assert (told["statement.disputed"]["subject"], told["statement.disputed"]["month"]) == ("2026-09 CC-100", "2026-09")
    assert told["correction.posted"]["details"]["cause"] == "rerate"
    assert {told[name]["month"] for name in told} == {"2026-09", "2026-08"}


def test_the_actions_that_are_looked_for_are_those_that_are_written() -> None:
    """A renamed action would make an event fall silent."""
    assert set(closing._ACTIONS.values()) | {closing.REOPEN} >= {
        action for name, action in webhooks.ACTIONS.items() if name.startswith("period.")
    }
    assert BillingPeriod.State.SOFT_CLOSED in closing._ACTIONS


def test_what_was_before_a_webhook_is_not_told_to_it(finance: User) -> None:
    audit.record(action="period.close", actor="bo", subject="2026-08")
    made(finance, "http://127.0.0.1:9/in")
    assert webhook_sending.emit() == 0
    audit.record(action="period.close", actor="bo", subject="2026-09")
    assert webhook_sending.emit() == 1


def test_what_was_rolled_back_is_not_told(finance: User) -> None:
    from django.db import transaction

    made(finance, "http://127.0.0.1:9/in")
    with transaction.atomic():
        audit.record(action="period.close", actor="bo", subject="2026-09")
        transaction.set_rollback(True)
    assert webhook_sending.emit() == 0


@pytest.mark.parametrize("status", [500, 302, 404])
def test_what_is_not_taken_is_tried_again_and_follows_no_redirect(finance: User, status: int) -> None:
    with serving(Reply(status, b"{}", {"Location": "http://127.0.0.1:1/"}), Reply(200, b"{}")) as server:
        made(finance, f"{server.url}/in")
        audit.record(action="period.close", actor="bo", subject="2026-09")
        webhook_sending.emit()
        assert send() == 0
        row = Delivery.objects.get()
        assert (row.state, row.attempts, len(server.asked)) == ("waiting", 1, 1)
        assert f"answered {status}" in row.error
        assert send() == 0, "not before its pause is over"
        assert row.next_at is not None
        assert delivery.send_due(row.next_at) == 1
        assert server.asked[0].body == server.asked[1].body, "the same id, the same words"


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/in", "http://169.254.169.254/x", "ftp://a", "https://a.example/x?y", ""]
)
def test_a_private_address_is_refused_when_it_is_made(finance: User, url: str) -> None:
    answer = ask(finance, url)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert not Webhook.objects.exists()
    assert not Credential.objects.exists()


def test_a_private_address_is_refused_when_it_is_sent_to(finance: User, settings: Any) -> None:
    with serving(Reply(204, b"")) as server:
        made(finance, server.url)
        audit.record(action="period.close", actor="bo", subject="2026-09")
        webhook_sending.emit()
        settings.ALLOWED_NETWORKS = []
        assert send() == 0
        assert server.asked == []
    assert "FINOPS_ALLOWED_NETWORKS" in Delivery.objects.get().error


@pytest.mark.parametrize(
    "body", [{"secret": "short"}, {"events": []}, {"events": ["x"]}, {"events": "period.closed"}, {"more": 1},
             {"secret": "env:FINOPS_SECRET_KEY"}, {"secret": None}],
)  # fmt: skip
def test_what_is_no_webhook_is_refused(finance: User, body: dict[str, Any]) -> None:
    assert ask(finance, **body).status_code == 400
    assert not Webhook.objects.exists()


def test_who_keeps_no_books_changes_none() -> None:
    for role, code in (("analyst", 403), ("auditor", 403), ("admin", 403), ("owner", 403), ("finance", 201)):
        user = person(role, role, "CC-100" if role == "owner" else "")
        assert ask(user).status_code == code, role


def test_what_is_removed_is_told_nothing_more(finance: User) -> None:
    number = made(finance, "http://127.0.0.1:9/in")
    audit.record(action="period.close", actor="bo", subject="2026-09")
    webhook_sending.emit()
    answer = Client().delete(f"{URL}/{number}", **bearer(finance, "write"))
    assert (answer.status_code, answer.json()["id"]) == (200, number)
    assert Client().delete(f"{URL}/{number}", **bearer(finance, "write")).status_code == 404
    row = Delivery.objects.get()
    assert (row.state, row.error) == ("failed", "the webhook was removed")
    assert not Credential.objects.exists()
    assert webhook_sending.emit() == 0
