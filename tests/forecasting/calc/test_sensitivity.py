"""Tornado and total-effect indices: known ones come out, and what acts only together with something else is seen."""

import numpy as np
import pytest
from scipy.stats import qmc

from forecasting.calc.scenario_origin import ScenarioError
from forecasting.calc.sensitivity import cost_at, effects, indices, moving, tornado
from tests.forecasting.calc.scenario_world import fixed, origin, preset, scenario, tier

RANGED = {"low": "1", "base": "2", "high": "4", "source": "a test"}
MONTH = origin(tier("simple", "1000"), tier("complex", "500"))


def ishigami(x: np.ndarray) -> np.ndarray:
    angles = np.pi * (2 * x - 1)
    return np.sin(angles[0]) + 7 * np.sin(angles[1]) ** 2 + 0.1 * angles[2] ** 4 * np.sin(angles[0])


def test_the_indices_of_a_function_whose_indices_are_known() -> None:
    both = qmc.Sobol(6, rng=1).random_base2(14).T
    one, other = both[:3], both[3:]
    mixed = np.array([ishigami(np.where(np.arange(3)[:, None] == place, other, one)) for place in range(3)])
    found = indices(ishigami(one), ishigami(other), mixed)
    assert [first for first, _, _ in found] == pytest.approx([0.3139, 0.4424, 0], abs=0.01)
    assert [total for _, total, _ in found] == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.01)
    assert all(0 < error < 0.02 for _, _, error in found)


def test_a_function_that_does_not_move_has_indices_of_nothing() -> None:
    assert indices(np.ones(4), np.ones(4), np.ones((2, 4))) == [(0, 0, 0), (0, 0, 0)]


def test_the_tornado_moves_one_parameter_at_a_time_from_its_10th_to_its_90th_percentile() -> None:
    what = scenario({"query_growth": RANGED, "context_growth": RANGED} | fixed(price_same_sku="0.1"), months=12)
    found = tornado(MONTH, what)
    assert [one.parameter for one in found.swings] == ["query_growth", "context_growth"]
    assert found.swings[1].low == found.swings[1].high == found.median  # nothing of a query here is input
    # a symmetric triangle in the logarithm, 0 to 2 doublings around 1: the 10th percentile lies at sqrt(0.2) doublings
    low, high = (cost_at(MONTH, scenario(fixed(query_growth=str(round(2**power, 9)), price_same_sku="0.1"), months=12),
                         np.full((49, 1), 0.5))[0] for power in (0.2**0.5, 2 - 0.2**0.5))  # fmt: skip
    assert (found.swings[0].low, found.swings[0].high) == pytest.approx((low, high), rel=1e-6)
    assert found.swings[0].low < found.median < found.swings[0].high


def test_what_acts_only_with_another_has_a_total_and_no_first() -> None:
    # a migration of nothing to all, to a price that is as likely a third as three times as high: alone neither moves the mean
    month = origin(tier("simple", "1000"))
    what = scenario(
        {
            "elasticity": {"low": "0", "base": "0.75", "high": "1.5", "source": "a test"},
            "price_same_sku": {"low": "-0.5", "base": "0.2", "high": "0.9", "source": "a test"},
        },
        months=12,
    )
    found = {one.parameter: one for one in effects(month, what, seed=1, base_points=2**11)}
    assert found["elasticity"].total > found["elasticity"].first + 0.05
    assert sum(one.first for one in found.values()) < 1 < sum(one.total for one in found.values())


def test_indices_of_a_preset_are_the_same_again_and_name_its_parameters() -> None:
    what = preset("base")
    first, again = (effects(origin(), what, seed=3, base_points=2**5) for _ in range(2))
    assert first == again
    assert {one.parameter for one in first} == set(moving(what))
    assert "gpu_price_volatility" not in moving(what)  # at one value
    totals = [one.total for one in first]
    assert totals == sorted(totals, reverse=True)


def test_a_scenario_without_a_range_has_none_and_points_are_a_power_of_two() -> None:
    assert effects(origin(), scenario(fixed(query_growth="2")), seed=1) == ()
    assert tornado(origin(), scenario()).swings == ()
    with pytest.raises(ScenarioError, match="base_points: must be a power of two, not 100"):
        effects(origin(), preset("base"), seed=1, base_points=100)
