"""Quantiles from bins, and where reasoning begins."""

import math
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.price_transparency import BINS_A_DECADE, Cell, Share, engages_from, quantiles, shares


def cell(cost, queries=1):
    return Cell(math.floor(BINS_A_DECADE * math.log10(cost)), queries, Decimal(str(cost)) * queries)


def test_quantiles_are_exact_where_the_queries_of_a_bin_cost_the_same():
    found = quantiles([cell(0.001, 90), cell(0.1, 10), Cell(None, 3, Decimal(0))])
    assert (found.queries, found.p50, found.p95, found.unpriced) == (100, Decimal("0.001"), Decimal("0.1"), 3)
    assert found.mean == Decimal("0.0109")  # (90 x 0.001 + 10 x 0.1) / 100


def test_without_a_priced_query_there_is_no_quantile():
    assert quantiles([Cell(None, 3, Decimal(0))]) == (0, None, None, None, 3)


@given(st.lists(st.decimals("0.000001", "1000", places=6), min_size=1, max_size=200))
def test_a_quantile_is_within_its_bin_of_the_true_one(costs):
    found = quantiles(Cell(math.floor(BINS_A_DECADE * math.log10(cost)), 1, cost) for cost in costs)
    ranked = sorted(costs)
    for part, mine in ((Fraction(1, 2), found.p50), (Fraction(19, 20), found.p95)):
        true = ranked[math.ceil(len(costs) * part) - 1]
        assert Decimal("0.89") <= mine / true <= Decimal("1.123")  # 10 ** (1 / 20) = 1.122


def test_calls_whose_source_tells_no_reasoning_do_not_count():
    assert shares([("high", 10, 6, 2), ("high", 2, 2, 0), ("low", 5, 0, 5)]) == {
        "high": Share(10, 8),
        "low": Share(0, 0),
    }
    assert (Share(10, 8).part, Share(0, 0).part) == (Fraction(4, 5), None)


def test_reasoning_engages_from_the_length_above_which_most_calls_reason():
    bands = {5: Share(10, 9), 8: Share(10, 2), 10: Share(10, 5), 11: Share(0, 0), 12: Share(10, 9), None: Share(1, 1)}
    assert engages_from(bands) == 1_024  # 2 ** 10; shorter prompts of band 8 mostly do not
    assert engages_from({5: Share(10, 1)}) is None
