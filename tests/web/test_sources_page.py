"""The page Sources: who sees and changes what, what it says of each state, and that no name becomes markup."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from finops.models import AuditEvent, SiteMark
from ingest import health_selectors
from ingest.calc.windows import Window
from ingest.connections import Trial
from ingest.models import Connection, Credential, SourceName, TakenFile
from ingest.source_status import Status, day_states
from ingest.sources import get_source
from tests.web.connected import PAYLOAD, connected, cover, midnight, ran
from tests.web.ledger import person
from web import connecting

pytestmark = pytest.mark.django_db
CANARY = "sk-admin-CANARY-0123456789-wxyz"
READERS, BLIND = ("analyst", "finance", "admin", "auditor"), ("viewer", "owner")


def client_of(role: str) -> Client:
    client = Client()
    client.force_login(person(role, role, "CC-100" if role in BLIND else ""))
    return client


def streams(kind: str = "openai") -> list[str]:
    return [stream.name for stream in get_source(kind).streams({})]


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Connection]]:
    """Trials succeed, and are noted, unless the key holds ``wrong``."""
    tried: list[Connection] = []

    def try_out(item: Connection) -> Trial:
        from ingest import credentials

        tried.append(item)
        secret = credentials.open_secret(item.credential) if item.credential else ""
        return Trial("wrong" not in secret, "api.openai.com answered 401" if "wrong" in secret else "The key works")

    monkeypatch.setattr(connecting, "try_out", try_out)
    return tried


def form(**given: str) -> dict[str, str]:
    return {
        "name": "my-openai", "secret": CANARY, "base_url": "https://api.openai.com/v1", "account": "default",
        "begins_on": "2026-10-01", "every": "60", "how": "tried", **given,
    }  # fmt: skip


# Who may do what


@pytest.mark.parametrize("role", [*READERS, *BLIND, ""])
def test_the_matrix_of_roles(role: str, trial: list[Connection]) -> None:
    connected("conn")
    run = ran(None)
    client = client_of(role or "finance")
    if not role:
        person("nobody")
        client.logout()
        assert client.login(username="nobody", password="x")
    reads = ["/sources/", "/sources/conn/", "/imported/?kind=openai&account=default", "/data-health/", "/runs/",
             "/data-health/quarantine/", f"/runs/{run.pk}/"]  # fmt: skip
    for path in reads:
        assert client.get(path).status_code == (200 if role in READERS else 403), path
    for path in ("/connect/", "/connect/openai/"):
        assert client.get(path).status_code == (200 if role == "admin" else 403), path
    for path in ("/sources/conn/sync", "/sources/conn/switch", "/sources/conn/key", "/sources/conn/accept",
                 "/data-health/check"):  # fmt: skip
        assert client.get(path).status_code == 405, "no GET changes anything"
        assert client.post(path).status_code == (302 if role == "admin" else 403), path
    assert client.post("/connect/openai/", form()).status_code in ({200, 302, 422} if role == "admin" else {403})
    page = client.get("/overview/").content.decode()
    assert ('href="/sources/"' in page) == (role in READERS)
    assert ('href="/data-health/"' in page) == (role in READERS)


def test_a_change_needs_the_csrf_token() -> None:
    connected("conn")
    person("admin", "admin")
    client = Client(enforce_csrf_checks=True)
    assert client.login(username="admin", password="x")
    for path in ("/sources/conn/sync", "/sources/conn/switch", "/sources/conn/key", "/connect/openai/"):
        assert client.post(path, form()).status_code == 403
    assert Connection.objects.count() == 1


def test_only_an_admin_sees_what_changes_things() -> None:
    connected("conn")
    for role in ("finance", "admin"):
        page = client_of(role).get("/sources/conn/").content.decode()
        assert ("Sync now" in page) == (role == "admin")
        assert ("<form" in page.replace('<form class="who"', "")) == (role == "admin")


def test_addresses_of_nothing() -> None:
    client = client_of("admin")
    for path in ("/sources/nothing/", "/imported/?kind=a&account=b", "/connect/nothing/", "/runs/9/",
                 "/runs/99999999999999999999/"):  # fmt: skip
        assert client.get(path).status_code == 404, path
    for path in ("/runs/?before=x", "/runs/?state=x", "/data-health/quarantine/?reason=x",
                 "/data-health/quarantine/?source=%00", "/runs/?connection=%00"):  # fmt: skip
        assert client.get(path).status_code == 400, path
    for path in ("/sources/nothing/sync", "/sources/nothing/switch", "/sources/nothing/key"):
        assert client.post(path, {"secret": "x"}).status_code == 404, path


# Connecting


def test_a_source_is_saved_after_it_has_answered(trial: list[Connection]) -> None:
    client = client_of("admin")
    answer = client.post("/connect/openai/", form(every="360"), follow=True)
    item = Connection.objects.get()
    assert answer.redirect_chain == [("/sources/my-openai/", 302)]
    assert "The key works" in answer.content.decode()
    assert (item.kind, item.every, item.begins_on) == ("openai", timedelta(hours=6), date(2026, 10, 1))
    assert item.next_due_at is None, "due at once"
    assert getattr(item.created_by, "username", None) == "admin"
    assert getattr(item.credential, "last_four", None) == "wxyz"
    assert [each.pk for each in trial] != [item.pk], "what was tried was not yet stored"
    assert AuditEvent.objects.filter(action="connection.created").count() == 1


def test_one_that_does_not_answer_is_not_saved(trial: list[Connection]) -> None:
    client = client_of("admin")
    answer = client.post("/connect/openai/", form(secret="sk-wrong-CANARY-000000"))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "api.openai.com answered 401" in page
    assert "CANARY" not in page, "a key is never rendered back"
    assert 'value="my-openai"' in page, "all else is"
    assert (Connection.objects.count(), Credential.objects.count(), len(trial)) == (0, 0, 1)
    assert not AuditEvent.objects.filter(action__startswith="connection").exists()
    client.post("/connect/openai/", form(secret="sk-wrong-CANARY-000000", how="untried"))
    assert (Connection.objects.count(), len(trial)) == (1, 1), "saved unseen, by choice"


@pytest.mark.parametrize(
    "given",
    [
        {"name": "Has Blanks"}, {"name": ""}, {"name": "-a"}, {"name": "a" * 61}, {"name": "../x"}, {"secret": ""},
        {"base_url": "ftp://x"}, {"base_url": "http://169.254.169.254/"}, {"base_url": "http://127.0.0.1:1/"},
        {"every": "1"}, {"every": "x"}, {"begins_on": "soon"}, {"account": ""}, {"account": "x" * 201},
        {"secret": "env:FINOPS_SECRET_KEY"}, {"secret": "a\x00b"}, {"secret": "x" * 9_000},
    ],
)  # fmt: skip
def test_settings_that_are_wrong_say_so_and_keep_nothing(trial: list[Connection], given: dict[str, str]) -> None:
    answer = client_of("admin").post("/connect/openai/", form(**given))
    assert answer.status_code == 422
    assert 'class="error"' in answer.content.decode() or 'role="alert"' in answer.content.decode()
    assert (Connection.objects.count(), Credential.objects.count(), trial) == (0, 0, [])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("litellm", {"option_billing_accounts": "openai"}), ("prometheus", {"option_step": "often"}),
        ("prometheus", {"option_step": "-5"}), ("prometheus", {"option_mode": "nothing"}),
        ("prometheus", {"option_engine": "nothing"}), ("litellm", {"option_page_size": "x"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["tried", "untried"])
def test_options_that_cannot_be_used(trial: list[Connection], kind: str, options: dict[str, str], how: str) -> None:
    given = form(base_url="https://api.example.com", how=how, **options)
    answer = client_of("admin").post(f"/connect/{kind}/", given)
    assert answer.status_code in (302, 422), "whatever it is, it is no error of ours"
    if "option_billing_accounts" in options:
        assert answer.status_code == 422
        assert "write PROVIDER=ACCOUNT" in answer.content.decode()


def test_billing_accounts_of_a_gateway(trial: list[Connection]) -> None:
    given = form(base_url="https://api.example.com", option_billing_accounts="openai=org-1, anthropic=org-2")
    client_of("admin").post("/connect/litellm/", given)
    assert Connection.objects.get().options == {"billing_accounts": "openai=org-1, anthropic=org-2"}


def test_a_name_that_is_taken(trial: list[Connection]) -> None:
    connected("my-openai")
    answer = client_of("admin").post("/connect/openai/", form())
    assert "there is a connection" in answer.content.decode().lower()
    assert trial == []


def test_a_trial_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    hang = threading.Event()
    monkeypatch.setattr(connecting, "PATIENCE", 0.05)
    monkeypatch.setattr(connecting, "try_out", lambda _: hang.wait(20) and None)
    answer = client_of("admin").post("/connect/openai/", form())
    hang.set()
    assert "did not answer within" in answer.content.decode()
    assert Connection.objects.count() == 0


def test_the_form_asks_for_what_the_kind_declares() -> None:
    client = client_of("admin")
    for kind in ("openai", "anthropic", "litellm", "langfuse", "prometheus"):
        source, page = get_source(kind), client.get(f"/connect/{kind}/").content.decode()
        for option in source.options:
            assert f'name="option_{option.name}"' in page
        assert ('type="password"' in page) == bool(source.secret)
        assert page.count('autocomplete="new-password"') == bool(source.secret)
    for kind in ("generic", "codex"):
        page = client.get(f"/connect/{kind}/").content.decode()
        assert f"--source {kind}" in page
        assert 'type="password"' not in page


def test_every_kind_can_be_chosen() -> None:
    from ingest.sources import all_sources

    page = client_of("admin").get("/connect/").content.decode()
    for kind in all_sources():
        assert f'href="/connect/{kind}/"' in page


# Changing


def test_sync_now_makes_it_due_and_is_audited() -> None:
    item = connected("conn", next_due_at=timezone.now() + timedelta(hours=5))
    client = client_of("admin")
    assert "due now" in client.post("/sources/conn/sync", follow=True).content.decode()
    item.refresh_from_db()
    assert item.next_due_at is None
    assert AuditEvent.objects.get(action="connection.sync_asked").actor == "admin"
    client.post("/sources/conn/switch", {"enabled": "no"})
    Connection.objects.update(next_due_at=timezone.now())
    assert "disabled" in client.post("/sources/conn/sync", follow=True).content.decode()
    item.refresh_from_db()
    assert (item.enabled, item.next_due_at is None) == (False, False)
    client.post("/sources/conn/switch", {"enabled": "yes"})
    assert Connection.objects.get().enabled


def test_a_key_is_replaced_and_never_shown() -> None:
    connected("conn")
    client = client_of("admin")
    page = client.post("/sources/conn/key", {"secret": CANARY}, follow=True).content.decode()
    assert CANARY not in page
    assert "…wxyz" in page
    client.post("/sources/conn/key", {"secret": "sk-admin-another-0000-5678"})
    assert Credential.objects.get().version == 2
    assert "not replaced" in client.post("/sources/conn/key", {"secret": ""}, follow=True).content.decode()
    everything = json.dumps(list(AuditEvent.objects.values("action", "subject", "details")), default=str)
    assert CANARY not in everything
    for path in ("/sources/", "/sources/conn/", "/api/v1/sources", "/data-health/"):
        assert CANARY not in client.get(path).content.decode()


# What it says


def test_states() -> None:
    now = timezone.now()
    hour = timedelta(hours=1)
    cases = {
        "ok": {"last_ok_at": now - hour / 2, "next_due_at": now + hour / 2},
        "a-little-late": {"last_ok_at": now - hour, "next_due_at": now - timedelta(minutes=10)},
        "late": {"last_ok_at": now - 4 * hour, "next_due_at": now - 3 * hour},
        "late-and-held": {"last_ok_at": now - 4 * hour, "next_due_at": now - 3 * hour, "lease_until": now + hour},
        "failing": {"last_ok_at": now - 4 * hour, "failures": 1, "last_error": "answered 500", "next_due_at": now},
        "disabled": {"enabled": False, "failures": 3},
        "never": {"next_due_at": now},
        "pushed": {"way": "push"},
    }
    for name, values in cases.items():
        connected(name, **values)
    states = {status.name: status.state for status in health_selectors.statuses(now)}
    assert states == {
        "ok": "ok", "a-little-late": "ok", "late": "late", "late-and-held": "ok", "failing": "failing",
        "disabled": "disabled", "never": "never", "pushed": "never",
    }  # fmt: skip
    page = client_of("auditor").get("/sources/").content.decode()
    assert "2 need attention" in page
    assert page.index(">failing<") < page.index(">a-little-late<"), "what needs attention stands first"
    for word in ("On time", "Late", "Failing", "Disabled", "Never pulled", "answered 500"):
        assert word in page


def test_days_are_complete_partial_or_missing() -> None:
    """Ten days: one stream lacks the 3rd day before today and half of the 5th."""
    item = connected("conn")
    first, *others = streams()
    cover(item, others, (midnight(10), midnight(0) + timedelta(minutes=1)))
    half = midnight(5) + timedelta(hours=12)
    cover(item, [first], (midnight(10), midnight(5)), (half, midnight(3)), (midnight(2), midnight(0)))
    [status] = health_selectors.statuses(timezone.now(), "conn")
    assert status.complete_days() == (8, 10)  # 10 - the two
    states = {day.day: day.state for day in status.strip()}
    assert len(states) == 30
    assert states[midnight(5).date()] == states[midnight(3).date()] == "partial"
    assert states[midnight(4).date()] == "complete"
    assert states[midnight(11).date()] == "outside"
    assert [day.state for day in status.days(midnight(5).date(), midnight(2).date(), [first])] == [
        "partial", "complete", "missing",
    ]  # fmt: skip
    page = client_of("auditor").get("/sources/conn/").content.decode()
    assert "8 of 10" in page


def test_a_connection_that_never_delivered_shows_none_of_what_others_of_its_account_did() -> None:
    cover(connected("good"), streams(), (midnight(10), timezone.now()))
    connected("bad", failures=2, last_error="connection: api.openai.com:443 cannot be reached")
    bad, good = health_selectors.statuses(timezone.now())
    assert (bad.name, bad.complete_days(), bad.complete_until, bad.last_done_at) == ("bad", (0, 10), None, None)
    assert good.complete_days() == (10, 10)
    assert {day.state for day in bad.strip()} == {"outside", "missing"}
    client = client_of("auditor")
    assert "never delivered" in client.get("/sources/bad/").content.decode()
    assert "last delivered" in client.get("/sources/good/").content.decode()
    assert ">0/10<" in client.get("/sources/").content.decode()


def test_refused_files_stand_with_their_reasons_until_an_admin_accepts_them() -> None:
    item = connected("logs", "litellm", way="folder", last_ok_at=timezone.now(), next_due_at=timezone.now())
    for number in range(3):
        run = ran(item, state="refused", reason=f"8 of the first 10 records were rejected {PAYLOAD}")
        given = {"path": f"/logs/{number}.jsonl", "version": "1 1", "run": run, "outcome": "refused"}
        TakenFile.objects.create(connection=item, **given)
    auditor, admin = client_of("auditor"), client_of("admin")
    for path in ("/sources/", "/sources/logs/"):
        page = auditor.get(path).content.decode()
        assert "3 files refused and still there" in page
        assert "8 of the first 10 records were rejected" in page
        assert "failing" in page
        assert PAYLOAD not in page
    assert "Take the rest" not in auditor.get("/sources/logs/").content.decode()
    assert "Take the rest" in admin.get("/sources/logs/").content.decode()
    assert auditor.post("/sources/logs/accept", {"path": "/logs/1.jsonl"}).status_code == 403
    told = admin.post("/sources/logs/accept", {"path": "/logs/1.jsonl"}, follow=True).content.decode()
    assert "due now" in told
    assert "2 files refused and still there" in told
    again = admin.post("/sources/logs/accept", {"path": "/logs/1.jsonl"}, follow=True).content.decode()
    assert "is no refused file of logs" in again
    assert Connection.objects.get().next_due_at is None


def test_a_gap_names_the_run_that_failed() -> None:
    item = connected("conn")
    first, *others = streams()
    cover(item, others, (midnight(10), timezone.now()))
    cover(item, [first], (midnight(10), midnight(4)), (midnight(3), timezone.now()))
    window = {"stream": first, "window_start": midnight(4), "window_end": midnight(3)}
    ran(item, state="failed", reason="an older reason", **window)
    failed = ran(item, state="failed", reason=f"answered 500 {PAYLOAD}", **window)
    ran(item, state="failed", reason="of another stream", **window | {"stream": others[0]})
    [status] = health_selectors.statuses(timezone.now(), "conn")
    [gap] = health_selectors.gaps(status)
    assert (gap.stream, gap.window, gap.run) == (first, Window(midnight(4), midnight(3)), failed.pk)
    page = client_of("auditor").get("/sources/conn/").content.decode()
    assert f'href="/runs/{failed.pk}/"' in page
    assert PAYLOAD not in page
    assert "&lt;img" in page


def test_the_bucket_that_is_running_is_no_gap_and_a_backfill_says_it_is_to_come() -> None:
    item = connected("conn")
    cover(item, streams(), (midnight(5), timezone.now() - timedelta(minutes=40)))
    [status] = health_selectors.statuses(timezone.now(), "conn")
    assert {gap.window for gap in health_selectors.gaps(status)} == {Window(midnight(10), midnight(5))}
    assert "not asked for yet" in client_of("auditor").get("/sources/conn/").content.decode()


@pytest.mark.parametrize(
    ("zone", "low", "high", "expected"),
    [
        ("UTC", 0, 48, ["complete", "complete", "missing"]),
        ("UTC", 1, 48, ["partial", "complete", "missing"]),
        ("UTC", 0, 47, ["complete", "partial", "missing"]),
        ("UTC", 24, 24, ["missing", "missing", "missing"]),
        ("UTC", -100, 100, ["complete", "complete", "complete"]),
        ("America/Los_Angeles", 0, 48, ["complete", "partial", "missing"]),
        ("America/Los_Angeles", 7, 32, ["complete", "missing", "missing"]),  # 25 hours: the clocks go back
        ("America/Los_Angeles", 7, 31, ["partial", "missing", "missing"]),
    ],
)  # fmt: skip
def test_days_of_a_clock(zone: str, low: int, high: int, expected: list[str]) -> None:
    """1 November 2026 has 25 hours in Los Angeles: 07:00 to 08:00 UTC the day after."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    span = Window(start + timedelta(hours=low), start + timedelta(hours=high))
    assert day_states([span], date(2026, 11, 1), date(2026, 11, 4), zone) == expected


def test_no_name_becomes_markup() -> None:
    item = connected("conn", account=PAYLOAD, options={PAYLOAD: PAYLOAD}, last_error=PAYLOAD, failures=2,
                     base_url=f"https://x/{PAYLOAD}")  # fmt: skip
    ran(
        item,
        state="failed",
        reason=PAYLOAD,
        input_name=PAYLOAD,
        stream=PAYLOAD[:60],
        window_start=midnight(1),
        window_end=midnight(0),
        notes={"unknown_fields": {PAYLOAD: 3}, "dropped_tags": {PAYLOAD: 1}, PAYLOAD: PAYLOAD},
    )
    run = ran(None, kind="generic", account=PAYLOAD, input_name=PAYLOAD, notes={"unknown_fields": {PAYLOAD: 3}})
    SourceName.objects.create(source="openai", account=PAYLOAD, what=PAYLOAD[:20], external_id=PAYLOAD, name=PAYLOAD)
    run.quarantine.create(reason="bad_number", place=PAYLOAD, detail=PAYLOAD, sha256=b"x" * 32)
    client = client_of("admin")
    from urllib.parse import urlencode

    where = urlencode({"kind": "generic", "account": PAYLOAD})
    for path in ("/sources/", "/sources/conn/", f"/imported/?{where}", "/runs/", f"/runs/{run.pk}/",
                 "/data-health/", "/data-health/quarantine/", f"/data-health/quarantine/?{urlencode({'source': PAYLOAD})}",
                 f"/runs/?{urlencode({'connection': PAYLOAD})}"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, path
        page = answer.content.decode()
        assert "<img" not in page, path
        assert "onerror=alert(1)&gt;" in page, path
        assert "<script>" not in page
        assert "script-src 'self'" in answer["Content-Security-Policy"]


def test_queries_do_not_grow_with_connections(django_assert_max_num_queries: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = client_of("admin")
    counts: dict[str, list[int]] = {}
    for round_ in range(2):
        for n in range(1 + 6 * round_):
            item = connected(f"c-{round_}-{n}", account=f"a-{round_}-{n}")
            cover(item, streams(), (midnight(9), midnight(0)))
            ran(item, stored=3, stream=streams()[0], window_start=midnight(2), window_end=midnight(1))
            ran(None, kind=f"kind-{round_}-{n}")
        for path in (
            "/sources/",
            "/data-health/",
            "/sources/c-0-0/",
            "/runs/",
            "/api/v1/sources",
            "/api/v1/data-health",
        ):
            with CaptureQueriesContext(
                connection,
            ) as seen:
                assert client.get(path).status_code == 200
            counts.setdefault(path, []).append(len(seen))
    assert all(first == second for first, second in counts.values()), counts
    assert max(map(max, counts.values())) < 40, counts


def test_an_empty_site_says_what_to_do() -> None:
    assert 'href="/connect/"' in client_of("admin").get("/sources/").content.decode()
    page = client_of("auditor").get("/sources/").content.decode()
    assert "Nothing is connected yet" in page
    assert "ingest_file" in page
    assert 'href="/connect/"' not in page


def test_a_kind_that_is_gone_still_has_its_page() -> None:
    ran(connected("conn", kind="removed"), stored=1)
    client = client_of("auditor")
    assert client.get("/sources/").status_code == client.get("/sources/conn/").status_code == 200


def test_what_came_without_a_connection_has_its_own_list() -> None:
    ran(None, kind="litellm", stored=5, changed=2)
    ran(None, kind="litellm", stored=1)
    ran(None, kind="generic", state="failed", reason="broke off")
    found: dict[str, Status] = {status.kind: status for status in health_selectors.statuses(timezone.now())}
    assert (found["litellm"].records, found["litellm"].state) == (8, "ok")  # 5 + 2 + 1
    assert found["litellm"].strip()[-1].state == "arrived"
    assert found["generic"].state == "failing"


def test_no_name_of_a_connection_hides_another_page() -> None:
    client = client_of("admin")
    for name in ("connect", "imported", "sync", "data-health"):
        connected(name, account=name)
        assert f"<h1>{name}</h1>" in client.get(f"/sources/{name}/").content.decode()


def test_an_account_whose_runs_all_failed_is_dismissed_by_an_admin_until_the_next_run() -> None:
    ran(None, kind="generic", account="a", state="failed", reason="broke off")
    ran(None, kind="generic", account="b", state="refused", reason="no file of this kind")
    ran(None, kind="litellm", stored=1)
    admin, auditor = client_of("admin"), client_of("auditor")
    where, page = {"kind": "generic", "account": "a"}, "/imported/?kind=generic&account=a"
    assert "Dismiss" in admin.get(page).content.decode()
    assert "Dismiss" not in auditor.get(page).content.decode()
    assert "Dismiss" not in admin.get("/imported/?kind=litellm&account=default").content.decode()
    assert auditor.post("/imported/dismiss", where).status_code == 403
    assert admin.get("/imported/dismiss").status_code == 405

    told = admin.post("/imported/dismiss", where, follow=True).content.decode()
    assert "account a, is dismissed" in told
    assert {status.account for status in health_selectors.statuses(timezone.now())} == {"b", "default"}
    event = AuditEvent.objects.get(action="imports.dismissed")
    assert (event.actor, event.details["account"], event.details["runs"]) == ("admin", "a", 1)
    assert "has no failed run" in admin.post("/imported/dismiss", where, follow=True).content.decode()
    delivered = {"kind": "litellm", "account": "default"}
    assert "has delivered" in admin.post("/imported/dismiss", delivered, follow=True).content.decode()

    ran(None, kind="generic", account="a", state="failed", reason="again")
    assert admin.get(page).status_code == 200, "it failed again"


def test_one_that_kept_something_before_it_failed_is_no_alarm_once_dismissed() -> None:
    ran(None, kind="generic", state="failed", reason="broke off", stored=5)
    where = {"kind": "generic", "account": "default"}
    client_of("admin").post("/imported/dismiss", where)
    [status] = health_selectors.statuses(timezone.now())
    assert (status.state, status.records) == ("ok", 5), "what it kept is still in the ledger"


@pytest.mark.parametrize(
    ("given", "opened"),
    [
        ({}, False), ({"base_url": "http://127.0.0.1:1/"}, True), ({"begins_on": "2999-01-01"}, True),
        ({"name": "taken"}, False),
        ({"secret": "sk-wrong-CANARY-000000"}, False),
        ({"secret": "sk-wrong-CANARY-000000", "base_url": "https://proxy.example.com/v1"}, True),
    ],
)  # fmt: skip
def test_what_is_wrong_among_the_settings_that_are_folded_opens_them(
    trial: list[Connection], given: dict[str, str], opened: bool
) -> None:
    connected("taken", "anthropic")
    client = client_of("admin")
    answer = client.post("/connect/openai/", form(**given)) if given else client.get("/connect/openai/")
    page = answer.content.decode()
    assert ('<details class="more" open>' in page) == opened
    if given.keys() & {"base_url", "begins_on", "name"} and "secret" not in given:
        [field] = given
        assert f'id="id_{field}_error"' in page, "it stands at its field"


def test_pages_say_when_the_scheduler_does_not_run() -> None:
    client, said = client_of("auditor"), "The scheduler has"
    pages = ("/sources/", "/data-health/")
    connected("conn", last_ok_at=timezone.now(), next_due_at=timezone.now())
    assert not any(said in client.get(path).content.decode() for path in pages), "connected this minute"
    Connection.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    for path in pages:
        page = client.get(path).content.decode()
        assert "The scheduler has never run" in page
        assert "All on time" not in page
        assert "Sources on time, checks hold" not in page
    SiteMark.objects.create(name="worker")
    assert not any(said in client.get(path).content.decode() for path in pages)
    at = timezone.now() - timedelta(minutes=12, seconds=5)
    SiteMark.objects.update(at=at)
    for path in pages:
        assert (
            f"The scheduler has not run since {at:%Y-%m-%d %H:%M} UTC, 12 min ago" in client.get(path).content.decode()
        )


def test_alive_says_since_when_the_scheduler_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="The scheduler has never run"):
        call_command("alive")
    SiteMark.objects.create(name="worker")
    call_command("alive")
    assert "The last heartbeat was 0 s ago" in capsys.readouterr().out
    at = timezone.now() - timedelta(seconds=130)
    SiteMark.objects.update(at=at)
    with pytest.raises(CommandError, match=f"has not run since {at:%Y-%m-%d %H:%M} UTC, 2 min ago"):
        call_command("alive")
