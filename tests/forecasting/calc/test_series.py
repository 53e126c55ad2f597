from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.frames import FrameError
from finops.money import MONEY_DTYPE, MoneyError, money
from forecasting.calc.series import DAY, HOUR, Panel, known, panel
from tests.forecasting.calc.panels import START, hourly

NAN = float("nan")


def costs(*rows):
    """Rows (hour, model, cost)."""
    return pd.DataFrame({
        "ChargePeriodStart": pd.to_datetime([START + timedelta(hours=hour) for hour, _, _ in rows], utc=True),
        "x_Model": [model for _, model, _ in rows],
        "EffectiveCost": pd.Series(money([cost for _, _, cost in rows]), dtype=MONEY_DTYPE),
    })  # fmt: skip


def of(*rows, hours=4, gaps=()):
    return panel(costs(*rows), ["x_Model"], HOUR, START, START + timedelta(hours=hours), gaps)


def test_rows_of_a_cell_add_up_and_a_cell_without_rows_cost_nothing():
    found = of((0, "a", "1.5"), (0, "a", "2"), (2, "a", "1"), (3, "b", "4"))
    assert found.keys == (("a",), ("b",))
    assert found.cost.tolist() == [[1.5 + 2, 0, 1, 0], [0, 0, 0, 4]]
    assert found.begins.tolist() == [0, 3]
    assert (found.end, found.at(2)) == (START + timedelta(hours=4), START + timedelta(hours=2))


def test_a_gap_of_the_recording_is_not_known_and_is_not_zero():
    found = of((0, "a", "1"), gaps=[(START + timedelta(hours=1, minutes=30), START + timedelta(hours=2, minutes=10))])
    np.testing.assert_array_equal(found.cost, [[1, NAN, NAN, 0]])


def test_an_unpriced_row_makes_its_cell_unknown_and_says_so():
    found = of((0, "a", "1"), (1, "a", "2"), (1, "a", None))
    np.testing.assert_array_equal(found.cost, [[1, NAN, 0, 0]])
    assert found.notes == {("a",): ("1 hour with unpriced usage: cost not known",)}


def test_a_cell_below_zero_is_left_out_and_its_amount_said():
    found = of((0, "a", "1"), (1, "a", "2"), (1, "a", "-5.5"), (2, "a", "3"), (2, "a", "-1"))
    np.testing.assert_array_equal(found.cost, [[1, NAN, 2, 0]])
    assert found.notes[("a",)] == ("1 hour below zero (-3.5 in all): corrections, left out of the history",)


def test_a_missing_dimension_is_a_series_of_its_own():
    assert of((0, "a", "1"), (0, None, "2")).keys == (("",), ("a",))


def test_no_rows_are_a_panel_without_series():
    assert panel(costs(), ["x_Model"], DAY, START, START + timedelta(days=3)).cost.shape == (0, 3)


def test_rows_outside_are_refused_and_not_dropped():
    with pytest.raises(FrameError, match="2 rows lie outside"):
        of((0, "a", "1"), (4, "a", "1"), (-1, "a", "1"))


def test_bounds_that_are_no_cells_are_refused():
    with pytest.raises(FrameError, match="whole number of days"):
        panel(costs(), ["x_Model"], DAY, START, START + timedelta(hours=30))


def test_floats_are_refused_as_money():
    frame = costs((0, "a", "1"))
    frame["EffectiveCost"] = 1.0
    with pytest.raises(MoneyError, match="EffectiveCost is float64"):
        panel(frame, ["x_Model"], HOUR, START, START + timedelta(hours=1))


@pytest.mark.parametrize("bad", [-1.0, float("inf")])
def test_a_panel_holds_no_cost_that_cannot_be(bad):
    with pytest.raises(FrameError, match="finite and not negative"):
        hourly([[1, bad]])


def test_a_panel_has_a_row_a_series():
    with pytest.raises(FrameError, match="2 series but costs of shape"):
        Panel(HOUR, START, ("d",), (("a",), ("b",)), np.zeros((1, 3)))


def test_what_is_not_known_is_filled_from_the_season_before_then_after_then_the_mean():
    row = [[NAN, 2, 3, NAN, NAN, 6]]  # seasons of two
    assert known(np.array(row, dtype=float), 2).tolist() == [[3, 2, 3, 2, 3, 6]]
    assert known(np.array([[NAN, 2, NAN, 4]]), 2).tolist() == [[3, 2, 3, 4]]
    assert known(np.full((1, 3), NAN), 2).tolist() == [[0, 0, 0]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.integers(-100, 1000)), max_size=30))
def test_known_cells_and_corrections_left_out_add_up_to_the_rows(rows):
    found = of(*((hour, model, Decimal(cents) / 100) for hour, model, cents in rows))
    sums = {}
    for hour, model, cents in rows:
        sums[hour, model] = sums.get((hour, model), 0) + cents
    below = sum(cents for cents in sums.values() if cents < 0)
    assert np.nansum(found.cost) * 100 + below == pytest.approx(sum(cents for _, _, cents in rows))
    assert np.isnan(found.cost).sum() == sum(cents < 0 for cents in sums.values())
