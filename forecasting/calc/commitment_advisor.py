"""How much to commit to: provisioned throughput, GPU reservations and spend commits, weighed on sample paths of demand.

Capacity is a newsvendor's choice. A unit of it is paid in every period, used or not; what demand has beyond it is paid on demand:

    cost(n) = n x price x periods + on-demand price x sum over periods of max(0, demand - n)

The n-th unit is worth it as long as demand exceeds it in at least price / on-demand price of the periods, so that the best size
is that quantile of demand over all paths and periods. A spend commit is an amount that is paid in any case and buys usage at a
discount, commit / (1 - discount) of it at list prices. What is used beyond that (overage) costs list price, as contracts have
it that do not say otherwise:

    cost(commit) = commit + max(0, list cost - commit / (1 - discount))

and the best commit is that which the quantile of list cost at the discount fills. Where the contract discounts what is beyond,
too (``DISCOUNTED``), cost = max(commit, (1 - discount) x list cost): every commit that is sure to be used costs the same then,
and the least of them is the best. Demand is what remains after commitments that already run.

*Waste* is what is paid for and not used, *spill* what is paid on demand beside it. *Regret* is how much dearer a choice is, on
average, than the best choice of each path would have been, known beforehand.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import numpy as np

from finops.money import minor_digits
from forecasting.calc.drivers import Array

LIST, DISCOUNTED = "list", "discounted"  # what usage beyond a spend commit costs
OVERAGE = {LIST: "list price", DISCOUNTED: "the same discount"}
POINTS = 41  # sizes on a regret curve, evenly from none to the most


class AdviceError(ValueError):
    """No advice can be given; the message says what is missing."""


class Capacity(NamedTuple):
    """Capacity on offer, in units of demand (GPUs, throughput units), with prices of a unit and period.

    Sizes go from ``least`` on by ``step``; ``most``: the largest that can be had, None: no limit.
    """

    price: Decimal
    on_demand: Decimal
    currency: str
    least: int = 1
    step: int = 1
    most: int | None = None


class Commit(NamedTuple):
    """A spend commit on offer: what is paid at least over the whole time, and the discount on list cost, 0 to 1."""

    amount: Decimal
    discount: Decimal


class Choice(NamedTuple):
    """One size (of capacity) or amount (of a commit), 0: none. Money is a mean over the paths, rounded to the minor unit.

    ``worse``: share of paths on which it costs more than to commit to nothing.
    """

    size: Decimal
    cost: Decimal
    waste: Decimal
    spill: Decimal
    regret: Decimal
    worse: float


class Advice(NamedTuple):
    """The best choice, what it saves against none on average, and the curve of choices by size."""

    best: Choice
    saving: Decimal
    curve: tuple[Choice, ...]


def capacity(demand: Array, offer: Capacity) -> Advice:
    """Best size of capacity. In: demand of shape (paths, periods), at least 0. Raises AdviceError.

    Invariant: no size on offer has a lower mean cost than the best.
    """
    demand = _checked(demand, 2)
    if offer.price < 0 or offer.on_demand <= 0 or offer.least < 1 or offer.step < 1:
        raise AdviceError("an offer needs a price of at least 0, an on-demand price above 0, and sizes of at least 1")
    if offer.most is not None and offer.most < offer.least:
        raise AdviceError(
            f"most: the largest size, {offer.most}, is below the least, {offer.least}: raise most, or lower least"
        )
    best = _best_size(np.sort(demand, axis=None), offer)
    hindsight = [_best_size(np.sort(path), offer) for path in demand]
    price, on_demand = float(offer.price), float(offer.on_demand)

    def costs(size: int | Array) -> Array:
        sizes = np.asarray(size, dtype=np.float64).reshape(-1, 1)
        beyond = np.maximum(demand - sizes, 0).sum(axis=1)
        return np.asarray(sizes[:, 0] * price * demand.shape[1] + beyond * on_demand)

    known, nothing = costs(np.array(hindsight)), costs(0)

    def choice(size: int) -> Choice:
        cost = costs(size)
        unused = np.maximum(size - demand, 0).sum(axis=1) * price
        spill = np.maximum(demand - size, 0).sum(axis=1) * on_demand
        return _choice(offer.currency, Decimal(size), (cost, unused, spill, cost - known), nothing)

    return _advice(choice(best), [choice(size) for size in _grid(demand, offer, best)], nothing, offer.currency)


def filled_by(list_cost: Array, discount: Decimal, overage: str) -> Decimal:
    """The amount of a commit that costs least of all amounts, if any were on offer; exact to the float it is."""
    if overage == DISCOUNTED:
        return Decimal(repr(float(list_cost.min()))) * (1 - discount)
    place = min(int(np.floor(float(discount) * len(list_cost))), len(list_cost) - 1)
    return Decimal(repr(float(np.sort(list_cost)[place]))) * (1 - discount)


def spend(list_cost: Array, offers: Sequence[Commit], currency: str, overage: str = LIST) -> Advice:
    """Best spend commit. In: list cost over the whole time by path, at least 0; ``overage``: one of OVERAGE. Raises AdviceError.

    Invariant: no offer, and not none either, has a lower mean cost than the best.
    """
    list_cost = _checked(list_cost, 1)
    if any(one.amount <= 0 or not 0 <= one.discount < 1 for one in offers):
        raise AdviceError("a spend commit has an amount above 0 and a discount from 0 to below 1")
    every = [Commit(Decimal(0), Decimal(0)), *sorted(offers)]
    wasted = [np.maximum(float(one.amount) - list_cost * float(1 - one.discount), 0) for one in every]
    beyond = [_beyond(list_cost, one, overage) for one in every]
    costs = [float(one.amount) + spilt for one, spilt in zip(every, beyond, strict=True)]
    known = np.min(costs, axis=0)
    curve = [
        _choice(currency, one.amount, (cost, unused, spilt, cost - known), costs[0])
        for one, unused, spilt, cost in zip(every, wasted, beyond, costs, strict=True)
    ]
    means = [float(cost.mean()) for cost in costs]
    return _advice(curve[means.index(min(means))], curve, costs[0], currency)


def _beyond(list_cost: Array, one: Commit, overage: str) -> Array:
    """What usage beyond a commit costs, by path."""
    if overage == DISCOUNTED:
        return np.maximum(list_cost * float(1 - one.discount) - float(one.amount), 0)
    return np.maximum(list_cost - float(one.amount / (1 - one.discount)), 0)


def _best_size(ordered: Array, offer: Capacity) -> int:
    """The size on offer, or 0, of the least cost; of several the smallest. ``ordered``: demand from the lowest to the highest."""
    beyond_needed = float(offer.price) / float(offer.on_demand)
    if beyond_needed >= 1:
        return 0
    place = min(int(np.floor((1 - beyond_needed) * len(ordered))), len(ordered) - 1)
    ideal = float(ordered[place])
    below = offer.least + int((ideal - offer.least) // offer.step) * offer.step
    near = {below + move * offer.step for move in (-1, 0, 1, 2)} | {offer.least}
    if offer.most is not None:
        largest = offer.least + (offer.most - offer.least) // offer.step * offer.step
        near = {min(size, largest) for size in near}
    sizes = [0, *sorted(size for size in near if size >= offer.least)]

    def cost(size: int) -> float:
        beyond = float(np.maximum(ordered - size, 0).sum())
        return size * float(offer.price) * len(ordered) + beyond * float(offer.on_demand)

    found = [cost(size) for size in sizes]
    return sizes[found.index(min(found))]


def _grid(demand: Array, offer: Capacity, best: int) -> list[int]:
    """Sizes of the curve: 0, the least, and evenly on up to the largest demand or the most on offer; the best among them."""
    top = max(int(np.ceil(demand.max())), best, offer.least)
    top = top if offer.most is None else min(top, offer.most)
    steps = np.linspace(0, (top - offer.least) // offer.step, POINTS).round().astype(int).tolist()
    return sorted({0, best, *(offer.least + one * offer.step for one in steps)})


def _checked(values: Array, dimensions: int) -> Array:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != dimensions or not found.size:
        raise AdviceError(f"demand has {dimensions} dimensions, paths first, and at least one path and period")
    if not np.isfinite(found).all() or found.min() < 0:
        raise AdviceError("demand is an amount of at least 0 everywhere: leave credits and corrections out")
    return found


def _choice(currency: str, size: Decimal, amounts: tuple[Array, Array, Array, Array], nothing: Array) -> Choice:
    cost, waste, spill, regret = (_money(float(one.mean()), currency) for one in amounts)
    return Choice(size, cost, waste, spill, regret, float(np.mean(amounts[0] > nothing)))


def _advice(best: Choice, curve: Sequence[Choice], nothing: Array, currency: str) -> Advice:
    return Advice(best, _money(float(nothing.mean()), currency) - best.cost, tuple(curve))


def _money(value: float, currency: str) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-minor_digits(currency)), ROUND_HALF_EVEN)
