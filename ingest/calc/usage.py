"""The usage table: what every source delivers, one row per provider call or bucket, and the checks all rows pass.

Columns are USAGE_SCHEMA's; token classes are disjoint (invariant 1). A row that breaks a rule is rejected with a reason
and its neighbours are kept; nothing is clamped.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finops.tokens import ALL_INPUT_CLASSES, MAX_TOKENS, TOKEN_CLASSES
from ingest.calc.reasons import Reject
from ingest.calc.tables import require_columns, table_of

UTC_TIME = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(30, 12)

# Dimensions of a usage key, in the order of the canonical tuple. NULL and '' are the same: not known.
DIMENSIONS = (
    "provider", "host", "billing_account", "project", "api_key", "principal", "model_requested", "model_served",
    "region", "mode", "service_tier_requested", "service_tier_served", "effort", "operation", "environment", "feature",
    "reported_currency", "tags",
)  # fmt: skip
UNITS_TYPE = pa.list_(pa.struct([("unit", pa.int16()), ("quantity", MONEY)]))
USAGE_SCHEMA = pa.schema(
    [
        ("record", pa.int64()),  # number of the record within its group, to find its place again
        ("native_id", pa.string()),
        ("account", pa.string()),  # NULL: the run's account
        ("occurred_at", UTC_TIME),
        ("charge_date", pa.date32()),  # on the issuer's clock; NULL: the UTC date
        ("trace", pa.string()),
        *((name, pa.string()) for name in DIMENSIONS),  # tags: canonical JSON, see identity.canonical_tags
        ("requests", pa.int64()),
        ("failed", pa.int64()),
        ("context", pa.int64()),  # a number inside the context band that a provider states for a bucket of calls
        ("request_id", pa.string()),  # the provider's own id of the call, by which layers are matched
        ("agent", pa.string()),
        ("caller", pa.string()),  # the agent that called this agent; '': nobody did, NULL: not known
        ("tool_calls", pa.int64()),
        ("flags", pa.int64()),
        ("router_label", pa.string()),  # what a router calls the query, e.g. SIMPLE; tier policies map it
        ("saved_tokens", pa.int64()),
        ("reported_cost", MONEY),
        *((name, pa.int64()) for name in TOKEN_CLASSES),
        ("units", UNITS_TYPE),
    ]
)
USAGE_COLUMNS = frozenset(USAGE_SCHEMA.names)
_DEFAULTS: dict[str, Any] = {"requests": 1, "mode": "sync", "reported_currency": "USD"}

NO_ID = "the source gives this record no native_id"
EARLIEST_US = 1_420_070_400_000_000  # 2015-01-01T00:00Z
MAX_REQUESTS = 2**31 - 1
_LIMITS = {"requests": MAX_REQUESTS, "failed": MAX_REQUESTS, "tool_calls": 2**15 - 1}


def usage_table(rows: int, columns: Mapping[str, Any]) -> pa.Table:
    """A table of USAGE_SCHEMA from the columns a source knows; the others get their default or NULL.

    A column is an array of ``rows`` values or one scalar for all rows. Raises WrongRows for a name that is no column.
    """
    require_columns(tuple(columns), USAGE_COLUMNS, "usage")
    arrays = []
    for field in USAGE_SCHEMA:
        value = columns.get(field.name, _DEFAULTS.get(field.name))
        if field.name == "record" and value is None:
            value = pa.array(np.arange(rows, dtype=np.int64))
        if isinstance(value, pa.Array | pa.ChunkedArray):
            array = value if value.type == field.type else value.cast(field.type)
            if field.name in _DEFAULTS:
                array = pc.fill_null(array, _DEFAULTS[field.name])
        elif value is None:
            array = pa.nulls(rows, field.type)
        else:
            array = pa.repeat(pa.scalar(value, field.type), rows)
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=USAGE_SCHEMA)


def usage_of_rows(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table of USAGE_SCHEMA from rows that name its columns; the others get their default or NULL. Raises WrongRows."""
    table = table_of(rows, USAGE_SCHEMA)
    return usage_table(len(table), dict(zip(table.column_names, table.columns, strict=True)))


def ints(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """An integer column as numpy int64, NULL as 0."""
    column = table[name]
    if column.null_count:
        column = pc.fill_null(column, 0)
    return np.asarray(column.to_numpy())


def context_tokens(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Input tokens of each row over all input classes: what a context band of a price looks at."""
    total = np.zeros(len(table), dtype=np.int64)
    for name in ALL_INPUT_CLASSES:
        if table[name].null_count < len(table):
            total += ints(table, name)
    return total


def check(table: pa.Table, *, latest_us: int) -> tuple[pa.Table, list[Reject]]:
    """Split a usage table into rows that may be stored and rejects. ``latest_us``: now + 5 minutes, in us since 1970.

    The first rule that a row breaks names its reason. Rows with 0 requests are allowed (a provider's empty bucket).
    """
    rows = len(table)
    reason = np.zeros(rows, dtype=np.int8)
    details: list[tuple[str, str]] = [("", "")]

    def mark(mask: np.ndarray[Any, np.dtype[np.bool_]], why: str, detail: str) -> None:
        hit = mask & (reason == 0)
        if hit.any():
            details.append((why, detail))
            reason[hit] = len(details) - 1

    mark(pc.equal(pc.fill_null(table["native_id"], ""), "").to_numpy(), "unknown_shape", NO_ID)
    time = table["occurred_at"]
    mark(pc.is_null(time).to_numpy(), "missing_time", "occurred_at")
    instant = pc.fill_null(time.cast(pa.int64()), EARLIEST_US).to_numpy()
    mark((instant < EARLIEST_US) | (instant > latest_us), "out_of_window", "before 2015 or in the future")
    no_model = pc.equal(pc.fill_null(pc.coalesce(table["model_served"], table["model_requested"]), ""), "").to_numpy()
    if no_model.any():
        mark(no_model & ~_has_units(table), "missing_model", "model")
    for name in ("requests", "failed", "tool_calls", "saved_tokens", *TOKEN_CLASSES):
        if table[name].null_count == rows:
            continue
        values = ints(table, name)
        if values.min(initial=0) < 0:
            mark(values < 0, "negative", name)
        limit = _LIMITS.get(name, MAX_TOKENS)
        if values.max(initial=0) > limit:
            mark(values > limit, "too_large", name)
    cost = table["reported_cost"]
    if cost.null_count < rows:
        mark(pc.fill_null(pc.less(cost, pa.scalar(0, MONEY)), False).to_numpy(), "negative", "reported_cost")
        bound = pa.scalar(10**12, pa.decimal128(30, 12))
        mark(pc.fill_null(pc.greater_equal(cost, bound), False).to_numpy(), "too_large", "reported_cost")
    if not reason.any():
        return table, []
    numbers = ints(table, "record")
    rejects = [Reject(int(numbers[row]), *details[reason[row]]) for row in np.flatnonzero(reason)]
    return table.filter(pa.array(reason == 0)), rejects


def _has_units(table: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray(pc.fill_null(pc.greater(pc.list_value_length(table["units"]), 0), False))
