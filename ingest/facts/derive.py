"""Statements that read facts for what is derived from them: dirty marks, sums, costs of queries."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from finops.tokens import TOKEN_CLASSES
from ingest.facts.statement import rows
from ingest.models import RATE_ANEW

REQUESTS = "coalesce(requests, 1)"


def dirty_days() -> list[date]:
    """Days with dirty slices, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT charge_date FROM ingest_dirtyslice ORDER BY 1")
        return [row[0] for row in cursor.fetchall()]


def is_rated_anew_alone() -> bool:
    """Whether of all dirty slices the facts are as they were when they were last derived: prices changed, or terms."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT every(usage_key_id = %s) FROM ingest_dirtyslice", [RATE_ANEW])
        return bool(cursor.fetchone()[0])


def take_dirty_keys(day: date) -> set[int]:
    """Delete the marks of a day that are committed now, and return their usage keys (0 stands for all).

    Must precede the read of the facts in the same transaction: marks that come later stay.
    """
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_dirtyslice WHERE charge_date = %s RETURNING usage_key_id", [day])
        return {row[0] for row in cursor.fetchall()}


_SUMMED = ("saved_tokens", "reported_cost", *TOKEN_CLASSES)
SUM_COLUMNS = ("charge_date", "key_id", "tier_rule", "slot_id", "events", "requests", "queries", "failed", *_SUMMED)


def sums_of_day(day: date, key_ids: Sequence[int] | None) -> list[tuple[Any, ...]]:
    """The facts of one day (of these usage keys; None: all) summed by key, tier rule and slot: SUM_COLUMNS."""
    if key_ids is not None and not key_ids:
        return []
    some = "" if key_ids is None else "AND usage_key_id = ANY(%s)"
    sums = ", ".join(f"sum({name})" for name in _SUMMED)
    return rows(
        f"SELECT charge_date, usage_key_id, tier_rule, rate_slot_id, count(*), sum({REQUESTS}), "
        f"coalesce(sum({REQUESTS}) FILTER (WHERE begins), 0), coalesce(sum(failed), 0), {sums} FROM usage_event "
        f"WHERE charge_date = %s {some} GROUP BY 1, 2, 3, 4",
        [day] if key_ids is None else [day, list(key_ids)],
    )


def unit_sums_of_day(day: date, key_ids: Sequence[int] | None) -> list[tuple[Any, ...]]:
    """Non-token usage of one day: (charge_date, usage_key_id, tier_rule, rate_slot_id, unit, quantity)."""
    if key_ids is not None and not key_ids:
        return []
    some = "" if key_ids is None else "AND e.usage_key_id = ANY(%s)"
    return rows(
        "SELECT e.charge_date, e.usage_key_id, e.tier_rule, e.rate_slot_id, u.unit, sum(u.quantity) "
        "FROM usage_event_unit u JOIN usage_event e ON e.charge_date = u.charge_date AND e.event_id = u.event_id "
        f"WHERE u.charge_date = %s AND e.charge_date = %s {some} GROUP BY 1, 2, 3, 4, 5",
        [day, day] if key_ids is None else [day, day, list(key_ids)],
    )


def lines_of_day(day: date) -> list[tuple[Any, ...]]:
    """The billed lines of one day that may be charged: BILLED_COLUMNS, in the order of their ids."""
    return rows(
        f"SELECT {', '.join(BILLED_COLUMNS)} FROM billed_line WHERE charge_date = %s AND kind_of_cost <> 'notional' "
        "ORDER BY line_id",
        [day],
    )


BILLED_COLUMNS = (
    "usage_key_id", "billing_period", "scope", "charge_category", "charge_class", "description", "sku_id", "price_class",
    "consumed_quantity", "consumed_unit", "list_cost", "contracted_cost", "effective_cost", "billed_cost",
    "billing_currency", "commitment_status", "commitment_id",
)  # fmt: skip


def hours_of_day(day: date, key_ids: Sequence[int], matched: str) -> list[tuple[Any, ...]]:
    """HOUR_COLUMNS, TOKEN_CLASSES: facts of these keys summed by key, tier rule, slot, hour and whether an id matched them.

    ``matched``: name of a temporary table (event_id) of the calls that two layers know by the same id.
    """
    sums = ", ".join(f"sum(e.{name})" for name in TOKEN_CLASSES)
    return rows(
        f"SELECT {_HOUR}, sum(coalesce(e.requests, 1)), {sums} FROM usage_event e LEFT JOIN {matched} m "
        "ON m.event_id = e.event_id WHERE e.charge_date = %s AND e.usage_key_id = ANY(%s) GROUP BY 1, 2, 3, 4, 5",
        [day, list(key_ids)],
    )


def unit_hours_of_day(day: date, key_ids: Sequence[int], matched: str) -> list[tuple[Any, ...]]:
    """As ``hours_of_day`` for usage that is not tokens: the five key columns, unit, quantity."""
    return rows(
        f"SELECT {_HOUR}, u.unit, sum(u.quantity) FROM usage_event_unit u JOIN usage_event e "
        f"ON e.charge_date = u.charge_date AND e.event_id = u.event_id LEFT JOIN {matched} m ON m.event_id = e.event_id "
        "WHERE u.charge_date = %s AND e.charge_date = %s AND e.usage_key_id = ANY(%s) GROUP BY 1, 2, 3, 4, 5, 6",
        [day, day, list(key_ids)],
    )


_HOUR = (
    "e.usage_key_id, e.tier_rule, e.rate_slot_id, floor(extract(epoch FROM e.occurred_at) / 3600)::bigint, "
    "m.event_id IS NOT NULL"
)


def requests_around(day: date, reach: timedelta) -> list[tuple[Any, ...]]:
    """(charge_date, event_id, layer, request_id, occurred_at) of calls of which the provider's own id is known.

    All of the day; of the days before and after only what lies within ``reach`` of it.
    """
    start, end = (datetime.combine(day + timedelta(days=n), time(), UTC) for n in (0, 1))
    days = [day + timedelta(days=n) for n in (-1, 0, 1)]
    return rows(
        "SELECT e.charge_date, e.event_id, k.layer, r.request_id, e.occurred_at FROM event_request r "
        "JOIN usage_event e ON e.charge_date = r.charge_date AND e.event_id = r.event_id "
        "JOIN ingest_usagekey k ON k.id = e.usage_key_id WHERE r.charge_date = ANY(%s) AND e.charge_date = ANY(%s) "
        "AND (e.charge_date = %s OR e.occurred_at BETWEEN %s AND %s) ORDER BY 1, 2",
        [days, days, day, start - reach, end + reach],
    )


def gateway_accounts(days: Sequence[date]) -> list[tuple[str, str]]:
    """(source, account) under which the gateways' facts of these days have their ids."""
    found = rows(
        "SELECT DISTINCT k.source, a.account FROM (SELECT DISTINCT usage_key_id, run_id FROM usage_event "
        "WHERE charge_date = ANY(%s)) e JOIN ingest_usagekey k ON k.id = e.usage_key_id AND k.layer = 'gateway' "
        "JOIN ingest_ingestrun r ON r.id = e.run_id CROSS JOIN LATERAL (VALUES (r.account), (k.billing_account)) a (account) "
        "ORDER BY 1, 2",
        [list(days)],
    )
    return [(source, account) for source, account in found]


def gateway_facts(days: Sequence[date], event_ids: Sequence[UUID]) -> dict[UUID, date]:
    """Which of these ids are facts of a gateway on these days, and on which."""
    found = rows(
        "SELECT e.event_id, e.charge_date FROM unnest(%s::uuid[]) t (event_id) JOIN usage_event e USING (event_id) "
        "JOIN ingest_usagekey k ON k.id = e.usage_key_id WHERE e.charge_date = ANY(%s) AND k.layer = 'gateway'",
        [list(event_ids), list(days)],
    )
    return dict(found)
