"""Who gets in where: every URL x method x kind of caller. A URL without an entry fails."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from allocation.models import Grant
from finops import audit
from finops.models import AuditEvent
from ingest.models import Connection, IngestRun
from tests.web.ledger import Usage, bearer, load, person
from web import tokens
from web.models import ApiToken

pytestmark = pytest.mark.django_db
ROLES = ("viewer", "owner", "analyst", "finance", "admin", "auditor")
TOKENS = ("read", "write", "ingest")
CALLERS = ("anonymous", *ROLES, *TOKENS)
METHODS = ("get", "head", "post", "put", "patch", "delete")

# Kind -> what a caller gets, for a safe and for an unsafe method.
_SAFE_API = {"anonymous": 401, **dict.fromkeys(ROLES, 200), "read": 200, "write": 200, "ingest": 403}
_UNSAFE_API = {"anonymous": 401, **dict.fromkeys(ROLES, 405), "read": 403, "write": 405, "ingest": 403}
_BLIND = {"viewer": 403, "owner": 403}
_FORBIDDEN = {"anonymous": 401, **dict.fromkeys([*ROLES, *TOKENS], 403)}
_DONE_OR_WRONG = {200, 400, 405, 415}  # got past the guard; what then happens has its own tests
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "api that an admin changes": (_SAFE_API | _BLIND, _FORBIDDEN | {"admin": _DONE_OR_WRONG}),
    "api that finance decides": (
        _SAFE_API | _BLIND,
        _FORBIDDEN | dict.fromkeys(["finance", "write"], _DONE_OR_WRONG),
    ),
    "api where money is proposed": (
        _SAFE_API | _BLIND,
        _FORBIDDEN | dict.fromkeys(["analyst", "finance", "write"], _DONE_OR_WRONG),
    ),
    "api that takes records": (_FORBIDDEN | {"ingest": 405}, _FORBIDDEN | {"ingest": _DONE_OR_WRONG}),
    "api": (_SAFE_API, _UNSAFE_API),
    "api for those who see everything": (_SAFE_API | _BLIND, _UNSAFE_API | _BLIND),
    "download": ({**dict.fromkeys(CALLERS, 302), **dict.fromkeys(ROLES, 200)},
                 {**dict.fromkeys(CALLERS, 302), **dict.fromkeys(ROLES, 405)}),
    "docs": ({**dict.fromkeys(CALLERS, 302), **dict.fromkeys(ROLES, 200)},
             {**dict.fromkeys(CALLERS, 302), **dict.fromkeys(ROLES, 405)}),
}  # fmt: skip
# Pages are checked for not letting in who has not logged in (tokens open no pages); what they show has its own tests.
URLS: dict[str, tuple[str, str]] = {
    "home": ("page", "/"),
    "login": ("public", "/login/"),
    "logout": ("page", "/logout/"),
    "overview": ("page", "/overview/"),
    "overview-cost-centres-csv": ("page", "/overview/cost-centres.csv"),
    "dash": ("page", "/dash/_dash-layout"),
    "api-costs": ("api", "/api/v1/costs?month=2026-09"),
    "api-cost-centres": ("api", "/api/v1/cost-centres"),
    "api-teams": ("api", "/api/v1/teams"),
    "api-runs": ("api for those who see everything", "/api/v1/runs"),
    "api-quarantine": ("api for those who see everything", "/api/v1/quarantine?run={run}"),
    "api-events": ("api that takes records", "/api/v1/events"),
    "api-sources": ("api that an admin changes", "/api/v1/sources"),
    "api-source": ("api that an admin changes", "/api/v1/sources/conn"),
    "api-source-sync": ("sync", "/api/v1/sources/conn/sync"),  # no GET; see test_api_sources
    "api-contracts": ("api where money is proposed", "/api/v1/contracts"),
    "api-commitments": ("api where money is proposed", "/api/v1/commitments"),
    "api-capacity": ("api where money is proposed", "/api/v1/capacity"),
    "api-other-charges": ("api where money is proposed", "/api/v1/other-charges"),
    "api-prices": ("api where money is proposed", "/api/v1/prices?limit=1"),
    "api-approvals": ("api that finance decides", "/api/v1/approvals"),
    "api-approval-decision": ("decision", "/api/v1/approvals/1/decision"),  # no GET; see test_api_approvals
    "api-invoices": ("api where money is proposed", "/api/v1/invoices"),
    "api-invoice": ("by id", "/api/v1/invoices/1"),  # see test_api_invoices
    "api-reconciliations": ("api that finance decides", "/api/v1/reconciliations"),
    "api-reconciliation": ("by id", "/api/v1/reconciliations/1"),  # see test_api_reconciliations
    "api-reconciliation-line": ("by id", "/api/v1/reconciliations/1/lines/1"),
    "api-data-health": ("api for those who see everything", "/api/v1/data-health"),
    "otlp-traces": ("otlp", "/v1/traces"),  # see test_otlp
    "otlp-metrics": ("otlp", "/v1/metrics"),
    "otlp-other": ("otlp", "/v1/logs"),
    "sources": ("page", "/sources/"),
    "source": ("page", "/sources/conn/"),
    "source-imported": ("page", "/imported/"),
    "source-imported-dismiss": ("page", "/imported/dismiss"),
    "source-sync": ("page", "/sources/conn/sync"),
    "source-switch": ("page", "/sources/conn/switch"),
    "source-key": ("page", "/sources/conn/key"),
    "source-accept": ("page", "/sources/conn/accept"),
    "connect": ("page", "/connect/"),
    "connect-kind": ("page", "/connect/openai/"),
    "data-health": ("page", "/data-health/"),
    "data-health-check": ("page", "/data-health/check"),
    "quarantine": ("page", "/data-health/quarantine/"),
    "runs": ("page", "/runs/"),
    "run": ("page", "/runs/1/"),
    "prices": ("page", "/prices/"),
    "prices-csv": ("page", "/prices/prices.csv"),
    "price-history": ("page", "/prices/model/?provider=openai&model=gpt-5"),
    "price-vendors": ("page", "/prices/answers/"),
    "commitments": ("page", "/commitments/"),
    "commitments-csv": ("page", "/commitments/commitments.csv"),
    "capacity": ("page", "/commitments/capacity/"),
    "approvals": ("page", "/approvals/"),
    "approval-decide": ("page", "/approvals/1/decide"),
    "reconciliation": ("page", "/reconciliation/"),
    "reconciliation-run": ("page", "/reconciliation/run"),
    "reconciliation-lines": ("page", "/reconciliation/lines/"),
    "reconciliation-csv": ("page", "/reconciliation/lines.csv"),
    "reconciliation-note": ("page", "/reconciliation/lines/1/note"),
    "invoices": ("page", "/reconciliation/invoices/"),
    "invoice": ("page", "/reconciliation/invoices/1/"),
    "api-schema": ("api", "/api/schema/"),
    "api-docs": ("docs", "/api/docs/"),
    "healthz": ("probe", "/healthz"),
    "export-statement": ("download", "/exports/statement-2026-09.xlsx"),
}


def names(patterns: list[Any]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found |= names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            found.add(pattern.name or str(pattern.pattern))
    return found


def test_every_url_has_an_entry() -> None:
    assert names(get_resolver("web.urls").url_patterns) == set(URLS)


@pytest.fixture
def run() -> int:
    load(Usage("1"))
    now = timezone.now()
    Connection.objects.create(name="conn", kind="openai", every=timedelta(hours=1), begins_on=now.date())
    return IngestRun.objects.create(
        source="litellm", account="default", input_name="a.jsonl", observed_at=now, heartbeat_at=now, lease_until=now,
        fence="00000000-0000-0000-0000-000000000000", state="done", skipped={"heartbeat": 1}, totals={"requests": "3"},
    ).pk  # fmt: skip


def caller(kind: str) -> tuple[Client, dict[str, str]]:
    client = Client(raise_request_exception=True)
    if kind in TOKENS:
        return client, bearer(person(f"t-{kind}", "finance"), kind)
    if kind != "anonymous":
        client.force_login(person(kind, kind, "CC-100" if kind in ("viewer", "owner") else ""))
    return client, {}


@pytest.mark.parametrize("kind", CALLERS)
def test_the_matrix(kind: str, run: int) -> None:
    client, headers = caller(kind)
    for name, (group, path) in URLS.items():
        if group not in KINDS:
            continue
        for method in METHODS:
            safe, unsafe = KINDS[group]
            answer = getattr(client, method)(path.format(run=run), **headers)
            expected = (safe if method in ("get", "head") else unsafe)[kind]
            allowed = expected if isinstance(expected, set) else {expected}
            assert answer.status_code in allowed, (name, method, kind, getattr(answer, "content", b"")[:200])
            if answer.status_code == 401:
                assert answer["WWW-Authenticate"].startswith("Bearer")
            if answer.status_code in (401, 403, 405) and group.startswith("api"):
                assert answer["Content-Type"] == "application/problem+json"
            if answer.streaming:
                b"".join(answer.streaming_content)


@pytest.mark.parametrize("kind", ["anonymous", *TOKENS])
def test_pages_are_for_those_who_logged_in(kind: str) -> None:
    client, headers = caller(kind)
    for name, (group, path) in URLS.items():
        if group == "page":
            for method in METHODS:
                answer = getattr(client, method)(path, **headers)
                assert answer.status_code == 302, (name, method)
                assert answer["Location"].startswith("/login/"), (name, method)


@pytest.mark.parametrize("kind", ROLES)
def test_nobody_gets_more_by_role_than_by_grant(kind: str) -> None:
    client, _ = caller(kind)
    load(Usage("1", "CC-100"), Usage("2", "CC-200", "secret-team"), Usage("4", None))
    everything = kind not in ("viewer", "owner")
    body = client.get("/api/v1/costs", {"month": "2026-09"}).json()
    assert body["totals"]["EffectiveCost"] == ("7.000000000000" if everything else "1.000000000000")
    codes = [row["code"] for row in client.get("/api/v1/cost-centres").json()["results"]]
    assert codes == (["CC-100", "CC-200"] if everything else ["CC-100"])
    assert ("secret-team" in client.get("/api/v1/teams").content.decode()) == everything
    Grant.objects.all().delete()  # rights that were taken are gone at once
    assert client.get("/api/v1/costs", {"month": "2026-09"}).json()["results"] == []
    assert client.get("/api/v1/cost-centres").json()["results"] == []
    assert client.get("/api/v1/runs").status_code == 403


def test_a_token_may_no_more_than_its_user(run: int) -> None:
    for scope in ("read", "write"):
        headers = bearer(person(f"v-{scope}", "viewer", "CC-100"), scope)
        assert Client().get("/api/v1/runs", **headers).status_code == 403
        assert Client().get("/api/v1/costs?month=2026-09", **headers).status_code == 200


@pytest.mark.parametrize("ending", ["expired", "revoked", "inactive", "unknown", "changed"])
def test_a_token_that_ended_opens_nothing(ending: str) -> None:
    user = person("u", "finance")
    past = timezone.now() - timedelta(seconds=1)
    headers = bearer(user, **({"expires_at": past} if ending == "expired" else {}))
    if ending == "revoked":
        tokens.revoke(token=ApiToken.objects.get().pk, actor="test")
    if ending == "inactive":
        type(user).objects.update(is_active=False)
    if ending == "unknown":
        ApiToken.objects.all().delete()
    if ending == "changed":
        headers = {"HTTP_AUTHORIZATION": headers["HTTP_AUTHORIZATION"][:-1] + "~"}
    answer = Client().get("/api/v1/costs?month=2026-09", **headers)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "This token is unknown, expired or revoked."  # says not which


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer a b", "Bearer \xff\xfe", "Bearer " + "x" * 5000, "Bearer '; drop table x", "bearer il_"],
)
def test_headers_that_are_no_token(header: str) -> None:
    answer = Client().get("/api/v1/costs?month=2026-09", HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401


def test_basic_authentication_is_not_offered() -> None:
    person("u", "finance")
    answer = Client().get("/api/v1/costs?month=2026-09", HTTP_AUTHORIZATION="Basic dTp4")
    assert answer.status_code == 401


def test_a_session_needs_the_csrf_token_to_change_anything() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("u", "finance"))
    assert client.post("/api/v1/costs").status_code == 403


def test_use_is_noted_at_most_once_a_minute(django_assert_num_queries: Any) -> None:
    headers = bearer(person("u", "finance"))
    Client().get("/api/v1/cost-centres", **headers)
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    Client().get("/api/v1/cost-centres", **headers)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    Client().get("/api/v1/cost-centres", **headers)
    assert (ApiToken.objects.get().last_used_at or first) >= first


def test_secrets_are_shown_once_and_stored_never() -> None:
    person("u", "finance")
    token, secret = tokens.create(username="u", scope="read", days=30, actor="test")
    assert len(secret) >= 43
    stored = [str(value) for row in ApiToken.objects.values_list() for value in row]
    assert not [value for value in stored if secret in value]
    assert secret not in str(list(AuditEvent.objects.values_list()))
    assert secret not in str(tokens.described(token, timezone.now()))
    assert AuditEvent.objects.filter(action="token.create").count() == 1
    tokens.revoke(token=token.pk, actor="test")
    tokens.revoke(token=token.pk, actor="test")
    assert AuditEvent.objects.filter(action="token.revoke").count() == 1
    assert list(audit.broken_links()) == []


def test_unknown_api_paths_and_failures_are_problems(rf: Any) -> None:
    from web.api import problems

    for answer in (
        problems.server_error(rf.get("/api/v1/x")),
        problems.not_found(rf.get("/api/v1/x"), Exception("secret")),
    ):
        assert answer["Content-Type"] == "application/problem+json"
        assert b"secret" not in answer.content


def test_runs_and_quarantine_tell_where_and_never_what(run: int) -> None:
    from ingest.models import Quarantine

    Quarantine.objects.bulk_create(
        [Quarantine(run_id=run, reason="bad_number", place=f"line {n}", sha256=b"x" * 32) for n in range(3)]
    )
    headers = bearer(person("a", "analyst"))
    [found] = Client().get("/api/v1/runs", **headers).json()["results"]
    assert (found["id"], found["skipped"], found["totals"]) == (str(run), {"heartbeat": 1}, {"requests": "3"})
    question, places, cursor = {"run": str(run), "limit": "2"}, [], None
    for _ in range(2):
        body = Client().get("/api/v1/quarantine", question | ({"cursor": cursor} if cursor else {}), **headers).json()
        places += [row["place"] for row in body["results"]]
        cursor = body["next"]
    assert cursor is None
    assert places == ["line 0", "line 1", "line 2"]
    assert Client().get("/api/v1/quarantine?run=999999", **headers).status_code == 404
    for wrong in ("", "0", "-1", "x", "1" * 30):
        assert Client().get("/api/v1/quarantine", {"run": wrong}, **headers).status_code == 400


def test_the_probe_answers_without_a_log_in_and_without_the_database(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")
