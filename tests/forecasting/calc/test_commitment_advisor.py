"""Commitments weighed on sample paths: no size on offer beats the best, and its waste and spill are counted."""

from decimal import Decimal
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.calc.commitment_advisor import (
    DISCOUNTED,
    LIST,
    AdviceError,
    Capacity,
    Commit,
    capacity,
    filled_by,
    spend,
)  # fmt: skip

D = Decimal
PATHS = st.integers(1, 4).flatmap(
    lambda periods: st.lists(
        st.lists(st.floats(0, 30), min_size=periods, max_size=periods), min_size=1, max_size=5
    ).map(np.array)
)  # fmt: skip
OFFERS = st.builds(
    Capacity, st.decimals("0", "3", places=2), st.decimals("0.5", "3", places=2), st.just("USD"), st.integers(1, 8),
    st.integers(1, 5), st.none() | st.integers(8, 40),
)  # fmt: skip


def brute(demand: np.ndarray, offer: Capacity) -> dict[int, float]:
    last = offer.most if offer.most is not None else 60
    sizes = [0, *range(offer.least, last + 1, offer.step)]
    price, on_demand = float(offer.price), float(offer.on_demand)
    return {
        size: (size * price + np.maximum(demand - size, 0) * on_demand).sum(axis=1).mean() for size in sizes
    }  # fmt: skip


@given(PATHS, OFFERS)
def test_no_size_on_offer_costs_less_than_the_best(demand: np.ndarray, offer: Capacity) -> None:
    every = brute(demand, offer)
    advice = capacity(demand, offer)
    assert int(advice.best.size) in every
    assert every[int(advice.best.size)] <= min(every.values()) + 1e-6
    assert advice.best in advice.curve
    assert all(one.cost >= advice.best.cost and one.regret >= 0 for one in advice.curve)


@given(PATHS, OFFERS)
def test_cost_is_use_waste_and_spill(demand: np.ndarray, offer: Capacity) -> None:
    for one in capacity(demand, offer).curve:
        used = np.minimum(demand, int(one.size)).sum(axis=1).mean() * float(offer.price)
        assert float(one.cost) == pytest.approx(used + float(one.waste) + float(one.spill), abs=0.02)


def test_the_best_size_is_the_quantile_of_demand_that_the_prices_say() -> None:
    demand = np.random.default_rng(1).normal(1_000, 100, (400, 500))
    advice = capacity(demand, Capacity(D("0.6"), D(1), "USD"))
    assert int(advice.best.size) == pytest.approx(NormalDist(1_000, 100).inv_cdf(0.4), abs=2)


def test_a_unit_is_worth_it_while_demand_exceeds_it_often_enough() -> None:
    demand = np.array([[1.0, 2.0, 3.0, 4.0]])
    # at half the price the second unit is used in 3 of 4 periods, the third in 2 of 4, which is just worth it
    advice = capacity(demand, Capacity(D("0.5"), D(1), "USD"))
    assert advice.best.size == 2
    assert advice.best.cost == D(4 * 2) * D("0.5") + (1 + 2)
    assert (advice.best.waste, advice.best.spill, advice.saving) == (D("0.50"), D(3), D(10) - D(7))
    dear = capacity(demand, Capacity(D("0.8"), D(1), "USD"))
    assert dear.best.size == 1  # used in all four; the second one in three of four
    assert capacity(demand, Capacity(D(1), D(1), "USD")).best.size == 0


def test_sizes_come_in_steps_from_a_least_one_up_to_a_most() -> None:
    demand = np.full((1, 4), 37.0)
    # at 0.5: 35 and 2 on demand are 19.5, 40 are 20; at 0.1: 5.5 and 4
    assert capacity(demand, Capacity(D("0.5"), D(1), "USD", 15, 5)).best.size == 35
    assert capacity(demand, Capacity(D("0.1"), D(1), "USD", 15, 5)).best.size == 40
    assert capacity(demand, Capacity(D("0.1"), D(1), "USD", 15, 5, 33)).best.size == 30
    assert (
        capacity(np.full((1, 4), 3.0), Capacity(D("0.5"), D(1), "USD", 15, 5)).best.size == 0
    )  # the least is too much


def test_regret_is_against_the_best_choice_of_each_path_known_beforehand() -> None:
    demand = np.array([[0.0, 0.0], [10.0, 10.0]])
    advice = capacity(demand, Capacity(D("0.4"), D(1), "USD"))
    # known beforehand: none for the first path, 10 at 0.4 in two periods for the second: 0 and 8
    by_size = {int(one.size): one for one in advice.curve}
    assert by_size[10].regret == D(8 + 0) / 2
    assert by_size[0].regret == D(0 + 12) / 2
    assert by_size[10].worse == 0.5
    assert by_size[0].worse == 0


def test_a_spend_commit_buys_usage_at_its_discount_and_what_is_beyond_costs_list_price() -> None:
    cost = np.array([50.0, 100.0, 200.0])
    advice = spend(cost, [Commit(D(72), D("0.2")), Commit(D(90), D("0.2"))], "USD")
    by_size = {one.size: one for one in advice.curve}
    # 72 buy 90 of usage: 72, 72 + 10, 72 + 110; 90 buy 112.5: 90, 90, 90 + 87.5; none: 50, 100, 200
    assert by_size[D(0)].cost == D("116.67")
    assert by_size[D(72)].cost == D(72 * 3 + 10 + 110) / 3
    assert (by_size[D(72)].waste, by_size[D(72)].spill) == (D("10.67"), D("40.00"))  # of 72 for 50: 72 - 40 are wasted
    assert by_size[D(90)].cost == D("119.17")
    assert advice.best == by_size[D(72)]
    assert advice.saving == D("4.67")


def test_sizes_of_a_spend_commit_do_not_tie_where_the_discount_ends_with_it() -> None:
    """Usage of 100 to 200: at a tenth off, the best commit is filled by the tenth percentile of it, 110: an amount of 99."""
    cost = np.linspace(100, 200, 1_001)
    amounts = [D(amount) for amount in range(60, 141, 3)]
    advice = spend(cost, [Commit(amount, D("0.1")) for amount in amounts], "USD")
    assert advice.best.size == 99 == round(filled_by(cost, D("0.1"), LIST))
    regrets = [one.regret for one in advice.curve]
    assert all(one > other for one, other in pairwise(regrets[:15]))  # from none down to 99, without a flat part
    assert all(one < other for one, other in pairwise(regrets[14:]))


def test_where_usage_beyond_it_is_discounted_too_every_commit_that_is_sure_to_be_used_costs_the_same() -> None:
    cost = np.linspace(100, 200, 1_001)
    offers = [Commit(D(amount), D("0.1")) for amount in (30, 60, 90, 120)]
    by_size = {one.size: one for one in spend(cost, offers, "USD", DISCOUNTED).curve}
    assert by_size[D(30)].cost == by_size[D(60)].cost == by_size[D(90)].cost == 135 < by_size[D(120)].cost
    assert filled_by(cost, D("0.1"), DISCOUNTED) == 90


def test_a_spend_commit_is_paid_at_least_and_discounts_the_rest_where_the_contract_says_so() -> None:
    cost = np.array([50.0, 100.0, 200.0])
    advice = spend(cost, [Commit(D(90), D("0.2")), Commit(D(300), D("0.5"))], "USD", DISCOUNTED)
    by_size = {one.size: one for one in advice.curve}
    # none: 350 / 3; commit of 90: max(90, 40), max(90, 80), max(90, 160); commit of 300: always 300
    assert by_size[D(0)].cost == D("116.67")
    assert by_size[D(90)].cost == D("113.33")
    assert (by_size[D(90)].waste, by_size[D(90)].spill) == (D("20.00"), D("23.33"))
    assert by_size[D(90)].worse == pytest.approx(1 / 3)
    assert by_size[D(90)].regret == D("13.33")  # 40 more than none where demand is 50
    assert advice.best == by_size[D(90)]
    assert advice.saving == D("3.34")


@given(
    st.lists(st.floats(0, 1e6), min_size=1),
    st.lists(st.tuples(st.integers(1, 10**6), st.decimals("0", "0.9", places=2))),
)
def test_no_offer_of_a_commit_costs_less_than_the_best(costs: list[float], offers: list[tuple[int, Decimal]]) -> None:
    for overage in (LIST, DISCOUNTED):
        advice = spend(np.array(costs), [Commit(D(amount), discount) for amount, discount in offers], "USD", overage)
        assert advice.best.cost == min(one.cost for one in advice.curve)
        assert advice.saving >= 0
        assert all(one.regret >= 0 for one in advice.curve)


@pytest.mark.parametrize(
    ("demand", "told"),
    [
        (np.zeros((0, 3)), "at least one path and period"), (np.zeros(3), "has 2 dimensions"),
        (np.array([[-1.0]]), "leave credits and corrections out"), (np.array([[np.nan]]), "at least 0 everywhere"),
    ],
)  # fmt: skip
def test_demand_that_is_none_is_refused(demand: np.ndarray, told: str) -> None:
    with pytest.raises(AdviceError, match=told):
        capacity(demand, Capacity(D(1), D(2), "USD"))


def test_an_offer_that_is_none_is_refused() -> None:
    demand = np.ones((1, 1))
    for offer in (Capacity(D(-1), D(2), "USD"), Capacity(D(1), D(0), "USD"), Capacity(D(1), D(2), "USD", 0),
                  Capacity(D(1), D(2), "USD", 1, 0)):  # fmt: skip
        with pytest.raises(AdviceError, match="an offer needs a price"):
            capacity(demand, offer)
    with pytest.raises(AdviceError, match="the largest size, 3, is below the least, 4"):
        capacity(demand, Capacity(D(1), D(2), "USD", 4, 1, 3))
    with pytest.raises(AdviceError, match="a discount from 0 to below 1"):
        spend(np.ones(1), [Commit(D(1), D(1))], "USD")
