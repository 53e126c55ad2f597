"""Splits: the pools of shared cost of a month, emptied in their order (allocation.calc.splits)."""

from collections.abc import Sequence
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from allocation.attribution import drivers, moves
from allocation.calc.splits import KIND, Pool, parse, receivers
from allocation.calc.splits_moves import Outcome, Weights, split, weights_of
from allocation.close import frozen
from allocation.models import Basis, CostCentre, TermsVersion
from finops import locks
from finops.periods import Period

QUERIES = "queries"  # the driver behind tier_weight
ZERO = Decimal(0)
__all__ = ["KIND", "in_force", "parse", "run"]


@transaction.atomic
def run(period: Period) -> int:
    """Split a month anew from its cost that is no split; returns the rows of split_cost. Raises moves.FrozenMonth.

    Rows of rate cards of the month are older than it then: run those next.
    """
    locks.hold(locks.REFRESHER)
    moves.refuse_frozen(period)
    version = TermsVersion.objects.filter(kind=KIND, live=True).values_list("number", flat=True).first()
    pools = in_force(period)
    if not pools:
        return moves.write(period, Basis.SHARED, version or 0, [], [])
    weights = {pool.code: measured for pool, measured in zip(pools, _weights(pools, period), strict=True)}
    cost = moves.cost(period, without=Basis.values)
    found, outcomes = split(pools, cost, weights)
    return moves.write(period, Basis.SHARED, version or 0, found, [*outcomes, *_empty(pools, outcomes)])


def in_force(period: Period) -> tuple[Pool, ...]:
    """The pools that hold on some day of a month, in their order; of a frozen month those that it was frozen with."""
    pools: tuple[Pool, ...] = frozen.document(period, KIND, parse).pools
    return tuple(
        pool
        for pool in pools
        if (pool.begin or period.start) < period.end and (pool.end is None or pool.end > period.start)
    )


def _weights(pools: Sequence[Pool], period: Period) -> list[Weights]:
    centres = tuple(CostCentre.objects.values_list("code", flat=True))
    return [_measure(pool, receivers(pool, tuple(pools[:at]), centres), period) for at, pool in enumerate(pools)]


def _measure(pool: Pool, targets: tuple[str, ...], period: Period) -> Weights:
    """What a pool's targets weigh, over the whole month also where it holds on a part of it."""
    if not targets:
        return Weights({}, "there is no cost centre that it may go to")
    measured: dict[str, dict[str, Decimal]] = {}
    try:
        if pool.method == "proportional":
            measured = {pool.tier: drivers.weights(pool.driver, period, targets, pool.tier or None)}
        elif pool.method == "tier_weight":
            measured = drivers.weights_by_tier(QUERIES, period, targets, [tier for tier, _ in pool.weights])
    except ValueError as wrong:
        return Weights({}, str(wrong))
    return weights_of(pool, targets, measured)


def _empty(pools: Sequence[Pool], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Outcomes of the pools whose source bears nothing."""
    with_cost = {outcome.code for outcome in outcomes}
    return [
        Outcome(pool.code, pool.step, settings.REPORT_CURRENCY, ZERO, ZERO, {}, "")
        for pool in pools
        if pool.code not in with_cost
    ]
