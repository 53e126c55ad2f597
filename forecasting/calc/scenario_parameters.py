"""The drivers that a scenario may move: what each one is, its unit, and the value at which it changes nothing.

All are growth from month 0, so that a scenario in which nothing is moved is the run rate of today, month after month.
A *target* (no neutral value) is where something measured at month 0 is led to; an *override* (none either) stands in for
an equation. The order is that of the random numbers: it is only ever added to at the end, so that scenarios compared
with each other, and a scenario run again later, draw the same.
"""

from typing import NamedTuple

from allocation.calc.assumptions import CHANGE, DATE, SHARE

TIMES, TIMES_A_YEAR, AGENTS, ELASTICITY = "x", "x/year", "agents", "elasticity"
EXPONENT, MONTHS, GPUS, PER_HOUR = "exponent", "months", "GPUs", "share/hour"
NOTHING: None = None


class Parameter(NamedTuple):
    """One driver. ``neutral`` None: what it says is taken from month 0, or from an equation, until somebody gives a value.

    ``by_tier``: may also be given for one tier, as name.tier. ``positive``: must be above zero.
    """

    name: str
    title: str
    unit: str
    neutral: int | None
    by_tier: bool = False
    positive: bool = False


def _growth(name: str, title: str, *, by_tier: bool = True) -> Parameter:
    return Parameter(name, title, TIMES_A_YEAR, 1, by_tier, positive=True)


def _times(name: str, title: str) -> Parameter:
    return Parameter(name, title, TIMES, 1, positive=True)


REASONING_PER_TASK, REASONING_PER_CALL, CALLS = "reasoning_per_task", "reasoning_per_call", "calls_per_task"
TECHNIQUES = ("technique_moe", "technique_int4", "technique_speculative", "technique_batching", "technique_silicon")

PARAMETERS: tuple[Parameter, ...] = (
    _growth("query_growth", "Queries, times a year"),
    _growth("mix_growth", "Weight of a tier among queries, times a year"),
    Parameter("elasticity", "Elasticity of queries to what one costs", ELASTICITY, 0, by_tier=True),
    Parameter("reasoning_share", "Share of queries that reason, target", SHARE, NOTHING, by_tier=True),
    _growth(REASONING_PER_TASK, "Reasoning of a task over all its calls, times a year"),
    _growth(REASONING_PER_CALL, "Reasoning of a call, times a year"),
    _growth(CALLS, "Calls of a task, times a year"),
    Parameter("context_resent", "Share of the context that each further call sends again", SHARE, 0, by_tier=True),
    Parameter("agents", "Agents of a debate, target", AGENTS, NOTHING, by_tier=True, positive=True),
    Parameter("debate_share", "Part of one agent's cost that each further one adds", SHARE, 0),
    _growth("context_growth", "Input of a call, times a year"),
    Parameter("cached_share", "Cached share of input, target", SHARE, NOTHING, by_tier=True),
    Parameter("cached_price", "Price of cached input over that of input", SHARE, 1),
    _times(TECHNIQUES[0], "Mixture of experts: speed-up"),
    _times(TECHNIQUES[1], "Four-bit weights: speed-up"),
    _times(TECHNIQUES[2], "Speculative decoding: speed-up"),
    _times(TECHNIQUES[3], "Continuous batching: speed-up"),
    _times(TECHNIQUES[4], "New silicon: speed-up"),
    Parameter("technique_overlap", "Exponent that discounts techniques that overlap", SHARE, 1),
    Parameter("technique_adoption", "Share of own work done with the techniques, target", SHARE, 0),
    Parameter("technique_quality_loss", "Quality that the techniques lose", SHARE, 0),
    Parameter("price_same_sku", "Price of one SKU, a year", CHANGE, 0),
    Parameter("price_frontier", "Price of the frontier of the day, a year", CHANGE, 0),
    _growth("price_fixed_quality", "Price at fixed quality, times cheaper a year", by_tier=False),
    Parameter("frontier_share", "Share of API cost that follows the frontier", SHARE, 0, by_tier=True),
    Parameter("migration_share", "Share of API cost that moves to equal quality, target", SHARE, 0, by_tier=True),
    Parameter("migration_lag", "Months by which it moves late", MONTHS, 0),
    _growth("accelerator_demand", "Demand of the market for accelerators, times a year", by_tier=False),
    _growth("accelerator_supply", "Supply of accelerators, times a year", by_tier=False),
    _times("accelerator_shortage", "Demand of the market over supply, now"),
    Parameter("scarcity_exponent", "Exponent by which scarcity is a price", EXPONENT, 1),
    Parameter("scarcity_premium", "Scarcity premium on a GPU hour, a year, instead of the equation", CHANGE, NOTHING),
    Parameter("relief_date", "Relief of the hardware constraint, instead of the equation", DATE, NOTHING),
    Parameter("gpu_price_until_relief", "Price of a GPU hour, a year, until relief, instead of the equation", CHANGE, NOTHING),
    Parameter("gpu_price_after_relief", "Price of a GPU hour, a year, without scarcity", CHANGE, 0),
    Parameter("gpu_price_volatility", "Spread of a GPU hour's price, a month", SHARE, 0),
    Parameter("gpu_price_reversion", "Part of a deviation of that price that is gone a month later", SHARE, 1),
    Parameter("availability", "Part of the further GPUs wanted that can be had until relief", SHARE, NOTHING),
    Parameter("lead_time", "Months until a further GPU arrives, until relief", MONTHS, 0),
    Parameter("gpu_cap", "GPUs at most", GPUS, NOTHING, positive=True),
    _times("on_demand_premium", "Price on demand over that under contract"),
    Parameter("energy_price", "Price of energy, a year", CHANGE, 0),
    _times("spill_premium", "Price of API for what own hardware cannot serve, over its own cost"),
    _times("query_value", "What a query that is lost was worth, over its cost"),
    Parameter("abandonment", "Part of waiting work that is given up in an hour", PER_HOUR, 0),
    Parameter("routing_share", "Share of API cost that goes through a router, target", SHARE, 0, by_tier=True),
    Parameter("routing_saving", "What a router saves of it", SHARE, 0),
    Parameter("routing_quality_loss", "Quality that a router loses", SHARE, 0),
    Parameter("quality_target", "Quality kept at least: routing and techniques go no further", SHARE, 0),
)  # fmt: skip
BY_NAME = {one.name: one for one in PARAMETERS}
# Two things that push the same way, or that together are one driver: moved together when sensitivity is told.
OVERLAPPING = frozenset({REASONING_PER_CALL, CALLS})
