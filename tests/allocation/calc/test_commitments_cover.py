"""What a commitment covers of usage, hour by hour, and that splitting a charge loses nothing (AR7, AR12, AR14)."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.commitments_cover import Demand, cover, split, spread_cost, whole_share
from finops.money import MONEY

D, F = Decimal, Fraction
HOURS = {0: D(1)}


def demand(quantity: Any, weight: Any = 1, **hours: Any) -> Demand:
    return Demand(D(quantity), D(weight), {int(name[1:]): D(part) for name, part in hours.items()})


@pytest.mark.parametrize(
    ("used", "covered"), [(0, 0), (63, 63), (100, 100), (160, 100)], ids=["0 %", "63 %", "100 %", "above 100 %"]
)
def test_an_hour_covers_its_usage_up_to_its_capacity(used: int, covered: int) -> None:
    found = cover([demand(used, h7=1)], lambda _: D(100), D(2400))
    assert found.covered == covered
    assert found.shares == [F(covered, used) if used else 1]


def test_everybody_in_an_overloaded_hour_is_covered_in_the_same_share() -> None:
    # Hour 1: 100 x 1 + 50 x 2 = 200 of capacity 100; hour 2: 100 of 100.
    found = cover([demand(200, h1=100, h2=100), demand(50, 2, h1=1)], lambda _: D(100), D(2400))
    assert found.shares == [F(150, 200), F(1, 2)]
    assert found.covered == 200
    assert found.left == [{1: F(1, 4), 2: 0}, {1: F(1, 2)}]


def test_a_class_of_no_weight_is_covered_in_the_share_of_its_hour() -> None:
    found = cover([demand(200, h1=1), demand(1_000, 0, h1=1)], lambda _: D(100), D(2400))
    assert (found.shares, found.covered) == ([F(1, 2), F(1, 2)], 100)


def test_usage_without_an_hour_takes_what_the_day_has_left() -> None:
    found = cover([demand(50, h1=1), demand(500)], lambda _: D(20), D(24 * 20))
    # 20 of 50 in hour 1; the day has 480 - 20 left for 500.
    assert found.shares == [F(20, 50), F(460, 500)]
    assert (found.covered, found.by_day) == (480, 460)


def test_an_hour_out_of_the_term_covers_nothing() -> None:
    found = cover([demand(10, h1=1, h2=1)], lambda hour: D(100) if hour == 2 else D(0), D(100))
    assert (found.shares, found.covered) == ([F(1, 2)], 5)


AMOUNTS = st.tuples(
    st.integers(0, 10**7),
    st.sampled_from([0, 1, 4]),
    st.dictionaries(st.integers(0, 23), st.integers(1, 10**6), max_size=4),
)


@given(st.lists(AMOUNTS, max_size=8), st.integers(1, 10**6), st.randoms(use_true_random=False))
def test_no_hour_is_covered_beyond_its_capacity_and_the_order_of_usage_changes_nothing(
    amounts: Any, capacity: int, random: Any
) -> None:
    demands = [Demand(D(q), D(w), {hour: D(part) for hour, part in hours.items()}) for q, w, hours in amounts]
    found = cover(demands, lambda _: D(capacity), D(24 * capacity))
    assert 0 <= found.covered <= 24 * capacity
    assert all(0 <= share <= 1 for share in found.shares)
    order = list(range(len(demands)))
    random.shuffle(order)
    again = cover([demands[at] for at in order], lambda _: D(capacity), D(24 * capacity))
    assert (again.shares, again.covered) == ([found.shares[at] for at in order], found.covered)


def test_a_share_of_tokens_is_one_of_whole_tokens() -> None:
    assert whole_share(D(10), F(1, 3)) == F(3, 10)
    assert whole_share(D("0.5"), F(1, 3)) == F(1, 3)


@given(st.decimals("0", "99999", places=6), st.lists(st.integers(-5, 100).map(Fraction), max_size=9))
def test_a_cost_is_spread_without_a_rest(cost: Decimal, weights: list[Fraction]) -> None:
    assert sum(spread_cost(cost, weights)) == (cost if sum(weights) else 0)


def usage(rows: list[tuple[Any, ...]]) -> pa.Table:
    names = ("quantity", "list_cost", "contracted_cost", "effective_cost", "billed_cost", "proxy_cost")
    columns = {
        name: pa.array(
            [None if row[n] is None else D(row[n]) for row in rows], pa.decimal128(38, 12) if n == 0 else MONEY
        )
        for n, name in enumerate(names)
    }
    texts = {name: [""] * len(rows) for name in ("subject", "commitment_id", "commitment_status")}
    return pa.table(columns | {name: pa.array(values, pa.string()) for name, values in texts.items()})


NAMES = {"subject": "commitment c", "commitment_id": "c", "commitment_status": "Used"}


def test_a_charge_that_is_covered_in_part_becomes_two() -> None:
    # 1,000 tokens listed at 4, contracted at 3, of which a quarter is covered at 0.5.
    table = split(usage([("1000", "4", "3", "3", None, None)]), {0: F(1, 4)}, {0: D("0.5")}, NAMES)
    names = ["quantity", "list_cost", "contracted_cost", "effective_cost", "billed_cost", "commitment_status"]
    assert [tuple(row.values()) for row in table.select(names).to_pylist()] == [
        (750, 3, D("2.25"), D("2.25"), None, ""),
        (250, 1, D("0.75"), D("0.5"), 0, "Used"),
    ]


def test_a_charge_that_is_covered_in_full_stays_one() -> None:
    table = split(
        usage([("5", "1", "1", "1", None, None), ("7", "2", "2", "2", None, None)]), {0: F(1)}, {0: D(3)}, NAMES
    )
    assert table["commitment_status"].to_pylist() == ["", "Used"]
    assert table["effective_cost"].to_pylist() == [2, 3]


def test_usage_without_a_list_price_may_be_covered_and_gets_none() -> None:
    table = split(usage([("10", None, None, None, None, "8")]), {0: F(1, 2)}, {0: D(3)}, NAMES)
    assert table["list_cost"].to_pylist() == [None, None]
    assert table["effective_cost"].to_pylist() == [None, 3]
    assert table["proxy_cost"].to_pylist() == [4, 4]


CHARGES = st.lists(
    st.tuples(
        st.integers(-50, 10**9), st.decimals("-9", "9999", places=7), st.decimals("-9", "9999", places=12),
        st.fractions(0, 1, max_denominator=97),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@given(CHARGES)
def test_splitting_keeps_quantity_list_contracted_and_proxy_cost_exactly(charges: Any) -> None:
    table = usage([(str(q), listed, contracted, contracted, None, listed) for q, listed, contracted, _ in charges])
    shares = {row: share for row, (*_, share) in enumerate(charges) if share}
    found = split(table, shares, dict.fromkeys(shares, D(1)), NAMES)
    for name in ("quantity", "list_cost", "contracted_cost", "proxy_cost"):
        before, after = (sum(one[name].to_pylist()) for one in (table, found))
        assert before == after
