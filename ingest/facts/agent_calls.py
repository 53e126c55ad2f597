"""Statement that reads the calls of traced queries as arrays: what tasks of agents are made of."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from django.db import connection

from finops.copying import copy
from finops.tokens import TOKEN_CLASSES
from ingest.facts.statement import rows

Ints = np.ndarray[Any, np.dtype[np.int64]]
UNKNOWN = 1 << 40  # no 32-bit hash
_HEADER = 21  # bytes of a binary COPY before the fields of its first row


def traced_calls(
    day: date, classes: Sequence[str], *, queries: Ints | None = None, part: int = 0, parts: int = 1
) -> dict[str, Ints]:
    """Arrays with one value per single call of a day that has a trace: ``query``, ``occurred_at`` (us since 1970), ``call``
    (64 bits of its id), ``agent``, ``caller`` (UNKNOWN: not said), ``cell``, ``rule``, ``begins``, ``failed``, classes.

    ``cell``: usage_key_id << 16 | rate_slot_id. ``queries``: these alone. ``part`` of ``parts``: whole queries, so that a
    large day need not be in memory at once.
    """
    columns = [
        "int8send(query_id)", "int8send((extract(epoch FROM occurred_at) * 1000000)::bigint)", "uuid_send(event_id)",
        "int8send(coalesce(agent, 0)::bigint)", f"int8send(coalesce(caller, {UNKNOWN})::bigint)",
        "int8send((usage_key_id::bigint << 16) | rate_slot_id::bigint)",
        "int8send((tier_rule::bigint << 2) | (coalesce(begins, false)::int << 1) | (coalesce(failed, 0) > 0)::int)",
        *(f"int8send(coalesce({name}, 0)::bigint)" for name in classes),
    ]  # fmt: skip
    some = "" if parts == 1 else f" AND abs(query_id % {int(parts)}) = {int(part)}"
    if queries is not None:
        some += f" AND query_id = ANY('{{{','.join(map(str, queries.tolist()))}}}'::bigint[])"
    strings = ", ".join(f"string_agg({value}, '')" for value in columns)  # one row: see calls_of_day
    facts = f"usage_event WHERE charge_date = '{day:%Y-%m-%d}' AND query_id IS NOT NULL AND requests IS NULL{some}"
    with copy(f"COPY (SELECT {strings} FROM {facts}) TO STDOUT (FORMAT binary)") as running:
        data = b"".join(bytes(piece) for piece in running)
    found, at = [], _HEADER
    for _ in columns:
        size = max(int.from_bytes(data[at : at + 4], signed=True), 0)  # no calls: NULL, whose size is -1
        found.append(np.frombuffer(data, ">i8", size // 8, at + 4).astype(np.int64))
        at += 4 + size
    query, occurred, ids, agent, caller, cell, marks, *tokens = found
    return {
        "query": query, "occurred_at": occurred, "call": ids[::2], "agent": agent, "caller": caller, "cell": cell,
        "rule": marks >> 2, "begins": marks >> 1 & 1, "failed": marks & 1, **dict(zip(classes, tokens, strict=True)),
    }  # fmt: skip


def days_of_queries(queries: Sequence[int], days: Sequence[date]) -> dict[int, date]:
    """Of these queries that have a call on one of the days: the first such day; one probe of the index per day."""
    found: dict[int, date] = {}
    wanted = "{" + ",".join(map(str, sorted(set(queries)))) + "}"
    with connection.cursor() as cursor:
        for day in sorted(days):
            cursor.execute(
                "SELECT DISTINCT query_id FROM usage_event WHERE charge_date = %s AND query_id = ANY(%s::bigint[])",
                [day, wanted],
            )
            for (query,) in cursor.fetchall():
                found.setdefault(query, day)
    return found


def tokens_of_queries(first: date, last: date, queries: Sequence[int]) -> list[tuple[Any, ...]]:
    """(query_id, charge_date, usage_key_id, rate_slot_id, calls, TOKEN_CLASSES) of the single calls of these queries."""
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in TOKEN_CLASSES)
    return rows(
        f"SELECT query_id, charge_date, usage_key_id, rate_slot_id, count(*), {sums} FROM usage_event "
        "WHERE charge_date BETWEEN %s AND %s AND query_id = ANY(%s::bigint[]) AND requests IS NULL GROUP BY 1, 2, 3, 4",
        [first, last, list(queries)],
    )
