"""The product's side of a test with the fake provider: connect it, and what the ledger then holds."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection as database

from finops.tokens import TOKEN_CLASSES
from ingest import connections, coverage
from ingest.connections import Settings
from ingest.coverage import Place
from ingest.http import HttpClient, Limits
from ingest.models import Connection, IngestRun
from ingest.pull import Stream, Window
from ingest.sources import get_source
from tests.fake_provider.server import FakeProvider

IMPATIENT = Limits(connect=2.0, read=0.4, write=2.0, pool=2.0, request=2.0, patience=1_500.0, body=4 * 1024 * 1024)


def midnight() -> datetime:
    """When today began; asked anew by every test, as a suite may run over it."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def connect(provider: FakeProvider, kind: str = "openai", *, days: int = 30, **given: Any) -> Connection:
    """A connection that begins so many days ago."""
    secret = provider.scenario.key if kind != "langfuse" else f"public:{provider.scenario.key}"
    begins_on = (midnight() - timedelta(days=days)).date()
    prefix = "/v1" if get_source(kind).default_url.endswith("/v1") else ""
    settings = Settings(
        name=given.pop("name", "fake"), kind=kind, base_url=provider.url + prefix, begins_on=begins_on, **given
    )
    return connections.connect(settings, secret=secret, by=None)


def only(monkeypatch: pytest.MonkeyPatch, kind: str, *words: str, re_read: timedelta | None = None) -> None:
    """Let a kind pull only the streams whose name holds one of the words; ``re_read``: so far back every time."""
    source = type(get_source(kind))
    pulled = source.streams

    def streams(self: Any, options: dict[str, Any]) -> Sequence[Stream]:
        found = [stream for stream in pulled(self, options) if any(word in stream.name for word in words)]
        return found if re_read is None else [stream._replace(re_read=re_read) for stream in found]

    monkeypatch.setattr(source, "streams", streams)


def stream_of(kind: str, word: str) -> Stream:
    """The stream of a kind whose name holds the word."""
    return next(stream for stream in get_source(kind).streams({}) if word in stream.name)


def impatient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Clients give up soon, and pauses are noted instead of made; returns the pauses."""
    pauses: list[float] = []
    monkeypatch.setattr(connections, "time", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr(
        connections, "HttpClient", lambda url, headers, **given: HttpClient(url, headers, limits=IMPATIENT, **given)
    )
    return pauses


def tokens(kind: str) -> dict[tuple[date, str], int]:
    """(day, class) -> the sum of the facts, requests included; sums of zero are left out."""
    sums = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in TOKEN_CLASSES)
    with database.cursor() as cursor:
        cursor.execute(
            f"SELECT charge_date, sum(coalesce(requests, 1))::bigint, {sums} FROM usage_event e "
            "JOIN ingest_usagekey k ON k.id = e.usage_key_id WHERE k.source = %s GROUP BY 1",
            [kind],
        )
        rows = cursor.fetchall()
    return {
        (row[0], name): amount
        for row in rows
        for name, amount in zip(("requests", *TOKEN_CLASSES), row[1:], strict=True)
        if amount
    }


def billed(kind: str) -> dict[date, Decimal]:
    """Day -> the sum of the billed lines."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT charge_date, sum(billed_cost) FROM billed_line l JOIN ingest_usagekey k ON k.id = l.usage_key_id "
            "WHERE k.source = %s GROUP BY 1 HAVING sum(billed_cost) <> 0",
            [kind],
        )
        return dict(cursor.fetchall())


def covered(connection: Connection, stream: str) -> list[Window]:
    """What is covered of a stream."""
    return coverage.spans(Place(connection.kind, connection.account, "", stream))


def gaps(connection: Connection, stream: Stream) -> list[Window]:
    """What is not covered from the connection's beginning to midnight today."""
    begin = datetime.combine(connection.begins_on, datetime.min.time(), UTC)
    return coverage.missing(covered(connection, stream.name), begin, midnight())


def states() -> list[str]:
    """The states of all runs, in their order."""
    return list(IngestRun.objects.order_by("pk").values_list("state", flat=True))
