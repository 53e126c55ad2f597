"""Lines that the price book can rate, from sums by usage key and slot."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from finops.tokens import TOKEN_CLASSES

_TEXT = (
    "provider",
    "model_served",
    "model_requested",
    "host",
    "region",
    "mode",
    "service_tier_served",
    "service_tier_requested",
)


def rating_lines(table: pa.Table, dimensions: Mapping[int, Mapping[str, Any]], slots: Mapping[int, Any]) -> pa.Table:
    """Add to sums (charge_date, key_id, slot_id, token classes, other columns kept) what their prices depend on.

    ``dimensions``: usage key id -> texts ('' counts as not known); ``slots``: slot id -> an object with context_over,
    window_start, window_end, crossing and segment_from (a datetime or None).
    """
    key_ids = np.asarray(table["key_id"].to_numpy())
    distinct, index = np.unique(key_ids, return_inverse=True)
    columns: dict[str, Any] = {"charge_date": table["charge_date"]}
    for name in _TEXT:
        values = pa.array([dimensions[int(key)][name] or None for key in distinct], pa.string())
        columns[name] = values.take(pa.array(index))
    numbers, place = np.unique(np.asarray(table["slot_id"].to_numpy()), return_inverse=True)
    for name in ("context_over", "window_start", "window_end", "crossing"):
        columns[name] = np.array([getattr(slots[int(n)], name) for n in numbers], dtype=np.int64)[place]
    starts = [slots[int(n)].segment_from for n in numbers]
    micros = [0 if at is None else round(at.timestamp() * 1e6) for at in starts]
    columns["segment_from"] = np.array(micros, dtype=np.int64)[place]
    for name in (*TOKEN_CLASSES, "requests", "unit", "quantity"):
        if name in table.column_names:
            columns[name] = table[name]
    return pa.table(columns)
