"""What a run of a scenario says: fans by month and tier, odds against budgets, shortage, cost of a task.

A fan is the run rate of month 0, exactly, plus quantiles of what changes: in month 0 nothing does. Quantiles of a total are those
of the draws' totals, never sums of quantiles. Money is rounded half-even to the currency's minor unit, other figures to 6 digits.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import numpy as np

from finops.money import minor_digits
from finops.periods import Period
from forecasting.calc.drivers import Array
from forecasting.calc.scenario import Paths, notes
from forecasting.calc.scenario_document import Scenario
from forecasting.calc.scenario_origin import Origin, ScenarioError, canonical
from forecasting.calc.sensitivity import Effect, Tornado

PERCENTS = (5, 25, 50, 75, 95)
TOTAL = ""
_DIGITS = 6
_ZERO = Decimal(0)


class Fan(NamedTuple):
    """Cost of a month in a tier (TOTAL: of all, with what is fixed): quantiles at PERCENTS, and the mean."""

    month: date
    tier: str
    quantiles: tuple[Decimal, ...]
    mean: Decimal


class Task(NamedTuple):
    """Cost of a completed task of a tier in a month: quantiles at PERCENTS; None: no task is completed."""

    month: date
    tier: str
    quantiles: tuple[float, ...] | None


class Outlook(NamedTuple):
    """A month beside its cost. Probabilities None: no budget is given.

    ``over``: that the month's cost is above its budget; ``over_to_date``: that the cost since month 1 is above the budgets since
    then. ``gpus_needed``, ``gpus_had``: quantiles 5, 50, 95 in whole GPUs, None: month 0 does not say how many there are;
    ``short_hours``: hours short of capacity, mean and 95th percentile; ``spilled``, ``lost``, ``unasked``: mean, money;
    ``uncontracted``: mean share of cost under no contract; ``gpu_price``: quantiles 5, 50, 95 over month 0.
    """

    month: date
    over: float | None
    over_to_date: float | None
    gpus_needed: tuple[int, ...] | None
    gpus_had: tuple[int, ...] | None
    short_hours: tuple[float, float]
    spilled: Decimal
    lost: Decimal
    unasked: Decimal
    uncontracted: float
    gpu_price: tuple[float, ...]


class Difference(NamedTuple):
    """Cost of a month in one scenario less another's, draw by draw: quantiles at PERCENTS, mean, odds that it is dearer."""

    month: date
    quantiles: tuple[Decimal, ...]
    mean: Decimal
    dearer: float


def months_of(origin: Origin, count: int) -> list[Period]:
    """Month 0 and the months after it."""
    found = [Period.month_of(origin.month)]
    while len(found) < count:
        found.append(Period.month_of(found[-1].end))
    return found


def fans(origin: Origin, paths: Paths) -> list[Fan]:
    """Fans of every month, of every tier and of all."""
    rows = [(origin.cost_of(tier), tier, paths.spend[:, number]) for number, tier in enumerate(origin.names)]
    rows.append((origin.total, TOTAL, paths.total))
    found = []
    for number, period in enumerate(months_of(origin, len(paths.total))):
        for actual, tier, spend in rows:
            change = spend[number] - spend[0]
            amounts = [
                _amount(origin, actual, value) for value in (*quantiles(change, PERCENTS), float(np.mean(change)))
            ]
            found.append(Fan(period.start, tier, tuple(amounts[:-1]), amounts[-1]))
    return found


def tasks(origin: Origin, paths: Paths) -> list[Task]:
    """Cost of a completed task by month and tier."""
    found = []
    for number, period in enumerate(months_of(origin, len(paths.total))):
        for place, tier in enumerate(origin.names):
            done = paths.completed[number, place]
            cost = None if done.min() <= 0 else quantiles(paths.spend[number, place] / done, PERCENTS)
            found.append(Task(period.start, tier, None if cost is None else tuple(_round(cost))))
    return found


def outlook(origin: Origin, paths: Paths, budgets: Sequence[Decimal | None] = ()) -> list[Outlook]:
    """What stands beside the cost of each month. ``budgets``: by month from month 0 on, None: none. Raises ScenarioError."""
    months = months_of(origin, len(paths.total))
    if len(budgets) > len(months):
        raise ScenarioError(f"budgets: there are {len(budgets)}, and {len(months)} months")
    total, found = paths.total, []
    change, spent, allowed = total - total[0], np.zeros_like(total[0]), _ZERO
    for number, period in enumerate(months):
        budget = budgets[number] if number < len(budgets) else None
        known = number > 0 and all(one is not None for one in budgets[1 : number + 1]) and number < len(budgets)
        if number:
            spent = spent + change[number]
            allowed += (budget or _ZERO) - origin.total
        hours = paths.short[number] * len(period) * 24
        spilled, lost, unasked = (
            _amount(origin, _ZERO, float(one[number].mean())) for one in (paths.spilled, paths.lost, paths.unasked)
        )
        found.append(
            Outlook(
                period.start,
                None if budget is None else _share(change[number] > float(budget - origin.total)),
                _share(spent > float(allowed)) if known else None,
                _gpus(origin, paths.gpus_needed[number]),
                _gpus(origin, paths.gpus_had[number]),
                (_round([float(hours.mean())])[0], _round(quantiles(hours, (95,)))[0]),
                spilled,
                lost,
                unasked,
                _round([float(paths.uncontracted[number].mean())])[0],
                tuple(_round(quantiles(paths.gpu_price[number], PERCENTS[::2]))),
            )
        )
    return found


def compare(origin: Origin, one: Paths, other: Paths) -> list[Difference]:
    """``other`` less ``one``, month by month: both with the same draws of the same seed. Raises ScenarioError."""
    if one.total.shape != other.total.shape:
        raise ScenarioError("scenarios are compared over the same months and draws")
    found = []
    for number, period in enumerate(months_of(origin, len(one.total))):
        change = other.total[number] - one.total[number]
        amounts = [_amount(origin, _ZERO, value) for value in (*quantiles(change, PERCENTS), float(change.mean()))]
        found.append(Difference(period.start, tuple(amounts[:-1]), amounts[-1], _share(change > 0)))
    return found


def over_all(origin: Origin, one: Paths, other: Paths) -> Difference:
    """``other`` less ``one`` over months 1 to the last together, under the date of month 1. Raises ScenarioError."""
    if one.total.shape != other.total.shape:
        raise ScenarioError("scenarios are compared over the same months and draws")
    change = (other.total[1:] - one.total[1:]).sum(axis=0)
    amounts = [_amount(origin, _ZERO, value) for value in (*quantiles(change, PERCENTS), float(change.mean()))]
    return Difference(Period.month_of(origin.month).end, tuple(amounts[:-1]), amounts[-1], _share(change > 0))


def content(
    origin: Origin,
    scenario: Scenario,
    paths: Paths,
    *,
    seed: int,
    budgets: Sequence[Decimal | None] = (),
    tornado: Tornado | None = None,
    effects: Iterable[Effect] = (),
) -> bytes:
    """All of it as canonical JSON: the same bytes for the same data, parameters and seed. Raises ScenarioError.

    Costs of the tornado are those of months 1 to the last, with what is fixed.
    """
    return canonical(
        {
            "scenario": scenario.name, "parameters": scenario.digest(), "data": origin.digest(), "seed": seed,
            "draws": paths.total.shape[-1], "currency": origin.currency, "notes": notes(origin, scenario),
            "fans": _rows(fans(origin, paths)), "tasks": _rows(tasks(origin, paths)),
            "outlook": _rows(outlook(origin, paths, budgets)), "budgets": list(budgets),
            "tornado": None if tornado is None else _tornado(origin, len(paths.total) - 1, tornado),
            "effects": [{"parameter": one.parameter, **_effect(one)} for one in effects],
        }
    )  # fmt: skip


def _tornado(origin: Origin, months: int, found: Tornado) -> dict[str, object]:
    def cost(value: float) -> Decimal:
        return _amount(origin, origin.fixed * months, value)

    swings = [{"parameter": one.parameter, "low": cost(one.low), "high": cost(one.high)} for one in found.swings]
    return {"median": cost(found.median), "swings": swings}


def _effect(one: Effect) -> dict[str, float]:
    return dict(zip(("first", "total", "error"), _round([one.first, one.total, one.error]), strict=True))


def quantiles(values: Array, percents: Iterable[int]) -> list[float]:
    """Quantiles by linear interpolation, at whole percents."""
    ordered = np.sort(values)
    found = []
    for percent in percents:
        whole, rest = divmod(percent * (len(ordered) - 1), 100)
        low, high = ordered[whole], ordered[min(whole + 1, len(ordered) - 1)]
        found.append(float(low + (high - low) * (rest / 100)))
    return found


def _rows(rows: Iterable[NamedTuple]) -> list[dict[str, object]]:
    return [row._asdict() for row in rows]


def _amount(origin: Origin, actual: Decimal, change: float) -> Decimal:
    step = Decimal(1).scaleb(-minor_digits(origin.currency))
    return (actual + Decimal(change)).quantize(step, ROUND_HALF_EVEN)


def _gpus(origin: Origin, over: Array) -> tuple[int, ...] | None:
    if not origin.gpus:
        return None
    return tuple(int(np.ceil(round(value * origin.gpus, _DIGITS))) for value in quantiles(over, PERCENTS[::2]))


def _share(holds: Array) -> float:
    return round(float(np.mean(holds)), _DIGITS)


def _round(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]
