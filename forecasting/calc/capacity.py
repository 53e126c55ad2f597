"""Own capacity that is short of demand, hour by hour of a typical day (or week): what is served, spilled, delayed, dropped.

New work comes first. What is above capacity overflows, and a policy says which parts of it go to an API (spill), wait
(delay) or are turned away (drop). Of what waits a part is given up each hour; the rest is served as there is room. Each hour:

    new = served + spilled + delayed + dropped
    backlog = backlog before + delayed - late - abandoned        (late: served from the backlog)

The cycle begins where the day has the most room behind it, so that what piles up in the busy hours drains in the quiet ones;
what still waits at its end is given up, and the next cycle begins with none. Quantities are parts of the mean demand of an
hour, so that all cycles of a month are alike.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from forecasting.calc.drivers import Array


class CapacityError(ValueError):
    """A policy or a profile cannot be used; the message says what is possible."""


class Policy(NamedTuple):
    """What happens to work above capacity: parts that add up to 1."""

    spill: float = 1.0
    delay: float = 0.0
    drop: float = 0.0


class Hour(NamedTuple):
    """One hour of the cycle; all but ``new`` of the shape of the capacity, in mean hours of demand."""

    new: float
    served: Array
    spilled: Array
    delayed: Array
    dropped: Array
    before: Array
    late: Array
    abandoned: Array
    backlog: Array


class Served(NamedTuple):
    """A cycle, as parts of its demand, of the shape of the capacity. on_time + late + spilled + dropped + abandoned = 1.

    ``short``: the share of its hours with an overflow.
    """

    on_time: Array
    late: Array
    spilled: Array
    dropped: Array
    abandoned: Array
    short: Array


def policy(spill: float, delay: float, drop: float) -> Policy:
    """The policy of these parts. Raises CapacityError unless none is negative and they add up to 1."""
    parts = (spill, delay, drop)
    if min(parts) < 0 or abs(sum(parts) - 1) > 1e-9:
        raise CapacityError(f"policy: spill, delay and drop are parts that add up to 1, not {spill} + {delay} + {drop}")
    return Policy(*parts)


def profile(hours: Sequence[float]) -> Array:
    """Demand by hour of a cycle with mean 1, beginning where the most room lies behind. Raises CapacityError."""
    found = np.asarray(hours, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all() or found.min() < 0 or found.sum() <= 0:
        raise CapacityError("profile: needs one amount of at least 0 for each hour of the cycle, and one above 0")
    found = found / found.mean()
    return np.roll(found, -(int(np.argmin(np.cumsum(found - 1))) + 1))


def hours(demand: Array, capacity: Array, how: Policy, abandonment: Array | float = 0.0) -> Iterator[Hour]:
    """The hours of a cycle. In: demand by hour; capacity in the same unit, any shape; abandonment a share an hour."""
    backlog = np.zeros(np.broadcast_shapes(capacity.shape, np.shape(abandonment)))
    last = len(demand) - 1
    for number, new in enumerate(demand.tolist()):
        overflow = np.maximum(new - capacity, 0)
        served = new - overflow
        spilled, dropped = how.spill * overflow, how.drop * overflow
        delayed = overflow - spilled - dropped if how.delay else np.zeros_like(overflow)
        abandoned = abandonment * backlog
        late = np.minimum(backlog - abandoned, capacity - served)
        before, backlog = backlog, backlog - abandoned - late + delayed
        if number == last:
            abandoned, backlog = abandoned + backlog, np.zeros_like(backlog)
        yield Hour(new, served, spilled, delayed, dropped, before, late, abandoned, backlog)


def serve(demand: Array, capacity: Array, how: Policy, abandonment: Array | float = 0.0) -> Served:
    """What becomes of a cycle's demand. In: as ``hours``; ``demand`` as ``profile`` gives it."""
    if how.delay:
        return _with_backlog(demand, capacity, how, abandonment)
    levels = np.unique([0.0, *demand.tolist()])  # what overflows is straight in capacity from one of them to the next
    overflow = np.interp(capacity, levels, np.maximum(demand - levels[:, None], 0).mean(axis=1))
    short = 1 - np.searchsorted(np.sort(demand), capacity, side="right") / len(demand)
    nothing = np.zeros_like(overflow)
    return Served(1 - overflow, nothing, how.spill * overflow, how.drop * overflow, nothing, short)


def _with_backlog(demand: Array, capacity: Array, how: Policy, abandonment: Array | float) -> Served:
    shape = np.broadcast_shapes(capacity.shape, np.shape(abandonment))
    totals: list[Array] = [np.zeros(shape) for _ in Served._fields[1:]]
    for hour in hours(demand, capacity, how, abandonment):
        overflow = hour.spilled + hour.delayed + hour.dropped
        for total, part in zip(
            totals, (hour.late, hour.spilled, hour.dropped, hour.abandoned, overflow > 0), strict=True
        ):
            np.add(total, part, out=total)
    late, spilled, dropped, abandoned, short = (total / len(demand) for total in totals)
    return Served(1 - late - spilled - dropped - abandoned, late, spilled, dropped, abandoned, short)
