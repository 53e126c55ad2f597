"""What pages read: allocated cost and counts of one day by their dimensions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from allocation.calc.assign import Parts, parts, share_counts
from allocation.calc.rules import Rule

MONEY = pa.decimal128(30, 12)
NOT_USED = ("Unused", "Idle", "Expired", "Shortfall")  # what was paid for and nobody used
_KEY = (
    "cost_centre", "team", "provider", "model", "tier", "tier_estimated", "environment", "feature", "provenance",
    "billing_currency", "basis", "corrects_date",
)  # fmt: skip
_COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost", "unpriced_estimate")
_COUNTS = ("requests", "queries", "tokens", "unpriced_tokens", "bill_priced_tokens")
COST_DAILY_COLUMNS = (*_KEY, *_COSTS, *_COUNTS)


def cost_daily(
    charge: pa.Table,
    bearers: Parts,
    shared: Mapping[str, Any],
    counts: Sequence[tuple[Any, ...]],
    assignment: Mapping[int, Rule | None],
    dimensions: Mapping[int, Mapping[str, Any]],
) -> pa.Table:
    """COST_DAILY_COLUMNS of one day.

    In: columns of the charges; who bears them (``bearers``, with the ``shared`` columns); counts rows (usage key, tier,
    tier_estimated, requests, queries) of the cube. Requests and queries of a usage key stand in the currency its charges
    are in. Usage without a price is in no cost column: its tokens and estimate are columns of their own, and apart from
    them the tokens whose money a bill states (BilledCost is known).
    """
    rows = charge.take(pa.array(bearers.row)).combine_chunks()
    is_tokens = pc.equal(rows["consumed_unit"], "tokens")
    tokens = pc.if_else(is_tokens, pc.round(pc.fill_null(shared["consumed_quantity"], 0)).cast(pa.int64()), 0)
    costless = pc.is_null(shared["effective_cost"])
    unpriced = pc.and_(costless, pc.is_null(shared["billed_cost"]))
    zero, none = pa.scalar(0, MONEY), pa.repeat(pa.scalar(0), len(rows))
    money = pa.table(
        {
            "cost_centre": bearers.cost_centre, "team": bearers.team, **_dimensions(rows["usage_key_id"], dimensions),
            **{name: rows[name] for name in ("tier", "tier_estimated", "provenance", "billing_currency", "corrects_date")},
            "basis": _basis(rows), **{name: pc.fill_null(shared[name], zero) for name in _COSTS[:4]},
            "unpriced_estimate": pc.if_else(unpriced, pc.fill_null(shared["proxy_cost"], zero), zero),
            "requests": none, "queries": none, "tokens": tokens, "unpriced_tokens": pc.if_else(unpriced, tokens, 0),
            "bill_priced_tokens": pc.if_else(pc.and_not(costless, unpriced), tokens, 0),
        }
    ).select(_SCHEMA.names).cast(_SCHEMA) if len(rows) else _SCHEMA.empty_table()  # fmt: skip
    currency = dict(zip(charge["usage_key_id"].to_pylist(), charge["billing_currency"].to_pylist(), strict=True))
    both = pa.concat_tables([money, _counts(counts, assignment, dimensions, currency)])
    grouped = both.group_by(list(_KEY)).aggregate([(name, "sum") for name in (*_COSTS, *_COUNTS)])
    columns = [grouped[name] for name in _KEY] + [grouped[f"{name}_sum"].cast(MONEY) for name in _COSTS]
    columns += [grouped[f"{name}_sum"] for name in _COUNTS]
    table = pa.Table.from_arrays(columns, names=list(COST_DAILY_COLUMNS))
    return table.sort_by([(name, "ascending") for name in _KEY])


_SCHEMA = pa.schema(
    [
        *((name, {"tier_estimated": pa.bool_(), "corrects_date": pa.date32()}.get(name, pa.string())) for name in _KEY),
        *((name, MONEY) for name in _COSTS), *((name, pa.int64()) for name in _COUNTS),
    ]
)  # fmt: skip


def _basis(rows: pa.Table) -> Any:
    """On what ground somebody bears a charge of their own; people alone allocate by hand (allocation.costing.adjustments)."""
    grounds = pc.make_struct(
        pc.is_valid(rows["corrects_date"]), pc.equal(rows["provenance"], "allocated"),
        pc.is_in(rows["commitment_status"], pa.array(NOT_USED)),
    )  # fmt: skip
    return pc.case_when(grounds, "correction", "adjustment", "idle", "direct")


def _dimensions(key_ids: Any, dimensions: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    codes = (key_ids.combine_chunks() if isinstance(key_ids, pa.ChunkedArray) else key_ids).dictionary_encode()
    found = [dimensions[key] for key in codes.dictionary.to_pylist()]
    of_key = {
        "provider": [item["provider"] for item in found],
        "model": [item["model_served"] or item["model_requested"] for item in found],
        "environment": [item["environment"] for item in found],
        "feature": [item["feature"] for item in found],
    }
    return {name: pa.array(values, pa.string()).take(codes.indices) for name, values in of_key.items()}


def _counts(
    counts: Sequence[tuple[Any, ...]],
    assignment: Mapping[int, Rule | None],
    dimensions: Mapping[int, Mapping[str, Any]],
    currency: Mapping[int, str],
) -> pa.Table:
    if not counts:
        return _SCHEMA.empty_table()
    keys, tier, estimated, requests, queries = zip(*counts, strict=True)
    bearers = parts(keys, assignment)
    at = [keys[row] for row in bearers.row]
    size = len(at)
    return pa.table(
        {
            "cost_centre": bearers.cost_centre, "team": bearers.team, **_dimensions(pa.array(at, pa.int64()), dimensions),
            "tier": [tier[row] for row in bearers.row], "tier_estimated": [estimated[row] for row in bearers.row],
            "provenance": ["computed"] * size, "billing_currency": [currency.get(key, "USD") for key in at],
            "basis": ["direct"] * size, "corrects_date": [None] * size,
            **{name: pa.repeat(pa.scalar(0, MONEY), size) for name in _COSTS},
            "requests": share_counts(requests, bearers), "queries": share_counts(queries, bearers),
            **{name: np.zeros(size, dtype=np.int64) for name in _COUNTS[2:]},
        },
        schema=_SCHEMA,
    )  # fmt: skip
