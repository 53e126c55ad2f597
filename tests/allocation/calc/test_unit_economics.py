"""Margins of customers at a flat price."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.unit_economics_customers import Customer, Spread, margins, spread_of

NOTHING = Spread(0, None, None, None)
MONEY = st.decimals(0, 10**6, places=6)


def test_heavy_users_make_the_loss() -> None:
    """At $20 and $0.10 a query: 200 queries are even, 1,000 lose 80, 50 leave 15."""
    customers = [
        Customer("even", 200, Decimal(20)),
        Customer("heavy", 1000, Decimal(100)),
        Customer("light", 50, Decimal(5)),
    ]
    found = margins(Decimal(20), Decimal(0), customers, spread_of(customers))
    assert [(row.customer.name, row.margin) for row in found.rows] == [("heavy", -80), ("even", 0), ("light", 15)]
    assert (found.loss_making, found.loss_share) == (1, Fraction(1, 3))
    assert (found.revenue, found.cost, found.margin) == (60, 125, -65)
    assert found.rows[0].cost_share == Fraction(100, 125)
    assert found.rows[0].share == -4
    assert (found.break_even[0].name, found.break_even[0].queries) == ("mean", 200)


def test_fixed_cost_of_a_customer_lowers_what_the_price_pays() -> None:
    found = margins(
        Decimal(20), Decimal(5), [Customer("a", 1, Decimal(15))], Spread(1, Decimal("0.1"), None, Decimal(3))
    )
    assert found.rows[0].margin == 0
    assert found.loss_making == 0
    assert [one.queries for one in found.break_even] == [150, None, 5]


def test_without_customers_nothing_is_claimed() -> None:
    found = margins(Decimal(20), Decimal(0), [], NOTHING)
    assert (found.rows, found.loss_share, found.margin) == ((), None, 0)
    assert [one.queries for one in found.break_even] == [None, None, None]


def test_usage_that_costs_nothing_has_no_break_even() -> None:
    found = margins(Decimal(20), Decimal(0), [Customer("a", 3, Decimal(0))], Spread(3, Decimal(0), None, None))
    assert found.rows[0].cost_share is None
    assert found.break_even[0].queries is None


def test_a_price_is_above_nothing() -> None:
    with pytest.raises(ValueError, match="price: must be above 0"):
        margins(Decimal(0), Decimal(0), [], NOTHING)


@given(st.decimals("0.01", 10**6, places=6), MONEY, st.lists(st.tuples(st.integers(0, 10**9), MONEY), max_size=20))
def test_margins_add_up_to_revenue_less_cost_exactly(
    price: Decimal, fixed: Decimal, rows: list[tuple[int, Decimal]]
) -> None:
    customers = [Customer(str(number), *row) for number, row in enumerate(rows)]
    found = margins(price, fixed, customers, spread_of(customers))
    assert sum((row.margin for row in found.rows), Decimal(0)) == found.margin
    assert found.margin == found.revenue - found.cost - found.fixed
    assert found.loss_making == sum(price - fixed - cost < 0 for _, cost in rows)
    assert [row.margin for row in found.rows] == sorted(row.margin for row in found.rows)
