"""The equations of a scenario's drivers, each one alone: arrays in, arrays out, broadcast against each other.

Months come first: ``months`` is an array of shape (T, 1, 1) that counts from 0, whatever else is (T or 1, tiers or 1, draws
or 1). Every path is exactly its value of today at month 0, as a growth of 1 or a distance of 0, so that month 0 of any
scenario is the ledger's. Source: reference equations of the compounding cost of inference (work x price / efficiency).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
A_YEAR = 12  # months
LEAST_RATIO, MOST_RATIO = 0.02, 50.0  # beyond these a price moves demand no further


def growth(yearly: Array, months: int) -> Array:
    """``yearly`` (times a year, shape (1, ...)) to the power of the years since month 0: shape (months + 1, ...)."""
    years = (np.arange(months + 1) / A_YEAR).reshape(-1, *(1 for _ in yearly.shape[1:]))
    return np.asarray(np.exp(np.log(yearly) * years))


def toward(start: Array, target: Array, ramp: Array) -> Array:
    """From ``start`` to ``target`` as far as ``ramp`` (0 to 1) says."""
    return start + (target - start) * ramp


def thinking(share: Array, multiplier: Array) -> Array:
    """Work of a query of which ``share`` reason, at ``multiplier`` times a single pass: 1 + share (multiplier - 1)."""
    return 1 + share * (multiplier - 1)


def debate(agents: Array, own: Array) -> Array:
    """Work of several agents that share weights and cache: 1 + (agents - 1) own."""
    return 1 + (agents - 1) * own


def reread(calls: Array, resent: Array) -> Array:
    """Input of a task whose every further call sends ``resent`` of what came before again: calls (1 + resent (calls - 1) / 2)."""
    return calls * (1 + resent * (calls - 1) / 2)


def cached(share: Array, price: Array) -> Array:
    """Price of input of which ``share`` is read from cache at ``price`` of the full one: 1 - share (1 - price)."""
    return 1 - share * (1 - price)


def stacked(speedups: Sequence[Array], overlap: Array) -> Array:
    """Speed-up of techniques together: their product, to the power of ``overlap`` (1: they do not get in each other's way)."""
    product: Any = 1.0
    for one in speedups:
        product = product * one
    return np.asarray(product**overlap)


def work_left(stack: Array, adoption: Array) -> Array:
    """GPU time over today's where ``adoption`` of the work is done ``stack`` times as fast: 1 - adoption (1 - 1 / stack)."""
    return 1 - adoption * (1 - 1 / stack)


def allowed(adoption: Array, loss: Array, target: Array) -> Array:
    """``adoption`` of what loses ``loss`` of quality, as far as ``target`` is kept: at most (1 - target) / loss."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        most = np.where(loss > 0, (1 - target) / loss, np.inf)
    return np.minimum(adoption, most)


def blended(base: Array, others: Sequence[tuple[Array, Array]]) -> Array:
    """A price index of which each (share, index) of ``others`` follows that index, and the rest ``base``.

    Written as distances from 1, so that it is exactly 1 where all indices are.
    """
    index = base
    for share, other in others:
        index = index + share * (other - base)
    return index


def part_of(share: Array, one: Array, other: Array) -> Array:
    """``share`` of a cost that moves by ``one`` and the rest by ``other``: exactly 1 where both are."""
    return other + share * (one - other)


def response(cost_ratio: Array, elasticity: Array) -> Array:
    """Queries over those without a response: ratio of cost to the power of minus elasticity, the ratio within 0.02 to 50."""
    if not np.any(elasticity):
        return np.ones((1, 1, 1))
    return np.asarray(np.clip(cost_ratio, LEAST_RATIO, MOST_RATIO) ** -elasticity)


def mixed(weights: Array, growths: Array) -> Array:
    """Growth of each tier's queries where only the mix moves: today's queries of all tiers are kept.

    In: queries by tier (1, K, 1); growth of their weights. Out: factors with sum(weights x factor) = sum(weights).
    """
    total = weights.sum(axis=-2, keepdims=True)
    return np.asarray(growths * (total / (weights * growths).sum(axis=-2, keepdims=True)))


def over_tiers(weights: Array, values: Array) -> Array:
    """Sum over tiers of weights (1, K, 1) x values (months, K or 1, draws), shape (months, 1, draws)."""
    if values.shape[1] == 1:
        return np.asarray(values * weights.sum())
    return np.asarray(np.einsum("k,tkn->tn", weights[0, :, 0], values)[:, None, :])
