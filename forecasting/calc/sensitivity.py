"""Which parameters of a scenario move its cost: a tornado, and total-effect indices.

The *tornado* sets one parameter at a time to its 10th and 90th percentile, all others at their median. The *indices* (Sobol)
are parts of the variance of cost: ``first``, what a parameter explains alone; ``total``, also together with others: what would be
left of the variance if everything else were known. One that acts only together with others has a first of 0 and a total that is
not. Cost is the sum of months 1 to the last. Parameters are moved independently (without a scenario's correlations), and the
price of a GPU hour keeps to its path.

Estimators: Saltelli 2010 for the first, Jansen 1999 for the total, on Sobol points.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import qmc

from forecasting.calc.drivers import Array
from forecasting.calc.scenario import run
from forecasting.calc.scenario_document import Scenario
from forecasting.calc.scenario_draws import DIMENSIONS, values
from forecasting.calc.scenario_origin import Origin, ScenarioError
from forecasting.calc.scenario_parameters import PARAMETERS

BASE_POINTS = 2**9
_LOW, _HIGH = 10, 90  # percentiles


class Swing(NamedTuple):
    """Cost with one parameter at its 10th and 90th percentile; the widest first."""

    parameter: str
    low: float
    high: float


class Tornado(NamedTuple):
    """Cost with all parameters at their median, and how far each one moves it."""

    median: float
    swings: tuple[Swing, ...]


class Effect(NamedTuple):
    """Parts of the variance, and the standard error of ``total``; the largest total first."""

    parameter: str
    first: float
    total: float
    error: float


def moving(scenario: Scenario) -> list[str]:
    """Parameters that have a range in some tier, in their order."""
    ranged = {full.partition(".")[0] for full, one in scenario.specs.items() if one is not None and one.low != one.high}
    return sorted(ranged, key=DIMENSIONS.__getitem__)


def tornado(origin: Origin, scenario: Scenario) -> Tornado:
    """The tornado of a scenario. Raises ScenarioError."""
    names = moving(scenario)
    points = np.full((len(PARAMETERS), 1 + 2 * len(names)), 0.5)
    for place, name in enumerate(names):
        points[DIMENSIONS[name], 1 + 2 * place : 3 + 2 * place] = _LOW / 100, _HIGH / 100
    cost = cost_at(origin, scenario, points)
    swings = [Swing(name, *cost[1 + 2 * place : 3 + 2 * place].tolist()) for place, name in enumerate(names)]
    return Tornado(float(cost[0]), tuple(sorted(swings, key=lambda one: (-abs(one.high - one.low), one.parameter))))


def effects(origin: Origin, scenario: Scenario, *, seed: int, base_points: int = BASE_POINTS) -> tuple[Effect, ...]:
    """Indices of a scenario, from base_points x (parameters + 2) runs; ``base_points`` a power of two. Raises ScenarioError."""
    names = moving(scenario)
    if base_points & (base_points - 1) or base_points < 2:
        raise ScenarioError(f"base_points: must be a power of two, not {base_points}")
    if not names:
        return ()
    both = qmc.Sobol(2 * len(names), scramble=True, rng=seed).random_base2(base_points.bit_length() - 1).T
    one, other = both[: len(names)], both[len(names) :]
    blocks = [
        one,
        other,
        *(np.where(np.arange(len(names))[:, None] == place, other, one) for place in range(len(names))),
    ]
    points = np.full((len(PARAMETERS), base_points * len(blocks)), 0.5)
    points[[DIMENSIONS[name] for name in names]] = np.concatenate(blocks, axis=1)
    cost = cost_at(origin, scenario, points).reshape(len(blocks), base_points)
    found = [Effect(name, *each) for name, each in zip(names, indices(cost[0], cost[1], cost[2:]), strict=True)]
    return tuple(sorted(found, key=lambda one: (-one.total, one.parameter)))


def indices(one: Array, other: Array, mixed: Array) -> list[tuple[float, float, float]]:
    """First, total and its standard error of each input of a function.

    In: its values at points A, at points B, and of shape (inputs, points) at A with input i taken from B.
    """
    everything = np.concatenate([one, other])
    variance = float(everything.var())
    if variance == 0:
        return [(0.0, 0.0, 0.0)] * len(mixed)
    middle = float(everything.mean())
    first = ((other - middle) * (mixed - one)).mean(axis=1) / variance
    squares = (one - mixed) ** 2 / (2 * variance)
    errors = squares.std(axis=1) / np.sqrt(len(one))
    return list(zip(first.tolist(), squares.mean(axis=1).tolist(), errors.tolist(), strict=True))


def cost_at(origin: Origin, scenario: Scenario, points: Array) -> Array:
    """Cost of months 1 to the last at points of shape (parameters, runs), without what is fixed."""
    still = np.zeros((scenario.months + 1, 1, 1))
    paths = run(origin, scenario, values(scenario, origin.month, origin.names, points, still))
    return np.asarray(paths.total[1:].sum(axis=0))
