"""Statements for buckets that a complete later answer of their provider no longer states."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection

from finops.tokens import TOKEN_CLASSES
from ingest.facts.lines import Vanishing
from ingest.models import FACT_COLUMNS

_LIST = ", ".join(FACT_COLUMNS)
_EMPTY = ("saved_tokens", "failed", "tool_calls", "reported_cost", *TOKEN_CLASSES)


def zero_buckets(run_id: int, place: Vanishing, operations: Sequence[str]) -> list[tuple[date, int]]:
    """Set to zero, with history, the buckets that older runs stated there and this run did not; returns the slices.

    ``operations``: those of the stream; empty: all of the source. The bucket stays as a row of zero requests, so that an
    older statement that comes later still loses against the run that no longer stated it.
    """
    chosen = (
        "e.occurred_at >= %s AND e.occurred_at < %s AND e.charge_date BETWEEN %s::date - 1 AND %s::date + 1 "
        "AND r.id = e.run_id AND r.source = %s AND r.account = %s "
        "AND r.stream IN ('', %s) AND k.id = e.usage_key_id AND k.source = r.source "
        "AND (%s::text IS NULL OR k.billing_account = %s) AND (%s::text[] = '{}' OR k.operation = ANY(%s::text[])) "
        "AND m.id = %s AND (r.observed_at, r.id) < (m.observed_at, m.id) "
        f"AND (e.requests IS DISTINCT FROM 0 OR num_nonnulls({', '.join(f'e.{name}' for name in _EMPTY)}) > 0 OR EXISTS "
        "(SELECT FROM usage_event_unit u WHERE u.charge_date = e.charge_date AND u.event_id = e.event_id))"
    )
    values: list[Any] = [
        place.start, place.end, place.start, place.end, place.source, place.account, place.stream, place.part, place.part,
        list(operations), list(operations), run_id,
    ]  # fmt: skip
    others = "ingest_ingestrun r, ingest_ingestrun m, ingest_usagekey k"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO usage_event_history ({_LIST}) SELECT {', '.join(f'e.{c}' for c in FACT_COLUMNS)} "
            f"FROM usage_event e, {others} WHERE {chosen} ON CONFLICT DO NOTHING",
            values,
        )
        if not cursor.rowcount:
            return []
        empty = ", ".join(f"{name} = NULL" for name in _EMPTY)
        cursor.execute(
            f"UPDATE usage_event e SET {empty}, requests = 0, run_id = %s FROM {others} WHERE {chosen} "
            "RETURNING e.charge_date, e.event_id, e.usage_key_id",
            [run_id, *values],
        )
        gone = cursor.fetchall()
        cursor.execute(
            "DELETE FROM usage_event_unit e USING unnest(%s::date[], %s::uuid[]) t (charge_date, event_id) "
            "WHERE e.charge_date = t.charge_date AND e.event_id = t.event_id",
            [[row[0] for row in gone], [row[1] for row in gone]],
        )
        return [(row[0], row[2]) for row in gone]
