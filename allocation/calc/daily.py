"""What pages read: allocated cost and counts of one day by their dimensions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from allocation.calc.assign import Parts, parts, share_counts
from allocation.calc.rules import Rule

MONEY = pa.decimal128(30, 12)
_KEY = (
    "cost_centre", "team", "provider", "model", "tier", "tier_estimated", "environment", "feature", "provenance",
    "billing_currency",
)  # fmt: skip
_COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost", "unpriced_estimate")
_COUNTS = ("requests", "queries", "tokens", "unpriced_tokens", "bill_priced_tokens")
COST_DAILY_COLUMNS = (*_KEY, *_COSTS, *_COUNTS)


def cost_daily(
    charge: Mapping[str, Sequence[Any]],
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
    key_of_charge = charge["usage_key_id"]
    money_key = _dimensions([key_of_charge[row] for row in bearers.row], dimensions)
    taken = {
        name: [charge[name][row] for row in bearers.row]
        for name in ("tier", "tier_estimated", "provenance", "billing_currency")
    }
    in_tokens = np.array([charge["consumed_unit"][row] == "tokens" for row in bearers.row], dtype=bool)
    tokens = pc.fill_null(shared["consumed_quantity"], 0)
    tokens = np.where(in_tokens, pc.round(tokens).cast(pa.int64()).to_numpy(zero_copy_only=False), 0)
    costless = pc.is_null(shared["effective_cost"]).to_numpy(zero_copy_only=False)
    unpriced = costless & pc.is_null(shared["billed_cost"]).to_numpy(zero_copy_only=False)
    zero = pa.scalar(0, MONEY)
    money = pa.table(
        {
            "cost_centre": bearers.cost_centre, "team": bearers.team, **money_key, **taken,
            **{name: pc.fill_null(shared[name], zero) for name in _COSTS[:4]},
            "unpriced_estimate": pc.if_else(pa.array(unpriced), pc.fill_null(shared["proxy_cost"], zero), zero),
            "requests": np.zeros(len(tokens), dtype=np.int64), "queries": np.zeros(len(tokens), dtype=np.int64),
            "tokens": tokens, "unpriced_tokens": np.where(unpriced, tokens, 0),
            "bill_priced_tokens": np.where(costless & ~unpriced, tokens, 0),
        },
        schema=_SCHEMA,
    ) if len(tokens) else _SCHEMA.empty_table()  # fmt: skip
    currency = dict(zip(key_of_charge, charge["billing_currency"], strict=True))
    both = pa.concat_tables([money, _counts(counts, assignment, dimensions, currency)])
    grouped = both.group_by(list(_KEY)).aggregate([(name, "sum") for name in (*_COSTS, *_COUNTS)])
    columns = [grouped[name] for name in _KEY] + [grouped[f"{name}_sum"].cast(MONEY) for name in _COSTS]
    columns += [grouped[f"{name}_sum"] for name in _COUNTS]
    table = pa.Table.from_arrays(columns, names=list(COST_DAILY_COLUMNS))
    return table.sort_by([(name, "ascending") for name in _KEY])


_SCHEMA = pa.schema(
    [
        *((name, pa.bool_() if name == "tier_estimated" else pa.string()) for name in _KEY),
        *((name, MONEY) for name in _COSTS), *((name, pa.int64()) for name in _COUNTS),
    ]
)  # fmt: skip


def _dimensions(key_ids: Sequence[int], dimensions: Mapping[int, Mapping[str, Any]]) -> dict[str, list[str]]:
    found = [dimensions[key] for key in key_ids]
    return {
        "provider": [item["provider"] for item in found],
        "model": [item["model_served"] or item["model_requested"] for item in found],
        "environment": [item["environment"] for item in found],
        "feature": [item["feature"] for item in found],
    }


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
            "cost_centre": bearers.cost_centre, "team": bearers.team, **_dimensions(at, dimensions),
            "tier": [tier[row] for row in bearers.row], "tier_estimated": [estimated[row] for row in bearers.row],
            "provenance": ["computed"] * size, "billing_currency": [currency.get(key, "USD") for key in at],
            **{name: pa.repeat(pa.scalar(0, MONEY), size) for name in _COSTS},
            "requests": share_counts(requests, bearers), "queries": share_counts(queries, bearers),
            **{name: np.zeros(size, dtype=np.int64) for name in _COUNTS[2:]},
        },
        schema=_SCHEMA,
    )  # fmt: skip
