"""Statement that reads what a classifier sees of the facts of a day, as arrays: to judge them again by another policy."""

from datetime import date

from finops.tokens import TOKEN_CLASSES
from ingest.facts.calls import Ints, arrays
from ingest.facts.derive import REQUESTS

_HALF = "('x' || substr(replace(event_id::text, '-', ''), {start}, 16))::bit(64)::bigint"
_COLUMNS = {
    "query_id": "coalesce(query_id, 0)",
    "has_query": "(query_id IS NOT NULL)::int::bigint",
    "occurred_at": "(extract(epoch FROM occurred_at) * 1000000)::bigint",
    "event_high": _HALF.format(start=1),
    "event_low": _HALF.format(start=17),
    "usage_key_id": "usage_key_id::bigint",
    "rate_slot_id": "rate_slot_id::bigint",
    "tier_rule": "tier_rule::bigint",
    "requests": f"{REQUESTS}::bigint",
    "agent": "coalesce(agent, 0)::bigint",
    "tool_calls": "coalesce(tool_calls, 0)::bigint",
    "flags": "coalesce(flags, 0)::bigint",
    "begins": "coalesce(begins, false)::int::bigint",
    "reasoning_known": "(output_reasoning IS NOT NULL)::int::bigint",
    **{name: f"coalesce({name}, 0)::bigint" for name in TOKEN_CLASSES},
}


def features_of_day(day: date, *, part: int = 0, parts: int = 1) -> dict[str, Ints]:
    """One value per fact of a day: ids, ``event_high`` and ``event_low`` of its id, tier_rule, features, TOKEN_CLASSES.

    ``part`` of ``parts``: the events of a query are in one part, so that a large day need not be in memory at once.
    """
    some = ""
    if parts > 1:
        number = "coalesce(query_id, (extract(epoch FROM occurred_at) * 1000000)::bigint)"
        some = f" AND abs({number} % {int(parts)}) = {int(part)}"
    found = arrays(list(_COLUMNS.values()), f"charge_date = '{day:%Y-%m-%d}'{some}")
    return dict(zip(_COLUMNS, found, strict=True))
