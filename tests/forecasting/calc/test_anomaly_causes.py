from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.calc.bridge_effects import EFFECTS
from forecasting.calc.anomaly_causes import Usage, causes, leading


def usage(key, price_class="input_uncached", *, queries, calls, tokens, cost):
    return Usage((key,), price_class, Fraction(queries), Fraction(calls), Fraction(tokens), Decimal(cost))


USUAL = [usage("a", queries=10, calls=20, tokens=2_000, cost="2")]


@pytest.mark.parametrize(("effect", "now"), [
    ("volume", {"queries": 50, "calls": 100, "tokens": 10_000, "cost": "10"}),
    ("calls", {"queries": 10, "calls": 100, "tokens": 10_000, "cost": "10"}),
    ("input_tokens", {"queries": 10, "calls": 20, "tokens": 10_000, "cost": "10"}),
    ("price", {"queries": 10, "calls": 20, "tokens": 2_000, "cost": "10"}),
])  # fmt: skip
def test_the_only_thing_that_changed_is_the_cause_of_all(effect, now):
    found = causes(USUAL, [usage("a", **now)])
    assert {name: amount for name, amount in found.items() if amount} == {effect: 10 - 2}
    assert leading(found) == effect
    assert effect in EFFECTS


def test_a_shift_between_series_is_mix():
    cheap, dear = {"tokens": 100, "cost": "1"}, {"tokens": 100, "cost": "9"}
    usual = [usage("a", queries=9, calls=9, **cheap), usage("b", queries=1, calls=1, **dear)]
    now = [
        usage("a", queries=1, calls=1, tokens=100 / Fraction(9), cost=Decimal(1) / 8),
        usage("b", queries=9, calls=9, tokens=900, cost="81"),
    ]
    assert leading(causes(usual, now)) == "use_case_mix"


def test_output_and_reasoning_are_told_apart():
    usual = [
        usage("a", name, queries=1, calls=1, tokens=10, cost="1") for name in ("output_visible", "output_reasoning")
    ]
    now = [usual[0], usage("a", "output_reasoning", queries=1, calls=1, tokens=90, cost="9")]
    assert causes(usual, now) == {"reasoning_tokens": 8}


def test_a_class_that_was_not_used_before_is_its_tokens():
    now = [*USUAL, usage("a", "output_reasoning", queries=10, calls=20, tokens=90, cost="9")]
    assert causes(USUAL, now) == {"reasoning_tokens": 9}


def test_what_only_one_side_has_is_keys():
    found = causes(USUAL, [*USUAL, usage("b", queries=1, calls=1, tokens=1, cost="7")])
    assert found == {"keys": 7}
    assert causes([], []) == {}
    assert leading({}) == ""


def test_the_same_class_twice_is_refused():
    with pytest.raises(ValueError, match="a has input_uncached twice"):
        causes(USUAL * 2, USUAL)


ROW = st.tuples(
    st.sampled_from("abc"), st.sampled_from(["input_uncached", "output_visible"]), st.integers(1, 50), st.integers(1, 5),
    st.integers(0, 500), st.integers(0, 10**6),
)  # fmt: skip


def side(rows):
    """Rows with one number of queries and calls a series; cost only where there are tokens."""
    of_key = {key: (queries, queries * calls) for key, _, queries, calls, _, _ in rows}
    found = {
        (key, name): usage(
            key,
            name,
            queries=of_key[key][0],
            calls=of_key[key][1],
            tokens=tokens,
            cost=Decimal(cost * (tokens > 0)) / 1000,
        )
        for key, name, _, _, tokens, cost in rows
    }
    return list(found.values())


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, max_size=6), st.lists(ROW, max_size=6))
def test_causes_add_up_to_the_difference_exactly(before, after):
    usual, now = side(before), side(after)
    change = sum((row.cost for row in now), Decimal(0)) - sum((row.cost for row in usual), Decimal(0))
    assert sum(causes(usual, now).values(), Decimal(0)) == change
