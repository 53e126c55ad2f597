"""Backfills that are killed, stopped or cut off from the database, and what readers see meanwhile."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection as database
from django.db.models import Q
from django.db.models.functions import Now

from allocation.derived import refresh
from allocation.verification import verify
from ingest import facts, lease
from ingest.lease import Busy
from ingest.models import Connection, IngestRun
from ingest.sync import sync
from tests.fake_provider import FakeProvider, generate, recomputation
from tests.fake_provider.children import Child, children, watched
from tests.fake_provider.pulled import connect, gaps, impatient, midnight, only, states, stream_of, tokens
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


def expected(provider: FakeProvider) -> dict[Any, int]:
    return recomputation.tokens(provider.scenario, "openai.completions", provider.tick)


def all_ties() -> None:
    refresh()
    assert [check.id for check in verify() if not check.ok] == []


@pytest.mark.parametrize("seed", [2])
def test_a_backfill_of_30_days_killed_three_times_while_its_provider_restates_ends_exact(
    child: Callable[..., Child], seed: int
) -> None:
    scenario = generate(midnight(), days=30, series=2, restated=0.05, late=0.03, gone=0.02, seed=seed)
    scenario.largest_page = 12
    dice = random.Random(seed)
    with FakeProvider(scenario) as provider, watched() as wrong:
        connection = connect(provider, days=30)
        for tick in range(3):
            process = child("sync", "fake", lease=3)
            enough = len(provider.of(PATH)) + dice.randrange(3, 25)
            assert process.reaches(lambda: len(provider.of(PATH)) >= enough), process.told()  # noqa: B023
            time.sleep(dice.random() / 20)  # anywhere in a batch
            process.kill()
            provider.tick = tick + 1
        held = Connection.objects.get()
        assert held.fence is not None, "the dead one's"
        process = child("sync", "fake", lease=3)
        assert process.says("done"), process.told()
        stream = stream_of("openai", "completions")
        recent = (midnight() - stream.re_read).date()
        live = {place: n for place, n in tokens("openai").items() if place[0] >= recent}
        assert live == recomputation.tokens(scenario, "openai.completions", 3, since=recent)
        assert gaps(connection, stream) == []
        assert sync(connection, since=midnight() - timedelta(days=30)).errors == {}  # what was restated longer ago
        assert tokens("openai") == expected(provider)
    assert wrong == []
    assert "running" not in states()


@pytest.mark.parametrize("point", ["page", "within", "copy", "count"])
def test_a_stopped_worker_that_wakes_past_its_lease_commits_nothing(child: Callable[..., Child], point: str) -> None:
    """SIGSTOP, the lease passes, another takes over and finishes, SIGCONT."""
    scenario = generate(midnight(), days=3, series=3)
    scenario.largest_page = 24
    with FakeProvider(scenario) as provider, watched() as wrong:
        connection = connect(provider, days=3)
        stopped = child("sync", "fake", lease=4, batch=40, stop=point)
        assert stopped.says("here"), stopped.told()
        assert until(lambda: Connection.objects.filter(lease_until__lt=Now()).exists(), 8)
        kept = IngestRun.objects.get(state="running")  # what it had sent to the database before it stopped has arrived
        assert finishes_elsewhere(connection, 15) == {}, "whatever the stopped one holds"
        assert tokens("openai") == expected(provider)
        runs = IngestRun.objects.count()
        os.killpg(stopped.process.pid, signal.SIGCONT)
        assert stopped.says("done"), stopped.told()  # it tries anew, as a worker does
        late = IngestRun.objects.get(pk=kept.pk)
        assert (late.state, late.reason, late.stored) == ("failed", "its worker died", kept.stored)
        assert IngestRun.objects.count() > runs
        assert tokens("openai") == expected(provider)
    assert wrong == []
    assert gaps(connection, stream_of("openai", "completions")) == []


def finishes_elsewhere(connection: Connection, seconds: float) -> dict[str, str] | None:
    """Errors of a sync on a database connection of its own, as another worker has; None: it does not come to an end."""
    outcome: list[dict[str, str]] = []
    thread = threading.Thread(target=lambda: outcome.append(in_thread(connection)), daemon=True)
    thread.start()
    thread.join(seconds)
    return outcome[0] if outcome else None


def in_thread(connection: Connection) -> dict[str, str]:
    """Errors of a sync on a database connection of its own, as another worker has."""
    try:
        while True:
            try:
                return sync(Connection.objects.get(pk=connection.pk)).errors
            except Busy:
                time.sleep(0.05)
    finally:
        database.close()


def test_a_database_connection_that_is_cut_in_the_middle_of_a_copy_leaves_no_part_of_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    impatient(monkeypatch)
    with FakeProvider(generate(midnight(), days=3, series=3)) as provider, watched() as wrong:
        connection = connect(provider, days=3)
        write, cut = psycopg.Copy.write, []

        def half(self: Any, data: bytes) -> None:
            if cut or b"COPY usage_event" not in self.cursor._query.query:
                write(self, data)
                return
            cut.append(1)
            write(self, data[: len(data) // 2])
            with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [self.connection.info.backend_pid])
            write(self, data[len(data) // 2 :])

        monkeypatch.setattr(psycopg.Copy, "write", half)
        outcome = sync(connection)
        assert cut
        assert list(outcome.errors) == [stream_of("openai", "completions").name]
        assert states() == ["failed"]
        assert tokens("openai") == {}
        assert sync(connection).errors == {}
        assert tokens("openai") == expected(provider)
    assert wrong == []
    all_ties()


def test_all_database_connections_are_cut_and_the_next_sync_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    monkeypatch.setattr(lease, "LEASE", timedelta(seconds=2))
    with FakeProvider(generate(midnight(), days=3, series=3)) as provider:
        connection = connect(provider, days=3)
        copied, cut = facts.copy_direct, []

        def fatal(*args: Any) -> bool:
            if not cut:
                cut.append(1)
                with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
            return copied(*args)

        monkeypatch.setattr(facts, "copy_direct", fatal)
        outcome = sync(connection)
        assert outcome.errors
        database.close()
        assert tokens("openai") == {}
        assert until(lambda: due_or_free(connection), 5)
        assert sync(connection).errors == {}
        assert tokens("openai") == expected(provider)
    assert "running" not in states()


def due_or_free(connection: Connection) -> bool:
    """Whether nobody holds the connection any more."""
    return Connection.objects.filter(Q(lease_until=None) | Q(lease_until__lt=Now()), pk=connection.pk).exists()
