"""What tasks of agents are made of and cost, per workflow: calls, depth, fan-out, retries, tokens sent again, failures.

A task is a query (one trace); a workflow is what the tasks of one feature, environment and team are. No text is looked at: what
was sent again is what a call's input has in common in size with the call of the same agent before it, so at most that.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from allocation.calc import marginal_rates as rates
from finops.money_columns import MONEY

Array = np.ndarray[Any, Any]
CALLS: Mapping[str, pa.DataType] = {
    "workflow": pa.string(), "task": pa.int64(), "occurred_at": pa.int64(), "call": pa.int64(), "agent": pa.int64(),
    "parent": pa.int64(), "failed": pa.int64(), "input_uncached": pa.int64(), "input_cached": pa.int64(),
    "input_written": pa.int64(), "output": pa.int64(), "cost": MONEY,
}  # fmt: skip
MAY_BE_NULL = ("parent", "cost")
MINIMUM = 30  # tasks below which no quantile, and resolved tasks below which no cost of an outcome is claimed
_UNKNOWN = -1


class AgentsError(ValueError):
    """Calls or outcomes cannot be read; the message names column or task."""


class Tasks(NamedTuple):
    """One value per task, in the order of ``task``. depth and fan_out are -1 where no call says who called whom.

    ``cost``: Decimal of the calls that have a price; ``unpriced``: calls without one. ``broken``: its last call failed.
    """

    workflow: Array
    task: Array
    begins: Array  # us since 1970
    calls: Array
    agents: Array
    depth: Array
    fan_out: Array
    retries: Array
    failed: Array
    resent_uncached: Array
    resent_cached: Array
    input: Array
    cost: Array
    unpriced: Array
    broken: Array

    def of(self, mask: Array) -> "Tasks":
        """The tasks for which the mask holds."""
        return Tasks(*(values[mask] for values in self))


def ordered(calls: pa.Table) -> pa.Table:
    """The calls by task and time, checked. Raises AgentsError.

    In: CALLS; ``call`` tells calls of one instant apart, ``agent`` is the hash of its name (0: none), ``parent`` that of the
    agent that called it (NULL: not known, 0: nobody). Everything but MAY_BE_NULL is there, and no number is negative.
    """
    for name, kind in CALLS.items():
        if name not in calls.column_names:
            raise AgentsError(f"column {name} is missing")
        if (found := calls.schema.field(name).type) != kind:
            raise AgentsError(f"column {name} is {found}, expected {kind}")
        if calls[name].null_count and name not in MAY_BE_NULL:
            raise AgentsError(f"column {name} holds NULL")
    for name in ("failed", "input_uncached", "input_cached", "input_written", "output", "cost"):
        if (least := pc.min(calls[name]).as_py()) is not None and least < 0:
            raise AgentsError(f"column {name} holds {least}: a call uses and costs nothing negative")
    order = [("task", "ascending"), ("occurred_at", "ascending"), ("call", "ascending")]
    return calls.sort_by(order).combine_chunks()


def tasks(calls: pa.Table) -> Tasks:
    """What every task did. In: CALLS in any order. A task belongs to the workflow of its first call."""
    calls = ordered(calls)
    column = {name: calls[name].to_numpy() for name in CALLS if name not in (*MAY_BE_NULL, "workflow")}
    task = column["task"]
    if not len(task):
        nothing = np.array([], dtype=np.int64)
        return Tasks(
            *([nothing.astype(object)] + [nothing] * 11 + [nothing.astype(object), nothing, nothing.astype(bool)])
        )
    first = np.flatnonzero(np.concatenate([[True], np.diff(task) != 0]))
    last = np.append(first[1:], len(task)) - 1
    group = np.cumsum(np.concatenate([[False], np.diff(task) != 0]))
    previous = previous_of(group, column["agent"])
    whole = column["input_uncached"] + column["input_cached"] + column["input_written"]
    again = np.where(previous >= 0, np.minimum(whole, whole[previous]), 0)
    cached = np.minimum(again, column["input_cached"])
    retried = (previous >= 0) & (column["failed"][previous] > 0)

    def sums(values: Array) -> Array:
        return np.asarray(np.add.reduceat(values.astype(np.int64), first))

    parents = calls["parent"]
    depth, fan_out = _tree(group, len(first), column["agent"], parents)
    return Tasks(
        workflow=np.array(calls["workflow"].take(pa.array(first)).to_pylist(), dtype=object), task=task[first],
        begins=column["occurred_at"][first], calls=np.diff(np.append(first, len(task))),
        agents=_distinct(group, column["agent"], len(first)), depth=depth, fan_out=fan_out, retries=sums(retried),
        failed=sums(column["failed"] > 0), resent_uncached=sums(again - cached), resent_cached=sums(cached),
        input=sums(whole), cost=_costs(calls, first), unpriced=sums(pc.is_null(calls["cost"]).to_numpy(zero_copy_only=False)),
        broken=column["failed"][last] > 0,
    )  # fmt: skip


def previous_of(group: Array, agent: Array) -> Array:
    """The position of the call of the same agent before each call of a task; -1: it is the agent's first."""
    order = np.lexsort((np.arange(len(group)), agent, group))
    same = (np.diff(group[order]) == 0) & (np.diff(agent[order]) == 0)
    found = np.full(len(group), -1, dtype=np.int64)
    found[order[1:][same]] = order[:-1][same]
    return found


def _costs(calls: pa.Table, first: Array) -> Array:
    """The sum of each task, by name: groups come in no order that can be relied on."""
    grouped = calls.select(["task", "cost"]).group_by("task", use_threads=False).aggregate([("cost", "sum")])
    of_task = dict(zip(grouped["task"].to_pylist(), grouped["cost_sum"].to_pylist(), strict=True))
    return np.array([of_task[task] or Decimal(0) for task in calls["task"].to_numpy()[first].tolist()], dtype=object)


def _distinct(group: Array, agent: Array, count: int) -> Array:
    named = agent != 0
    pairs = np.unique(np.stack([group[named], agent[named]], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=count)


def _tree(group: Array, count: int, agent: Array, parents: pa.ChunkedArray) -> tuple[Array, Array]:
    """Depth (agents above one another) and fan-out (most agents called by one) of each task."""
    known = pc.is_valid(parents).to_numpy(zero_copy_only=False) & (agent != 0)
    depth, fan_out = np.full(count, _UNKNOWN), np.full(count, _UNKNOWN)
    rows = np.stack([group[known], pc.fill_null(parents, 0).to_numpy()[known], agent[known]], axis=1)
    edges: dict[int, dict[int, set[int]]] = {}
    for task, parent, child in np.unique(rows, axis=0).tolist():
        edges.setdefault(task, {}).setdefault(parent, set()).add(child)
    for task, below in edges.items():
        called = {child for children in below.values() for child in children}
        roots = (set(below) - called - {0}) | below.get(0, set())
        depth[task] = _depth(below, roots or called)
        fan_out[task] = max((len(children) for parent, children in below.items() if parent), default=0)
    return depth, fan_out


def _depth(below: Mapping[int, set[int]], roots: set[int]) -> int:
    """Levels of agents; an agent counts once, where it is met first, so that a circle ends."""
    levels, met = 0, set[int]()
    while roots:
        met |= roots
        levels += 1
        roots = {child for agent in roots for child in below.get(agent, set())} - met
    return levels


class Quantiles(NamedTuple):
    """Values of real tasks (nearest rank); None below the minimum of tasks."""

    p50: Any
    p95: Any
    p99: Any


class Workflow(NamedTuple):
    """One workflow. Costs are exact; ratios come with their numbers, and None below the minimum of them.

    ``failed_cost``: of tasks whose outcome says so; ``broken_cost``: of tasks without an outcome that ended on a failed call.
    """

    workflow: str
    tasks: int
    calls: int
    calls_per_task: Quantiles
    mean_calls: float
    agents: float
    depth: int | None
    fan_out: int | None
    retries: int
    failed_calls: int
    failed_share: float
    input: int
    resent_uncached: int
    resent_cached: int
    cost: Decimal
    cost_per_task: Quantiles
    unpriced: int
    tried: int
    resolved: int
    tried_cost: Decimal
    failed_cost: Decimal
    broken: int
    broken_cost: Decimal
    cost_per_outcome: rates.Interval | None


def workflows(found: Tasks, outcomes: Mapping[int, bool], *, minimum: int = MINIMUM) -> list[Workflow]:
    """Every workflow, the dearest first. ``outcomes``: task -> whether it succeeded; a task that is not in it is not known.

    What an outcome costs is the cost of all tasks whose outcome is known, per success. A task with unpriced calls has no cost
    to be a quantile or part of that. Raises AgentsError for a minimum below two.
    """
    if minimum < 2:
        raise AgentsError(f"the minimum of tasks is {minimum}: nothing can be said of fewer than two")
    names = sorted(set(found.workflow.tolist()))
    all_of = [_workflow(name, found.of(found.workflow == name), outcomes, minimum) for name in names]
    return sorted(all_of, key=lambda each: (-each.cost, each.workflow))


def _workflow(name: str, own: Tasks, outcomes: Mapping[int, bool], minimum: int) -> Workflow:
    said = [outcomes.get(task) for task in own.task.tolist()]
    known = np.array([each is not None for each in said], dtype=bool)
    good = np.array([each is True for each in said], dtype=bool)
    priced, broken = own.unpriced == 0, own.broken & ~known
    calls, failed = int(own.calls.sum()), int(own.failed.sum())
    per_outcome, counts = None, known & priced
    if (good & priced).sum() >= minimum:
        per_outcome = rates.cost_per_resolved(own.cost[counts].astype(float), good[counts].astype(float))
    return Workflow(
        workflow=name, tasks=len(own.task), calls=calls, calls_per_task=_quantiles(own.calls, minimum),
        mean_calls=calls / len(own.task), agents=float(own.agents.mean()), depth=_most(own.depth), fan_out=_most(own.fan_out),
        retries=int(own.retries.sum()), failed_calls=failed, failed_share=failed / calls, input=int(own.input.sum()),
        resent_uncached=int(own.resent_uncached.sum()), resent_cached=int(own.resent_cached.sum()), cost=_sum(own.cost),
        cost_per_task=_quantiles(own.cost[priced], minimum), unpriced=int((~priced).sum()), tried=int(known.sum()),
        resolved=int(good.sum()), tried_cost=_sum(own.cost[known]), failed_cost=_sum(own.cost[known & ~good]),
        broken=int(broken.sum()), broken_cost=_sum(own.cost[broken]), cost_per_outcome=per_outcome,
    )  # fmt: skip


def _quantiles(values: Array, minimum: int) -> Quantiles:
    if len(values) < minimum:
        return Quantiles(None, None, None)
    ranked = sorted(values.tolist())
    return Quantiles(*(ranked[ceil(q * len(ranked) / 100) - 1] for q in (50, 95, 99)))


def _most(values: Array) -> int | None:
    return int(values.max()) if (values != _UNKNOWN).any() else None


def _sum(values: Array) -> Decimal:
    return sum(values.tolist(), Decimal(0))
