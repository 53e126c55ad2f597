"""Conversion: once, row by row, exact, with the rounding as a figure of its own."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.fx import At, convert, convert_usage, converted, left_over
from finops.money import MONEY, RATE

D = Decimal
MONEYS = st.decimals(-(10**9), 10**9, places=12)
RATES = st.decimals(D("0.000001"), 10**4, places=12)


def test_a_row_keeps_what_it_was_and_the_rate():
    row = {
        "billing_currency": "EUR",
        "list_cost": D(4),
        "contracted_cost": None,
        "effective_cost": D(2),
        "billed_cost": D(0),
    }
    at = At(D("1.25"), date(2026, 9, 7), "ecb")
    found = convert(row, at, "USD")
    assert found == {
        "billing_currency": "USD", "list_cost": 5, "contracted_cost": None, "effective_cost": D("2.5"), "billed_cost": 0,
        "original_currency": "EUR", "original_cost": 2, "fx_rate": D("1.25"),
        "fx_day": date(2026, 9, 7), "fx_source": "ecb",
    }  # fmt: skip
    assert convert(found, at, "USD") == found, "converting twice is converting once"


@given(amounts=st.lists(st.none() | MONEYS, max_size=20), rate=RATES)
def test_ar16_rows_and_what_rounding_leaves_are_the_converted_sum_within_half_a_unit_each(amounts, rate):
    known = [amount for amount in amounts if amount is not None]
    rows = sum((converted(amount, rate) for amount in known), D(0))
    left = left_over(amounts, rate)
    assert rows + left == converted(sum(known, D(0)), rate)
    assert abs(left) <= (len(known) + 1) * D("0.5e-12")


def test_half_a_unit_is_rounded_to_even_and_left_over_twice():
    tiny = D("0.000000000001")  # 10^-12 x 1.5 = 1.5 units, rounded to 2; three of them are 4.5, rounded to 4
    assert converted(tiny, D("1.5")) == 2 * tiny
    assert left_over([tiny] * 3, D("1.5")) == (4 - 6) * tiny


def test_only_rows_in_the_currency_are_converted():
    money = lambda *values: pa.array([None if v is None else D(v) for v in values], MONEY)  # noqa: E731
    usage = pa.table(
        {
            "currency": ["USD", "EUR"], **{n: money("2", "3") for n in ("list_cost", "contracted_cost", "billed_cost")},
            "effective_cost": money("2", None), "proxy_cost": money(None, "7"), "original_currency": ["", ""],
            "list_rate": pa.array([D(1), D(1)], RATE), "original_cost": money(None, None), "fx_rate": pa.nulls(2, RATE),
            "fx_day": pa.nulls(2, pa.date32()), "fx_source": ["", ""],
        }
    )  # fmt: skip
    first, second = convert_usage(usage, "EUR", At(D("1.1"), date(2026, 9, 7), "ecb"), "USD").to_pylist()
    assert first == usage.to_pylist()[0]
    assert second == {
        "currency": "USD", "list_cost": D("3.3"), "contracted_cost": D("3.3"), "billed_cost": D("3.3"), "effective_cost": None,
        "proxy_cost": D("7.7"), "original_currency": "EUR", "list_rate": D("1.1"), "original_cost": None, "fx_rate": D("1.1"),
        "fx_day": date(2026, 9, 7), "fx_source": "ecb",
    }  # fmt: skip
