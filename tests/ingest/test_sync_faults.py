"""Every fault of a provider ends finished or failed within bounds; the cursor is right, and in the end so are the totals.

The totals are held against ``tests.fake_provider.recomputation``, which knows nothing of the product.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from ingest.models import Connection, IngestRun, Quarantine
from ingest.sync import sync
from tests.fake_provider import FakeProvider, Fault, Scenario, generate, recomputation
from tests.fake_provider.pulled import connect, gaps, impatient, midnight, only, states, stream_of, tokens
from tests.fake_provider.scenario import ALWAYS

pytestmark = pytest.mark.usefixtures("ledger")

PATH = "usage/completions"
DAYS = 3


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[float]:
    """Loopback may be connected to; only completions are pulled; nobody waits."""
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    only(monkeypatch, "openai", "completions")
    return impatient(monkeypatch)


@pytest.fixture
def serve(pauses: list[float]) -> "Iterator[Callable[..., FakeProvider]]":
    running: list[FakeProvider] = []

    def start(*faults: Fault, **given: Any) -> FakeProvider:
        made = generate(midnight(), days=DAYS, series=2, hours=6)
        scenario = Scenario(made.buckets, list(faults), **({"largest_page": 20} | given))
        running.append(FakeProvider(scenario))
        return running[-1].__enter__()

    yield start
    for provider in running:
        provider.__exit__()


def expected(provider: FakeProvider) -> dict[Any, int]:
    return recomputation.tokens(provider.scenario, "openai.completions", provider.tick)


def whole(connection: Connection) -> bool:
    return gaps(connection, stream_of("openai", "completions")) == []


def test_without_faults_everything_arrives_once_and_the_time_is_covered(
    serve: Callable[..., FakeProvider], pauses: list[float]
) -> None:
    provider = serve()
    connection = connect(provider, days=DAYS)
    outcome = sync(connection)
    assert (outcome.errors, pauses) == ({}, [])
    assert tokens("openai") == expected(provider)
    assert whole(connection)
    connection.refresh_from_db()
    assert (connection.failures, connection.last_error, connection.lease_until) == (0, "", None)


PASSING = {
    "429 with seconds": Fault("status", PATH, 2, status=429, retry_after=7),
    "429 with a date": Fault("status", PATH, 2, status=429, retry_after="date"),
    "429 that asks for a quarter of an hour": Fault("status", PATH, 2, status=429, retry_after=880),
    "500 once": Fault("status", PATH, 1, status=500),
    "502 four times": Fault("status", PATH, 2, 4, status=502),
    "connection reset": Fault("reset", PATH, 2),
    "reset three times": Fault("reset", PATH, 1, 3),
    "an answer that never comes": Fault("stall", PATH, 2),
    "fewer bytes than announced": Fault("broken", PATH, 3),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_is_sat_out(serve: Callable[..., FakeProvider], pauses: list[float], name: str) -> None:
    provider = serve(PASSING[name])
    connection = connect(provider, days=DAYS)
    assert sync(connection).errors == {}
    assert tokens("openai") == expected(provider)
    assert whole(connection)
    assert set(states()) == {"done"}
    if "seconds" in name:
        assert pauses == [7]
    if "date" in name:
        assert 0 < sum(pauses) <= 3
    if "quarter" in name:  # in breaths, between which the lease is renewed
        assert sum(pauses) == 880
        assert max(pauses) <= 60


STAYING = {
    "500 for ever": (Fault("status", PATH, 2, ALWAYS, status=500), "answered 500"),
    "429 for ever": (Fault("status", PATH, 1, ALWAYS, status=429, retry_after=1), "answered 429"),
    "reset for ever": (Fault("reset", PATH, 2, ALWAYS), "broke off"),
    "no answer, for ever": (Fault("stall", PATH, 2, ALWAYS), "did not answer in time"),
    "half a JSON": (Fault("cut", PATH, 2), "no JSON"),
    "HTML with 200": (Fault("html", PATH, 2), "not JSON"),
    "a body without end": (Fault("endless", PATH, 2), "more than|too long|in time"),
    "a page that leads to itself": (Fault("loop", PATH, 2, ALWAYS), "seen before"),
    "more, and not where": (Fault("no_cursor", PATH, 2), "not where"),
    "a key that is refused": (Fault("status", PATH, 1, ALWAYS, status=401), "401"),
    "a key without permission": (Fault("status", PATH, 1, ALWAYS, status=403), "403"),
    "400": (Fault("status", PATH, 2, ALWAYS, status=400), "400"),
    "the cursor expires every time": (Fault("status", PATH, 2, ALWAYS, status=410), "410"),
    "an error with 200": (Fault("status", PATH, 2, status=200, body='{"error": {"code": "x"}}'), "not a list of data"),
    "a list instead of a page": (Fault("status", PATH, 1, status=200, body="[]"), "not a list of data"),
    "a number too long to read": (Fault("status", PATH, 1, status=200, body="1" * 9_000), "no JSON|not a list"),
    "nested without end": (Fault("status", PATH, 1, status=200, body="[" * 200_000), "no JSON"),
    "NaN": (Fault("status", PATH, 1, status=200, body='{"data": NaN, "has_more": false}'), "no JSON|not a list"),
}


@pytest.mark.parametrize("name", STAYING)
def test_a_fault_that_stays_fails_within_bounds_moves_no_cursor_and_is_made_good_by_the_next_sync(
    serve: Callable[..., FakeProvider], name: str
) -> None:
    import re

    fault, reason = STAYING[name]
    provider = serve(fault)
    connection = connect(provider, days=DAYS)
    outcome = sync(connection)
    blamed = "connection" if "401" in reason else stream_of("openai", "completions").name
    assert list(outcome.errors) == [blamed]
    said = next(iter(outcome.errors.values()))
    assert re.search(reason, said), said
    assert provider.scenario.key not in said
    assert len(provider.of(PATH)) <= 12, "at most five tries of a page, and one fresh start"
    assert "running" not in states()
    assert not whole(connection), "what was not answered is a gap"
    connection.refresh_from_db()
    assert (connection.failures, connection.lease_until) == (1, None)
    assert connection.next_due_at is not None

    provider.scenario.faults.clear()
    assert sync(connection).errors == {}
    assert tokens("openai") == expected(provider)
    assert whole(connection)
    connection.refresh_from_db()
    assert connection.failures == 0


def test_an_expired_cursor_begins_the_window_anew(serve: Callable[..., FakeProvider]) -> None:
    provider = serve(Fault("status", PATH, 2, status=410))
    connection = connect(provider, days=DAYS)
    assert sync(connection).errors == {}
    assert tokens("openai") == expected(provider)
    assert states()[:2] == ["failed", "done"]
    first, second, third = provider.of(PATH)[:3]
    assert "page" in second.query
    assert third.query == first.query


def test_a_truncated_answer_deletes_nothing_although_it_states_less(serve: Callable[..., FakeProvider]) -> None:
    provider = serve()
    connection = connect(provider, days=DAYS)
    sync(connection)
    before = tokens("openai")
    kept = provider.scenario.buckets
    provider.scenario.buckets = [bucket for bucket in kept if bucket.start < midnight() - timedelta(days=1)]
    provider.scenario.faults.append(Fault("cut", PATH, len(provider.of(PATH)) and 1, ALWAYS))
    assert sync(connection).errors
    assert tokens("openai") == before
    provider.scenario.faults.clear()
    assert sync(connection).errors == {}
    assert tokens("openai") == expected(provider) != before, "a whole answer that states less takes away"
    provider.scenario.buckets = kept
    assert sync(connection).errors == {}
    assert tokens("openai") == before


def test_two_streams_are_pulled_each_for_itself(
    serve: Callable[..., FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    only(monkeypatch, "openai", "completions", "embeddings")
    impatient(monkeypatch)
    provider = serve(Fault("status", "embeddings", 1, ALWAYS, status=400))
    connection = connect(provider, days=DAYS)
    assert list(sync(connection).errors) == [stream_of("openai", "embeddings").name]
    assert tokens("openai") == expected(provider)
    assert whole(connection)
    connection.refresh_from_db()
    assert connection.next_due_at is not None
    assert connection.next_due_at - midnight() < timedelta(days=2)


# ---- changes of schema ----


def drifted(serve: Callable[..., FakeProvider], do: str) -> tuple[FakeProvider, Connection, Any]:
    provider = serve(Fault(do, PATH, 1, ALWAYS))
    connection = connect(provider, days=DAYS)
    return provider, connection, sync(connection)


@pytest.mark.parametrize("do", ["extra_field", "null_optional", "number_as_string", "new_tier", "new_model"])
def test_a_change_that_can_be_read_is_read_in_full(serve: Callable[..., FakeProvider], do: str) -> None:
    provider, connection, outcome = drifted(serve, do)
    assert outcome.errors == {}
    assert tokens("openai") == expected(provider)
    assert whole(connection)
    assert not Quarantine.objects.exists()


def test_a_field_that_nobody_knows_is_counted_and_shown(serve: Callable[..., FakeProvider]) -> None:
    provider, _, _ = drifted(serve, "extra_field")
    seen = sum(run.notes.get("unknown_fields", {}).get("carbon_grams", 0) for run in IngestRun.objects.all())
    assert seen == len(provider.scenario.of("openai.completions"))


def test_a_renamed_field_stops_the_source_and_leaves_the_cursor(serve: Callable[..., FakeProvider]) -> None:
    provider, connection, outcome = drifted(serve, "renamed")
    assert "rejected" in next(iter(outcome.errors.values()))
    assert tokens("openai") == {}
    assert states() == ["refused"]
    assert not whole(connection)
    provider.scenario.faults.clear()
    assert sync(connection).errors == {}
    assert tokens("openai") == expected(provider)
