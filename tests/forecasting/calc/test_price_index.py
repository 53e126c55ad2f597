from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from finops.frames import FrameError
from forecasting.calc.price_index import PriceIndex, Steps, price_index
from tests.forecasting.calc.panels import START, daily

PRICES = [  # model, class, day, rate
    ("m", "input_uncached", 0, "2"), ("m", "output_visible", 0, "10"), ("m", "input_uncached", 3, "3"),
    ("m", "output_visible", 3, "15"), ("n", "input_uncached", 0, "1"), ("n", "output_visible", 2, "4"),
    ("n", "output_visible", 4, "8"),
]  # fmt: skip


def prices():
    rows = [(model, name, START + timedelta(days=day), Decimal(rate)) for model, name, day, rate in PRICES]
    return pd.DataFrame(rows, columns=["x_Model", "price_class", "valid_from", "rate"])


def mix(*rows):
    return pd.DataFrame(rows, columns=["x_Model", "price_class", "quantity"])


def index(*rows):
    return price_index(prices(), mix(*rows), ["x_Model"])


def panel(*models, days=5):
    found = daily(np.ones((len(models), days)), tuple((model,) for model in models))
    return type(found)(found.grain, found.start, ("x_Model",), found.keys, found.cost)


def test_the_index_is_the_cost_of_the_usage_at_the_prices_of_each_time():
    found = index(("m", "input_uncached", 100), ("m", "output_visible", 10))
    assert found.steps[("m",)].levels == (100 * 2 + 10 * 10, 100 * 3 + 10 * 15)
    factors = found.factors(panel("m"), START, 0, 5)
    assert factors.tolist() == [[1, 1, 1, 1.5, 1.5]]
    assert found.factors(panel("m"), START + timedelta(days=4), 0, 6)[0, 0] == pytest.approx(1 / 1.5)


def test_an_announced_price_is_in_the_factors_beyond_the_history():
    found = index(("m", "input_uncached", 1))
    assert found.factors(panel("m", days=2), START, 2, 3).tolist() == [[1, 1.5, 1.5]]


def test_a_day_on_which_prices_change_has_their_mean_over_its_hours():
    index_ = PriceIndex(("x_Model",), {("m",): Steps((START, START + timedelta(hours=30)), (Decimal(1), Decimal(2)))})
    assert index_.factors(panel("m"), START, 0, 3).tolist() == [[1, 6 / 24 * 1 + 18 / 24 * 2, 2]]


def test_a_class_without_a_price_so_far_counts_at_its_first_one():
    found = index(("n", "input_uncached", 4), ("n", "output_visible", 1)).steps[("n",)]
    assert found.levels == (4 * 1 + 1 * 4, 4 * 1 + 1 * 4, 4 * 1 + 1 * 8)


def test_a_class_without_any_price_is_said_and_a_key_without_any_has_none():
    found = index(("m", "web_search", 3), ("m", "input_uncached", 1), ("other", "input_uncached", 1))
    assert found.steps[("m",)].why == "no price of web_search"
    assert found.unpriced(panel("m", "other")) == [("other",)]
    assert found.factors(panel("other"), START, 0, 2).tolist() == [[1, 1]]


def test_history_divided_and_multiplied_by_its_factors_is_itself():
    found = index(("m", "input_uncached", 7), ("m", "output_visible", 3))
    costs = np.array([[5.0, 6, 7, 8, 9]])
    factors = found.factors(panel("m"), START + timedelta(days=4), 0, 5)
    assert costs / factors * factors == pytest.approx(costs)


def test_frames_without_their_columns_are_refused():
    with pytest.raises(FrameError, match="mix lacks quantity"):
        price_index(prices(), mix().drop(columns="quantity"), ["x_Model"])
