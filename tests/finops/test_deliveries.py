"""A worker whose broker is away when it acknowledges, against the real one in PostgreSQL."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from django.db import connection
from kombu import Connection, Consumer, Queue

from finops import broker
from finops.deliveries import forget_what_cannot_be_acknowledged

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def link() -> Iterator[Any]:
    broker.install()
    options = broker.transport_options() | {"pool_size": 1}
    app = Celery("test", broker=broker.url(), broker_transport_options=options)
    forget_what_cannot_be_acknowledged(app)
    with app.connection_for_read() as opened:
        yield opened
    with connection.cursor() as cursor:
        cursor.execute("SELECT pgmq.drop_queue('deliveries')")


def received(link: Connection, taken: list[Any], seconds: float = 10) -> list[Any]:
    """The messages so far, after the next arrived or none did in time."""
    before, deadline = len(taken), time.monotonic() + seconds
    while len(taken) == before and time.monotonic() < deadline:
        try:
            link.drain_events(timeout=0.5)
        except TimeoutError:
            continue
    return taken


def cut() -> None:
    """End every session but ours: those of the broker's pool."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchall()


def test_a_message_that_could_not_be_acknowledged_does_not_use_up_the_limit(link: Any) -> None:
    taken: list[Any] = []
    queue = Queue("deliveries", routing_key="deliveries")
    with link.channel() as channel:
        consumer = Consumer(channel, [queue], callbacks=[lambda _, message: taken.append(message)], accept=["json"])
        producer = link.Producer(channel, routing_key="deliveries")
        for number in (1, 2):
            producer.publish({"number": number}, declare=[queue])
        consumer.qos(prefetch_count=1)
        with consumer:
            assert [message.payload["number"] for message in received(link, taken)] == [1]

            cut()
            with pytest.raises(link.connection_errors + link.channel_errors):
                taken[0].ack()

            assert [message.payload["number"] for message in received(link, taken)] == [1, 2]
            taken[1].ack()
