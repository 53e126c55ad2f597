"""What probes and Prometheus are told, the log, the headers of every answer, and what one caller may use up."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.throttling import SimpleRateThrottle

from finops import redaction, requests
from finops.database import limits
from finops.models import SiteMark
from finops.tasks import WORKER
from ingest.models import DirtySlice
from tests.web.ledger import MONTH, Usage, bearer, load, person
from web import health, shares

pytestmark = pytest.mark.django_db
TOKEN = {"HTTP_AUTHORIZATION": "Bearer scrape-me-0123456789"}


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def test_ready_means_database_migrations_and_a_sum_over_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().get("/readyz").json() == {"ready": True, "degraded": ["worker"]}
    SiteMark.objects.create(name=WORKER)
    assert Client().get("/readyz").json() == {"ready": True, "degraded": []}
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cost_daily RENAME COLUMN effective_cost TO gone")
    monkeypatch.setattr(logging.getLogger("web.health"), "disabled", True)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "failing": "figures"})


def test_a_database_that_is_gone_or_behind_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'web' AND name = '0005_accounts'")
    monkeypatch.setattr(health, "_migrated", False)
    assert Client().get("/readyz").json() == {"ready": False, "failing": "migrations"}
    monkeypatch.setattr(health.connection, "cursor", _refused)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "failing": "database"})
    assert Client().get("/healthz").status_code == 200


def _refused(*_: Any, **__: Any) -> Any:
    raise OperationalError("connection to 10.1.2.3 as ann refused")


def families(text: str) -> dict[str, list[Any]]:
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


def test_metrics_are_told_to_whom_the_settings_name_and_to_nobody_else(settings: Any) -> None:
    assert Client().get("/metrics").status_code == 404
    assert Client().get("/metrics", **TOKEN).status_code == 404  # no token is set: none is right
    settings.METRICS_TOKEN = "scrape-me-0123456789"
    assert Client().get("/metrics").status_code == 404
    assert Client().get("/metrics", HTTP_AUTHORIZATION="Bearer ").status_code == 404
    assert Client().get("/metrics", HTTP_AUTHORIZATION="Bearer \xff").status_code == 404
    assert Client().get("/metrics", **TOKEN).status_code == 200
    settings.METRICS_TOKEN, settings.METRICS_NETWORKS = "", ["192.0.2.0/24", "127.0.0.0/8"]
    assert Client(REMOTE_ADDR="192.0.2.9").get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="198.51.100.9").get("/metrics").status_code == 404
    proxied = Client(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="192.0.2.9")
    assert proxied.get("/metrics").status_code == 404  # a proxy nobody told us of
    settings.PROXIES = 1
    assert proxied.get("/metrics").status_code == 200
    assert (
        Client(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="192.0.2.9, 198.51.100.9").get("/metrics").status_code
        == 404
    )


def test_metrics_tell_requests_lag_queue_money_and_the_last_check(settings: Any, time_machine_day: None) -> None:
    settings.METRICS_TOKEN = "scrape-me-0123456789"
    load(Usage("5"), Usage("2", None), Usage(None, estimate="0.5", tokens=700))
    DirtySlice.objects.create(charge_date=MONTH, usage_key_id=1)
    SiteMark.objects.create(name="verify", value={"checks": [{"id": "x", "ok": False}, {"id": "y", "ok": True}]})
    Client().get("/healthz")
    told = families(Client().get("/metrics", **TOKEN).content.decode())

    def value(name: str) -> float:
        return float(told[f"finops_{name}"][0].value)

    assert next(sample.value for sample in told["finops_http_requests"] if sample.labels.get("view") == "healthz") >= 1
    assert (value("month_cost"), value("month_unallocated_cost")) == (7.0, 2.0)
    assert (value("month_unpriced_tokens"), value("month_unpriced_estimate")) == (700.0, 0.5)
    assert (value("dirty_slices"), value("verify_failures")) == (1.0, 1.0)
    assert {sample.labels["outcome"] for sample in told["finops_rows"]} == {
        "stored",
        "changed",
        "duplicate",
        "quarantined",
    }


@pytest.fixture
def time_machine_day() -> Iterator[None]:
    import time_machine

    with time_machine.travel("2026-09-20T12:00:00Z", tick=True):
        yield


PLACES = ["/login/", "/overview/", "/account/", "/nothing/", "/api/v1/costs?month=2026-09", "/api/v1/nothing", "/healthz",
          "/static/web/app.css", "/dash/_dash-layout", "/explore/explore.csv"]  # fmt: skip


@pytest.mark.parametrize("path", PLACES)
def test_every_answer_has_the_headers(path: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(person("ann", "finance"))
    answer = client.get(path)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert len(answer["X-Request-ID"]) >= 1
    if not path.startswith("/static/"):
        policy = policy_of(answer)
        assert policy["script-src"] in ("'self'", policy["script-src"] if "'nonce-" in policy["script-src"] else "")
        assert "unsafe" not in policy["script-src"]
        assert (policy["object-src"], policy["base-uri"], policy["frame-ancestors"]) == ("'none'",) * 3
        assert answer["X-Frame-Options"] == "DENY"


def policy_of(answer: Any) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


def test_styles_are_strict_but_where_dash_draws_and_attributes_where_marks_are_placed() -> None:
    load(Usage("5"))
    client = Client()
    client.force_login(person("ann", "finance"))
    for path in ("/overview/", "/dash/_dash-layout", "/api/docs/"):
        assert policy_of(client.get(path))["style-src"] == "'self' 'unsafe-inline'", path
    for path in (
        "/login/",
        "/account/",
        "/sources/",
        "/prices/",
        "/audit/",
        "/statements/",
        "/api/v1/costs?month=2026-09",
    ):
        policy = policy_of(client.get(path))
        assert "unsafe-inline" not in policy["style-src"], path
        assert "style-src-attr" not in policy, path
    tiers = policy_of(client.get("/tiers/?month=2026-09"))
    assert ("unsafe-inline" not in tiers["style-src"], tiers.get("style-src-attr")) == (True, "'unsafe-inline'")


def test_https_brings_strict_transport_and_secure_cookies(settings: Any) -> None:
    person("ann", "finance")
    settings.SECURE_HSTS_SECONDS, settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE = 31_536_000, True, True
    client = Client()
    answer = client.post("/login/", {"username": "ann", "password": "x"}, secure=True)
    assert client.get("/account/", secure=True)["Strict-Transport-Security"] == "max-age=31536000"
    cookie = answer.cookies["sessionid"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")


def test_an_error_of_ours_tells_nothing_of_its_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret of /srv/ledger/inside.py")

    monkeypatch.setattr("web.pages.account._shown", broken)
    monkeypatch.setattr("allocation.selectors.costs", broken)
    client = Client(raise_request_exception=False)
    client.force_login(person("ann", "finance"))
    page, api = client.get("/account/"), client.get("/api/v1/costs?month=2026-09")
    assert (page.status_code, api.status_code) == (500, 500)
    assert api["Content-Type"] == "application/problem+json"
    assert set(api.json()) == {"type", "title", "status", "detail", "instance"}
    for answer in (page, api):
        assert b"secret" not in answer.content
        assert b"Traceback" not in answer.content
        assert answer["X-Request-ID"]


def test_a_log_line_is_one_json_object_with_the_request_and_without_secrets() -> None:
    record = redaction.Record(
        "web.x", logging.ERROR, "x.py", 1, "user %s\nforged line, key sk-abcdefghijklmnop", ("ann\r\n",), None
    )
    held = requests._current.set("req-1")
    try:
        text = redaction.JsonLines().format(record)
    finally:
        requests._current.reset(held)
    assert "\n" not in text
    line = json.loads(text)
    assert (line["level"], line["logger"], line["request"]) == ("ERROR", "web.x", "req-1")
    assert "sk-abc" not in text
    assert line["time"].endswith("+00:00")


def test_a_request_is_noted_by_name_and_number_and_never_with_its_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "finops.requests")
    user = person("ann", "finance")
    client = Client()
    client.force_login(user)
    client.get("/prices/?q=hidden", HTTP_X_REQUEST_ID="abc-1")
    [record] = [each for each in caplog.records if each.name == "finops.requests"]
    told = record.told  # type: ignore[attr-defined]
    assert (told["method"], told["view"], told["status"], told["user"]) == ("GET", "prices", 200, user.pk)
    assert "hidden" not in redaction.JsonLines().format(record)


# One caller's share.


@pytest.fixture
def slow_question(settings: Any) -> None:
    settings.STATEMENT_SECONDS = 1


def test_a_statement_that_takes_too_long_is_cut_off_and_said_so(slow_question: None, settings: Any) -> None:
    def view(_: HttpRequest) -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")
        return HttpResponse("late")

    middleware = limits.StatementLimitMiddleware(view)
    request = RequestFactory().get("/explore/")
    with pytest.raises(OperationalError) as wrong:
        middleware(request)
    answer = middleware.process_exception(request, wrong.value)
    assert answer is not None
    assert (answer.status_code, b"took too long" in answer.content) == (503, True)
    assert middleware.process_exception(request, ValueError("x")) is None


def test_the_limit_is_of_the_request_alone_and_longer_where_something_changes(settings: Any) -> None:
    settings.STATEMENT_SECONDS = 15

    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return str(cursor.fetchone()[0])

    seen: list[str] = []

    def view(_: HttpRequest) -> HttpResponse:
        seen.append(limit())
        return HttpResponse()

    middleware = limits.StatementLimitMiddleware(view)
    middleware(RequestFactory().get("/"))
    middleware(RequestFactory().post("/"))
    assert (seen, limit()) == (["15s", "2min"], "0")


def test_a_connection_that_a_request_makes_has_the_limit_too() -> None:
    seen: list[str] = []

    def view(_: HttpRequest) -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            seen.append(cursor.fetchone()[0])
        return HttpResponse()

    def asked() -> None:
        try:
            limits.StatementLimitMiddleware(view)(RequestFactory().get("/"))
        finally:
            connections.close_all()

    thread = threading.Thread(target=asked)
    thread.start()
    thread.join()
    assert seen == ["15s"]


def test_whoever_asks_for_much_at_once_waits_and_others_do_not() -> None:
    held, begun, ended = threading.Event(), threading.Semaphore(0), []

    def view(request: HttpRequest) -> HttpResponse:
        if request.headers.get("Authorization") == "Bearer greedy":
            begun.release()
            held.wait(30)
        return HttpResponse("done")

    middleware = shares.FairShareMiddleware(view)

    def ask(who: str) -> None:
        request = RequestFactory().get("/api/v1/costs", HTTP_AUTHORIZATION=f"Bearer {who}")
        ended.append((who, middleware(request).status_code))

    greedy = [threading.Thread(target=ask, args=("greedy",)) for _ in range(shares.RUNNING + shares.WAITING)]
    for thread in greedy:
        thread.start()
    for _ in range(shares.RUNNING):
        assert begun.acquire(timeout=30)
    while sum(middleware._shares._waiting.values()) < shares.WAITING:
        time.sleep(0.01)
    ask("greedy")
    assert ended == [("greedy", 429)]  # one more than may wait
    assert not begun.acquire(blocking=False)  # no more than its share runs
    ask("modest")
    assert ended[-1] == ("modest", 200)
    held.set()
    for thread in greedy:
        thread.join(30)
    assert ended.count(("greedy", 200)) == shares.RUNNING + shares.WAITING
    assert not middleware._shares._running


def test_a_refusal_says_when_to_come_again_and_is_a_problem_for_programs() -> None:
    class Full(shares.Shares):
        def one(self, caller: str) -> Any:
            raise shares.TooMany

    middleware = shares.FairShareMiddleware(lambda _: HttpResponse())
    middleware._shares = Full()
    api = middleware(RequestFactory().get("/api/v1/costs"))
    assert (api.status_code, api["Content-Type"], api["Retry-After"]) == (429, "application/problem+json", "2")
    assert middleware(RequestFactory().get("/overview/")).status_code == 429
    assert middleware(RequestFactory().get("/healthz")).status_code == 200


def test_a_loop_over_the_api_is_told_to_slow_down_and_ingest_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from web.api.costs import CostsView
    from web.api.events import EventsView
    from web.api.throttling import PerCaller

    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"caller": "3/min"})
    for view in (CostsView, EventsView):
        monkeypatch.setattr(view, "throttle_classes", [PerCaller])
    one, other, sender = (bearer(person(name, "finance"), scope) for name, scope in
                          (("a", "read"), ("b", "read"), ("c", "ingest")))  # fmt: skip
    path = "/api/v1/costs?month=2026-09"
    assert [Client().get(path, **one).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = Client().get(path, **one)
    assert refused["Content-Type"] == "application/problem+json"
    assert int(refused["Retry-After"]) >= 1
    assert Client().get(path, **other).status_code == 200
    sent = [
        Client().post("/api/v1/events", [], content_type="application/json", **sender).status_code for _ in range(5)
    ]
    assert 429 not in sent
