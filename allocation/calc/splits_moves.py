"""Empties pools: every row of cost that a pool takes leaves its source and goes to the targets in the same dimensions.

Invariant 3: per pool, row and cost column the amounts that are moved sum to zero, exactly. What nobody can be given by the
measure stays where it is, and the outcome says why.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.contracts_fields import Match
from allocation.calc.splits import Pool, Source, receivers
from finops.money import share

ZERO = Decimal(0)
SHARED = "shared"
Costs = tuple[Decimal, Decimal, Decimal, Decimal]  # list, contracted, effective, billed
EFFECTIVE = 2
NOTHING: Costs = (ZERO, ZERO, ZERO, ZERO)


class Place(NamedTuple):
    """Whose cost of what: the dimensions of cost_daily. ``kind``: direct, idle, unused, unexplained, shared, ..."""

    day: date
    kind: str
    cost_centre: str  # '': nobody
    team: str
    provider: str
    model: str
    tier: str
    tier_estimated: bool
    environment: str
    feature: str
    provenance: str
    currency: str


class Move(NamedTuple):
    """One row: what a pool adds to whom. ``place``: where the money was; on the source itself the costs are taken away."""

    pool: str
    step: int
    place: Place
    cost_centre: str
    team: str
    costs: Costs


class Outcome(NamedTuple):
    """What became of a pool in one currency: EffectiveCost found at the source and moved, by which weights."""

    code: str
    step: int
    currency: str
    found: Decimal
    moved: Decimal
    weights: Mapping[str, Decimal]
    note: str


class Weights(NamedTuple):
    """Cost centre -> weight of a pool; ``note``: why there are none."""

    by_centre: Mapping[str, Decimal]
    note: str = ""


def split(
    pools: Sequence[Pool], costs: Mapping[Place, Costs], weights: Mapping[str, Weights]
) -> tuple[list[Move], list[Outcome]]:
    """Empty the pools in their order. ``weights``: code of a pool -> its weights.

    The result does not depend on the order of ``costs``. Moves are in the order of the steps, places and targets.
    """
    left = {place: amounts for place, amounts in costs.items() if any(amounts)}
    moves: list[Move] = []
    outcomes: list[Outcome] = []
    for pool in pools:
        given = weights[pool.code]
        basis, note = _basis(pool, given)
        found: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        for place in sorted(place for place in left if _meant(pool, place)):
            amounts, sums = left[place], found[place.currency]
            sums[0] += amounts[EFFECTIVE]
            if basis:
                out = _given(pool, place, amounts, basis)
                taken = _total([move.costs for move in out])
                if not out:
                    continue  # a share of less than the smallest unit of money
                sums[1] += taken[EFFECTIVE]
                moves.append(Move(pool.code, pool.step, place, place.cost_centre, place.team, _negative(taken)))
                moves += out
                _book(left, out, place, taken)
        outcomes += [
            Outcome(pool.code, pool.step, currency, sums[0], sums[1], given.by_centre, note if sums[0] else "")
            for currency, sums in sorted(found.items())
        ]
    return moves, outcomes


def _basis(pool: Pool, given: Weights) -> tuple[tuple[tuple[str, Decimal], ...], str]:
    """Targets with a weight, '' for what stays; none and the reason where nothing can be given."""
    if negative := sorted(code for code, weight in given.by_centre.items() if weight < 0):
        return (), f"the measure is negative for {', '.join(negative)}"
    basis = [(code, weight) for code, weight in sorted(given.by_centre.items()) if weight]
    if not basis:
        return (), given.note or "nobody it may go to has any of what it is measured by"
    if pool.method == "fixed" and (stays := 1 - sum((part for _, part in basis), ZERO)):
        basis.append(("", stays))
    return tuple(basis), ""


def _meant(pool: Pool, place: Place) -> bool:
    return pool.holds_on(place.day) and takes(pool.source, place)


def takes(source: Source, place: Place) -> bool:
    """Whether a pool's source is about a row. What was given to somebody is theirs: only a cost centre gives it on."""
    if source.cost_centres and place.cost_centre not in source.cost_centres:
        return False
    if source.kind == "unallocated" and place.cost_centre:
        return False
    if source.kind in ("idle", "unused", "unexplained") and place.kind != source.kind:
        return False
    return (not source.tiers or place.tier in source.tiers) and about(source.match, place)


def about(match: Match, place: Place) -> bool:
    """Whether a row has the dimensions that are wanted."""
    dimensions = {
        "provider": place.provider, "model_served": place.model, "environment": place.environment, "feature": place.feature,
    }  # fmt: skip
    return match.holds(dimensions, "")


def _given(pool: Pool, place: Place, amounts: Costs, basis: tuple[tuple[str, Decimal], ...]) -> list[Move]:
    parts: dict[Decimal, list[Decimal]] = {}
    for amount in amounts:
        if amount not in parts:
            parts[amount] = share(amount, [weight for _, weight in basis]).to_pylist()
    return [
        Move(pool.code, pool.step, place, code, "", tuple(parts[amount][at] for amount in amounts))  # type: ignore[arg-type]
        for at, (code, _) in enumerate(basis)
        if code and any(parts[amount][at] for amount in amounts)
    ]


def _book(left: dict[Place, Costs], moves: Sequence[Move], source: Place, taken: Costs) -> None:
    changes: list[tuple[Place, Costs]] = [(source, _negative(taken))]
    changes += [(source._replace(kind=SHARED, cost_centre=move.cost_centre, team=""), move.costs) for move in moves]
    for place, costs in changes:
        after = _total([left.get(place, NOTHING), costs])
        if any(after):
            left[place] = after
        else:
            left.pop(place, None)


def _total(rows: Sequence[Costs]) -> Costs:
    columns: Any = tuple(sum((row[at] for row in rows), ZERO) for at in range(len(NOTHING)))
    return columns  # type: ignore[no-any-return]


def _negative(costs: Costs) -> Costs:
    first, second, third, fourth = costs
    return -first, -second, -third, -fourth


def weights_of(pool: Pool, targets: tuple[str, ...], measured: Mapping[str, Mapping[str, Decimal]]) -> Weights:
    """The weights of a pool over its targets. ``measured``: tier ('' for a driver) -> cost centre -> amount."""
    if pool.method == "even":
        return Weights(dict.fromkeys(targets, Decimal(1)))
    if pool.method == "fixed":
        return Weights(dict(pool.weights))
    factors = dict(pool.weights) if pool.method == "tier_weight" else {pool.tier: Decimal(1)}
    found = {
        code: sum((factor * measured.get(tier, {}).get(code, ZERO) for tier, factor in factors.items()), ZERO)
        for code in targets
    }
    return Weights({code: weight for code, weight in found.items() if weight})


__all__ = ["Costs", "Move", "Outcome", "Place", "Weights", "about", "receivers", "split", "takes", "weights_of"]
