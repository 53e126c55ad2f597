"""Random values of a scenario's parameters: Sobol points through the inverse of their distributions.

Every parameter has its own dimension, in the order of PARAMETERS, whatever scenario it is drawn for: two scenarios with one
seed draw the same luck, and the difference between them is that of their parameters alone. Tiers of one parameter share its
dimension. Quantities and growths are triangular in their logarithm, where low is above zero; shares, changes and dates as
they are. Correlations go through a Gaussian copula.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from forecasting.calc.drivers import Array
from forecasting.calc.scenario_document import Correlation, Scenario, Spec
from forecasting.calc.scenario_origin import ScenarioError
from forecasting.calc.scenario_parameters import BY_NAME, PARAMETERS, TIMES, TIMES_A_YEAR

DIMENSIONS = {one.name: number for number, one in enumerate(PARAMETERS)}
DRAWS, LEAST_DRAWS, MOST_DRAWS = 2**14, 2**6, 2**20
_LOGARITHMIC = (TIMES, TIMES_A_YEAR)
_MONTH_DAYS, _LEAP = 30.4375, 1e-12  # mean days of a month; how near to 0 and 1 a point may lie
_NOISE = 1  # the stream of a seed from which prices wander, beside that of the points


class Draws(NamedTuple):
    """Values by parameter, of shape (1, tiers or 1, draws or 1); what is not in it stands at neutral.

    NaN: this tier has no target, and stays as in month 0.

    ``noise``: standard normal, (months + 1, 1, draws or 1), of the GPU price; ``size``: how many draws.
    """

    values: Mapping[str, Array]
    noise: Array
    size: int

    def get(self, name: str) -> Array:
        """Values of a parameter, or its neutral one; of a target or an override there must be values."""
        found = self.values.get(name)
        return found if found is not None else np.full((1, 1, 1), float(BY_NAME[name].neutral or 0))

    def optional(self, name: str) -> Array | None:
        """Values of a target or an override; None: nobody gives any."""
        return self.values.get(name)

    def part(self, start: int, end: int) -> "Draws":
        """Some of the draws."""
        cut = {name: one[..., start:end] if one.shape[-1] > 1 else one for name, one in self.values.items()}
        noise = self.noise[..., start:end] if self.noise.shape[-1] > 1 else self.noise
        return Draws(cut, noise, min(end, self.size) - start)


def draw(scenario: Scenario, month: date, tiers: Sequence[str], count: int, seed: int) -> Draws:
    """``count`` draws, a power of two. ``month``: first day of month 0, from which dates are counted. Raises ScenarioError."""
    check_count(count)
    points = qmc.Sobol(len(PARAMETERS), scramble=True, rng=seed).random_base2(count.bit_length() - 1)
    points = correlated(points.T, scenario.correlations)
    noise = np.random.default_rng([_NOISE, seed]).standard_normal((count, scenario.months + 1))
    return values(scenario, month, tiers, points, np.ascontiguousarray(noise.T)[:, None, :])


def check_count(count: int, most: int = MOST_DRAWS) -> None:
    """Raise ScenarioError for a number of draws that cannot be."""
    if count & (count - 1) or not LEAST_DRAWS <= count <= most:
        raise ScenarioError(f"draws: must be a power of two from {LEAST_DRAWS} to {most:,}, not {count}")


def values(scenario: Scenario, month: date, tiers: Sequence[str], points: Array, noise: Array) -> Draws:
    """Parameters at given points of shape (parameters, draws), each from 0 to 1. Raises ScenarioError."""
    found: dict[str, Array] = {}
    for name, number in DIMENSIONS.items():
        own = any(f"{name}.{tier}" in scenario.specs for tier in tiers)
        specs = [scenario.spec(name, tier) for tier in tiers] if own else [scenario.spec(name)]
        if all(one is None for one in specs):
            continue
        neutral = BY_NAME[name].neutral
        unsaid = np.full(1, np.nan if neutral is None else float(neutral))
        rows = [unsaid if one is None else _at(one, BY_NAME[name].unit, month, points[number]) for one in specs]
        found[name] = np.stack(np.broadcast_arrays(*rows))[None]
    return Draws(found, noise, points.shape[-1])


def correlated(points: Array, pairs: Sequence[Correlation]) -> Array:
    """Points (parameters, draws) whose normals have these correlations, each still even from 0 to 1. Raises ScenarioError."""
    if not pairs:
        return points
    names, lower = factored(pairs)
    rows = [DIMENSIONS[name] for name in names]
    normals = ndtri(np.clip(points[rows], _LEAP, 1 - _LEAP))
    found = points.copy()
    found[rows] = ndtr(lower @ normals)
    return found


def factored(pairs: Sequence[Correlation]) -> tuple[list[str], Array]:
    """Parameters, and the lower factor of their correlations, (parameters, parameters). Raises ScenarioError: there is none."""
    names = sorted({name for pair in pairs for name in (pair.one, pair.other)}, key=DIMENSIONS.__getitem__)
    matrix = np.eye(len(names))
    for pair in pairs:
        one, other = names.index(pair.one), names.index(pair.other)
        matrix[one, other] = matrix[other, one] = float(pair.rho)
    try:
        lower = np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        told = ", ".join(f"{pair.one}~{pair.other} {pair.rho}" for pair in pairs)
        raise ScenarioError(f"correlations: {told} cannot hold together: move some of them towards 0") from None
    return names, lower


def _at(spec: Spec, unit: str, month: date, points: Array) -> Array:
    low, base, high = (_number(value, month) for value in spec[:3])
    if low == high:
        return np.full(1, base)
    if unit in _LOGARITHMIC and low > 0:
        return np.asarray(np.exp(triangular(points, np.log(low), np.log(base), np.log(high))))
    return triangular(points, low, base, high)


def triangular(points: Array, low: float, mode: float, high: float) -> Array:
    """Values of a triangular distribution at points from 0 to 1."""
    span, left = high - low, mode - low
    below = low + np.sqrt(points * span * left)
    above = high - np.sqrt((1 - points) * span * (high - mode))
    return np.where(points * span < left, below, above)


def _number(value: object, month: date) -> float:
    if isinstance(value, date):
        return max((value - month).days / _MONTH_DAYS, 0.0)
    return float(value)  # type: ignore[arg-type]  # a Decimal
