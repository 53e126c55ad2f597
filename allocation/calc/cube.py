"""The cube: facts summed by date, usage key, tier and rate slot."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from finops.tokens import TOKEN_CLASSES

KEY = ("charge_date", "key_id", "tier", "tier_estimated", "slot_id")
COUNTS = ("events", "requests", "queries", "failed")
MONEY = pa.decimal128(30, 12)
CUBE_SCHEMA = pa.schema(
    [
        ("charge_date", pa.date32()), ("key_id", pa.int64()), ("tier", pa.string()), ("tier_estimated", pa.bool_()),
        ("slot_id", pa.int64()), *((name, pa.int64()) for name in COUNTS), ("saved_tokens", pa.int64()),
        ("reported_cost", MONEY), *((name, pa.int64()) for name in TOKEN_CLASSES),
    ]
)  # fmt: skip


def cube(sums: pa.Table, tier_of: Mapping[int, tuple[str, bool]]) -> pa.Table:
    """Sums by tier from sums by tier rule.

    In: sums[charge_date, key_id, tier_rule, slot_id, COUNTS, saved_tokens, reported_cost, TOKEN_CLASSES]. Out: CUBE_SCHEMA,
    sorted by its key. A class is NULL where no fact reports it. Raises KeyError for a tier rule that does not exist.
    """
    rules = sums["tier_rule"].to_pylist()
    table = sums.append_column("tier", pa.array([tier_of[rule][0] for rule in rules], pa.string()))
    return summed(table.append_column("tier_estimated", pa.array([tier_of[rule][1] for rule in rules], pa.bool_())))


def summed(rows: pa.Table) -> pa.Table:
    """Rows of CUBE_SCHEMA added up by the cube's key and sorted by it."""
    names = CUBE_SCHEMA.names[len(KEY) :]
    grouped = rows.group_by(list(KEY)).aggregate([(name, "sum") for name in names])
    columns: list[Any] = [grouped[name] for name in KEY] + [grouped[f"{name}_sum"] for name in names]
    typed = [column.cast(field.type) for column, field in zip(columns, CUBE_SCHEMA, strict=True)]
    return pa.Table.from_arrays(typed, schema=CUBE_SCHEMA).sort_by([(name, "ascending") for name in KEY])
