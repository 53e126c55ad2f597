"""The market for accelerators: its equation for relief, premium, price and what can be had."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.calc.supply import Market, available, gpu_price, premium, relief_month, wandering

MONTHS = np.arange(25.0).reshape(-1, 1, 1)


def at(value: float) -> np.ndarray:
    return np.full((1, 1, 1), value)


def market(**values: float) -> Market:
    given_values = {
        "demand": 1.0,
        "supply": 1.0,
        "shortage": 1.0,
        "exponent": 1.0,
        "after": 0.0,
        "lead_time": 0.0,
    } | values
    names = Market._fields
    return Market(**{name: at(given_values[name]) if name in given_values else None for name in names})


def test_relief_comes_when_supply_has_caught_up() -> None:
    # supply outgrows demand by 1.25 a year: a shortage of 1.25 ^ 0.5 is closed in half a year
    assert relief_month(market(demand=2, supply=2.5, shortage=1.25**0.5)) == pytest.approx(6)


@pytest.mark.parametrize(
    ("demand", "supply", "shortage", "month"),
    [(2, 1, 1, np.inf), (2, 1, 1.5, np.inf), (2, 2, 1.5, np.inf), (2, 2, 1, 0), (1, 2, 1, 0), (1, 2, 0.5, 0)],
)
def test_relief_never_comes_where_demand_grows_as_fast(
    demand: float, supply: float, shortage: float, month: float
) -> None:
    assert relief_month(market(demand=demand, supply=supply, shortage=shortage)).item() == month


def test_a_date_stands_in_for_the_equation_of_relief() -> None:
    assert relief_month(market(demand=9, relief=4)).item() == 4


def test_the_premium_is_growth_of_demand_over_that_of_supply() -> None:
    assert premium(market(demand=3.4, supply=2.5)).item() == pytest.approx(3.4 / 2.5 - 1)
    assert premium(market(demand=4, supply=1, exponent=0.5)).item() == pytest.approx(1)
    assert premium(market(demand=2, supply=3)).item() == 0
    assert premium(market(demand=4, premium=0.1)).item() == 0.1


def test_a_gpu_gets_dearer_by_scarcity_until_relief_and_cheaper_after() -> None:
    price = gpu_price(market(demand=3, supply=2, after=-0.2, relief=12), MONTHS)[:, 0, 0]
    assert price[[0, 12, 24]] == pytest.approx([1, 1.5 * 0.8, 1.5 * 0.8 * 0.8])


def test_a_path_stands_in_for_the_equation_of_price() -> None:
    price = gpu_price(market(demand=9, until=0.4, after=-0.05, relief=6), MONTHS)[:, 0, 0]
    assert price[[6, 18]] == pytest.approx([1.4**0.5, 1.4**0.5 * 0.95])


def test_relief_never_makes_a_gpu_dearer() -> None:
    price = gpu_price(market(until=-0.3, after=0.1, relief=6), MONTHS)[:, 0, 0]
    assert price == pytest.approx(0.7 ** (np.arange(25) / 12))


@given(st.floats(0, 24), st.floats(0, 24), st.floats(0.5, 4), st.floats(0.5, 4), st.floats(-0.5, 0.5))
def test_an_earlier_relief_lowers_prices_and_brings_more(one, other, demand, supply, after) -> None:
    early, late = (market(demand=demand, supply=supply, after=after, relief=month) for month in sorted((one, other)))
    assert (gpu_price(early, MONTHS) <= gpu_price(late, MONTHS) * (1 + 1e-12)).all()
    assert (available(early, MONTHS) >= available(late, MONTHS)).all()


def test_what_can_be_had_shrinks_until_relief_and_nothing_comes_before_it_can() -> None:
    part = available(market(demand=2, supply=1, relief=18, lead_time=6), MONTHS)[:, 0, 0]
    assert part[[5, 6, 12, 17, 18]] == pytest.approx([0, 0.5**0.5, 0.5, 0.5 ** (17 / 12), 1])
    assert available(market(availability=0.25, relief=99), MONTHS).min() == 0.25


def test_a_price_wanders_around_its_path_and_begins_on_it() -> None:
    noise = np.random.default_rng(1).standard_normal((200, 1, 4_000))
    found = np.log(wandering(at(0.07), at(0.1), noise))[:, 0]
    assert (found[0] == 0).all()
    # a deviation that keeps 0.9 of itself has a spread of 0.07 / sqrt(1 - 0.81)
    assert found[-50:].std() == pytest.approx(0.07 / 0.19**0.5, rel=0.03)
