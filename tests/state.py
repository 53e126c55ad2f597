"""The state of the ledger in natural keys, to compare databases: no ids, run numbers or times of observation."""

from typing import Any

from django.db import connection

from finops.tokens import TOKEN_CLASSES

_CLASSES = ", ".join(TOKEN_CLASSES)
_SLOT = "(s.context_over, s.window_start, s.window_end, s.segment_from, s.crossing)::text"
_QUERIES = {
    "facts": (
        "SELECT e.charge_date, e.event_id, e.occurred_at, k.key_hash, e.query_id, t.rule, t.condition, t.estimated, e.requests, "
        f"e.begins, e.failed, e.agent, e.tool_calls, e.saved_tokens, e.reported_cost, {_SLOT}, {_CLASSES} FROM usage_event e "
        "JOIN ingest_usagekey k ON k.id = e.usage_key_id JOIN ingest_rateslot s ON s.id = e.rate_slot_id "
        "JOIN allocation_tierrule t ON t.id = e.tier_rule ORDER BY 1, 2"
    ),
    "units": "SELECT * FROM usage_event_unit ORDER BY 1, 2, 3",
    "cube": (
        f"SELECT u.charge_date, k.key_hash, u.tier, u.tier_estimated, {_SLOT}, u.events, u.requests, u.queries, u.failed, "
        f"u.saved_tokens, u.reported_cost, {_CLASSES} FROM usage_daily u JOIN ingest_usagekey k ON k.id = u.usage_key_id "
        "JOIN ingest_rateslot s ON s.id = u.rate_slot_id ORDER BY 1, 2, 3, 4, 5"
    ),
    "ratings": (
        f"SELECT r.charge_date, k.key_hash, r.tier, r.tier_estimated, {_SLOT}, r.price_class, r.quantity, r.list_rate, "
        "r.list_cost, r.currency FROM rating r JOIN ingest_usagekey k ON k.id = r.usage_key_id "
        "JOIN ingest_rateslot s ON s.id = r.rate_slot_id ORDER BY 1, 2, 3, 4, 5, 6"
    ),
    "daily": (
        "SELECT d.charge_date, c.code, d.provider, d.model, d.tier, d.tier_estimated, d.environment, d.feature, "
        "d.effective_cost, d.requests, d.queries, d.tokens FROM cost_daily d "
        "LEFT JOIN allocation_costcentre c ON c.id = d.cost_centre_id ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"
    ),
    "queries": (
        "SELECT d.charge_date, c.code, d.provider, d.model, d.tier, d.environment, d.bin, d.queries, d.cost "
        "FROM query_cost_daily d LEFT JOIN allocation_costcentre c ON c.id = d.cost_centre_id ORDER BY 1, 2, 3, 4, 5, 6, 7"
    ),
}


def dump() -> dict[str, list[tuple[Any, ...]]]:
    """Facts, cube, ratings, daily cost and what queries cost."""
    found = {}
    with connection.cursor() as cursor:
        for name, sql in _QUERIES.items():
            cursor.execute(sql)
            found[name] = [
                tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
                for row in cursor.fetchall()
            ]
    return found
