"""A bill that states an agreement too: whatever the two say, their sum is the bill's."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.billed_agreements import ADJUSTMENT, PURCHASE, UNUSED, USED, Part, rule

D = Decimal
KINDS = (PURCHASE, USED, UNUSED)
AMOUNTS = st.decimals(-(10**6), 10**6, places=12)


def parts(kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[list[Part]]:
    costs = st.fixed_dictionaries({"effective_cost": AMOUNTS, "billed_cost": AMOUNTS})
    return st.lists(
        st.builds(
            Part, st.sampled_from(("a", "b")), st.sampled_from(kinds), st.just("USD"), costs, whole=st.just(value=True)
        ),
        max_size=8,
    )


@given(lines=parts(), entries=parts())
def test_where_a_whole_bill_speaks_of_a_commitment_the_sum_is_the_bills(lines: list[Part], entries: list[Part]) -> None:
    found = rule(lines, entries)
    for commitment in ("a", "b"):
        stated = [at for at, line in enumerate(lines) if line.commitment_id == commitment]
        kinds = {lines[at].kind for at in stated}
        spoken = {PURCHASE: bool(kinds), USED: bool(kinds & {USED, UNUSED}), UNUSED: bool(kinds & {USED, UNUSED})}
        mine = [at for at, one in enumerate(entries) if one.commitment_id == commitment and spoken[one.kind]]
        for name in ("effective_cost", "billed_cost"):
            left = sum((lines[at].costs[name] - found.explained[at].get(name, D(0)) for at in stated), D(0))
            kept = sum((entries[at].costs[name] for at in mine if at not in found.taken_back), D(0))
            assert left + kept == sum((lines[at].costs[name] for at in stated), D(0))


@given(entries=parts())
def test_a_bill_that_says_nothing_of_a_commitment_changes_nothing(entries: list[Part]) -> None:
    assert rule([Part("c", USED, "USD", {"effective_cost": D(1), "billed_cost": D(0)})], entries).taken_back == []


def test_what_is_missing_of_a_commit_is_taken_back_by_a_line_about_it_alone() -> None:
    entry = Part("a", ADJUSTMENT, "USD", {"effective_cost": D(10)})
    assert rule([Part("a", USED, "USD", {"effective_cost": D(3)})], [entry]) == ([{}], [])
    assert rule([Part("a", ADJUSTMENT, "USD", {"effective_cost": D(12)})], [entry]) == ([{"effective_cost": D(10)}], [])


def test_a_line_that_states_no_cost_of_a_column_is_not_explained_there() -> None:
    line = Part("a", UNUSED, "USD", {"effective_cost": D(5), "list_cost": None})
    entry = Part("a", UNUSED, "USD", {"effective_cost": D(4), "list_cost": D(4)})
    assert rule([line], [entry]).explained == [{"effective_cost": D(4)}]
