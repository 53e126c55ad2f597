"""Statement that reads the hours of a day: when its usage lay, for whoever watches what is spent now."""

from datetime import date
from typing import Any

from finops.tokens import TOKEN_CLASSES
from ingest.facts.statement import rows

HOUR_COLUMNS = ("usage_key_id", "rate_slot_id", "tier_rule", "hour", "bucketed", "requests")


def usage_of_hours(day: date) -> list[tuple[Any, ...]]:
    """HOUR_COLUMNS and TOKEN_CLASSES of one charge date: one scan of the day's facts, summed by usage key, slot, rule, hour.

    ``hour``: its begin in seconds since 1970; ``bucketed``: whether any is a provider's bucket.
    """
    sums = ", ".join(f"sum({name})" for name in TOKEN_CLASSES)
    return rows(
        "SELECT usage_key_id, rate_slot_id, tier_rule, floor(extract(epoch FROM occurred_at) / 3600)::bigint * 3600, "
        f"bool_or(requests IS NOT NULL), sum(coalesce(requests, 1)), {sums} FROM usage_event WHERE charge_date = %s "
        "GROUP BY 1, 2, 3, 4",
        [day],
    )
