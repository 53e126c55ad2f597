"""Pulls: what is asked when, in which order, by whom; restated, late and vanished buckets; who may commit."""

import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.models.functions import Now

from allocation.derived import refresh
from allocation.verification import verify
from finops.models import AuditEvent
from ingest import coverage, runs
from ingest import sync as syncing
from ingest.connections import edit
from ingest.lease import Busy, leased
from ingest.models import Connection, IngestRun, Quarantine, SourceName, UsageEventHistory
from ingest.pull import LeaseLost, Window
from ingest.sources import get_source
from ingest.sync import due, sync
from tests.fake_provider import Bucket, FakeProvider, Fault, Scenario, generate, recomputation, said
from tests.fake_provider.pulled import (
    connect,
    covered,
    gaps,
    impatient,
    midnight,
    only,
    states,
    stream_of,
    tokens,
)
from tests.fake_provider.scenario import ALWAYS
from tests.processes import until

pytestmark = pytest.mark.usefixtures("ledger")

PATH = "usage/completions"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, settings: Any) -> "Iterator[Callable[[Scenario], FakeProvider]]":
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    only(monkeypatch, "openai", "completions")
    impatient(monkeypatch)
    running: list[FakeProvider] = []

    def start(scenario: Scenario) -> FakeProvider:
        running.append(FakeProvider(scenario))
        return running[-1].__enter__()

    yield start
    for provider in running:
        provider.__exit__()


def one(start: datetime, *, tokens_in: int = 100, project: str = "proj_a", **later: Any) -> Bucket:
    """An hour of one project, ``tokens_in`` of input and 10 of output; later statements by tick."""

    def values(amount: int) -> dict[str, int]:
        return {"input_tokens": amount, "input_cached_tokens": 0, "output_tokens": 10, "num_model_requests": 1}

    dims = {"project_id": project, "user_id": None, "api_key_id": "key_a", "model": "gpt-5", "batch": False,
            "service_tier": "default"}  # fmt: skip
    stated = {name: None if amount is None else values(amount) for name, amount in later.items()}
    return Bucket("openai.completions", start, dims, said(values(tokens_in), **stated))


def expected(provider: FakeProvider) -> dict[Any, int]:
    return recomputation.tokens(provider.scenario, "openai.completions", provider.tick)


def asked(provider: FakeProvider) -> list[Window]:
    """The windows of the first pages."""
    return [
        Window(*(datetime.fromtimestamp(int(request.query[name][0]), UTC) for name in ("start_time", "end_time")))
        for request in provider.of(PATH)
        if "page" not in request.query
    ]


# ---- what is asked ----


def test_every_window_is_aligned_to_the_providers_buckets(serve: Callable[[Scenario], FakeProvider]) -> None:
    provider, stream = serve(Scenario([one(midnight() - DAY)])), stream_of("openai", "completions")
    sync(connect(provider, days=30))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for window in asked(provider):
        assert (window.start - epoch) % stream.width == timedelta(0)
        assert (window.end - epoch) % stream.width == timedelta(0)
        assert window.end - window.start <= stream.chunk


def test_live_windows_come_first_then_older_ones_from_the_newest_back(
    serve: Callable[[Scenario], FakeProvider],
) -> None:
    provider, stream = serve(Scenario([one(midnight() - DAY)])), stream_of("openai", "completions")
    connection = connect(provider, days=30)
    sync(connection)
    windows = asked(provider)
    border = min(window.start for window in windows if window.end > midnight())
    live = [window for window in windows if window.start >= windows[0].start]
    assert windows[: len(live)] == live, "all live windows before any older one"
    assert windows[0].start <= datetime.now(UTC) - stream.re_read
    older = windows[len(live) :]
    assert older == sorted(older, reverse=True)
    assert border >= windows[0].start
    assert gaps(connection, stream) == []
    assert min(window.start for window in windows) == midnight() - 30 * DAY


def test_a_later_sync_reads_only_the_window_that_may_still_change(serve: Callable[[Scenario], FakeProvider]) -> None:
    provider, stream = serve(Scenario([one(midnight() - DAY)])), stream_of("openai", "completions")
    connection = connect(provider, days=30)
    sync(connection)
    first = len(asked(provider))
    known_to = covered(connection, stream.name)[-1].end
    sync(connection)
    again = asked(provider)[first:]
    begin = known_to - stream.re_read
    assert begin - stream.width < again[0].start <= begin
    assert again[-1].end >= datetime.now(UTC) - stream.width


def test_since_reads_again_what_is_older(serve: Callable[[Scenario], FakeProvider]) -> None:
    old = midnight() - 20 * DAY
    provider = serve(Scenario([one(old, t1=150), one(midnight() - DAY)]))
    connection = connect(provider, days=25)
    sync(connection)
    provider.tick = 1
    sync(connection)
    assert tokens("openai") != expected(provider), "nobody reads a window of three weeks ago again by itself"
    before = len(asked(provider))
    sync(connection, since=old, until=old + HOUR)
    assert asked(provider)[before:][0].start == old
    assert tokens("openai") == expected(provider)


def test_a_backfill_is_cut_into_syncs_so_that_live_data_never_waits(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "BACKFILL_AT_ONCE", 1)
    provider, stream = (
        serve(Scenario([one(midnight() - n * DAY) for n in range(1, 90)])),
        stream_of("openai", "completions"),
    )
    connection = connect(provider, days=89)
    rounds, first = 0, None
    while rounds < 60:
        outcome, rounds = sync(connection), rounds + 1
        first = outcome.left if first is None else first
        assert due() == ([connection] if outcome.left else []), "it is due at once while windows are left"
        if not outcome.left:
            break
    assert first
    assert rounds > 2
    assert gaps(connection, stream) == []
    assert tokens("openai") == expected(provider)


def test_projects_and_keys_get_their_names(serve: Callable[[Scenario], FakeProvider]) -> None:
    provider = serve(Scenario([one(midnight() - DAY)], names={"proj_a": "Search", "proj_b": "Support"}))
    connection = connect(provider, days=2)
    sync(connection)
    assert dict(SourceName.objects.filter(what="project").values_list("external_id", "name")) == {
        "proj_a": "Search", "proj_b": "Support",
    }  # fmt: skip
    before = len(provider.of("projects"))
    connection.refresh_from_db()
    sync(connection)
    assert len(provider.of("projects")) == before, "once a day is enough"
    provider.scenario.names["proj_a"] = "Search and ads"
    Connection.objects.update(names_at=None)
    connection.refresh_from_db()
    sync(connection)
    assert SourceName.objects.get(external_id="proj_a").name == "Search and ads"


def test_without_names_the_figures_are_pulled_as_usual(serve: Callable[[Scenario], FakeProvider]) -> None:
    provider = serve(Scenario([one(midnight() - DAY)], [Fault("status", "projects", 1, ALWAYS, status=403)]))
    connection = connect(provider, days=2)
    outcome = sync(connection)
    assert list(outcome.errors) == ["names"]
    connection.refresh_from_db()
    assert (connection.failures, connection.last_ok_at is not None) == (0, True)
    assert "403" in connection.last_error
    assert due() == []


# ---- what changes ----


def test_a_restated_late_or_vanished_bucket_ends_as_it_was_said_last(serve: Callable[[Scenario], FakeProvider]) -> None:
    yesterday = midnight() - DAY
    prompt = one(yesterday, project="late")
    late = replace(prompt, said=((0, None), (1, prompt.at(0))))
    provider = serve(Scenario([one(yesterday, t1=140, t2=120), one(yesterday, project="gone", t1=None, t3=100), late]))
    connection = connect(provider, days=3)
    for tick in range(4):
        provider.tick = tick
        assert sync(connection).errors == {}
        assert tokens("openai") == recomputation.tokens(provider.scenario, "openai.completions", tick), f"tick {tick}"
    versions = UsageEventHistory.objects.order_by("run_id").values_list("input_uncached", flat=True)
    assert sorted(versions, key=lambda n: n or 0) == [None, 100, 100, 140]
    refresh()
    assert [check.id for check in verify() if not check.ok] == []


def test_a_provider_that_changes_between_two_pages_is_right_by_the_next_sync(
    serve: Callable[[Scenario], FakeProvider],
) -> None:
    scenario = generate(midnight(), days=3, series=2, restated=0.2, late=0.2, gone=0.1, seed=5)
    scenario.largest_page, scenario.tick_every = 10, 3
    provider = serve(scenario)
    connection = connect(provider, days=3)
    sync(connection)
    sync(connection)
    assert tokens("openai") == expected(provider)


def test_a_providers_clock_ahead_makes_no_answer_win_for_ever(serve: Callable[[Scenario], FakeProvider]) -> None:
    scenario = Scenario([one(midnight() - DAY, t1=150)], skew=2 * HOUR)
    provider = serve(scenario)
    connection = connect(provider, days=2)
    sync(connection)
    observed = IngestRun.objects.latest("pk").observed_at
    assert observed <= runs.database_now()
    scenario.skew, provider.tick = timedelta(0), 1
    assert until(lambda: datetime.now(UTC) - observed > timedelta(seconds=1), 3)  # its Date knows no fractions
    sync(connection)
    assert tokens("openai") == expected(provider)
    newest = covered(connection, stream_of("openai", "completions").name)[-1].end
    assert newest <= runs.database_now(), "time that has not ended is not covered"


def test_a_bucket_of_the_future_is_quarantined_and_counts_once_it_has_begun(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, next_day = datetime.now(UTC).replace(minute=0, second=0, microsecond=0), midnight() + DAY
    buckets = [one(midnight() - n * HOUR) for n in range(1, 20)]
    provider = serve(Scenario([*buckets, one(next_day)]))
    connection = connect(provider, days=2)
    outcome = sync(connection, since=midnight() - 2 * DAY, until=next_day + HOUR)
    assert outcome.errors == {}
    assert set(Quarantine.objects.values_list("reason", flat=True)) == {"out_of_window"}
    assert begun < next_day
    assert next_day.date() not in {day for day, _ in tokens("openai")}


# ---- who may ----


def test_a_connection_is_held_by_one_at_a_time(serve: Callable[[Scenario], FakeProvider]) -> None:
    provider = serve(Scenario([one(midnight() - DAY)]))
    connection = connect(provider, days=2)
    with leased(connection):
        until = Connection.objects.get().lease_until
        assert until is not None
        told = f"fake is being synchronised by another worker until {until.astimezone(UTC):%H:%M} UTC"
        with pytest.raises(Busy, match=f"^{told}$") as busy:
            sync(connection)
        assert busy.value.until == until
    assert provider.of(PATH) == []
    assert due() == [connection]
    with leased(connection):
        assert due() == []
    sync(connection)


def test_many_at_once_pull_it_once(serve: Callable[[Scenario], FakeProvider]) -> None:
    provider = serve(generate(midnight(), days=2, series=2))
    connection = connect(provider, days=2)
    barrier, busy, failures = threading.Barrier(4), [], []

    def work() -> None:
        try:
            barrier.wait()
            sync(Connection.objects.get(pk=connection.pk))
        except Busy as error:
            busy.append(error)
        except BaseException as error:  # noqa: BLE001  shown by the assertion
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert tokens("openai") == expected(provider)
    assert set(states()) == {"done"}
    windows = [(run.stream, run.window_start) for run in IngestRun.objects.all()]
    assert len(busy) == 3 or len(set(windows)) < len(windows), "whoever was not busy came after the first had finished"


def test_whoever_was_overtaken_commits_nothing_more(serve: Callable[[Scenario], FakeProvider]) -> None:
    """The lease passes while the first page is on its way; another takes over; the first one wakes."""
    provider = serve(generate(midnight(), days=2, series=2))
    connection = connect(provider, days=2)

    class Asleep:
        done = False

        def __call__(self, text: str) -> None:
            if self.done:
                return
            self.done = True
            Connection.objects.update(lease_until=Now() - timedelta(seconds=1))
            with leased(Connection.objects.get()):  # the other worker's
                pass

    with pytest.raises(LeaseLost):
        sync(connection, progress=Asleep())
    assert tokens("openai") == {}
    assert covered(connection, stream_of("openai", "completions").name) == []
    assert "running" not in states()
    assert sync(connection).errors == {}
    assert tokens("openai") == expected(provider)


def test_a_run_that_was_taken_over_before_its_commit_leaves_nothing(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = serve(generate(midnight(), days=2, series=2))
    connection = connect(provider, days=2)
    advance, calls = runs.advance, []

    def taken(run: IngestRun, *args: Any, **given: Any) -> None:
        if not calls:
            calls.append(1)
            other = threading.Thread(target=take_over)  # on a connection of its own, as another worker
            other.start()
            other.join()
        advance(run, *args, **given)

    def take_over() -> None:
        Connection.objects.update(lease_until=Now() - timedelta(seconds=1))
        with leased(Connection.objects.get()):
            pass
        database.close()

    monkeypatch.setattr(runs, "advance", taken)
    with pytest.raises(LeaseLost):
        sync(connection)
    assert tokens("openai") == {}
    assert states() == ["failed"]
    assert sync(connection).errors == {}
    assert tokens("openai") == expected(provider)


def test_waiting_for_a_slow_provider_keeps_the_lease_and_the_run(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = serve(Scenario([one(midnight() - DAY)], [Fault("status", PATH, 1, status=429, retry_after=890)]))
    connection = connect(provider, days=2)
    seen: list[tuple[bool, bool]] = []

    def pause(_: float) -> None:  # both nearly pass during each pause
        seen.append((Connection.objects.filter(lease_until__gt=Now() + timedelta(seconds=250)).exists(),
                     IngestRun.objects.filter(lease_until__gt=Now() + timedelta(seconds=250)).exists()))  # fmt: skip
        Connection.objects.update(lease_until=Now() + timedelta(seconds=5))
        IngestRun.objects.update(lease_until=Now() + timedelta(seconds=5))
        runs.reap()

    from types import SimpleNamespace

    from ingest import connections

    monkeypatch.setattr(connections, "time", SimpleNamespace(sleep=pause))
    assert sync(connection).errors == {}
    assert len(seen) >= 15
    assert set(seen) == {(True, True)}
    assert tokens("openai") == expected(provider)


@pytest.mark.parametrize("part", ["row", "pages"])
def test_a_bug_of_a_source_fails_its_runs_names_the_place_and_rests_like_any_failure(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    provider = serve(Scenario([one(midnight() - DAY)]))
    connection = connect(provider, days=2)

    def broken(*_: Any) -> Any:
        raise TypeError("a bug")

    monkeypatch.setattr(type(get_source("openai")), part, broken)
    outcome = sync(connection)
    place = {"row": "/organization/usage/completions page 1 /data/.*", "pages": "usage.completions"}[part]
    (reason,) = outcome.errors.values()
    assert re.fullmatch(f"the source openai failed at {place}: TypeError: a bug", reason)
    assert [run.reason for run in IngestRun.objects.all()] == [reason]
    assert (states(), due()) == (["failed"], [])
    connection.refresh_from_db()
    assert (connection.failures, connection.lease_until) == (1, None)
    assert connection.last_error.endswith(reason)


def test_an_error_of_our_own_rests_like_any_other_and_is_raised(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = serve(Scenario([one(midnight() - DAY)]))
    connection = connect(provider, days=2)

    def broken(*_: Any) -> Any:
        raise KeyError("a bug")

    monkeypatch.setattr(coverage, "extend", broken)
    with pytest.raises(KeyError):
        sync(connection)
    connection.refresh_from_db()
    assert (connection.failures, connection.last_error, connection.lease_until) == (1, "sync: KeyError", None)
    assert states() == ["failed"]
    assert due() == []


def test_a_failure_rests_longer_each_time_and_is_audited_once(serve: Callable[[Scenario], FakeProvider]) -> None:
    provider = serve(Scenario([], [Fault("status", PATH, 1, ALWAYS, status=401)]))
    connection = connect(provider, days=2)
    rests = []
    for _ in range(12):
        sync(connection)
        connection.refresh_from_db()
        assert connection.next_due_at is not None
        rests.append(round((connection.next_due_at - runs.database_now()).total_seconds() / 60))
    assert rests[:4] == [1, 2, 4, 8]
    assert rests[-1] == 360
    assert AuditEvent.objects.filter(action="connection.failed").count() == 1


@pytest.mark.parametrize("status", [200, 401])
def test_what_is_asked_for_while_it_is_pulled_is_due_at_once_afterwards(
    serve: Callable[[Scenario], FakeProvider], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    faults = [] if status == 200 else [Fault("status", PATH, 1, ALWAYS, status=status)]
    connection = connect(serve(Scenario([one(midnight() - DAY)], faults)), days=2)
    assert due() == [connection]
    plan = syncing._plan

    def asked_meanwhile(*given: Any) -> Any:
        assert Connection.objects.get().next_due_at is not None, "what was asked for before is being done"
        edit(connection, by=None, every=timedelta(hours=7))
        return plan(*given)

    monkeypatch.setattr(syncing, "_plan", asked_meanwhile)
    sync(connection)
    connection.refresh_from_db()
    assert (connection.next_due_at, connection.failures) == (None, int(status != 200))
    assert due() == [connection]
    monkeypatch.undo()
    sync(connection)
    assert due() == []


def test_a_disabled_or_pushed_connection_is_never_due(serve: Callable[[Scenario], FakeProvider]) -> None:
    provider = serve(Scenario([]))
    connection = connect(provider, days=2)
    Connection.objects.update(enabled=False)
    assert due() == []
    Connection.objects.update(enabled=True, way=Connection.Way.PUSH)
    assert due() == []
    Connection.objects.update(way=Connection.Way.PULL, fence=uuid.uuid4(), lease_until=Now() + timedelta(minutes=1))
    assert due() == []
    Connection.objects.update(lease_until=Now() - timedelta(minutes=1))
    assert due() == [connection], "its worker has died"


def test_what_a_dead_worker_left_open_is_ended_by_the_next(serve: Callable[[Scenario], FakeProvider]) -> None:
    provider = serve(Scenario([one(midnight() - DAY)]))
    connection = connect(provider, days=2)
    left = runs.start(
        source="openai", account="default", input_name="x", observed_at=None, connection=connection, stream="s"
    )
    assert sync(connection).errors == {}
    left.refresh_from_db()
    assert (left.state, left.reason) == ("failed", "its worker died")
