"""What the dearer model, effort or tier brings beyond the cheaper one: by the same tasks where there are, else by like tasks.

Nothing is claimed below a minimum of resolved tasks, nor where most tasks of a side have no like ones on the other. A difference
that changes its sign, or most of its size, at one fixed mix of several kinds of tasks is said to be one of the mix (Simpson).
No worse by a margin is said only of a margin declared before.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, NamedTuple

import numpy as np

from allocation.calc import marginal_rates as rates
from allocation.calc.marginal_rates import Interval

MINIMUM = 30  # resolved tasks of each arm
MIX_SHARE = 0.5  # of a difference: explained by the mix beyond it, the difference is not the model's
LEAST_OVERLAP = 0.5  # of each side's tasks are of kinds that both sides have, else nothing is claimed of like tasks
LEAST_KINDS = 2  # that both sides have: one kind alone has no mix
NOTHING = Interval(float("nan"), float("nan"), float("nan"))


class Trial(NamedTuple):
    """One task in one arm: with all of its attempts there. ``cost`` None: not known."""

    task: str
    candidate: bool
    stratum: str
    resolved: bool
    cost: float | None


class Arm(NamedTuple):
    """One side of a comparison. ``costed``: tasks whose cost is known, which the cost is of."""

    tried: int
    resolved: int
    rate: Interval
    costed: int
    cost_per_task: float
    cost_per_resolved: Interval


class Overlap(NamedTuple):
    """What a difference rests on: ``shared`` of ``kinds`` (0: it rests on pairs), and how much of each side that is.

    Parts of the tasks tried, and of the cost of those whose cost is known (NaN: of none).
    """

    shared: int
    kinds: int
    base_tasks: float
    candidate_tasks: float
    base_cost: float
    candidate_cost: float

    @property
    def tasks(self) -> float:
        """Of the side of which less is compared."""
        return min(self.base_tasks, self.candidate_tasks)


@dataclass(frozen=True)
class Found:
    """What a comparison found. Differences are candidate - base. ``method``: paired, matched or none (no two tasks alike)."""

    base: Arm
    candidate: Arm
    method: str
    used: int  # tasks (pairs: of both) that the difference rests on
    overlap: Overlap
    few: bool  # fewer than the minimum are resolved on a side
    alike: bool  # False: too much of a side has no like tasks on the other to claim anything
    enough: bool
    difference: Interval
    crude: Interval
    p: float | None  # McNemar's, of pairs
    cost: Interval  # difference of cost per task
    extra: Interval  # cost of one more resolved task
    net: Interval  # value of what is resolved more, less its cost, per task
    returned: Interval  # marginal ROI: net / cost
    simpson: bool
    margin: float | None
    no_worse: bool | None  # None: no margin was declared, or too few

    @property
    def verdict(self) -> str:
        """One of: too_few, not_comparable, little_overlap, mix, better, worse, no_worse, not_shown."""
        if self.method == "none":
            return "too_few" if self.few else "not_comparable"
        if not self.enough:
            return "too_few" if self.alike else "little_overlap"
        if self.simpson:
            return "mix"
        if self.difference.low > 0:
            return "better"
        if self.difference.high < 0 and not self.no_worse:
            return "worse"
        return "no_worse" if self.no_worse else "not_shown"


def compare(
    trials: Sequence[Trial], *, value: float | None = None, margin: float | None = None, minimum: int = MINIMUM
) -> Found:
    """Compare two arms. ``value``: of a resolved task, in the currency of the costs; ``margin``: declared before the trials."""
    arms = {side: [each for each in trials if each.candidate is side] for side in (False, True)}
    pairs, like = _pairs(trials), _strata(trials)
    method, used, compared = "none", 0, list[Trial]()
    difference, p = NOTHING, None
    enough = False
    if pairs and min(sum(each.resolved for each in side) for side in zip(*pairs, strict=True)) >= minimum:
        method, used, enough = "paired", len(pairs), True
        compared = [each for pair in pairs for each in pair]
        gained = sum(new.resolved and not old.resolved for old, new in pairs)
        lost = sum(old.resolved and not new.resolved for old, new in pairs)
        difference, p = rates.paired(gained, lost, len(pairs)), rates.mcnemar(gained, lost)
    elif like:
        compared = [each for sides in like for side in sides for each in side]
        method, used = "matched", len(compared)
        enough = all(sum(each.resolved for sides in like for each in sides[side]) >= minimum for side in (0, 1))
        counts = [[(sum(t.resolved for t in side), len(side)) for side in sides] for sides in like]
        old, new = ([pair[side] for pair in counts] for side in (0, 1))
        difference = rates.standardised(*zip(*new, strict=True), *zip(*old, strict=True))
    crude, overlap = _crude(arms), _overlap(arms, compared, like if method == "matched" else [])
    mix = enough and method == "matched" and _is_mix(float(crude.estimate), float(difference.estimate))
    alike = not enough or method == "paired" or _alike(overlap, mix=mix)
    enough = enough and alike
    joint = _joint(pairs, like, method) if enough else None
    cost, net, extra, returned = _money(joint, difference, value)
    return Found(
        base=_arm(arms[False], minimum), candidate=_arm(arms[True], minimum), method=method, used=used, overlap=overlap,
        few=min(sum(each.resolved for each in arm) for arm in arms.values()) < minimum, alike=alike, enough=enough,
        difference=difference if enough else NOTHING, crude=crude if enough else NOTHING, p=p,
        cost=cost, extra=extra, net=net, returned=returned, simpson=enough and mix, margin=margin,
        no_worse=bool(difference.low > -margin) if enough and margin is not None else None,
    )  # fmt: skip


def _money(joint: "Joint | None", difference: Interval, value: float | None) -> tuple[Interval, ...]:
    """Difference of cost, net value, cost of one more resolved task (where more are), return (where it costs more)."""
    if joint is None:
        return NOTHING, NOTHING, NOTHING, NOTHING
    cost = _linear(joint, (0.0, 1.0))
    extra = _quotient(joint, (0.0, 1.0), (1.0, 0.0)) if difference.low > 0 else NOTHING
    if value is None:
        return cost, NOTHING, extra, NOTHING
    returned = _less_one(_quotient(joint, (value, 0.0), (0.0, 1.0))) if cost.low > 0 else NOTHING
    return cost, _linear(joint, (value, -1.0)), extra, returned


def _crude(arms: dict[bool, list[Trial]]) -> Interval:
    if not arms[True] or not arms[False]:
        return NOTHING
    counts = [(sum(each.resolved for each in arms[side]), len(arms[side])) for side in (True, False)]
    return rates.newcombe(*counts[0], *counts[1])


def _overlap(arms: dict[bool, list[Trial]], compared: Sequence[Trial], like: Sequence[Any]) -> Overlap:
    tasks, costs = [], []
    for side in (False, True):
        of = [each for each in compared if each.candidate is side]
        tasks.append(_part(len(of), len(arms[side])))
        costs.append(_part(_cost(of), _cost(arms[side])))
    kinds = {each.stratum for each in (*arms[False], *arms[True])}
    return Overlap(len(like), len(kinds), tasks[0], tasks[1], costs[0], costs[1])


def _alike(overlap: Overlap, *, mix: bool) -> bool:
    """Whether a difference at one fixed mix speaks for all: most tasks are of kinds that both have, of several if it is mix."""
    return overlap.tasks >= LEAST_OVERLAP and (not mix or overlap.shared >= LEAST_KINDS)


def _cost(trials: Sequence[Trial]) -> float:
    return sum(each.cost for each in trials if each.cost is not None)


def _part(of: float, whole: float) -> float:
    return of / whole if whole else float("nan")


def _is_mix(crude: float, fixed: float) -> bool:
    return crude * fixed < 0 or abs(crude - fixed) > MIX_SHARE * abs(crude)


def _pairs(trials: Sequence[Trial]) -> list[tuple[Trial, Trial]]:
    """(base, candidate) of the tasks that both arms tried, by task."""
    sides: dict[str, dict[bool, Trial]] = defaultdict(dict)
    for each in trials:
        sides[each.task][each.candidate] = each
    return [(both[False], both[True]) for _, both in sorted(sides.items()) if len(both) == 2]


def _strata(trials: Sequence[Trial]) -> list[tuple[list[Trial], list[Trial]]]:
    """(base, candidate) of every stratum that both arms have at least two tasks of, by name."""
    found: dict[str, tuple[list[Trial], list[Trial]]] = defaultdict(lambda: ([], []))
    for each in trials:
        found[each.stratum][each.candidate].append(each)
    return [sides for _, sides in sorted(found.items()) if min(map(len, sides)) > 1]


def _arm(trials: Sequence[Trial], minimum: int) -> Arm:
    resolved, costed = sum(each.resolved for each in trials), [each for each in trials if each.cost is not None]
    good = sum(each.resolved for each in costed)
    cost = np.array([each.cost for each in costed], dtype=float)
    return Arm(
        len(trials), resolved, rates.wilson(resolved, len(trials)) if resolved >= minimum else NOTHING, len(costed),
        float(cost.mean()) if len(costed) else float("nan"),
        rates.cost_per_resolved(cost, [each.resolved for each in costed]) if good >= minimum and cost.sum() > 0 else NOTHING,
    )  # fmt: skip


class Joint(NamedTuple):
    """Differences of (rate, cost per task) with their covariance, at one mix or over pairs."""

    mean: Any
    covariance: Any


def _joint(pairs: list[tuple[Trial, Trial]], like: list[tuple[list[Trial], list[Trial]]], method: str) -> Joint | None:
    """Of the tasks whose cost is known in both arms; None where these are fewer than MINIMUM."""
    if method == "paired":
        known = [(old, new) for old, new in pairs if old.cost is not None and new.cost is not None]
        if len(known) < MINIMUM:
            return None
        values = np.array([_values([new])[0] - _values([old])[0] for old, new in known])
        return Joint(values.mean(axis=0), np.cov(values.T) / len(known))
    sides = [tuple([t for t in side if t.cost is not None] for side in both) for both in like]
    sides = [both for both in sides if min(map(len, both)) > 1]
    if not sides or min(sum(len(both[side]) for both in sides) for side in (0, 1)) < MINIMUM:
        return None
    whole = sum(len(old) + len(new) for old, new in sides)
    mean, covariance = np.zeros(2), np.zeros((2, 2))
    for old, new in sides:
        weight = (len(old) + len(new)) / whole
        one, two = _values(new), _values(old)
        mean += weight * (one.mean(axis=0) - two.mean(axis=0))
        covariance += weight**2 * (np.cov(one.T) / len(new) + np.cov(two.T) / len(old))
    return Joint(mean, covariance)


def _values(trials: Sequence[Trial]) -> Any:
    return np.array([(float(each.resolved), each.cost) for each in trials], dtype=float)


def _linear(joint: Joint, by: tuple[Any, Any]) -> Interval:
    weights = np.array(by, dtype=float)
    middle, reach = float(weights @ joint.mean), rates.normal() * float(weights @ joint.covariance @ weights) ** 0.5
    return Interval(middle, middle - reach, middle + reach)


def _quotient(joint: Joint, over: tuple[Any, Any], under: tuple[Any, Any]) -> Interval:
    """By Fieller; nothing where the denominator may be zero."""
    a, b = np.array(over, dtype=float), np.array(under, dtype=float)
    if b @ joint.mean == 0:
        return NOTHING
    v = joint.covariance
    found = rates.fieller(a @ joint.mean, b @ joint.mean, a @ v @ a, b @ v @ b, a @ v @ b)
    return NOTHING if isnan(float(found.low)) else Interval(*map(float, found))


def _less_one(interval: Interval) -> Interval:
    return Interval(*(each - 1 for each in interval))
