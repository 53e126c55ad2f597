"""The market for accelerators: from growth of demand and supply to a scarcity premium, a relief date and a path of GPU prices.

    relief    the first month in which supply has caught up: 12 ln(shortage) / ln(supply / demand); never where demand
              grows as fast, unless a date is given
    premium   (demand / supply) ^ exponent - 1 a year until relief, at least 0; or as given
    price     grows at (1 + after relief) (1 + premium) - 1 a year until relief, or as given; then at ``after relief``, or at
              the rate before where that is lower: relief never makes a GPU dearer. Around this path it wanders,
              deviation(t) = (1 - reversion) deviation(t - 1) + volatility z(t)
    available of further GPUs wanted, until relief: (supply / demand) ^ years, at most 1, or as given, and nothing before
              the lead time is over; all of them from relief on

Prices are relative to month 0, where every path is 1. Arrays: months (T, 1, 1), parameters (1, N or 1), results (T, 1, N or 1).
"""

from typing import NamedTuple

import numpy as np

from forecasting.calc.drivers import A_YEAR, Array, growth


class Market(NamedTuple):
    """What moves the market, each of shape (1, N or 1); None: by the equation."""

    demand: Array
    supply: Array
    shortage: Array
    exponent: Array
    premium: Array | None
    relief: Array | None  # in months since month 0
    until: Array | None
    after: Array
    availability: Array | None
    lead_time: Array


def relief_month(market: Market) -> Array:
    """Months until relief; infinity: it does not come. 0 where there is no shortage and none is growing."""
    if market.relief is not None:
        return market.relief
    closing = np.log(market.supply / market.demand)
    shortage = np.log(np.maximum(market.shortage, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        months = A_YEAR * shortage / closing
    none = np.where(closing < 0, np.inf, 0.0)
    return np.where(closing > 0, months, np.where(shortage > 0, np.inf, none))


def premium(market: Market) -> Array:
    """Scarcity premium a year until relief, a share."""
    if market.premium is not None:
        return market.premium
    return np.maximum((market.demand / market.supply) ** market.exponent - 1, 0)


def gpu_price(market: Market, months: Array) -> Array:
    """Price of a GPU hour over that of month 0, without its wandering."""
    relief, after = relief_month(market), np.log1p(market.after)
    until = np.log1p(market.until) if market.until is not None else after + np.log1p(premium(market))
    before = np.minimum(months, relief)
    return np.asarray(np.exp((until * before + np.minimum(after, until) * (months - before)) / A_YEAR))


def wandering(volatility: Array, reversion: Array, noise: Array) -> Array:
    """Factor by which the price of each month lies off its path; ``noise`` (T, 1, N) standard normal, the first unused."""
    deviation = np.zeros(np.broadcast_shapes(noise.shape, volatility.shape, reversion.shape))
    for month in range(1, len(noise)):
        deviation[month] = (1 - reversion) * deviation[month - 1] + volatility * noise[month]
    return np.asarray(np.exp(deviation))


def available(market: Market, months: Array) -> Array:
    """Part of the further GPUs wanted that the market delivers, 0 to 1."""
    relief = relief_month(market)
    if market.availability is not None:
        part = market.availability
    else:
        part = np.minimum(growth(market.supply / market.demand, len(months) - 1), 1)
    part = np.where(months < market.lead_time, 0.0, part)
    return np.where(months < relief, part, 1.0)
