"""A scenario run over its draws: month 0 of the ledger, moved by drivers, month by month and tier by tier.

    spend = API cost x queries x work x price index x routing
          + own cost x GPU use x price of a GPU hour (what is under contract keeps its price, used or not)
          + spill of what own capacity cannot serve
    work  = reasoning x calls x debate, of input and output;  GPU use = queries x work x what techniques leave of it

Techniques act on own hardware alone: a price of an API has them inside. Queries answer to the cost of the route they take.
Each month is what it is without regard to draws of another month but through prices; there is no clock and no state. Money is
float here: a projection, not a booking. Month 0 is the ledger's to the last digit, as every factor is exactly 1 there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date

import numpy as np

from finops.periods import Period
from forecasting.calc import drivers
from forecasting.calc.drivers import Array
from forecasting.calc.scenario_document import FIXED_QUALITY, FRONTIER, INDICES, SAME_SKU, Scenario
from forecasting.calc.scenario_draws import Draws
from forecasting.calc.scenario_origin import Origin, ScenarioError
from forecasting.calc.scenario_own import Demand, Owned, own_side
from forecasting.calc.scenario_parameters import CALLS, REASONING_PER_CALL, REASONING_PER_TASK

MOST = 1e15  # of anything in a run: money, queries, GPUs over today's
_CHUNK = 1_024  # draws at a time: what is worked on stays in the cache


@dataclass(frozen=True)
class Paths:
    """What a run gives: months first, draws last; ``spend`` and ``completed`` by tier in between. Money is of a month.

    ``spend`` = ``api`` + ``own`` + ``spilled``, without what is fixed. ``queries`` are asked for, ``completed`` those of them
    that were answered and resolved. ``lost``: worth of queries turned away or given up; ``unasked``: worth of those that
    their cost kept from being asked, negative where it brought more. ``gpus_needed``, ``gpus_had``: over today's; ``short``:
    share of hours short of capacity; ``uncontracted``: share of spend under no contract; ``gpu_price``: over today's.
    """

    spend: Array
    completed: Array
    queries: Array
    api: Array
    own: Array
    spilled: Array
    lost: Array
    unasked: Array
    gpus_needed: Array
    gpus_had: Array
    short: Array
    uncontracted: Array
    gpu_price: Array

    @property
    def total(self) -> Array:
        """Spend over all tiers, (months + 1, draws), without what is fixed."""
        return np.asarray(self.spend.sum(axis=1))


def run(origin: Origin, scenario: Scenario, draws: Draws) -> Paths:
    """All months of all draws. ``draws`` as scenario_draws gives them for this scenario and month. Raises ScenarioError."""
    _check(origin, draws)
    steps = {name: step_path(scenario, origin.month, name) for name in INDICES}
    months, tiers = scenario.months + 1, len(origin.tiers)
    found = {
        one.name: np.empty((months, tiers, draws.size) if number < len(_BY_TIER) else (months, draws.size))
        for number, one in enumerate(fields(Paths))
    }
    for start in range(0, draws.size, _CHUNK):
        with np.errstate(over="ignore", invalid="ignore"):
            part = _part(origin, scenario, draws.part(start, start + _CHUNK), steps)
        for name, values in part.items():
            target = found[name][..., start : start + _CHUNK]
            target[...] = values if name in _BY_TIER else values[:, 0]
            _within(origin, name, target)
    return Paths(**found)


def _within(origin: Origin, name: str, values: Array) -> None:
    """Refuse figures that are no longer any: beyond MOST, or not a number, as an overflow leaves it."""
    if values.max() < MOST and values.min() > -MOST:  # both are false of a NaN
        return
    outside = ~(np.abs(values) < MOST)
    number = int(np.argmax(outside.reshape(len(values), -1).any(axis=1)))
    raise ScenarioError(
        f"its figures leave all bounds in month {number} after {origin.month:%Y-%m} ({name} beyond 10^15 in some draws): growth, "
        "calls, prices or elasticity are too large together, or too small"
    )


def step_path(scenario: Scenario, month: date, index: str) -> Array:
    """Announced steps of an index as factors (months + 1, 1, 1); a month in which one falls has it from that day on."""
    path = np.ones(scenario.months + 1)
    for step in scenario.steps:
        if step.price != index or step.on < Period.month_of(month).end:
            continue
        period = Period.month_of(month)
        for number in range(scenario.months + 1):
            days = min(max((period.end - step.on).days, 0), len(period))
            path[number] *= 1 + float(step.change) * days / len(period)
            period = Period.month_of(period.end)
    return path.reshape(-1, 1, 1)


def notes(origin: Origin, scenario: Scenario) -> list[str]:
    """What of a scenario has no effect on this month 0, a sentence each."""
    return [
        f"The step of {step.on} ({step.price}) is in the run rate of {origin.month:%Y-%m} already."
        for step in scenario.steps
        if step.on < Period.month_of(origin.month).end
    ]


_BY_TIER = ("spend", "completed")


def _check(origin: Origin, draws: Draws) -> None:
    shares = draws.get("frontier_share") + draws.get("migration_share")
    if (shares > 1).any():
        raise ScenarioError(
            "frontier_share and migration_share: together they are more than all; lower one of them, or their high"
        )
    cap = draws.optional("gpu_cap")
    if cap is not None and not origin.gpus:
        raise ScenarioError("gpu_cap: month 0 does not say how many GPUs there are, so none can be the most")
    if cap is not None and cap.min() < origin.gpus:
        raise ScenarioError(f"gpu_cap: {cap.min():g} is below the {origin.gpus:g} GPUs of month 0")


def _part(origin: Origin, scenario: Scenario, draws: Draws, steps: Mapping[str, Array]) -> dict[str, Array]:
    months = np.arange(scenario.months + 1.0).reshape(-1, 1, 1)
    ramp = np.minimum(months / scenario.ramp_months, 1)
    asked = _asked(origin, draws, scenario.months)
    work = _work(origin, scenario, draws, ramp)
    sku, index = price_indices(draws, months, ramp, steps)
    routed = ramp * drivers.allowed(
        draws.get("routing_share"), draws.get("routing_quality_loss"), draws.get("quality_target")
    )
    unit = index * (1 - routed * draws.get("routing_saving"))
    elasticity, value = draws.get("elasticity"), draws.get("query_value")
    dearer = work * unit
    answered = drivers.response(dearer, elasticity)
    made = asked * answered
    cost = origin.column("api_cost")
    api = cost * made * dearer
    queries = origin.column("api_queries") * made
    quality = 1 - routed * draws.get("routing_quality_loss")
    unasked = drivers.over_tiers(cost, (asked - made) * work * np.maximum(value, unit))
    owned = Owned.nothing(months) if not origin.column("own_cost").any() else own_side(
        origin, scenario, draws, Demand(months, ramp, asked, work, sku)
    )  # fmt: skip
    spend = api + owned.spend + owned.spilled
    apis, owns, spilled = (np.sum(one, axis=1, keepdims=True) for one in (api, owned.spend, owned.spilled))
    open_api = np.maximum(apis - float(origin.api_committed) * _until(origin.api_commitment_end, origin, months), 0)
    total = apis + owns + spilled
    with np.errstate(divide="ignore", invalid="ignore"):
        uncontracted = np.where(total > 0, (open_api + owned.open_share * owns + spilled) / total, 0.0)
    return {
        "spend": spend,
        "completed": queries * (origin.column("resolved") * quality) + owned.completed,
        "queries": np.sum(queries + owned.queries, axis=1, keepdims=True),
        "api": apis,
        "own": owns,
        "spilled": spilled,
        "lost": owned.lost,
        "unasked": unasked + owned.unasked,
        "gpus_needed": owned.needed,
        "gpus_had": owned.had,
        "short": owned.short,
        "uncontracted": uncontracted,
        "gpu_price": owned.gpu_price,
    }


def _asked(origin: Origin, draws: Draws, months: int) -> Array:
    """Queries over today's, before they answer to what they cost."""
    weights = origin.column("api_queries") + origin.column("own_queries")
    grown = drivers.growth(draws.get("query_growth"), months)
    mix = draws.get("mix_growth")
    if mix.shape[1] == 1:  # one growth for all tiers is no shift between them
        return grown
    return grown * drivers.mixed(weights, drivers.growth(mix, months))


def _work(origin: Origin, scenario: Scenario, draws: Draws, ramp: Array) -> Array:
    """Work of a query over today's, (months + 1, tiers, draws)."""
    months = scenario.months
    of_task = np.array([scenario.spec(REASONING_PER_TASK, tier) is not None for tier in origin.names])[None, :, None]
    multiplier, share = origin.column("reasoning_multiplier"), origin.column("reasoning_share")
    faster = drivers.growth(draws.get(REASONING_PER_TASK) * draws.get(REASONING_PER_CALL), months)
    reasoning = drivers.thinking(_led(draws, "reasoning_share", share, ramp), multiplier * faster)
    reasoning = reasoning / drivers.thinking(share, multiplier)
    agents, own = origin.column("agents"), draws.get("debate_share")
    debate = drivers.debate(_led(draws, "agents", agents, ramp), own) / drivers.debate(agents, own)
    calls, resent = origin.column("calls"), draws.get("context_resent")
    more = calls * drivers.growth(draws.get(CALLS), months)
    read, price = origin.column("cached_share"), draws.get("cached_price")
    cache = drivers.cached(_led(draws, "cached_share", read, ramp), price) / drivers.cached(read, price)
    given = drivers.reread(more, resent) / drivers.reread(calls, resent)
    given = given * (cache * drivers.growth(draws.get("context_growth"), months))
    if of_task.any():
        given = given * np.where(of_task, reasoning, 1.0)
    made = reasoning * (more / calls)
    return debate * drivers.part_of(origin.column("input_share"), given, made)


def _led(draws: Draws, name: str, start: Array, ramp: Array) -> Array:
    target = draws.optional(name)
    if target is None:
        return start
    return drivers.toward(start, np.where(np.isnan(target), start, target), ramp)


def price_indices(draws: Draws, months: Array, ramp: Array, steps: Mapping[str, Array]) -> tuple[Array, Array]:
    """Price of one SKU, and price paid, over today's: some cost follows the frontier, some moves to equal quality."""
    length = len(months) - 1
    sku = drivers.growth(1 + draws.get("price_same_sku"), length) * steps[SAME_SKU]
    frontier = drivers.growth(1 + draws.get("price_frontier"), length) * steps[FRONTIER]
    late = np.maximum(months - draws.get("migration_lag"), 0) / drivers.A_YEAR
    quality = draws.get("price_fixed_quality") ** -late * steps[FIXED_QUALITY]
    moved = draws.get("migration_share") * ramp
    return sku, drivers.blended(sku, ((draws.get("frontier_share"), frontier), (moved, quality)))


def _until(end: date | None, origin: Origin, months: Array) -> Array:
    """1 in the months before ``end``, 0 after; None: it does not end."""
    if end is None:
        return np.ones_like(months)
    whole = (end.year - origin.month.year) * drivers.A_YEAR + end.month - origin.month.month
    return np.where(months < whole, 1.0, 0.0)
