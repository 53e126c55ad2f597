"""Whatever changes something over the API may be sent again with the same Idempotency-Key, and has one effect."""

import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test import Client
from django.urls import URLPattern

from allocation.close import statements
from allocation.models import Statement
from finops.models import Approval, AuditEvent
from finops.periods import Period
from tests.allocation.calc.test_adjustments import ASKED
from tests.web.ledger import Usage, bearer, centre, freeze, load, person
from tests.web.test_api_auth import URLS
from web.api import urls
from web.models import BuiltFile, Webhook

pytestmark = pytest.mark.usefixtures("ledger")
MOVED = ASKED | {"parts": [{"cost_centre": "CC-A", "amount": "2"}, {"cost_centre": "CC-B", "amount": "-2"}]}
RULE = {"id": "r1", "priority": 1, "when": {"tag.team": "search"}, "to": {"cost_centre": "CC-A"}}
HOOK = {"url": "https://books.example.com/in", "events": ["period.closed"], "secret": "x" * 16}
EXPORT = {"kind": "charges", "month": "2026-09"}


class Case(NamedTuple):
    """One POST, another body for the same address, and how many effects there were."""

    path: str
    body: dict[str, Any]
    other: dict[str, Any]
    effects: Callable[[], int]


def approvals() -> int:
    return Approval.objects.count()


CASES = {
    "adjustment": Case("adjustments", MOVED, MOVED | {"reason": "another"}, approvals),
    "rules": Case("rules", {"rules": [RULE]}, {"rules": [RULE | {"priority": 2}]}, approvals),
    "statement": Case(
        "statements/{statement}/accept", {}, {"more": 1}, AuditEvent.objects.filter(action="statement.accept").count
    ),
    "export": Case("exports", EXPORT, EXPORT | {"kind": "focus"}, BuiltFile.objects.count),
    "webhook": Case("webhooks", HOOK, HOOK | {"secret": "y" * 16}, Webhook.objects.count),
}


@pytest.fixture
def headers(settings: Any) -> dict[str, str]:
    settings.ALLOWED_NETWORKS = []
    centre("CC-A")
    centre("CC-B")
    load(Usage("10", "CC-A"))
    freeze()
    statements.issue(Period.month("2026-09"), "ann")
    return bearer(person("fin", "finance"), "write")


def send(case: Case, body: Any, headers: dict[str, str], key: str = "k") -> Any:
    path = case.path.format(statement=Statement.objects.values_list("pk", flat=True).first())
    return Client().post(
        f"/api/v1/{path}", json.dumps(body), content_type="application/json", HTTP_IDEMPOTENCY_KEY=key, **headers
    )


@pytest.mark.parametrize("name", CASES)
def test_ar6_the_same_request_again_is_answered_as_the_first_and_another_is_refused(name: str, headers: Any) -> None:
    case = CASES[name]
    first, again = send(case, case.body, headers), send(case, case.body, headers)
    assert first.status_code in (200, 201, 202), first.content
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again["Idempotency-Replayed"] == "true"
    assert case.effects() == 1
    other = send(case, case.other, headers)
    assert (other.status_code, other["Content-Type"]) == (422, "application/problem+json")
    assert case.effects() == 1


@pytest.mark.parametrize("name", CASES)
def test_ar6_eight_at_once_have_one_effect(name: str, headers: Any) -> None:
    case, codes, ready = CASES[name], list[int](), threading.Barrier(8)

    def one() -> None:
        ready.wait()
        try:
            codes.append(send(case, case.body, headers).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 8
    assert set(codes) <= {200, 201, 202, 409}
    assert set(codes) & {200, 201, 202}
    assert case.effects() == 1


# What changes nothing has no need of a key.
ONLY_READS = {"api-rules-preview"}
METHODS = ("post", "put", "patch", "delete")


def _changes() -> list[tuple[str, str]]:
    found = []
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        view = getattr(pattern.callback, "view_class", None)
        found += [(str(pattern.name), method) for method in METHODS if view and hasattr(view, method)]
    return [(name, method) for name, method in found if name not in ONLY_READS]


def test_the_table_has_what_changes_something() -> None:
    assert len(_changes()) >= 30
    assert ("api-source", "patch") in _changes()


@pytest.mark.parametrize(("name", "method"), _changes())
def test_every_change_takes_the_key(name: str, method: str) -> None:
    """A key that is none is refused before anything is looked at; so the header is read everywhere."""
    role = {"api-sources": "admin", "api-source": "admin", "api-source-sync": "admin"}.get(name, "finance")
    scope = "ingest" if name == "api-events" else "write"
    answer = getattr(Client(), method)(
        URLS[name][1],
        "{}",
        content_type="application/json",
        HTTP_IDEMPOTENCY_KEY="a b",
        **bearer(person("u", role), scope),
    )
    assert (answer.status_code, answer.json()["detail"].partition(":")[0]) == (400, "Idempotency-Key"), answer.content
