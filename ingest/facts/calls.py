"""Statement that reads the calls of a day as arrays: what the distribution of cost per query is computed from."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from finops.copying import copy
from ingest.facts.derive import REQUESTS

Ints = np.ndarray[Any, np.dtype[np.int64]]
_HEADER = 21  # bytes of a binary COPY before the fields of its first row


def calls_of_day(day: date, classes: Sequence[str], *, part: int = 0, parts: int = 1) -> dict[str, Ints]:
    """Arrays with one value per fact of a day: ``query`` (0 where ``traced`` is 0), ``cell``, ``rule``, ``queries``, classes.

    ``cell``: usage_key_id << 16 | rate_slot_id. ``queries``: how many begin with it. ``part`` of ``parts``: whole queries,
    so that a large day need not be in memory at once.
    """
    columns = [
        "coalesce(query_id, 0)", "(usage_key_id::bigint << 32) | (rate_slot_id::bigint << 16) | tier_rule::bigint",
        f"(CASE WHEN begins THEN {REQUESTS} ELSE 0 END::bigint << 1) | (query_id IS NOT NULL)::int::bigint",
        *(f"coalesce({name}, 0)::bigint" for name in classes),
    ]  # fmt: skip
    some = ""
    if parts > 1:
        number = "coalesce(query_id, (extract(epoch FROM occurred_at) * 1000000)::bigint)"
        some = f" AND abs({number} % {int(parts)}) = {int(part)}"
    query, place, begins, *tokens = arrays(columns, f"charge_date = '{day:%Y-%m-%d}'{some}")
    return {
        "query": query, "traced": begins & 1, "cell": place >> 16, "rule": place & 0xFFFF, "queries": begins >> 1,
        **dict(zip(classes, tokens, strict=True)),
    }  # fmt: skip


def arrays(columns: Sequence[str], where: str) -> list[Ints]:
    """One array of 64-bit integers for each expression over facts, of the facts that the condition names, in one order."""
    # One row of a long string per column: a row per fact would cost the client twice what it costs the server.
    strings = ", ".join(f"string_agg(int8send({value}), '')" for value in columns)
    with copy(f"COPY (SELECT {strings} FROM usage_event WHERE {where}) TO STDOUT (FORMAT binary)") as running:
        data = b"".join(bytes(piece) for piece in running)
    found, at = [], _HEADER
    for _ in columns:
        size = max(int.from_bytes(data[at : at + 4], signed=True), 0)  # no facts: NULL, whose size is -1
        found.append(np.frombuffer(data, ">i8", size // 8, at + 4).astype(np.int64))
        at += 4 + size
    return found
