"""Money against Python's decimal module: exact where the columns are exact, refused where they are not."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.money import (
    MONEY,
    MONEY_DTYPE,
    RATE,
    MoneyError,
    add,
    minor_digits,
    money,
    multiply,
    require_money,
    round_to_minor,
    share,
    share_each,
    subtract,
    total,
    total_by,
)

WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)
STEP = Decimal("1e-12")
amounts = st.decimals(min_value=-(10**15), max_value=10**15, places=12, allow_nan=False, allow_infinity=False)
rates = st.decimals(min_value=0, max_value=10**9, places=12, allow_nan=False, allow_infinity=False)
common_rates = st.decimals(min_value=0, max_value=1000, places=6, allow_nan=False, allow_infinity=False)


def series(*values: str | None) -> pd.Series:
    return pd.Series(money(values), dtype=MONEY_DTYPE)


def half_even(value: Decimal) -> Decimal:
    return value.quantize(STEP, context=WIDE)


@given(st.lists(st.tuples(amounts, amounts)))
def test_add_and_subtract_are_decimal_arithmetic(pairs):
    left, right = money(a for a, _ in pairs), money(b for _, b in pairs)
    assert add(left, right).to_pylist() == [WIDE.add(a, b) for a, b in pairs]
    assert subtract(left, right).to_pylist() == [WIDE.subtract(a, b) for a, b in pairs]
    assert add(left, right).type == MONEY


@given(st.lists(st.tuples(st.integers(0, 10**12), common_rates | rates)), st.sampled_from([1, 1000, 3600, 1_000_000]))
def test_a_product_is_rounded_half_even_once_at_twelve_decimals(pairs, per):
    quantities, prices = pa.array([q for q, _ in pairs], pa.int64()), pa.array([r for _, r in pairs], RATE)
    expected = [half_even(WIDE.divide(WIDE.multiply(q, r), per)) for q, r in pairs]
    if any(value >= 10**18 for value in expected):  # beyond decimal128(30,12): said, not wrapped
        with pytest.raises(MoneyError, match="does not fit"):
            multiply(quantities, prices, per)
        return
    result = multiply(quantities, prices, per)
    assert result.type == MONEY
    assert result.to_pylist() == expected


@given(st.lists(st.tuples(st.decimals(-(10**6), 10**6, places=4), common_rates)))
def test_a_decimal_quantity_multiplies_exactly_too(pairs):
    result = multiply(pa.array([q for q, _ in pairs], pa.decimal128(20, 4)), pa.array([r for _, r in pairs], RATE))
    assert result.to_pylist() == [half_even(WIDE.divide(WIDE.multiply(q, r), 1_000_000)) for q, r in pairs]


@given(amounts, st.lists(st.integers(0, 10**18) | st.decimals(0, 1000, places=6), min_size=1, max_size=30))
def test_shares_add_up_to_the_cost_and_stay_within_one_step_of_their_quota(cost, weights):
    if not any(weights):
        with pytest.raises(MoneyError, match="all zero"):
            share(cost, weights)
        return
    parts = share(cost, weights).to_pylist()
    assert WIDE.create_decimal(sum(map(int, (p.scaleb(12, WIDE) for p in parts)))) == cost.scaleb(12, WIDE)
    whole = sum(WIDE.create_decimal(weight) for weight in weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(WIDE.subtract(part, WIDE.divide(WIDE.multiply(cost, weight), whole))) < STEP


@given(st.lists(amounts | st.none()), st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_ar10_rounding_to_minor_units_keeps_the_rounded_total(values, currency):
    rounded = round_to_minor(money(values), currency)
    unit = Decimal(1).scaleb(-minor_digits(currency))
    kept = [value for value in values if value is not None]
    assert total(rounded) == sum(kept, Decimal(0)).quantize(unit, context=WIDE)
    for before, after in zip(values, rounded.to_pylist(), strict=True):
        assert (before is None) == (after is None)
        if before is not None:
            assert abs(after - before) < unit
            assert after == after.quantize(unit)


@given(st.lists(st.tuples(st.sampled_from("abc"), amounts)))
def test_totals_by_key_add_up_to_the_total(rows):
    frame = pd.DataFrame(
        {"team": [k for k, _ in rows], "cost": pd.Series(money(v for _, v in rows), dtype=MONEY_DTYPE)}
    )
    result = total_by(frame, ["team"], ["cost"])
    require_money(result, ["cost"])
    assert total(result["cost"]) == total(frame["cost"]) == sum((v for _, v in rows), Decimal(0))


def test_a_third_of_a_dollar_three_times_is_a_dollar():
    assert share(Decimal(1), [1, 1, 1]).to_pylist() == list(
        map(Decimal, ["0.333333333334", "0.333333333333", "0.333333333333"])
    )


def test_many_costs_are_shared_over_the_same_weights_as_each_by_itself():
    costs, weights = money(["1", None, "-1", "0.000000000001", "10"]), [Decimal("0.7"), Decimal("0.2"), Decimal("0.1")]
    columns = [column.to_pylist() for column in share_each(costs, weights)]
    for number, cost in enumerate(costs.to_pylist()):
        expected = [None] * 3 if cost is None else share(cost, weights).to_pylist()
        assert [column[number] for column in columns] == expected


def test_a_credit_is_shared_like_a_charge_with_the_sign_turned():
    assert share(Decimal("-0.000000000002"), [1, 1, 1]).to_pylist() == [-STEP, -STEP, Decimal(0)]


def test_a_share_follows_the_index_of_its_weights():
    weights = pd.Series([3, 1], index=["x", "y"], dtype="int64[pyarrow]")
    assert share(Decimal(8), weights).to_dict() == {"x": Decimal(6), "y": Decimal(2)}


def test_three_thirds_of_a_cent_are_one_cent():
    # 0.0033 + 0.0033 + 0.0034 = 0.01: the largest remainder gets it
    assert round_to_minor(money(["0.0033", "0.0033", "0.0034"]), "USD").to_pylist() == [0, 0, Decimal("0.01")]


def test_half_a_yen_rounds_to_even():
    assert round_to_minor(money(["2.5"]), "JPY").to_pylist() == [2]
    assert round_to_minor(money(["3.5"]), "JPY").to_pylist() == [4]


def test_2500_tokens_at_1_25_per_million_cost_0_003125():
    assert multiply(pa.array([2500]), pa.array([Decimal("1.25")], RATE)).to_pylist() == [Decimal("0.003125")]
    assert multiply(pa.array([2500]), Decimal("1.25")).to_pylist() == [Decimal("0.003125")]


def test_an_exact_half_step_goes_to_the_even_neighbour():
    rate = pa.array([Decimal("0.000000500000"), Decimal("0.000001500000"), Decimal("0.000002500000")], RATE)
    assert multiply(pa.array([1, 1, 1]), rate).to_pylist() == [0, 2 * STEP, 2 * STEP]  # 0.5, 1.5, 2.5 steps


def test_null_stays_null_in_arithmetic_and_is_skipped_in_totals():
    assert add(series("1", None), series("2", "2")).to_list() == [Decimal(3), pd.NA]
    assert subtract(series(None), Decimal(1)).isna().all()
    product = multiply(pa.array([None, 1]), pa.array([Decimal(1), None], RATE))
    assert product.null_count == 2
    assert total(series("1", None)) == 1
    assert total(series(None)) == 0


def test_a_group_of_which_nothing_is_priced_stays_null():
    frame = pd.DataFrame({"k": ["a", "b"], "cost": series("1", None)})
    assert total_by(frame, ["k"], ["cost"])["cost"].to_list() == [Decimal(1), pd.NA]
    assert total_by(frame, [], ["cost"])["cost"].to_list() == [Decimal(1)]


def test_a_slice_of_an_array_is_read_from_its_own_start():
    assert multiply(
        pa.array([1, 2, 3])[1:], pa.array([Decimal(1), Decimal(2), Decimal(3)], RATE)[1:], 1
    ).to_pylist() == [4, 9]
    assert multiply(pa.array([Decimal("1.5"), Decimal("2.5")])[1:], pa.array([Decimal(2)], RATE), 1).to_pylist() == [5]


def test_the_result_has_the_form_of_the_first_column():
    array = money(["1"])
    assert isinstance(add(array, array), pa.Array)
    assert isinstance(add(pa.chunked_array([array]), array), pa.ChunkedArray)
    result = add(pd.Series(array, index=[7], dtype=MONEY_DTYPE), Decimal(1))
    assert result.dtype == MONEY_DTYPE
    assert result.index.tolist() == [7]


@pytest.mark.parametrize("value", [1.0, float("nan"), "NaN", "Infinity", Decimal("NaN"), "1e-13", "x", True, 10**18])
def test_what_is_not_exact_money_is_refused(value):
    with pytest.raises(MoneyError):
        money([value])


def test_a_thirteenth_decimal_is_rounded_only_on_request():
    assert money(["0.0000000000005", "0.0000000000015"], round=True).to_pylist() == [0, 2 * STEP]


@pytest.mark.parametrize("column", [pd.Series([1.0]), pd.Series([Decimal(1)], dtype=object), pa.array([1.0]), [1.0]])
def test_float_and_object_columns_are_refused(column):
    for act in (total, lambda c: add(c, c), lambda c: multiply(c, c), lambda c: round_to_minor(c, "USD")):
        with pytest.raises(MoneyError):
            act(column)


def test_overflow_raises_instead_of_wrapping():
    top = money(["999999999999999999.999999999999"])
    with pytest.raises(MoneyError):
        add(top, top)
    with pytest.raises(MoneyError):
        total(pa.concat_arrays([top, top]))
    with pytest.raises(MoneyError):
        multiply(pa.array([np.iinfo(np.int64).max]), pa.array([Decimal(10**11)], RATE), 1)
    with pytest.raises(MoneyError):
        total_by(
            pd.DataFrame({"k": ["a", "a"], "c": pd.Series(pa.concat_arrays([top, top]), dtype=MONEY_DTYPE)}),
            ["k"],
            ["c"],
        )


def test_columns_with_different_indexes_or_lengths_are_not_paired():
    with pytest.raises(MoneyError, match="index"):
        add(series("1"), pd.Series(money(["1"]), index=[5], dtype=MONEY_DTYPE))
    with pytest.raises(MoneyError, match="rows"):
        add(money(["1"]), money(["1", "2"]))


@pytest.mark.parametrize(
    ("weights", "match"), [([0, 0], "all zero"), ([], "all zero"), ([-1, 2], "negative"), ([0.5], "weight")]
)
def test_weights_that_give_no_basis_are_refused(weights, match):
    with pytest.raises(MoneyError, match=match):
        share(Decimal(1), weights)


def test_a_frame_whose_money_is_not_money_is_refused_by_name():
    frame = pd.DataFrame(
        {"good": series("1"), "wide": pd.Series([Decimal(1)], dtype=pd.ArrowDtype(pa.decimal128(38, 12)))}
    )
    require_money(frame, ["good"])
    with pytest.raises(MoneyError, match="wide is decimal128"):
        require_money(frame, ["good", "wide"])
    with pytest.raises(MoneyError, match="absent"):
        require_money(frame, ["absent"])
