"""Statements for facts whose day changed: the same event on another date."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from ingest.facts.statement import rows
from ingest.models import FACT_COLUMNS

_LIST = ", ".join(FACT_COLUMNS)
_FEW = 50_000


def other_days(run_id: int, days: tuple[date, date], reach: int, count: int) -> list[tuple[Any, ...]]:
    """Facts of a run that also stand on another day, as another run said.

    Returns (event_id, day, run, other day, other run), within ``reach`` days. Few facts are looked up by the index,
    many are joined.
    """
    near = [days[0] - timedelta(days=reach), days[1] + timedelta(days=reach)]
    if count <= _FEW:
        mine = {row[0]: row[1] for row in _of_days("run_id = %s", [*days, run_id])}
        met = [row for row in _beside(mine.items(), near, reach) if row[2] != run_id]
        return [(event, mine[event], run_id, day, run) for event, day, run in met]
    others = _of_days(f"run_id <> %s LIMIT {_FEW + 1}", [*near, run_id])
    if len(others) <= _FEW:
        at: dict[UUID, list[tuple[date, int]]] = {}
        for event, day, run in others:
            at.setdefault(event, []).append((day, run))
        met = [row for row in _beside((row[:2] for row in others), list(days), reach) if row[2] == run_id]
        return [(event, day, run_id, *other) for event, day, _ in met for other in at[event] if other[0] != day]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")  # two large sides: each is read once
        cursor.execute("SET LOCAL work_mem = '128MB'")
    return rows(
        "SELECT e.event_id, e.charge_date, e.run_id, o.charge_date, o.run_id FROM usage_event e "
        "JOIN usage_event o ON o.event_id = e.event_id AND o.charge_date <> e.charge_date "
        "WHERE e.run_id = %s AND e.charge_date BETWEEN %s AND %s AND o.run_id <> %s AND o.charge_date BETWEEN %s AND %s",
        [run_id, *days, run_id, *near],
    )


def _of_days(condition: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    """(event_id, charge_date, run_id) of the facts between two days that a condition holds for."""
    return rows(
        f"SELECT event_id, charge_date, run_id FROM usage_event WHERE charge_date BETWEEN %s AND %s AND {condition}",
        parameters,
    )


def _beside(places: Iterable[tuple[UUID, date]], days: list[date], reach: int) -> list[tuple[Any, ...]]:
    """(event_id, charge_date, run_id) of the same events on other days around theirs, by the index; each once."""
    on: dict[date, list[UUID]] = {}
    for event, day in places:
        on.setdefault(day, []).append(event)
    found = []
    for (day,) in rows("SELECT charge_date FROM ingest_factday WHERE charge_date BETWEEN %s AND %s", days):
        events = {event for n in range(-reach, reach + 1) if n for event in on.get(day + timedelta(days=n), ())}
        if events:
            found += rows(
                "SELECT event_id, charge_date, run_id FROM usage_event WHERE charge_date = %s AND event_id = ANY(%s)",
                [day, sorted(events)],
            )
    return found


def retire(places: Sequence[tuple[date, UUID]]) -> list[tuple[Any, ...]]:
    """Move facts to the history and take them and their units away; returns (charge_date, usage_key_id, query_id)."""
    days, events = [day for day, _ in places], [event for _, event in places]
    chosen = (
        "USING unnest(%s::date[], %s::uuid[]) t (charge_date, event_id) "
        "WHERE e.charge_date = t.charge_date AND e.event_id = t.event_id"
    )
    with connection.cursor() as cursor:
        for table in ("usage_event_unit", "event_request"):
            cursor.execute(f"DELETE FROM {table} e {chosen}", [days, events])
        listed = ", ".join(f"e.{name}" for name in FACT_COLUMNS)
        cursor.execute(f"DELETE FROM usage_event e {chosen} RETURNING {listed}", [days, events])
        gone = cursor.fetchall()
        cursor.executemany(
            f"INSERT INTO usage_event_history ({_LIST}) VALUES ({', '.join(['%s'] * len(FACT_COLUMNS))}) "
            "ON CONFLICT DO NOTHING",
            gone,
        )
    at = [FACT_COLUMNS.index(name) for name in ("charge_date", "usage_key_id", "query_id")]
    return [tuple(row[n] for n in at) for row in gone]
