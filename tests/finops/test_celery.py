"""Tasks through the default broker, in the real database, by a real worker."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from finops import broker
from finops.locks import try_lock
from finops.models import SiteMark
from ingest.models import DirtySlice
from ingest.services import Import, ingest_file
from tests.processes import manage, until
from tests.records import payload, write_lines


@pytest.fixture
def worker(ledger: None) -> "Iterator[subprocess.Popen[str]]":
    process = manage("worker", "--processes", "1")
    yield process
    process.kill()
    process.communicate(timeout=20)


def waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pgmq.q_finops")
        return int(cursor.fetchone()[0])


@pytest.mark.slow
def test_a_task_goes_through_the_database_and_is_run_once_by_a_worker(
    worker: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    from allocation.tasks import refresh
    from finops.celery import app
    from finops.tasks import WORKER, heartbeat

    broker.install()
    broker.install()  # what is there is left as it is
    ingest_file(Import(write_lines(tmp_path / "one.jsonl", [payload(1)]), "litellm"))
    assert DirtySlice.objects.exists()
    app.conf.broker_transport_options = broker.transport_options()  # of the test database
    with app.connection_for_write() as link:
        heartbeat.apply_async(connection=link)
        refresh.apply_async(connection=link)

    assert until(lambda: SiteMark.objects.filter(name=WORKER).exists(), 40), worker.poll()
    assert until(lambda: not DirtySlice.objects.exists(), 20)
    assert until(lambda: waiting() == 0, 60), "what was done is acknowledged"
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0


def test_only_one_worker_refreshes_and_rests_ten_times_as_long(ledger: None, tmp_path: Path) -> None:
    from django.db import connections

    from allocation.tasks import _LOCK, REFRESH, refresh

    ingest_file(Import(write_lines(tmp_path / "one.jsonl", [payload(1)]), "litellm"))
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        refresh()
        assert DirtySlice.objects.exists(), "another worker is at it"
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    finally:
        other.close()
    refresh()
    assert not DirtySlice.objects.exists()
    assert SiteMark.objects.get(name=REFRESH).value["days"] == 1

    SiteMark.objects.filter(name=REFRESH).update(value={"days": 1, "seconds": 60})
    ingest_file(Import(write_lines(tmp_path / "two.jsonl", [payload(2)]), "litellm"))
    refresh()
    assert DirtySlice.objects.exists(), "ten minutes have not passed"


def test_the_lock_goes_with_its_block(ledger: None) -> None:
    with try_lock(1) as first:
        assert first
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


def test_every_scheduled_task_exists() -> None:
    from finops.celery import app

    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)


def test_the_brokers_address_holds_what_the_database_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    database = {
        "NAME": "a b", "USER": "u", "PASSWORD": "p'w", "HOST": "::1", "PORT": "6000",
        "OPTIONS": {"sslmode": "verify-full", "isolation_level": 2},
    }  # fmt: skip
    given = SimpleNamespace(CELERY_BROKER_URL="", DATABASES={"default": database})
    monkeypatch.setattr(broker, "settings", given)
    assert conninfo_to_dict(broker.transport_options()["conn_string"]) == {
        "dbname": "a b", "user": "u", "password": "p'w", "host": "::1", "port": "6000", "sslmode": "verify-full",
    }  # fmt: skip
    given.CELERY_BROKER_URL = "redis://broker:6379/0"
    assert broker.url() == "redis://broker:6379/0"
    assert "conn_string" not in broker.transport_options()
