"""The dearest queries of a day by pages: any calls, rates and sizes of pages; by hand where it matters."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.distribution import bin_of
from allocation.calc.query_costs import KEY_BITS, Rates
from allocation.calc.query_rows import Place, Wanted, dearest, evidence
from tests.allocation.calc.test_query_costs import CHEAP, DEAR, RATES, calls

EVERY = Wanted({7, 8}, {5})


def test_the_dearest_come_first_with_all_of_their_calls() -> None:
    found = calls((1, DEAR, 1, 1, 0), (2, DEAR, 1, 10, 4), (2, CHEAP, 0, 100, 0), (None, DEAR, 1, 2, 0))
    later = calls((9, DEAR, 0, 1, 1), (1, DEAR, 0, 3, 0)).going_on
    page = dearest([found.begun], RATES, [(later, RATES)], EVERY, after=None, limit=9)
    # 2: 10 x 0.001 + 4 x 0.01 + 100 x 0.00001; 1: (1 + 3) x 0.001; the call without a trace: 2 x 0.001
    assert [(row.query, row.calls, row.cost) for row in page.rows] == [
        (2, 2, Decimal("0.051")), (1, 2, Decimal("0.004")), (None, 1, Decimal("0.002")),
    ]  # fmt: skip
    assert page.rows[0].tokens == {"input_uncached": 110, "output_visible": 4}
    assert (page.queries, page.cost, page.more) == (3, Decimal("0.057"), False)


def test_what_is_asked_for_is_chosen_by_key_rule_bin_and_what_another_layer_counts() -> None:
    found = calls((1, DEAR, 1, 1, 0), (2, CHEAP, 1, 1, 0), (3, CHEAP, 1, 0, 5), (4, DEAR, 1, 0, 1)).begun

    def asked(wanted: Wanted) -> list[int | None]:
        return [row.query for row in dearest([found], RATES, [], wanted, after=None, limit=9).rows]

    assert asked(EVERY) == [4, 1, 2, 3]
    assert asked(Wanted({7}, {5})) == [4, 1]
    assert asked(Wanted({7, 8}, {6})) == []
    assert asked(Wanted({7, 8}, {5}, {(7, 5)})) == [2, 3]
    assert asked(Wanted({7, 8}, {5}, bins=(-60, -60))) == [1], "0.001"
    assert asked(Wanted({7, 8}, {5}, bins=(-100, -60))) == [1, 2]
    assert asked(Wanted({7, 8}, {5}, without=True)) == [3], "part of it has no price"


def test_the_cost_of_a_place_need_not_be_one_that_the_rates_of_now_can_make() -> None:
    found = calls(*((number, DEAR, 1, number, 0) for number in range(1, 5))).begun
    page = dearest([found], RATES, [], EVERY, after=Place(Decimal("0.0025"), 0), limit=9)
    assert [row.cost for row in page.rows] == [Decimal("0.002"), Decimal("0.001")]
    assert dearest([found], RATES, [], EVERY, after=Place(Decimal(10) ** 25, 0), limit=1).rows[0].query == 4


def test_evidence_is_what_rules_of_tiers_compare() -> None:
    of = {
        "agent": [0, 5, 5, 6],
        "tool_calls": [0, 1, 0, 2],
        "output_visible": [1, 2, 3, 4],
        "output_reasoning": [0, 0, 9, 0],
    }
    assert evidence(of | {"input_uncached": [1, 1, 1, 1]}) == {
        "calls": 4, "agents": 2, "output_reasoning": 9, "output": 19, "input_uncached": 4, "tool_calls": 3,
    }  # fmt: skip


ROWS = st.lists(st.tuples(st.sampled_from([None, *range(1, 12)]), st.integers(0, 5)), min_size=1, max_size=30)


@given(ROWS, st.integers(1, 5), st.sampled_from(["0.000001", "0.0000000001234567", "12.5"]), st.integers(1, 3))
def test_pages_of_any_day_in_any_parts_are_the_sorted_list(
    rows: list[tuple[int | None, int]], size: int, rate: str, parts: int
) -> None:
    key = 7 << KEY_BITS | 1
    rates: Rates = {key: {"input_uncached": Decimal(rate)}}
    seen: set[int] = set()
    whole = []
    for query, tokens in rows:
        whole.append((query, key, int(query is None or query not in seen), tokens, 0))
        seen |= {query} if query is not None else set()
    costs: dict[object, Decimal] = {}
    for number, (query, tokens) in enumerate(rows):
        name = ("alone", number) if query is None else query
        costs[name] = costs.get(name, Decimal(0)) + tokens * Decimal(rate)
    cut = [[row for n, row in enumerate(whole) if (row[0] or n) % parts == part] for part in range(parts)]
    begun = [calls(*part).begun for part in cut if part]
    found, after = [], None
    for _ in range(len(rows) + 1):
        page = dearest(begun, rates, [], Wanted({7}, {5}), after=after, limit=size)
        found += page.rows
        assert (page.queries, page.cost) == (len(costs), sum(costs.values()))
        if not page.more:
            break
        after = page.rows[-1].place
    assert [row.cost for row in found] == sorted(costs.values(), reverse=True)
    assert len({row.place for row in found}) == len(costs)
    assert all(row.cost == costs[row.query] for row in found if row.query is not None)
    assert all(row.bin == (bin_of(row.cost) if row.cost else None) for row in found)
