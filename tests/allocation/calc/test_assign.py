"""Invariant 3: whatever the rules, the parts of every charge sum to it exactly."""

from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.assign import parts, share_counts, shares
from allocation.calc.rules import Rule, Target

MONEY = pa.decimal128(30, 12)
amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=12, allow_nan=False)


def rule(*weights: str) -> Rule:
    targets = tuple(Target(f"CC-{n}", "", Decimal(weight)) for n, weight in enumerate(weights))
    return Rule("r", 1, None, None, (("provider", "x"),), targets)


RULES = [None, rule("1"), rule("0.7", "0.3"), rule("0.333333333333", "0.333333333333", "0.333333333334")]


@given(st.lists(st.tuples(st.sampled_from(range(len(RULES))), st.none() | amounts), max_size=30))
def test_the_parts_of_a_charge_sum_to_it_and_unpriced_stays_unpriced(charges: list[tuple[int, Decimal | None]]) -> None:
    keys = [key for key, _ in charges]
    bearers = parts(keys, dict(enumerate(RULES)))
    shared = shares(pa.array([cost for _, cost in charges], MONEY), bearers).to_pylist()
    for row, (_, cost) in enumerate(charges):
        mine = [value for at, value in zip(bearers.row, shared, strict=True) if at == row]
        assert mine
        if cost is None:
            assert mine == [None] * len(mine)
        else:
            assert sum(mine) == cost


@given(st.lists(st.tuples(st.sampled_from(range(len(RULES))), st.integers(0, 10**12)), max_size=30))
def test_shared_counts_are_whole_and_sum_to_the_count(counts: list[tuple[int, int]]) -> None:
    bearers = parts([key for key, _ in counts], dict(enumerate(RULES)))
    shared = share_counts([count for _, count in counts], bearers)
    for row, (_, count) in enumerate(counts):
        assert sum(int(value) for at, value in zip(bearers.row, shared, strict=True) if at == row) == count


def test_a_share_rounds_by_largest_remainder_and_the_first_of_equals_wins() -> None:
    bearers = parts([0], {0: rule("0.5", "0.5")})
    one = Decimal("0.000000000001")
    assert shares(pa.array([one], MONEY), bearers).to_pylist() == [one, Decimal(0)]


def test_usage_that_no_rule_catches_is_unallocated_not_lost() -> None:
    bearers = parts([7], {7: None})
    assert (bearers.cost_centre, bearers.rule) == ([""], [""])
