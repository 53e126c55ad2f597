"""Own hardware in a scenario: GPUs that work needs, those that can be had, what they cost, and what becomes of the rest.

GPUs needed keep today's headroom: they grow with queries x work x what techniques leave. Of those beyond today's the market
delivers a part (supply), a cap may stand above them, and none are taken on that would cost more than what happens to work
without them (the API's price of spill, the worth of a lost query). What is short of them meets the hours of the day (capacity).
A GPU under contract costs its price of month 0 until the contract ends, used or not; then contracts are renewed at the market's
price. The rest is on demand: as much as is used, at the on-demand premium.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.calc import drivers
from forecasting.calc.capacity import Policy, Served, profile, serve
from forecasting.calc.drivers import A_YEAR, Array
from forecasting.calc.scenario_document import Scenario
from forecasting.calc.scenario_draws import Draws
from forecasting.calc.scenario_origin import Origin
from forecasting.calc.scenario_parameters import TECHNIQUES
from forecasting.calc.supply import Market, available, gpu_price, wandering


class Owned(NamedTuple):
    """Own side of a run: by tier ``spend``, ``spilled``, ``queries``, ``completed``; the rest (months + 1, 1, draws)."""

    spend: Array
    spilled: Array
    queries: Array
    completed: Array
    lost: Array
    unasked: Array
    needed: Array
    had: Array
    short: Array
    open_share: Array
    gpu_price: Array

    @classmethod
    def nothing(cls, months: Array) -> "Owned":
        """No own hardware."""
        zero = np.zeros_like(months)
        return cls(zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, np.ones_like(months))


class Demand(NamedTuple):
    """What meets own hardware: month numbers and ramp, queries asked for, work of each and API price, all over today's."""

    months: Array
    ramp: Array
    asked: Array
    work: Array
    sku: Array


def own_side(origin: Origin, scenario: Scenario, draws: Draws, met: Demand) -> Owned:
    """Own hardware of a run. In: parameters of the same draws as ``met``."""
    months, ramp, asked, work, sku = met
    price = gpu_price(market_of(draws), months)
    if draws.get("gpu_price_volatility").any():
        price = price * wandering(draws.get("gpu_price_volatility"), draws.get("gpu_price_reversion"), draws.noise)
    energy = drivers.growth(1 + draws.get("energy_price"), len(months) - 1)
    unit = drivers.part_of(np.full((1, 1, 1), origin.energy_share), energy, price)
    adopted = ramp * drivers.allowed(
        draws.get("technique_adoption"), draws.get("technique_quality_loss"), draws.get("quality_target")
    )
    stack = drivers.stacked([draws.get(name) for name in TECHNIQUES], draws.get("technique_overlap"))
    left = drivers.work_left(stack, adopted)
    answered = drivers.response(work * unit * left, draws.get("elasticity"))
    cost = origin.column("own_cost")
    made = asked * answered
    demand = made * work
    mean = 1 + drivers.over_tiers(cost / cost.sum(), demand - 1)
    needed = mean * left
    spill = draws.get("spill_premium") * sku
    worth = np.maximum(draws.get("query_value"), spill)
    on_demand = draws.get("on_demand_premium")
    contract, split = origin.contract_share, origin.contract_share + on_demand * (1 - origin.contract_share)
    marginal = on_demand / split * unit * left
    fill = _fill(origin, draws, months, needed, marginal <= _alternative(scenario.policy, spill, worth))
    served = _served(origin, scenario.policy, fill, draws.get("abandonment"))
    used = needed * (served.on_time + served.late)
    locked = months < _contract_months(origin)
    beyond = on_demand * unit * np.maximum(used - contract, 0)
    paid = np.where(locked, contract + beyond, unit * np.minimum(used, contract) + beyond) / split
    kept = 1 - served.dropped - served.abandoned
    queries, worked = origin.column("own_queries") * made, cost * demand
    quality = 1 - adopted * draws.get("technique_quality_loss")
    return Owned(
        spend=worked * (paid / mean),
        spilled=worked * (served.spilled * spill),
        queries=queries,
        completed=queries * origin.column("resolved") * (kept * quality),
        lost=drivers.over_tiers(cost, demand) * (1 - kept) * worth,
        unasked=drivers.over_tiers(cost, (asked - made) * work) * worth,
        needed=needed,
        had=needed * fill,
        short=served.short,
        open_share=1 - np.where(locked, contract / np.maximum(needed * fill, contract), 0.0),
        gpu_price=price,
    )


def market_of(draws: Draws) -> Market:
    """The market's parameters among the draws."""
    return Market(
        draws.get("accelerator_demand"), draws.get("accelerator_supply"), draws.get("accelerator_shortage"),
        draws.get("scarcity_exponent"), draws.optional("scarcity_premium"), draws.optional("relief_date"),
        draws.optional("gpu_price_until_relief"), draws.get("gpu_price_after_relief"), draws.optional("availability"),
        draws.get("lead_time"),
    )  # fmt: skip


def _alternative(how: Policy, spill: Array, worth: Array) -> Array:
    """What a unit of work costs without a GPU for it, at least: the cheapest of what the policy does with it."""
    if how.spill:
        return np.minimum(spill, worth) if how.delay or how.drop else spill
    return worth


def _fill(origin: Origin, draws: Draws, months: Array, needed: Array, worthwhile: NDArray[np.bool_]) -> Array:
    """GPUs that can be had over those needed, at most 1."""
    part = available(market_of(draws), months) * worthwhile
    missing = (1 - part) * np.maximum(needed - 1, 0)
    cap = draws.optional("gpu_cap")
    if cap is not None:
        missing = np.maximum(missing, needed - cap / origin.gpus)
    return np.asarray(1 - missing / needed)  # exactly 1 where nothing is missing


def _served(origin: Origin, how: Policy, fill: Array, abandonment: Array) -> Served:
    """What becomes of each month's demand; where no GPU is missing no hour is gone through."""
    demand = profile(origin.profile)
    fill = np.broadcast_to(fill, np.broadcast_shapes(fill.shape, abandonment.shape))
    found = Served(np.ones(fill.shape), *(np.zeros(fill.shape) for _ in Served._fields[1:]))
    short = fill * origin.headroom < 1
    if short.any():
        waiting = np.broadcast_to(abandonment, fill.shape)[short]
        within = serve(demand, demand.max() * origin.headroom * fill[short], how, waiting)
        for target, part in zip(found, within, strict=True):
            target[short] = part
    return found


def _contract_months(origin: Origin) -> float:
    if origin.contract_end is None:
        return float("inf")
    end = origin.contract_end
    return (end.year - origin.month.year) * A_YEAR + end.month - origin.month.month
