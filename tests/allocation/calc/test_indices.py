"""Chained indices: four factors whose product is the spend index, in every month, exactly."""

from decimal import Decimal
from fractions import Fraction
from math import prod

from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.indices import FACTORS, SPEND, Month, chained_indices

_months = st.lists(
    st.builds(
        Month, st.just("m"), st.decimals(min_value=0, max_value=9_999, places=6), st.integers(0, 99), st.integers(0, 99),
        st.integers(0, 9_999),
    ),
    max_size=8,
)  # fmt: skip


@given(_months)
def test_the_product_of_the_factors_is_the_spend_index(months: list[Month]) -> None:
    found = chained_indices(months)
    assert len(found) == len(months)
    for n, index in enumerate(found):
        for values in filter(None, (index.links, index.chained)):
            assert prod((values[name] for name in FACTORS), start=Fraction(1)) == values[SPEND]
        if index.links is not None:
            assert index.links[SPEND] == Fraction(index.month.spend) / Fraction(found[n - 1].month.spend)


def test_links_and_chain_of_two_months() -> None:
    """100 tasks, 2 calls each, 1,000 tokens a call at 0.00001 = 2.00; then 150, 3, 1,200 at 0.000005 = 2.70."""
    july = Month("2026-07", Decimal("2.00"), 100, 200, 200_000)
    august = Month("2026-08", Decimal("2.70"), 150, 450, 540_000)
    found = chained_indices([july, august, august._replace(name="2026-09")])
    assert found[0].chained == dict.fromkeys([*FACTORS, SPEND], Fraction(1))
    assert found[1].links == found[1].chained == {
        "tasks": Fraction(3, 2), "calls_per_task": Fraction(3, 2), "tokens_per_call": Fraction(6, 5),
        "price_per_token": Fraction(1, 2), "spend": Fraction(27, 20),
    }  # fmt: skip
    assert found[2].links == dict.fromkeys([*FACTORS, SPEND], Fraction(1))
    assert (found[2].chained, found[2].base) == (found[1].chained, "2026-07")


def test_a_month_without_usage_breaks_the_chain_and_says_why() -> None:
    full = Month("a", Decimal(1), 1, 1, 1)
    found = chained_indices([full, Month("b", Decimal(1), 0, 0, 5), full._replace(name="c")])
    assert (found[1].links, found[1].chained, found[1].why) == (None, None, "no tasks, no calls")
    assert (found[2].base, found[2].links) == ("c", None)
