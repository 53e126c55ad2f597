"""From the facts of traced queries to calls of tasks: which queries are tasks of agents, and what their calls cost."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from allocation.calc.agents import CALLS, Tasks, tasks
from allocation.calc.agents_runaway import Limits, loops
from allocation.calc.query_costs import KEY_BITS, Rates, call_costs
from finops.tokens import ALL_INPUT_CLASSES, ALL_OUTPUT_CLASSES, TOKEN_CLASSES

Ints = np.ndarray[Any, np.dtype[np.int64]]
Facts = Mapping[str, Ints]  # as ingest.facts.traced_calls reads them
UNKNOWN = 1 << 40  # of a caller: no 32-bit hash
_WRITTEN = ("cache_write_5m", "cache_write_1h")
_CACHED = tuple(name for name in ALL_INPUT_CLASSES if name.startswith("cache_read"))
_UNCACHED = tuple(name for name in ALL_INPUT_CLASSES if name not in (*_WRITTEN, *_CACHED))


class Found(NamedTuple):
    """Tasks of a day: what they did, with the usage key of the first call as workflow; one value per task beside."""

    tasks: Tasks
    rule: list[int]
    currency: list[str]
    rounds: list[int | None]


def begun_here(facts: Facts, wanted: Collection[int]) -> Ints:
    """The queries that begin among these calls and are tasks: with several calls, a named agent, or an outcome (``wanted``)."""
    query, at = np.unique(facts["query"], return_inverse=True)
    count = np.bincount(at, minlength=len(query))
    named = np.bincount(at, weights=facts["agent"] != 0, minlength=len(query)) > 0
    begins = np.bincount(at, weights=facts["begins"], minlength=len(query)) > 0
    asked = np.isin(query, np.array(sorted(wanted), dtype=np.int64))
    return np.asarray(query[begins & ((count > 1) | named | asked)])


def of_queries(facts: Facts, queries: Ints) -> dict[str, Ints]:
    """The calls of these queries."""
    mask = np.isin(facts["query"], queries)
    return {name: values[mask] for name, values in facts.items()}


def joining(calls: pa.Table, queries: Ints) -> list[int]:
    """Of these queries those that calls (``query_costs.Calls.going_on``) go on with."""
    return list(map(int, np.intersect1d(pc.drop_null(calls["query"]).to_numpy(), queries)))


def array_of(queries: Collection[int]) -> Ints:
    """Queries as an array."""
    return np.array(list(queries), dtype=np.int64)


def together(parts: list[Facts]) -> dict[str, Ints]:
    """Calls of several days as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def found(days: list[tuple[Facts, Rates, Mapping[int, str]]], limits: Limits) -> Found:
    """The tasks of which these are all calls, by day, with the rates and the currency of the cells of each day.

    Calls in another currency than the first priced call of their task count as unpriced: sums never mix currencies.
    """
    facts = together([part for part, _, _ in days])
    costs: list[Any] = []
    said: list[str] = []
    for part, rates, currencies in days:
        costs += _costs(part, rates).to_pylist()
        said += [currencies.get(cell, "") for cell in part["cell"].tolist()]
    order = np.lexsort((facts["call"], facts["occurred_at"], facts["query"]))
    currency: dict[int, str] = {}
    for at, query in zip(order.tolist(), facts["query"][order].tolist(), strict=True):
        if costs[at] is not None and said[at] and query not in currency:
            currency[query] = said[at]
    costs = [
        cost if said[at] == currency.get(query) else None
        for at, (cost, query) in enumerate(zip(costs, facts["query"].tolist(), strict=True))
    ]
    caller = facts["caller"]
    columns = {
        "workflow": [str(cell >> KEY_BITS) for cell in facts["cell"].tolist()], "task": facts["query"],
        "occurred_at": facts["occurred_at"], "call": facts["call"], "agent": facts["agent"],
        "parent": pa.array(caller, mask=caller == UNKNOWN), "failed": facts["failed"],
        "input_uncached": _sum(facts, _UNCACHED), "input_cached": _sum(facts, _CACHED),
        "input_written": _sum(facts, _WRITTEN), "output": _sum(facts, ALL_OUTPUT_CLASSES), "cost": costs,
    }  # fmt: skip
    calls = pa.table({name: pa.array(columns[name], kind) for name, kind in CALLS.items()})
    done, round_of = tasks(calls), loops(calls, limits)
    rule = dict(zip(facts["query"][order[::-1]].tolist(), facts["rule"][order[::-1]].tolist(), strict=True))
    all_tasks = done.task.tolist()
    return Found(
        done, [rule[task] for task in all_tasks], [currency.get(task, "") for task in all_tasks],
        [round_of.get(task) for task in all_tasks],
    )  # fmt: skip


def _sum(facts: Facts, classes: Collection[str]) -> Ints:
    total = np.zeros(len(facts["query"]), dtype=np.int64)
    for name in classes:
        if name in facts:
            total += facts[name]
    return total


def _costs(facts: Facts, rates: Rates) -> pa.Array:
    columns: dict[str, Any] = {"cell": pa.array(facts["cell"]).dictionary_encode()}
    columns |= {name: facts[name] for name in TOKEN_CLASSES if name in facts}
    return call_costs(pa.table(columns), rates)
