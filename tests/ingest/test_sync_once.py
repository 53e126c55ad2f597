"""What keeps a whole connection is met once and said once; what keeps one stream keeps no other."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from ingest import coverage, health_selectors
from ingest.connections import WrongConnection, remove, try_out
from ingest.models import Connection, IngestRun
from ingest.sources import get_source
from ingest.sync import sync, told
from tests.fake_provider import FakeProvider, Fault, Scenario
from tests.fake_provider.pulled import connect, impatient, midnight, states, tokens
from tests.fake_provider.scenario import ALWAYS
from tests.ingest.test_sync import DAY, one

pytestmark = pytest.mark.usefixtures("ledger")
STREAMS = [stream.name for stream in get_source("openai").streams({})]  # ten endpoints and the costs


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Callable[..., FakeProvider]]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    impatient(monkeypatch)
    running: list[FakeProvider] = []

    def start(*faults: Fault) -> FakeProvider:
        running.append(FakeProvider(Scenario([one(midnight() - DAY)], list(faults))))
        return running[-1].__enter__()

    yield start
    for provider in running:
        provider.__exit__()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def test_a_dead_host_is_tried_by_one_stream_and_named_with_its_port_and_the_remedy(serve: Any) -> None:
    connection, port = connect(serve(), days=3), closed_port()
    Connection.objects.update(base_url=f"http://127.0.0.1:{port}/v1")
    connection.refresh_from_db()
    outcome = sync(connection)
    remedy = "check the port, and that it runs; tried 5 times"
    reason = f"127.0.0.1:{port} cannot be reached: nothing listens at port {port}; {remedy}"
    assert outcome.errors == {"connection": reason}
    assert [run.reason for run in IngestRun.objects.all()] == [reason], "one run, of the stream that was tried"
    connection.refresh_from_db()
    assert connection.last_error == f"connection: {reason}"
    assert try_out(connection).said == reason.removesuffix("; tried 5 times")


def test_a_host_that_has_no_address_is_said_to_have_none(serve: Any) -> None:
    connection = connect(serve(), days=3)
    Connection.objects.update(base_url="https://nobody.invalid/v1")
    connection.refresh_from_db()
    outcome = sync(connection)
    assert list(outcome.errors) == ["connection"]
    said = "nobody.invalid:443 cannot be reached: the name has no address; check the spelling of the URL"
    assert outcome.errors["connection"].startswith(said)
    assert len(states()) == 1


def test_an_address_that_is_allowed_no_more_ends_the_sync_too(serve: Any, settings: Any) -> None:
    connection = connect(serve(), days=3)
    settings.ALLOWED_NETWORKS = []
    assert "FINOPS_ALLOWED_NETWORKS" in sync(connection).errors["connection"]
    assert len(states()) <= 1


def test_a_key_that_is_none_is_refused_once(serve: Any) -> None:
    provider = serve(Fault("status", "", 1, ALWAYS, status=401))
    outcome = sync(connect(provider, days=3))
    assert list(outcome.errors) == ["connection"]
    assert "401" in outcome.errors["connection"]
    assert (len(provider.of("")), states()) == (1, ["failed"])


def test_a_key_that_may_read_nothing_is_said_once(serve: Any) -> None:
    provider = serve(Fault("status", "", 1, ALWAYS, status=403))
    outcome = sync(connect(provider, days=3))
    assert list(outcome.errors) == ["connection"]
    assert outcome.errors["connection"].startswith(
        f"all {len(STREAMS)} streams: GET {provider.url[7:]}/v1/organization/"
    )
    assert len(provider.of("")) == len(STREAMS), "nor are names asked for"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_read_one_endpoint_reads_the_others(serve: Any, status: int) -> None:
    provider = serve(Fault("status", "organization/costs", 1, ALWAYS, status=status))
    outcome = sync(connect(provider, days=3))
    assert list(outcome.errors) == ["costs"]
    assert sum(tokens("openai").values()) == 111  # 100 in, 10 out, one request
    assert {run.stream for run in IngestRun.objects.filter(state="done")} == set(STREAMS) - {"costs"}


def test_one_reason_of_many_is_said_once() -> None:
    assert told({"a": "away", "b": "broken", "c": "away"}) == "a, c: away; b: broken"


def test_what_a_former_connection_of_the_account_delivered_is_neither_shown_nor_left_out(serve: Any) -> None:
    """The first pulls three days and is removed; the second, of another server, is asked for its own three days."""
    first, other = serve(), serve()
    former = connect(first, days=3)
    sync(former)
    with pytest.raises(WrongConnection, match="an account of its own, or remove fake"):
        connect(other, days=3, name="second")  # each would take what the other states for vanished
    remove(former, by=None)
    second = connect(other, days=3, name="second")
    [status] = health_selectors.statuses(timezone.now(), "second")
    assert (status.complete_days(), status.last_done_at, status.state) == ((0, 3), None, "never")
    assert set(status.streams) == set(STREAMS)
    assert sync(second).errors == {}
    assert len(other.of("usage/completions")) == len(first.of("usage/completions"))
    [status] = health_selectors.statuses(timezone.now(), "second")
    assert status.complete_days() == (3, 3)
    assert coverage.delivered(second.pk).keys() == {second.pk}
