"""What queries cost: the sum of their calls at the rates of their cells, exactly, counted by size."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor, log10
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.query_costs import KEY_BITS, Calls, Rates, calls_of, query_costs

DEAR, CHEAP = 7 << KEY_BITS | 1, 8 << KEY_BITS | 1  # cells of the usage keys 7 and 8
RATES: Rates = {
    DEAR: {"input_uncached": Decimal("0.001"), "output_visible": Decimal("0.01")},
    CHEAP: {"input_uncached": Decimal("0.00001")},
}
PLACES = {7: 0, 8: 1}


def calls(*rows: tuple[int | None, int, int, int, int]) -> Calls:
    """Calls (query, cell, queries that begin with it, input, output), all judged by rule 5."""
    query, cell, queries, fresh, output = (np.array(column, dtype=object) for column in zip(*rows, strict=True))
    return calls_of(
        {
            "query": np.array([value or 0 for value in query], dtype=np.int64),
            "traced": np.array([value is not None for value in query], dtype=np.int64),
            "cell": cell.astype(np.int64), "rule": np.full(len(rows), 5), "queries": queries.astype(np.int64),
            "input_uncached": fresh.astype(np.int64), "output_visible": output.astype(np.int64),
        }
    )  # fmt: skip


def costs(found: Calls, later: Sequence[tuple[Any, Rates]] = (), rates: Rates = RATES) -> list[tuple[Any, ...]]:
    return query_costs(found.begun, rates, later, PLACES)


def test_a_query_costs_what_its_calls_cost_and_is_counted_where_it_begins() -> None:
    # 10 x 0.001 + 4 x 0.01 + 100 x 0.00001 = 0.051; floor(20 log10 0.051) = -26
    found = calls((1, CHEAP, 0, 100, 0), (1, DEAR, 1, 10, 4))
    assert costs(found) == [(0, 5, -26, 1, Decimal("0.051"))]


def test_a_call_without_a_trace_is_a_query_and_a_bucket_as_many_as_begin_with_it() -> None:
    # 1 x 0.001 each: floor(20 log10 0.001) = -60, on the edge of a bin; the bucket's three cost 0.003 together
    assert costs(calls((None, DEAR, 1, 1, 0), (None, DEAR, 3, 3, 0))) == [(0, 5, -60, 4, Decimal("0.004"))]


def test_a_query_goes_on_over_midnight_at_the_rates_of_the_other_day() -> None:
    first, second = calls((1, DEAR, 1, 1, 0)), calls((1, DEAR, 0, 1, 0), (2, DEAR, 1, 1, 0), (3, DEAR, 0, 9, 9))
    assert (len(second.begun), len(second.going_on)) == (1, 2)
    twice = {DEAR: {"input_uncached": Decimal("0.002"), "output_visible": Decimal("0.02")}}
    assert costs(first, [(second.going_on, twice)]) == [(0, 5, floor(20 * log10(0.003)), 1, Decimal("0.003"))]


def test_without_a_price_a_query_is_in_no_bin_and_its_cost_is_that_of_the_rest() -> None:
    found = calls((1, DEAR, 1, 1, 0), (1, CHEAP, 0, 0, 5), (2, CHEAP, 1, 0, 0))
    assert costs(found) == [(0, 5, None, 1, Decimal("0.001")), (1, 5, None, 1, Decimal(0))]


def test_a_day_without_calls_has_no_queries() -> None:
    none = np.array([], dtype=np.int64)
    found = calls_of(dict.fromkeys(("query", "traced", "cell", "rule", "queries", "input_uncached"), none))
    assert costs(found) == []


ONE = st.tuples(
    st.one_of(st.none(), st.integers(-3, 3).filter(bool)), st.sampled_from([DEAR, CHEAP]), st.integers(0, 10**12),
    st.integers(0, 10**12),
)  # fmt: skip
RATE = st.decimals(0, 10_000, places=9, allow_nan=False)


@given(st.lists(ONE, min_size=1, max_size=30), st.tuples(RATE, RATE, RATE, RATE), st.integers(0, 20))
def test_costs_are_exact_for_any_tokens_and_rates(
    rows: list[tuple[int | None, int, int, int]], given_rates: tuple[Decimal, ...], places: int
) -> None:
    """Whether the sums fit 64 bits or not: every place gets exactly the sum of tokens x rate of its queries."""
    rates = {
        cell: {"input_uncached": pair[0].scaleb(-places), "output_visible": pair[1].scaleb(-places)}
        for cell, pair in zip((DEAR, CHEAP), (given_rates[:2], given_rates[2:]), strict=True)
    }
    begun: set[int | None] = set()
    numbered = []
    for query, cell, fresh, output in rows:
        numbered.append((query, cell, int(query is None or query not in begun), fresh, output))
        begun.add(query)
    assert _summed(costs(calls(*numbered), rates=rates)) == _expected(numbered, rates)


def _summed(found: list[tuple[Any, ...]]) -> dict[int, tuple[int, Fraction]]:
    sums: dict[int, tuple[int, Fraction]] = defaultdict(lambda: (0, Fraction(0)))
    for place, _, _, queries, cost in found:
        sums[place] = (sums[place][0] + queries, sums[place][1] + Fraction(cost))
    return dict(sums)


def _expected(rows: Sequence[tuple[int | None, int, int, int, int]], rates: Mapping[int, Any]) -> dict[int, Any]:
    place, cost = dict[Any, int](), defaultdict[Any, Fraction](Fraction)
    for number, (query, cell, begins, fresh, output) in enumerate(rows):
        name = ("alone", number) if query is None else query
        rate = rates[cell]
        cost[name] += fresh * Fraction(rate["input_uncached"]) + output * Fraction(rate["output_visible"])
        if begins:
            place[name] = PLACES[cell >> KEY_BITS]
    sums: dict[int, tuple[int, Fraction]] = defaultdict(lambda: (0, Fraction(0)))
    for name, at in place.items():
        sums[at] = (sums[at][0] + 1, sums[at][1] + cost[name])
    return dict(sums)
