"""Connections with what pages show of them, written row by row; nothing is pulled."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection as database
from django.utils import timezone

from ingest.models import Connection, IngestRun

PAYLOAD = "<img src=x onerror=alert(1)>"  # where a name may hold anything


def connected(name: str, kind: str = "openai", *, days: int = 10, **values: Any) -> Connection:
    """A connection that begins ``days`` ago."""
    begins = (timezone.now() - timedelta(days=days)).date()
    given = {"every": timedelta(hours=1), "begins_on": begins, "base_url": "https://api.example.com", **values}
    return Connection.objects.create(name=name, kind=kind, **given)


def cover(item: Connection, streams: Sequence[str], *spans: tuple[datetime, datetime]) -> None:
    """What complete answers to it cover of these streams: a run of each that brought nothing new, and the account's."""
    for stream in streams:
        for low, high in spans:
            given = {"stream": stream, "window_start": low, "window_end": high}
            ran(item, observed_at=max(high, timezone.now()), **given)
    text = "{" + ",".join(f"[{low.isoformat()},{high.isoformat()})" for low, high in spans) + "}"
    with database.cursor() as cursor:
        for stream in streams:
            cursor.execute(
                "INSERT INTO ingest_coverage (source, account, part, stream, covered, observed_at) "
                "VALUES (%s, %s, '', %s, %s::tstzmultirange, now())",
                [item.kind, item.account, stream, text],
            )


def ran(item: Connection | None, *, state: str = "done", kind: str = "openai", **values: Any) -> IngestRun:
    """A run, of a connection or of a file."""
    now = timezone.now()
    source = {"source": item.kind, "account": item.account} if item else {"source": kind, "account": "default"}
    given = {
        "input_name": "usage.jsonl", "observed_at": now, "heartbeat_at": now, "lease_until": now, "fence": uuid.uuid4(),
        "finished_at": None if state == "running" else now, "connection": item, **source, **values,
    }  # fmt: skip
    return IngestRun.objects.create(state=state, **given)


def midnight(days_ago: int) -> datetime:
    """The beginning of a day in UTC."""
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)
