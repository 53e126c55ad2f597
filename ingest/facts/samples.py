"""Statement that reads single calls of whole queries: of a sample of them, or of some that are named."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from finops.tokens import TOKEN_CLASSES
from ingest.facts.calls import Ints, arrays

MOST_APART = 1 << 16  # `every` at most: two bytes of an event's id tell queries of one call apart


def single_calls(day: date, *, every: int = 1, queries: Sequence[int] | None = None) -> dict[str, Ints]:
    """Arrays with one value per call of a day; buckets of many calls are left out, as nobody knows their single ones.

    ``query`` (0 where ``traced`` is 0), ``key`` and ``slot`` (its cell), ``rule``, ``begins``, ``at`` (us since 1970),
    ``tool_calls``, TOKEN_CLASSES. ``every``: a power of two; of so many queries one, the same on every day. ``queries``: only
    calls of these.
    """
    if every < 1 or every > MOST_APART or every & (every - 1):
        raise ValueError(f"every is {every}; give a power of two up to {MOST_APART}")
    columns = [
        "coalesce(query_id, 0)", "(usage_key_id::bigint << 32) | (rate_slot_id::bigint << 16) | tier_rule::bigint",
        "(coalesce(tool_calls, 0)::bigint << 2) | (coalesce(begins, false)::int::bigint << 1) | (query_id IS NOT NULL)::int",
        "(extract(epoch FROM occurred_at) * 1000000)::bigint",
        *(f"coalesce({name}, 0)::bigint" for name in TOKEN_CLASSES),
    ]  # fmt: skip
    where = f"charge_date = '{day:%Y-%m-%d}' AND requests IS NULL"
    if every > 1:  # both are hashes; a time of day has hardly any low bits of its own
        number = (
            "coalesce(query_id, (get_byte(uuid_send(event_id), 14) << 8 | get_byte(uuid_send(event_id), 15))::bigint)"
        )
        where += f" AND {number} & {every - 1} = 0"
    if queries is not None:
        where += f" AND query_id = ANY('{{{','.join(str(int(query)) for query in queries)}}}'::bigint[])"
    query, place, marks, at, *tokens = arrays(columns, where)
    return {
        "query": query, "traced": marks & 1, "key": place >> 32, "slot": place >> 16 & 0xFFFF, "rule": place & 0xFFFF,
        "begins": marks >> 1 & 1, "tool_calls": marks >> 2, "at": at,
        **{name: np.asarray(values) for name, values in zip(TOKEN_CLASSES, tokens, strict=True)},
    }  # fmt: skip
