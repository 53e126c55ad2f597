"""Statements that read single facts to explain a difference: what is there twice, and in which hours usage lies."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from finops.tokens import TOKEN_CLASSES
from ingest.facts.statement import rows

_CLASSES = ", ".join(TOKEN_CLASSES)
_CALLS = (
    f"SELECT usage_key_id, rate_slot_id, occurred_at, {_CLASSES}, count(*) AS times FROM usage_event "
    "WHERE charge_date = %s AND usage_key_id = ANY(%s) AND requests IS NULL "
    f"GROUP BY usage_key_id, rate_slot_id, occurred_at, {_CLASSES}"
)  # requests NULL: a single call; equal buckets of a provider are no copies


def copies_of_day(day: date, key_ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """(usage_key_id, rate_slot_id, TOKEN_CLASSES) of calls beyond the first with equal key, instant and tokens."""
    sums = ", ".join(f"sum((times - 1) * {name})" for name in TOKEN_CLASSES)
    return rows(
        f"SELECT usage_key_id, rate_slot_id, {sums} FROM ({_CALLS} HAVING count(*) > 1) c GROUP BY 1, 2 ORDER BY 1, 2",
        [day, list(key_ids)],
    )


def usage_by_hour(day: date, key_ids: Sequence[int], zone: str) -> list[tuple[Any, ...]]:
    """(usage_key_id, rate_slot_id, hour of the day on the issuer's clock, TOKEN_CLASSES); copies count once."""
    single = ", ".join(f"sum({name})" for name in TOKEN_CLASSES)
    return rows(
        f"SELECT usage_key_id, rate_slot_id, extract(hour FROM occurred_at AT TIME ZONE %s)::int, {single} FROM ("
        f"SELECT usage_key_id, rate_slot_id, occurred_at, {_CLASSES} FROM ({_CALLS}) c UNION ALL "
        f"SELECT usage_key_id, rate_slot_id, occurred_at, {_CLASSES} FROM usage_event WHERE charge_date = %s "
        "AND usage_key_id = ANY(%s) AND requests IS NOT NULL) e GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        [zone, day, list(key_ids), day, list(key_ids)],
    )
