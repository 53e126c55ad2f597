"""Who bears which charge: every charge goes to its rule's targets, or is explicitly unallocated.

Invariant 3: the parts of a charge sum to it exactly, in every cost column and in quantity.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import floor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from allocation.calc.rules import Rule, Target
from finops.money import share

COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost", "proxy_cost")
_NOBODY = (Target("", "", Decimal(1)),)


class Parts(NamedTuple):
    """Rows of charges: position of the charge, number of the part, rule id and who bears it ('' is nobody)."""

    row: np.ndarray[Any, np.dtype[np.int64]]
    part: np.ndarray[Any, np.dtype[np.int64]]
    rule: list[str]
    cost_centre: list[str]
    team: list[str]
    weight: list[Decimal]


def parts(
    key_ids: Sequence[int], assignment: Mapping[int, Rule | None], owners: Sequence[tuple[str, str]] | None = None
) -> Parts:
    """One row per charge and target, in the order of the charges and, within one, of the rule's targets.

    ``owners``: (cost centre, team) that bears a charge whatever the rules say; ('', ''): the rules say.
    """
    of_key = {key: (assignment[key], targets_of(assignment[key])) for key in set(key_ids)}
    found: list[tuple[Rule | None, tuple[Target, ...]]] = [of_key[key] for key in key_ids]
    for at, (cost_centre, team) in enumerate(owners or ()):
        if cost_centre:
            found[at] = (None, (Target(cost_centre, team, Decimal(1)),))
    sizes = np.array([len(targets) for _, targets in found], dtype=np.int64)
    row = np.repeat(np.arange(len(found)), sizes)
    part = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    flat = [(rule.rule if rule else "", target) for rule, targets in found for target in targets]
    return Parts(
        row, part, [rule for rule, _ in flat], [t.cost_centre for _, t in flat], [t.team for _, t in flat],
        [t.weight for _, t in flat],
    )  # fmt: skip


def targets_of(rule: Rule | None) -> tuple[Target, ...]:
    """Who bears a rule's cost; nobody where no rule holds."""
    return rule.targets if rule else _NOBODY


def shares(column: Any, parts: Parts) -> Any:
    """A column of the charges (money or decimal quantity) over the parts: NULL stays NULL, sums stay exact."""
    taken = column.take(pa.array(parts.row))
    single = np.bincount(parts.row, minlength=len(column))[parts.row] == 1
    if single.all():
        return taken
    values = taken.to_pylist()
    start = 0
    while start < len(values):
        size = 1
        while start + size < len(values) and parts.row[start + size] == parts.row[start]:
            size += 1
        if size > 1 and values[start] is not None:
            values[start : start + size] = share(values[start], parts.weight[start : start + size]).to_pylist()
        start += size
    return pa.array(values, taken.type)


def share_counts(counts: Any, parts: Parts) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Whole counts (requests, queries) over the parts, by largest remainder: they sum to the counts."""
    taken = np.asarray(counts, dtype=np.int64)[parts.row]
    sizes = np.bincount(parts.row, minlength=len(counts))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for row in np.flatnonzero(sizes > 1):
        places = slice(starts[row], starts[row + 1])
        taken[places] = _whole_shares(int(counts[row]), parts.weight[places])
    return np.asarray(taken)


def _whole_shares(count: int, weights: list[Decimal]) -> list[int]:
    exact = [count * weight / sum(weights) for weight in weights]
    floors = [floor(value) for value in exact]
    by_rest = sorted(range(len(weights)), key=lambda n: (floors[n] - exact[n], n))
    for n in by_rest[: count - sum(floors)]:
        floors[n] += 1
    return floors
