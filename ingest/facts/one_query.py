"""Statements that read the calls of one query: probes of the index by day and trace, never a scan."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.facts.statement import rows

_AT_ONCE = 31  # days of one statement: each names its partition and its part of the index
_UNIT_NAMES = {number: name for name, number in UNITS.items()}
_CALLS = (
    "SELECT charge_date, event_id, occurred_at, run_id, usage_key_id, rate_slot_id, tier_rule, coalesce(begins, false), "
    "coalesce(failed, 0) > 0, coalesce(agent, 0), coalesce(tool_calls, 0), "
    f"reported_cost, {', '.join(f'coalesce({name}, 0)' for name in TOKEN_CLASSES)} FROM usage_event "
    "WHERE charge_date = ANY(%s) AND query_id = %s ORDER BY occurred_at, event_id"
)
_BEGAN = (
    "SELECT query_id, max(charge_date) FROM usage_event WHERE charge_date = ANY(%s) AND query_id = ANY(%s::bigint[]) "
    "AND begins GROUP BY 1"
)


class Call(NamedTuple):
    """One call of a query. ``agent``: hash of its name, 0: none; ``tokens``: by class, those that are not zero."""

    charge_date: date
    event_id: UUID
    occurred_at: datetime
    run_id: int
    usage_key_id: int
    rate_slot_id: int
    tier_rule: int
    begins: bool
    failed: bool
    agent: int
    tool_calls: int
    reported_cost: Decimal | None
    tokens: dict[str, int]


_FIELDS = len(Call._fields) - 1  # before the tokens


def calls_of_query(query: int, days: Sequence[date]) -> list[Call]:
    """The calls of a query (hash of its trace) on these days, by time."""
    found = rows(_CALLS, [list(days), query])
    used = [{name: n for name, n in zip(TOKEN_CLASSES, row[_FIELDS:], strict=True) if n} for row in found]
    return [Call._make((*row[:_FIELDS], tokens)) for row, tokens in zip(found, used, strict=True)]


def began_on(queries: Sequence[int], days: Sequence[date]) -> dict[int, date]:
    """Of these queries that begin on one of the days: the last such day. The newest days are asked first."""
    newest, found = sorted(set(days), reverse=True), dict[int, date]()
    for start in range(0, len(newest), _AT_ONCE):
        missing = [query for query in queries if query not in found]
        if not missing:
            break
        found |= dict(rows(_BEGAN, [newest[start : start + _AT_ONCE], missing]))
    return found


def units_of_calls(days: Sequence[date], events: Sequence[UUID]) -> dict[tuple[UUID, str], Decimal]:
    """(event, unit) -> quantity of what single calls used beside tokens."""
    found = rows(
        "SELECT event_id, unit, quantity FROM usage_event_unit WHERE charge_date = ANY(%s) AND event_id = ANY(%s) "
        "ORDER BY 1, 2",
        [list(days), list(events)],
    )
    return {(event, _UNIT_NAMES[unit]): quantity for event, unit, quantity in found}
