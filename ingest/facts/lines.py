"""Statements that write billed lines: staging, restatement, setting to zero what a complete answer no longer states."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection

from finops.copying import copy_rows
from ingest.models import LINE_COLUMNS

_LIST = ", ".join(LINE_COLUMNS)
_CONTENT = [name for name in LINE_COLUMNS if name not in ("charge_date", "line_id", "run_id")]
_NEWER = "(sr.observed_at, s.run_id) > (er.observed_at, e.run_id)"
_MET = (
    "billed_line e JOIN stage_line s USING (charge_date, line_id) JOIN ingest_ingestrun er ON er.id = e.run_id "
    "JOIN ingest_ingestrun sr ON sr.id = s.run_id"
)
_DIFFERS = f"({', '.join(f'e.{c}' for c in _CONTENT)}) IS DISTINCT FROM ({', '.join(f's.{c}' for c in _CONTENT)})"
_AMOUNTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost", "consumed_quantity")

Place = tuple[date, bytes]


class WrittenLines(NamedTuple):
    """Places of lines that are new, that replaced an older version, and that this run has said otherwise before."""

    inserted: set[Place]
    changed: set[Place]
    conflicts: set[Place]
    slices: list[tuple[date, int]]  # (charge_date, usage_key_id) that changed, also those that a line left


def store_lines(rows: Iterable[Sequence[Any]]) -> WrittenLines:
    """Write lines (LINE_COLUMNS): insert what is new, then replace what a later statement changes; history is kept.

    Two statements on purpose: see ``copy_staged``. Rows come in the order of (charge_date, line_id).
    """
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE IF NOT EXISTS stage_line (LIKE billed_line) ON COMMIT DELETE ROWS")
        cursor.execute("TRUNCATE stage_line")
        copy_rows("stage_line", LINE_COLUMNS, rows)
        cursor.execute(
            f"INSERT INTO billed_line ({_LIST}) SELECT {_LIST} FROM stage_line ORDER BY charge_date, line_id "
            "ON CONFLICT DO NOTHING RETURNING charge_date, line_id, usage_key_id"
        )
        new = cursor.fetchall()
        cursor.execute(
            f"SELECT e.charge_date, e.line_id FROM {_MET} WHERE e.run_id = s.run_id AND {_DIFFERS} ORDER BY 1, 2"
        )
        conflicts = _places(cursor.fetchall())
        older = f"e.run_id <> s.run_id AND {_NEWER}"
        cursor.execute(
            f"INSERT INTO billed_line_history ({_LIST}) SELECT {', '.join(f'e.{c}' for c in LINE_COLUMNS)} FROM {_MET} "
            f"WHERE {older} AND {_DIFFERS} ON CONFLICT DO NOTHING"
        )
        cursor.execute(  # an older statement that comes later is history at once
            f"INSERT INTO billed_line_history ({_LIST}) SELECT {', '.join(f's.{c}' for c in LINE_COLUMNS)} FROM {_MET} "
            f"WHERE (sr.observed_at, s.run_id) < (er.observed_at, e.run_id) AND {_DIFFERS} ON CONFLICT DO NOTHING"
        )
        cursor.execute(
            f"SELECT e.charge_date, e.line_id, e.usage_key_id, s.usage_key_id FROM {_MET} WHERE {older} AND {_DIFFERS}"
        )
        changed = cursor.fetchall()
        assigned = ", ".join(f"{name} = s.{name}" for name in ("run_id", *_CONTENT))
        cursor.execute(
            f"UPDATE billed_line e SET {assigned} FROM stage_line s, ingest_ingestrun er, ingest_ingestrun sr "
            "WHERE e.charge_date = s.charge_date AND e.line_id = s.line_id AND er.id = e.run_id AND sr.id = s.run_id "
            f"AND {older}"
        )
    slices = {(row[0], row[2]) for row in new} | {(row[0], key) for row in changed for key in row[2:]}
    return WrittenLines(_places(new), _places(changed), conflicts, sorted(slices))


def _places(rows: Iterable[Sequence[Any]]) -> set[Place]:
    return {(row[0], row[1].bytes) for row in rows}


class Vanishing(NamedTuple):
    """Where a complete answer speaks: what stood there before and is not stated any more has vanished."""

    source: str
    account: str  # of the run
    part: str | None  # billing account; None: all
    start: datetime
    end: datetime
    stream: str = ""  # whose pulls stated it; files state any


def zero_lines(
    run_id: int, place: Vanishing, *, its_periods: bool = False, kinds_of_cost: Sequence[str] = ()
) -> list[tuple[date, int]]:
    """Set to zero, with history, the lines that older runs stated there and this run did not; returns the slices.

    ``kinds_of_cost``: of the lines that the run's stream states; empty: all of the source's.
    ``its_periods``: only those of billing periods of which this run states lines; a correction of one month that is
    billed with the next stays when the first is delivered again.
    """
    chosen = (
        "e.period_start >= %s AND e.period_start < %s AND e.charge_date BETWEEN %s::date - 1 AND %s::date + 1 "
        "AND e.run_id = r.id AND r.source = %s AND r.account = %s "
        "AND r.stream IN ('', %s) AND k.id = e.usage_key_id AND k.source = r.source "
        "AND (%s::text IS NULL OR k.billing_account = %s) AND (%s::text[] = '{}' OR e.kind_of_cost = ANY(%s::text[])) "
        "AND m.id = %s AND (r.observed_at, r.id) < (m.observed_at, m.id) "
        f"AND num_nonnulls({', '.join(f'nullif(e.{name}, 0)' for name in _AMOUNTS)}) > 0"
    )
    values: list[Any] = [
        place.start, place.end, place.start, place.end, place.source, place.account, place.stream, place.part, place.part,
        list(kinds_of_cost), list(kinds_of_cost), run_id,
    ]  # fmt: skip
    if its_periods:
        chosen += (
            " AND e.billing_period IN (SELECT l.billing_period FROM billed_line l WHERE l.run_id = m.id "
            "AND l.charge_date BETWEEN %s::date - 1 AND %s::date + 1)"
        )
        values += [place.start, place.end]
    others = "ingest_ingestrun r, ingest_ingestrun m, ingest_usagekey k"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO billed_line_history ({_LIST}) SELECT {', '.join(f'e.{c}' for c in LINE_COLUMNS)} "
            f"FROM billed_line e, {others} WHERE {chosen} ON CONFLICT DO NOTHING",
            values,
        )
        zero = ", ".join(f"{name} = CASE WHEN e.{name} IS NULL THEN NULL ELSE 0 END" for name in _AMOUNTS)
        cursor.execute(
            f"UPDATE billed_line e SET {zero}, run_id = %s FROM {others} WHERE {chosen} "
            "RETURNING e.charge_date, e.usage_key_id",
            [run_id, *values],
        )
        return [(row[0], row[1]) for row in cursor.fetchall()]
