from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.frames import FrameError
from finops.money import total
from forecasting.calc.baseline import NONE, SUM, forecast
from forecasting.calc.hierarchy import aggregate, as_money, blended, costs, groups, levels, rolled_up
from forecasting.calc.intervals import marginals
from tests.forecasting.calc.panels import hourly, noisy

KEYS = (("a", "x"), ("a", "y"), ("b", "x"))


def made(rows=None, horizon=24):
    return forecast(hourly(noisy() if rows is None else rows, KEYS), horizon)


def test_levels_go_from_the_whole_to_the_finest():
    assert levels(["provider", "model"]) == [(), ("provider",), ("provider", "model")]
    assert groups(made().panel, ["d1"]) == {("x",): [0, 2], ("y",): [1]}
    with pytest.raises(FrameError, match="no dimension team; the panel has d0, d1"):
        groups(made().panel, ["team"])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_children_add_up_to_their_parents_to_the_last_decimal(seed):
    found = made(noisy(3, 24 * 7, seed))
    leaves = costs(found, found.point)
    whole = rolled_up(leaves, ["d0", "d1"], levels(["d0", "d1"]))
    at = whole[whole["level"] == 0].set_index("ChargePeriodStart")["EffectiveCost"]
    for level in (1, 2):
        part = whole[whole["level"] == level].groupby("ChargePeriodStart")["EffectiveCost"].sum()
        assert (part == at).all()
    assert total(at) == total(leaves["EffectiveCost"])


def test_costs_are_a_row_a_series_and_hour_at_twelve_decimals():
    found = made()
    frame = costs(found, found.point)
    assert len(frame) == 3 * 24
    assert frame["ChargePeriodStart"].iloc[0] == found.panel.end
    assert float(frame["EffectiveCost"].iloc[25]) == pytest.approx(found.point[1, 1], abs=1e-12)
    doubled = costs(found, found.point * 2)
    assert float(doubled["EffectiveCost"].iloc[25]) == pytest.approx(2 * found.point[1, 1], abs=1e-12)


def test_estimates_are_rounded_half_even_at_twelve_decimals():
    found = as_money(np.array([1e-13, 2.5, 1e15 / 3])).to_pylist()
    assert found == [Decimal(0), Decimal("2.5"), Decimal("333333333333333.3")]


def test_a_forecast_of_nothing_is_a_frame_without_rows():
    found = made(np.zeros((3, 48)))
    assert costs(found, found.point).empty


def test_points_of_a_level_are_sums_and_its_misses_too():
    found = made()
    whole = aggregate(found, ["d0"])
    assert whole.panel.keys == (("a",), ("b",))
    assert whole.methods == (SUM, SUM)
    assert whole.point[0] == pytest.approx(found.point[0] + found.point[1])
    assert whole.misses[:, 0] == pytest.approx(found.misses[:, 0] + found.misses[:, 1])
    assert whole.panel.cost[1] == pytest.approx(found.panel.cost[2])


def test_the_level_of_one_series_has_its_own_intervals():
    found = forecast(hourly(noisy(1), (("a",),)), 24)
    assert marginals(aggregate(found, ())).quantiles() == pytest.approx(marginals(found).quantiles())


def test_what_began_after_a_past_origin_was_missed_there_whole():
    rows = noisy(3, 24 * 14)
    rows[2, : 24 * 8] = 0
    found = made(rows)
    whole = aggregate(found, ())
    origin = found.origins.index(24 * 8)
    assert np.isnan(found.misses[origin, 2]).all()
    late = rows[2, 24 * 8 : 24 * 9]
    assert whole.misses[origin, 0] == pytest.approx(found.misses[origin, :2].sum(axis=0) + late)


def test_refused_series_are_not_in_the_sum_and_are_counted():
    rows = noisy()
    rows[1] = 0
    whole = aggregate(made(rows), ["d0"])
    assert whole.refusals == ("1 of 2 series are not in it", "")
    assert whole.methods == (SUM, SUM)
    rows[2] = 0
    assert aggregate(made(rows), ["d0"]).methods == (SUM, NONE)


def test_factors_of_a_level_are_weighted_by_the_points():
    found = made()
    factors = np.repeat([[1.0], [2.0], [3.0]], 24, axis=1)
    whole = blended(found, (), factors)
    assert whole[0] * found.point.sum(axis=0) == pytest.approx((found.point * factors).sum(axis=0))
