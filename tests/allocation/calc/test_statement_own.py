"""Statements in currencies of cost centres: converted once, cents by largest remainder, lines add up to the amount."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.statement_own import OwnRate, converted, own_amounts, own_parts
from finops.money import minor_digits

D = Decimal
DAY = date(2026, 9, 30)
YEN, DINAR = OwnRate("JPY", D("152.03"), DAY, "ecb"), OwnRate("KWD", D("0.307"), DAY, "ecb")
costs = st.lists(st.decimals(-(10**6), 10**6, places=12), min_size=1, max_size=12)
rates = st.sampled_from([YEN, DINAR, OwnRate("EUR", D("0.912345678901"), DAY, "ecb")])


def test_yen_have_no_cents_and_dinars_three_decimals() -> None:
    found = own_amounts({"CC-J": D("12.345"), "CC-K": D("12.345"), "CC-U": D(1)}, {"CC-J": YEN, "CC-K": DINAR})
    # 12.345 x 152.03 = 1876.81035; 12.345 x 0.307 = 3.789915
    assert {code: str(amount) for code, amount in found.items()} == {"CC-J": "1877", "CC-K": "3.790"}


def test_the_whole_of_a_currency_is_rounded_once() -> None:
    rate = OwnRate("JPY", D(1), DAY, "ecb")
    found = own_amounts({code: D("0.5") for code in "abc"}, dict.fromkeys("abc", rate))
    assert [int(found[code]) for code in "abc"] == [1, 1, 0], "1.5 are 2 yen; three times 0.5 rounded would be 0 or 3"


@given(costs, rates)
def test_lines_add_up_to_the_amount_and_none_is_off_by_a_minor_unit(parts: list[Decimal], rate: OwnRate) -> None:
    whole = sum(parts, D(0))
    amount = own_amounts({"a": whole}, {"a": rate})["a"]
    lines = own_parts(parts, amount, rate)
    unit = D(1).scaleb(-minor_digits(rate.currency))
    assert sum(lines, D(0)) == amount
    assert abs(amount - converted(whole, rate)) <= unit / 2
    assert all(abs(line - converted(cost, rate)) < 2 * unit for line, cost in zip(lines, parts, strict=True))


@given(st.dictionaries(st.sampled_from("abcdef"), st.decimals(0, 10**6, places=12), min_size=1), rates)
def test_amounts_of_cost_centres_add_up_to_their_whole_rounded_once(exact: dict[str, Decimal], rate: OwnRate) -> None:
    found = own_amounts(exact, dict.fromkeys(exact, rate))
    unit = D(1).scaleb(-minor_digits(rate.currency))
    whole = sum((converted(cost, rate) for cost in exact.values()), D(0))
    assert abs(sum(found.values(), D(0)) - whole) <= unit / 2
    assert all(abs(found[code] - converted(cost, rate)) < unit for code, cost in exact.items())
