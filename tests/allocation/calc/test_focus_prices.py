"""Unit price x quantity = cost to 12 decimals, however costs were summed and shared."""

from decimal import Decimal
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from allocation.calc.focus_prices import holds, priced, unit_price
from finops.money import share

D = Decimal
COST = st.decimals(min_value=-(10**6), max_value=10**6, places=12)
QUANTITY = st.decimals(min_value=D("0.000001"), max_value=10**6, places=12)
RATE = st.decimals(min_value=D("0.001"), max_value=200, places=4)


def test_a_token_price_times_millions_of_tokens_is_the_cost() -> None:
    # 2,500 tokens at 2.50 a million, 10 % off: 0.0025 x 2.5 = 0.00625 and 0.0025 x 2.25 = 0.005625
    found = priced(D("0.0025"), D("2.5"), D("0.00625"), D("0.005625"))
    assert found == (D("0.0025"), D("2.5"), D("2.25"), False)


def test_where_rounding_moved_the_cost_the_unit_price_stays_and_the_quantity_follows() -> None:
    # A third of 1 token at 2.5: 0.000000833333.. rounded to 12 decimals, and one unit of the last more by its remainder.
    cost = D("0.000000833334")
    found = priced(D("0.000000333333333333"), D("2.5"), cost, cost)
    assert found is not None
    assert found.list_price == found.contracted_price == D("2.5")
    assert found.quantity == cost / D("2.5") == D("0.0000003333336")


def test_a_cost_without_a_quantity_is_one_unit_at_that_cost() -> None:
    assert priced(D(0), None, D("9.5"), D("9.5")) == (D(1), D("9.5"), D("9.5"), True)
    assert priced(D(0), None, D("-9.5"), D(0)) == (D(-1), D("9.5"), D(0), True)


def test_a_list_price_that_explains_nothing_of_a_cost_is_not_its_price() -> None:
    # 1 million at 2.5 would be 2.5; the cost is 4: priced by what it is
    assert priced(D(1), D("2.5"), D(4), D(4)) == (D(1), D(4), D(4), False)


def test_costs_of_two_signs_have_no_price() -> None:
    assert priced(D(1), None, D(3), D(-3)) is None


@given(QUANTITY, COST)
def test_a_price_is_never_negative_and_explains_the_cost(quantity: Decimal, cost: Decimal) -> None:
    price = unit_price(quantity, cost)
    assert (price is None) == (cost < 0)
    if price is not None:
        assert price >= 0
        assert round(price * quantity, 12) == cost


@given(QUANTITY, COST, COST)
def test_whatever_a_row_costs_both_products_hold_or_it_has_no_price(
    quantity: Decimal, list_cost: Decimal, contracted: Decimal
) -> None:
    found = priced(quantity, None, list_cost, contracted)
    if found is None:
        assert list_cost * contracted < 0
        return
    for price, cost in ((found.list_price, list_cost), (found.contracted_price, contracted)):
        assert price >= 0
        assert round(price * found.quantity, 12) == cost


@given(st.integers(1, 10**9), RATE, st.integers(0, 60), st.lists(st.integers(1, 1000), min_size=2, max_size=6))
def test_shares_of_a_rated_charge_keep_its_list_price(tokens: int, rate: Decimal, off: int, weights: Any) -> None:
    assume(tokens * rate >= 1)
    million = D(10**6)
    cost = round(tokens * rate / million, 12)
    contracted = round(cost * (100 - off) / 100, 12)
    parts = [share(D(amount), weights).to_pylist() for amount in (tokens, cost, contracted)]
    for part, part_cost, part_contracted in zip(*parts, strict=True):
        quantity = round(part / million, 18)
        found = priced(quantity, rate, part_cost, part_contracted, (round(tokens / million, 18), contracted))
        assert found is not None
        assert holds(found.list_price, found.quantity, part_cost)
        assert holds(found.contracted_price, found.quantity, part_contracted)
        if found.list_price == rate:
            assert abs(found.quantity - quantity) <= max(quantity * D("1e-6"), D("1e-9"))
        else:
            assert abs(found.list_price - rate) * quantity <= D("1e-9")


def test_a_share_keeps_the_contracted_price_of_its_charge_though_its_own_cost_would_do_with_less() -> None:
    # 3 tokens at 1.09375 a million cost 0.00000328125; a hundredth of one costs 0.0000000109375, rounded ...938
    share_of = (D("0.00000001"), D("1.25"), D("0.0000000125"), D("0.000000010938"))
    alone, part = priced(*share_of), priced(*share_of, origin=(D("0.000003"), D("0.00000328125")))
    assert alone is not None
    assert part is not None
    assert (alone.contracted_price, part.contracted_price) == (D("1.0938"), D("1.09375"))
