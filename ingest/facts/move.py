"""Statements for facts whose day changed: the same event on another date."""

from collections.abc import Sequence
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
    if count > _FEW:
        return rows(
            "SELECT e.event_id, e.charge_date, e.run_id, o.charge_date, o.run_id FROM usage_event e "
            "JOIN usage_event o ON o.event_id = e.event_id AND o.charge_date <> e.charge_date "
            "WHERE e.run_id = %s AND e.charge_date BETWEEN %s AND %s AND o.run_id <> %s AND o.charge_date BETWEEN %s AND %s",
            [run_id, *days, run_id, *near],
        )
    mine = {
        row[0]: row[1]
        for row in rows(
            "SELECT event_id, charge_date FROM usage_event WHERE charge_date BETWEEN %s AND %s AND run_id = %s",
            [*days, run_id],
        )
    }
    found = []
    for (day,) in rows("SELECT charge_date FROM ingest_factday WHERE charge_date BETWEEN %s AND %s", near):
        for event, run in rows(
            "SELECT event_id, run_id FROM usage_event WHERE charge_date = %s AND event_id = ANY(%s)",
            [day, sorted(mine)],
        ):
            if run != run_id and day != mine[event]:
                found.append((event, mine[event], run_id, day, run))
    return found


def retire(places: Sequence[tuple[date, UUID]]) -> list[tuple[Any, ...]]:
    """Move facts to the history and take them and their units away; returns (charge_date, usage_key_id, query_id)."""
    days, events = [day for day, _ in places], [event for _, event in places]
    chosen = (
        "USING unnest(%s::date[], %s::uuid[]) t (charge_date, event_id) "
        "WHERE e.charge_date = t.charge_date AND e.event_id = t.event_id"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM usage_event_unit e {chosen}", [days, events])
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
