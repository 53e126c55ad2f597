"""Tasks that ran away: far beyond what their workflow did before, beyond an absolute cap, or going round in circles.

Far is measured on logarithms by median and median absolute deviation, which a few runaways of the past do not move.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from allocation.calc.agents import MINIMUM, AgentsError, Array, Tasks, ordered

_NORMAL = 1.4826  # a median absolute deviation of normal values in standard deviations
_LONGEST_ROUND = 3


class Limits(NamedTuple):
    """What runs away. ``width``: deviations above the median. ``floor``: the least deviation (of the logarithm).

    ``calls`` and ``cost``: absolute caps per task, None: none. ``rounds``: same calls one after another that are a loop.
    """

    width: float = 4.0
    floor: float = 0.25
    calls: int | None = None
    cost: Decimal | None = None
    rounds: int = 6
    minimum: int = MINIMUM


def parse_limits(data: Any) -> Limits:
    """Limits from their YAML form. Raises AgentsError."""
    if not isinstance(data, Mapping) or (unknown := sorted(set(map(str, data)) - set(Limits._fields))):
        what = unknown[0] if isinstance(data, Mapping) else "not a mapping"
        raise AgentsError(f"limits of runaways: {what}; there are: {', '.join(Limits._fields)}")
    kinds = {"width": float, "floor": float, "calls": int, "cost": Decimal, "rounds": int, "minimum": int}
    least = {"width": 1, "floor": 0.01, "calls": 1, "cost": 0, "rounds": 3, "minimum": 10}
    found: dict[str, Any] = {}
    for name, value in data.items():
        try:
            found[name] = None if value is None and name in ("calls", "cost") else kinds[name](str(value))
            good = found[name] is None or bool(found[name] >= least[name])
        except (ArithmeticError, ValueError):
            good = False
        if not good:
            raise AgentsError(f"limits of runaways: {name} is {value!r}, expected a number of at least {least[name]}")
    return Limits(**found)


class Bound(NamedTuple):
    """What a workflow's history allows a task: None where it holds too few tasks (for cost: with a price of all calls)."""

    tasks: int
    calls: float | None
    cost: Decimal | None


class Runaway(NamedTuple):
    """A task that ran away. ``reason``: calls, calls_cap, cost, cost_cap or loop; ``limit``: what it passed.

    ``value``: its calls, its cost, or how often the same calls came one after another.
    """

    workflow: str
    task: int
    begins: int
    reason: str
    value: int | Decimal
    limit: float | Decimal
    calls: int
    cost: Decimal


def bounds(history: Tasks, limits: Limits) -> dict[str, Bound]:
    """What each workflow's own past allows: exp(median + width x deviation) of calls and of cost per task."""
    found = {}
    for name in sorted(set(history.workflow.tolist())):
        own = history.of(history.workflow == name)
        cost = own.cost[(own.unpriced == 0) & (own.cost > Decimal(0))].astype(float)
        by_cost = _bound(cost, limits)
        found[name] = Bound(
            len(own.task), _bound(own.calls, limits), None if by_cost is None else Decimal(repr(by_cost))
        )
    return found


def _bound(values: Array, limits: Limits) -> float | None:
    if len(values) < limits.minimum:
        return None
    logs = np.log(values.astype(float))
    middle = np.median(logs)
    deviation = max(_NORMAL * float(np.median(np.abs(logs - middle))), limits.floor)
    return float(np.exp(middle + limits.width * deviation))


def runaways(found: Tasks, allowed: Mapping[str, Bound], limits: Limits) -> list[Runaway]:
    """Tasks beyond their workflow's bounds or the caps, one row for each reason, the dearest first.

    ``allowed`` comes of tasks before these: a task does not judge itself. What is unpriced counts as no cost.
    """
    rows = []
    for n, name in enumerate(found.workflow.tolist()):
        bound = allowed.get(name, Bound(0, None, None))
        calls, cost = int(found.calls[n]), found.cost[n]
        tests: list[tuple[str, Any, Any]] = [
            ("calls", calls, bound.calls), ("calls_cap", calls, limits.calls),
            ("cost", cost, bound.cost), ("cost_cap", cost, limits.cost),
        ]  # fmt: skip
        rows += [
            Runaway(name, int(found.task[n]), int(found.begins[n]), reason, value, limit, calls, cost)
            for reason, value, limit in tests
            if limit is not None and value > limit
        ]
    return sorted(rows, key=lambda row: (-row.cost, row.task, row.reason))


def loops(calls: pa.Table, limits: Limits) -> dict[int, int]:
    """Task -> how often the same calls of one agent came one after another, of tasks in which that is a loop.

    In: CALLS. Calls are the same if their output is of one size and their input is too, or grows by the same each time. A round
    may be of up to three calls. Many equal questions in one trace look the same: a loop is a suspicion.
    """
    calls = ordered(calls)
    task, agent, output = (calls[name].to_numpy() for name in ("task", "agent", "output"))
    whole = sum(calls[name].to_numpy() for name in ("input_uncached", "input_cached", "input_written"))
    order = np.lexsort((np.arange(len(task)), agent, task))
    task, agent, output, whole = task[order], agent[order], output[order], np.asarray(whole)[order]
    rounds: dict[int, int] = {}
    for length in range(1, _LONGEST_ROUND + 1):
        for one in _chains(task, agent, output, whole, length):
            repeated = one[1] // length + 1
            if repeated >= limits.rounds:
                rounds[one[0]] = max(rounds.get(one[0], 0), repeated)
    return dict(sorted(rounds.items()))


def _chains(task: Array, agent: Array, output: Array, whole: Array, length: int) -> list[tuple[int, int]]:
    """(task, calls in a row that are as the call ``length`` before them), of every such row."""
    if len(task) <= length:
        return []
    same = (
        (task[length:] == task[:-length]) & (agent[length:] == agent[:-length]) & (output[length:] == output[:-length])
    )
    grown = whole[length:] - whole[:-length]
    steady = np.ones(len(same), dtype=bool)  # the first repetition sets by how much the input grows
    steady[1:] = grown[1:] == grown[:-1]
    if length > 1:  # within a round of several calls, each grows as it did the round before
        steady[length:] = grown[length:] == grown[:-length]
        steady[1:length] = True
    start = same & ~np.concatenate([[False], same[:-1] & steady[1:] & (task[length:][1:] == task[length:][:-1])])
    number = np.cumsum(start)
    counted = np.bincount(number[same], minlength=1 + int(number.max(initial=0)))
    return [(int(task[length:][at]), int(counted[number[at]])) for at in np.flatnonzero(start)]


def found_loops(found: Tasks, rounds: Mapping[int, int], limits: Limits) -> list[Runaway]:
    """Loops as runaways, of the tasks that are among these."""
    return [
        Runaway(name, task, begins, "loop", rounds[task], float(limits.rounds), calls, cost)
        for name, task, begins, calls, cost in zip(
            found.workflow.tolist(), found.task.tolist(), found.begins.tolist(), found.calls.tolist(), found.cost.tolist(),
            strict=True,
        )
        if task in rounds
    ]  # fmt: skip
