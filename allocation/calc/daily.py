"""What pages read of one day: allocated cost by class of price, and allocated cost and counts by their dimensions."""

from collections.abc import Collection, Mapping, Sequence
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
_OF_CLASS = ("charge_category", "price_class", "service", "told", "original_currency", "fx_rate")  # beside the key
_ALLOCATED = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
_QUANTITIES = ("quantity", "priced_quantity")
_COSTS = (*_ALLOCATED, "unpriced_estimate")
_COUNTS = ("requests", "queries", "tokens", "unpriced_tokens", "bill_priced_tokens")
COST_DAILY_COLUMNS = (*_KEY, *_COSTS, *_COUNTS)
CLASS_DAILY_COLUMNS = (*_KEY[:-1], *_OF_CLASS, *_QUANTITIES, *_ALLOCATED)
_TYPES = {
    "tier_estimated": pa.bool_(), "told": pa.bool_(), "corrects_date": pa.date32(), "fx_rate": MONEY,
    **dict.fromkeys((*_COSTS, *_QUANTITIES), MONEY), **dict.fromkeys(_COUNTS, pa.int64()),
}  # fmt: skip


def _schema(names: Sequence[str]) -> pa.Schema:
    return pa.schema([(name, _TYPES.get(name, pa.string())) for name in names])


_SCHEMA = _schema(COST_DAILY_COLUMNS)
_CLASSES = _schema((*_KEY, *_OF_CLASS, *_QUANTITIES, *_COSTS, *_COUNTS[2:]))


def classes(
    charge: pa.Table,
    bearers: Parts,
    shared: Mapping[str, Any],
    dimensions: Mapping[int, Mapping[str, Any]],
    silent: Collection[int],
) -> pa.Table:
    """What the charges of one day cost whom, by cost_daily's key and by class of price, agreement's currency and service.

    In: columns of the charges; who bears them (``bearers``, with the ``shared`` columns); usage keys as they are shown, and those
    of them whose source does not say what of the output was reasoning (``silent``).
    class_daily is made of it and, with counts, cost_daily.
    """
    if not len(bearers.row):
        return _CLASSES.empty_table()
    rows = charge.take(pa.array(bearers.row)).combine_chunks()
    is_tokens = pc.equal(rows["consumed_unit"], "tokens")
    quantity = pc.fill_null(shared["consumed_quantity"], 0)
    tokens = pc.if_else(is_tokens, pc.round(quantity).cast(pa.int64()), 0)
    costless = pc.is_null(shared["effective_cost"])
    unpriced = pc.and_(costless, pc.is_null(shared["billed_cost"]))
    zero = pa.scalar(0, MONEY)
    same = ("tier", "tier_estimated", "provenance", "billing_currency", "corrects_date", "charge_category", "price_class",
            "original_currency", "fx_rate")  # fmt: skip
    each = pa.table(
        {
            "cost_centre": bearers.cost_centre, "team": bearers.team, **_dimensions(rows["usage_key_id"], dimensions, silent),
            **{name: rows[name] for name in same}, "basis": _basis(rows),
            "quantity": quantity, "priced_quantity": pc.if_else(costless, zero, quantity),
            **{name: pc.fill_null(shared[name], zero) for name in _ALLOCATED},
            "unpriced_estimate": pc.if_else(unpriced, pc.fill_null(shared["proxy_cost"], zero), zero),
            "tokens": tokens, "unpriced_tokens": pc.if_else(unpriced, tokens, 0),
            "bill_priced_tokens": pc.if_else(pc.and_not(costless, unpriced), tokens, 0),
        }
    ).select(_CLASSES.names).cast(_CLASSES)  # fmt: skip
    return _summed(each, (*_KEY, *_OF_CLASS))


def class_daily(found: pa.Table) -> pa.Table:
    """CLASS_DAILY_COLUMNS of one day, of ``classes``: corrections of several frozen days together."""
    return _summed(found.select(CLASS_DAILY_COLUMNS), (*_KEY[:-1], *_OF_CLASS))


def cost_daily(
    found: pa.Table,
    counts: Sequence[tuple[Any, ...]],
    assignment: Mapping[int, Rule | None],
    dimensions: Mapping[int, Mapping[str, Any]],
    currency: Mapping[int, str],
) -> pa.Table:
    """COST_DAILY_COLUMNS of one day.

    In: ``classes``; counts rows (usage key, tier, tier_estimated, requests, queries) of the cube. Requests and queries of a
    usage key stand in the currency its charges are in (``currency``). Usage without a price is in no cost column: its tokens
    and estimate are columns of their own, and apart from them the tokens whose money a bill states (BilledCost is known).
    """
    none = pa.repeat(pa.scalar(0, pa.int64()), len(found))
    money = pa.table(
        {**{name: found[name] for name in (*_KEY, *_COSTS, *_COUNTS[2:])}, "requests": none, "queries": none}
    )
    both = pa.concat_tables([money.select(_SCHEMA.names), _counts(counts, assignment, dimensions, currency)])
    return _summed(both, _KEY)


def currencies(charge: pa.Table) -> dict[int, str]:
    """Usage key -> the currency its charges are in."""
    pairs = charge.group_by(["usage_key_id", "billing_currency"], use_threads=False).aggregate([])
    return dict(zip(pairs["usage_key_id"].to_pylist(), pairs["billing_currency"].to_pylist(), strict=True))


def _summed(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """One row for each key, in their order, its columns as they were."""
    sums = [name for name in table.column_names if name not in key]
    grouped = table.group_by(list(key)).aggregate([(name, "sum") for name in sums])
    columns = {name: grouped[name] for name in key} | {name: grouped[f"{name}_sum"].cast(_TYPES[name]) for name in sums}
    return pa.table(columns).select(table.column_names).sort_by([(name, "ascending") for name in key])


def _basis(rows: pa.Table) -> Any:
    """On what ground somebody bears a charge of their own; people alone allocate by hand (allocation.costing.adjustments)."""
    grounds = pc.make_struct(
        pc.is_valid(rows["corrects_date"]), pc.equal(rows["provenance"], "allocated"),
        pc.is_in(rows["commitment_status"], pa.array(NOT_USED)),
    )  # fmt: skip
    return pc.case_when(grounds, "correction", "adjustment", "idle", "direct")


def _dimensions(
    key_ids: Any, dimensions: Mapping[int, Mapping[str, Any]], silent: Collection[int] | None = None
) -> dict[str, Any]:
    """Of the usage key of each row how it is shown; with ``silent`` also what of it a class of price is kept apart by."""
    codes = (key_ids.combine_chunks() if isinstance(key_ids, pa.ChunkedArray) else key_ids).dictionary_encode()
    keys = codes.dictionary.to_pylist()
    found = [dimensions[key] for key in keys]
    of_key = {
        "provider": [item["provider"] for item in found],
        "model": [item["model_served"] or item["model_requested"] for item in found],
        "environment": [item["environment"] for item in found],
        "feature": [item["feature"] for item in found],
    }
    if silent is not None:
        of_key["service"] = [_service(item) for item in found]
        of_key["told"] = [key not in silent for key in keys]
    return {
        name: pa.array(values, _TYPES.get(name, pa.string())).take(codes.indices) for name, values in of_key.items()
    }


def _service(of: Mapping[str, Any]) -> str:
    """How a call was served, for the bridge's mix of services: mode/service tier."""
    return "/".join((of["mode"], of["service_tier_served"] or of["service_tier_requested"]))


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
