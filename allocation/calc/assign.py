"""Who bears which charge: every charge goes to its rule's targets, or is explicitly unallocated.

Invariant 3: the parts of a charge sum to it exactly, in every cost column and in quantity.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from allocation.calc.rules import Rule, Target
from finops.money import share_each, share_units

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
    key_ids: Sequence[int],
    assignment: Mapping[int, Rule | None],
    owners: Sequence[tuple[str, str] | None] | None = None,
) -> Parts:
    """One row per charge and target, in the order of the charges and, within one, of the rule's targets.

    ``owners``: (cost centre, team) that bears a charge whatever the rules say, ('', '') nobody; None: the rules say.
    """
    bears: dict[Any, tuple[Rule | None, tuple[Target, ...]]] = {
        key: (assignment[key], targets_of(assignment[key])) for key in set(key_ids)
    }
    by: list[Any] = list(key_ids)
    for at, owner in enumerate(owners or ()):
        if owner is not None:
            by[at] = owner
            bears[owner] = (None, (Target(*owner, Decimal(1)),))
    number = {key: n for n, key in enumerate(bears)}
    which = np.fromiter((number[key] for key in by), np.int64, len(by))
    counts = np.array([len(targets) for _, targets in bears.values()], dtype=np.int64)
    sizes = counts[which]
    row = np.repeat(np.arange(len(by)), sizes)
    part = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    at_target = np.repeat((np.cumsum(counts) - counts)[which], sizes) + part
    flat = [(rule.rule if rule else "", *target) for rule, targets in bears.values() for target in targets]
    columns = [np.fromiter(values, dtype=object)[at_target].tolist() for values in zip(*flat, strict=True)]
    rule, centre, team, weight = columns or ([], [], [], [])
    return Parts(row, part, rule, centre, team, weight)


def targets_of(rule: Rule | None) -> tuple[Target, ...]:
    """Who bears a rule's cost; nobody where no rule holds, or where its driver says nothing."""
    return (rule.targets if rule else ()) or _NOBODY


def shares(column: Any, parts: Parts) -> Any:
    """A column of the charges (money or decimal quantity) over the parts: NULL stays NULL, sums stay exact."""
    taken = column.take(pa.array(parts.row))
    for places, weights in _shared(parts):
        for part, shared in enumerate(share_each(taken.take(pa.array(places[:, 0])), weights)):
            taken = pc.replace_with_mask(taken, *_at(places[:, part], shared, len(taken)))
    return taken


def share_counts(counts: Any, parts: Parts) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Whole counts (requests, queries) over the parts, by largest remainder: they sum to the counts."""
    taken = np.asarray(counts, dtype=np.int64)[parts.row]
    for places, weights in _shared(parts):
        taken[places] = share_units(taken[places[:, 0]].astype(object), weights).astype(np.int64)
    return np.asarray(taken)


def _shared(parts: Parts) -> Iterator[tuple[np.ndarray[Any, np.dtype[np.int64]], tuple[Decimal, ...]]]:
    """Places (charges x parts) of the charges that are shared by the same weights, and these weights."""
    sizes = np.bincount(parts.row) if len(parts.row) else np.zeros(0, dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    found: dict[tuple[Decimal, ...], list[int]] = defaultdict(list)
    for row in np.flatnonzero(sizes > 1).tolist():
        found[tuple(parts.weight[starts[row] : starts[row] + sizes[row]])].append(int(starts[row]))
    for weights, begins in found.items():
        yield np.array(begins)[:, None] + np.arange(len(weights)), weights


def _at(places: np.ndarray[Any, np.dtype[np.int64]], values: Any, size: int) -> tuple[Any, Any]:
    """The mask of some places (in their order) and what goes there."""
    mask = np.zeros(size, dtype=bool)
    mask[places] = True
    return pa.array(mask), values
