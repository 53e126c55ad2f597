"""Statements that write facts: partitions, COPY, restatement, tiers, dirty marks."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from psycopg import errors

from finops.copying import copy
from finops.tokens import ALL_INPUT_CLASSES, TOKEN_CLASSES
from ingest.calc.copyrows import Column, encode
from ingest.facts.statement import rows
from ingest.models import FACT_COLUMNS

Ints = np.ndarray[Any, np.dtype[np.int64]]

PARTITIONED = ("usage_event", "usage_event_unit", "event_request", "billed_line")
_DERIVED = {"run_id", "tier_rule", "begins", "rate_slot_id"}
_KEY = ("charge_date", "event_id")
_CONTENT = tuple(name for name in FACT_COLUMNS if name not in _DERIVED and name not in _KEY)
_LIST = ", ".join(FACT_COLUMNS)
_DAY_LOCK = 0x46414354  # "FACT"
_PARTITION_LOCK = 0x50415254  # "PART"
_EPOCH = date(1970, 1, 1).toordinal()
# The run says when its input was observed: that on each fact would cost 4 to 8 bytes.
_NEWER = "(sr.observed_at, s.run_id) > (er.observed_at, e.run_id)"
_OLDER = "(sr.observed_at, s.run_id) < (er.observed_at, e.run_id)"
_DIFFERS = f"({', '.join(f'e.{c}' for c in _CONTENT)}) IS DISTINCT FROM ({', '.join(f's.{c}' for c in _CONTENT)})"

# What the classifier sees of an event; the order is that of `trace_events`.
FEATURE_COLUMNS = (
    "query_id", "charge_date", "event_id", "occurred_at", "usage_key_id", "requests", "agent", "tool_calls", "flags",
    "tier_rule", "begins", *TOKEN_CLASSES,
)  # fmt: skip


class Written(NamedTuple):
    """Positions in the batch of facts that are new and of facts that replaced an older version."""

    inserted: Ints
    changed: Ints
    conflicts: Ints  # of facts that this same run has said otherwise before


def prepare_days(days: Sequence[date]) -> None:
    """Make the partitions and day rows of these dates, committed on their own: a batch never creates anything."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT charge_date FROM ingest_factday WHERE charge_date = ANY(%s)", [list(days)])
        missing = sorted(set(days) - {row[0] for row in cursor.fetchall()})
        if not missing:
            return
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_PARTITION_LOCK])
        for first in sorted({day.replace(day=1) for day in missing}):
            following = (first + timedelta(days=32)).replace(day=1)
            for table in PARTITIONED:
                cursor.execute(
                    f"CREATE TABLE IF NOT EXISTS {table}_{first:%Y_%m} PARTITION OF {table} "
                    f"FOR VALUES FROM ('{first}') TO ('{following}')"
                )
        cursor.execute(
            "INSERT INTO ingest_factday SELECT * FROM unnest(%s::date[]) ORDER BY 1 ON CONFLICT DO NOTHING", [missing]
        )


def lock_days(days: Sequence[date], look_back: int) -> None:
    """Serialise writers whose traces may meet: one transaction-level lock per day within the look-back, ascending."""
    near = sorted({day + timedelta(days=n) for day in days for n in range(-look_back, look_back + 1)})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, n) FROM unnest(%s::int[]) n",
            [_DAY_LOCK, [day.toordinal() for day in near]],
        )


def known_queries(query_ids: Ints, days: Sequence[date], look_back: int) -> Ints:
    """Those of the (distinct) queries that already have an event within the look-back of the given days."""
    first, last = min(days) - timedelta(days=look_back), max(days) + timedelta(days=look_back)
    found, wanted = set[int](), _array(query_ids)
    with connection.cursor() as cursor:
        cursor.execute("SELECT charge_date FROM ingest_factday WHERE charge_date BETWEEN %s AND %s", [first, last])
        for (day,) in cursor.fetchall():
            # One probe of the index per query: over the month, and in one that was never analysed, the planner scans facts.
            cursor.execute(
                "SELECT q FROM unnest(%s::bigint[]) t (q), "
                "LATERAL (SELECT FROM usage_event WHERE charge_date = %s AND query_id = q LIMIT 1) known",
                [wanted, day],
            )
            found.update(row[0] for row in cursor.fetchall())
    return np.array(sorted(found), dtype=np.int64)


def trace_events(query_ids: Ints, days: Sequence[date], look_back: int) -> list[tuple[Any, ...]]:
    """All events (FEATURE_COLUMNS) of the queries around the days, widened until no trace reaches further."""
    first, last = min(days) - timedelta(days=look_back), max(days) + timedelta(days=look_back)
    while True:
        found = rows(
            f"SELECT {', '.join(FEATURE_COLUMNS)} FROM usage_event "
            "WHERE charge_date BETWEEN %s AND %s AND query_id = ANY(%s::bigint[])",
            [first, last, _array(query_ids)],
        )
        reach = [row[1] for row in found]
        if not reach:
            return []
        wider = (min(reach) - timedelta(days=look_back), max(reach) + timedelta(days=look_back))
        if wider[0] >= first and wider[1] <= last:
            return found
        first, last = min(first, wider[0]), max(last, wider[1])


def _array(numbers: Ints) -> str:
    """A bigint[] as text: ten times as fast as adapting a list of thousands."""
    return "{" + ",".join(map(str, numbers.tolist())) + "}"


def copy_direct(columns: dict[str, Column], count: int) -> bool:
    """COPY straight into the facts under a savepoint. False, with nothing written, if any of them is known already."""
    try:
        with transaction.atomic():
            _copy("usage_event", columns, count)
    except _Known:
        return False
    return True


class _Known(Exception):
    pass


def _copy(table: str, columns: dict[str, Column], count: int) -> None:
    data = encode([columns[name] for name in FACT_COLUMNS], count)
    try:
        with copy(f"COPY {table} ({_LIST}) FROM STDIN (FORMAT binary)") as running:
            running.write(data)
    except errors.UniqueViolation as violation:
        raise _Known from violation


def copy_staged(columns: dict[str, Column], count: int) -> Written:
    """Stage, insert what is new, then replace what a later statement changes and keep the older version in history.

    Two statements on purpose: one combined statement loses restatements under concurrency (its snapshot sees neither
    the row a concurrent insert committed nor inserts it).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE IF NOT EXISTS stage (LIKE usage_event) ON COMMIT DELETE ROWS;"
            "CREATE TEMP TABLE IF NOT EXISTS stage_new (charge_date date, event_id uuid) ON COMMIT DELETE ROWS"
        )
        _copy("stage", columns, count)
        cursor.execute(
            f"WITH added AS (INSERT INTO usage_event ({_LIST}) SELECT {_LIST} FROM stage "
            "ON CONFLICT (charge_date, event_id) DO NOTHING RETURNING charge_date, event_id) "
            "INSERT INTO stage_new SELECT charge_date, event_id FROM added"
        )
        inserted, none = cursor.rowcount, np.array([], dtype=np.int64)
        if inserted == count:
            return Written(np.arange(count), none, none)
        first, last = (date.fromordinal(int(day) + _EPOCH) for day in columns["charge_date"].values[[0, -1]])
        changed, conflicts = _restate(cursor, first, last)
        cursor.execute("SELECT charge_date, event_id FROM stage_new")
        new = _places(cursor)
    days = (columns["charge_date"].values + _EPOCH).tolist()
    places = list(zip(days, (value.tobytes() for value in columns["event_id"].values), strict=True))
    return Written(*(np.flatnonzero([place in group for place in places]) for group in (new, changed, conflicts)))


def _places(cursor: Any) -> set[tuple[int, bytes]]:
    """(day, event id) of the rows that a statement returned."""
    return {(day.toordinal(), event.bytes) for day, event in cursor.fetchall()}


def _restate(cursor: Any, first: date, last: date) -> tuple[set[tuple[int, bytes]], set[tuple[int, bytes]]]:
    """Compare staged rows with the facts they met; returns the ids that were replaced and those in conflict.

    The days are said again as bounds, because a join alone prunes no partition.
    """
    days = f"e.charge_date BETWEEN '{first}' AND '{last}'"
    known = (
        "FROM stage s JOIN usage_event e ON e.charge_date = s.charge_date AND e.event_id = s.event_id "
        "JOIN ingest_ingestrun sr ON sr.id = s.run_id JOIN ingest_ingestrun er ON er.id = e.run_id "
        "LEFT JOIN stage_new n ON n.charge_date = s.charge_date AND n.event_id = s.event_id "
        f"WHERE n.event_id IS NULL AND {days} AND {_DIFFERS}"
    )
    older, newer = (", ".join(f"{side}.{name}" for name in FACT_COLUMNS) for side in ("e", "s"))
    cursor.execute(f"SELECT s.charge_date, s.event_id {known} AND s.run_id = e.run_id")
    conflicts = _places(cursor)
    for superseded, condition in ((older, _NEWER), (newer, _OLDER)):
        cursor.execute(
            f"INSERT INTO usage_event_history ({_LIST}) SELECT {superseded} {known} AND {condition} ON CONFLICT DO NOTHING"
        )
    settled = ", ".join(f"{name} = s.{name}" for name in FACT_COLUMNS if name not in _KEY)
    joined = (
        "FROM stage s, ingest_ingestrun sr, ingest_ingestrun er "
        f"WHERE sr.id = s.run_id AND er.id = e.run_id AND e.charge_date = s.charge_date AND e.event_id = s.event_id AND {days}"
    )
    # Rows inserted just now meet their own staged row, which neither differs nor is newer.
    cursor.execute(
        f"UPDATE usage_event e SET {settled} {joined} AND {_DIFFERS} AND {_NEWER} RETURNING e.charge_date, e.event_id"
    )
    changed = _places(cursor)
    # Said again later and unchanged: it is that run's statement now, so that a version in between that comes late loses.
    cursor.execute(f"UPDATE usage_event e SET run_id = s.run_id {joined} AND {_NEWER}")
    return changed, conflicts


def former_slices() -> list[tuple[Any, ...]]:
    """(charge_date, usage_key_id) under which the staged facts of this transaction stood before they were replaced."""
    return rows(
        "SELECT DISTINCT h.charge_date, h.usage_key_id FROM stage s JOIN usage_event_history h "
        "ON h.charge_date = s.charge_date AND h.event_id = s.event_id"
    )


def write_units(units: Sequence[tuple[date, UUID, int, Any]], replaced: Sequence[tuple[date, UUID]]) -> None:
    """Write the non-token usage (charge_date, event_id, unit, quantity) of facts stored; that of replaced ones goes."""
    with connection.cursor() as cursor:
        if replaced:
            cursor.execute(
                "DELETE FROM usage_event_unit u USING unnest(%s::date[], %s::uuid[]) t (charge_date, event_id) "
                "WHERE u.charge_date = t.charge_date AND u.event_id = t.event_id",
                [[day for day, _ in replaced], [event for _, event in replaced]],
            )
        if units:
            ordered = sorted(units, key=lambda row: (row[0], row[1].bytes, row[2]))
            cursor.executemany("INSERT INTO usage_event_unit VALUES (%s, %s, %s, %s)", ordered)


def update_tiers(events: Sequence[tuple[date, Any, int, bool | None]]) -> None:
    """Set (charge_date, event_id, tier_rule, begins) of events whose query has changed its kind or its beginning."""
    if not events:
        return
    ordered = sorted(events, key=lambda row: (row[0], row[1].bytes))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE usage_event e SET tier_rule = t.tier_rule, begins = t.begins "
            "FROM unnest(%s::date[], %s::uuid[], %s::smallint[], %s::bool[]) t (charge_date, event_id, tier_rule, begins) "
            "WHERE e.charge_date = t.charge_date AND e.event_id = t.event_id AND e.charge_date BETWEEN %s AND %s",
            [*map(list, zip(*ordered, strict=True)), ordered[0][0], ordered[-1][0]],
        )


def write_requests(values: Sequence[tuple[date, UUID, str]]) -> None:
    """Remember the provider's own ids of calls; a later statement replaces an earlier one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event_request (charge_date, event_id, request_id) "
            "SELECT * FROM unnest(%s::date[], %s::uuid[], %s::text[]) t ORDER BY 1, 2 "
            "ON CONFLICT (charge_date, event_id) DO UPDATE SET request_id = excluded.request_id",
            [list(column) for column in zip(*values, strict=True)],
        )


def slot_events(day: date, key_ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """Of one day and these keys: (event_id, usage_key_id, occurred_at, requests, rate_slot_id, ALL_INPUT_CLASSES)."""
    classes = ", ".join(f"coalesce({name}, 0)" for name in ALL_INPUT_CLASSES)
    return rows(
        f"SELECT event_id, usage_key_id, occurred_at, coalesce(requests, 1), rate_slot_id, {classes} FROM usage_event "
        "WHERE charge_date = %s AND usage_key_id = ANY(%s) ORDER BY event_id",
        [day, list(key_ids)],
    )


def update_slots(day: date, events: Sequence[tuple[UUID, int]]) -> None:
    """Move events of one day to other rate slots: (event_id, rate_slot_id), in the order of the ids."""
    if not events:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE usage_event e SET rate_slot_id = t.slot FROM unnest(%s::uuid[], %s::smallint[]) t (event_id, slot) "
            "WHERE e.charge_date = %s AND e.event_id = t.event_id",
            [*map(list, zip(*events, strict=True)), day],
        )


def mark_dirty(slices: Sequence[tuple[date, int]]) -> None:
    """Mark slices in the transaction of their facts."""
    if not slices:
        return
    days, keys = zip(*sorted(set(slices)), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ingest_dirtyslice (charge_date, usage_key_id, at) "
            "SELECT d, k, now() FROM unnest(%s::date[], %s::int[]) t (d, k)",
            [list(days), list(keys)],
        )
