"""Caps and bands: breaches are counted exactly where single costs are known, and bounded where they are not."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.distribution import bin_of
from finops.documents import read_yaml
from forecasting.calc.caps import Band, Cap, CapError, Costs, banded, breaches, moves, signals, undecided
from forecasting.calc.watch_policy import parse
from ingest.calc.price_transparency import Cell

D = Decimal
BANDS = parse(read_yaml((Path(__file__).parents[3] / "forecasting/watch_policy.yaml").read_bytes())).bands
_cost = st.decimals(D("0.000001"), 50, places=6)


def cells(costs: list[Decimal]) -> list[Cell]:
    """As the ledger keeps them: bins of a cost, with count and sum."""
    counts = Counter(bin_of(cost) for cost in costs)
    return [Cell(n, size, sum((cost for cost in costs if bin_of(cost) == n), D(0))) for n, size in counts.items()]


def single(costs: list[Decimal], most: Decimal) -> list[Costs]:
    return [Costs(cost, size) for cost, size in Counter(c for c in costs if bin_of(c) == undecided(most)).items()]


@given(st.lists(_cost, max_size=60), _cost)
def test_breaches_are_counted_exactly_with_the_single_costs_of_one_bin(costs: list[Decimal], most: Decimal) -> None:
    found = breaches(cells(costs), most, single(costs, most))
    dear = [cost for cost in costs if cost > most]
    assert found.exact
    assert (found.queries, found.low, found.above_low) == (len(costs), len(dear), sum((c - most for c in dear), D(0)))


@given(st.lists(_cost, max_size=60), _cost)
def test_without_them_number_and_money_lie_between_their_bounds(costs: list[Decimal], most: Decimal) -> None:
    found = breaches(cells(costs), most)
    dear = [cost for cost in costs if cost > most]
    assert found.low <= len(dear) <= found.high
    above, step = sum((cost - most for cost in dear), D(0)), D("1e-11")
    assert found.above_low - step <= above <= found.above_high + step
    assert found.high - found.low <= sum(bin_of(cost) == undecided(most) for cost in costs)


@given(
    st.lists(st.sampled_from([D("0.01"), D("0.1"), D("0.02"), D("0.009999999999"), D("0.010000000001")]), max_size=20)
)
def test_a_query_that_costs_just_the_cap_is_no_breach(costs: list[Decimal]) -> None:
    for most in (D("0.01"), D("0.1")):
        found = breaches(cells(costs), most, single(costs, most))
        assert (found.low, found.high) == (sum(cost > most for cost in costs),) * 2
        assert (
            breaches(cells(costs), most).above_low == found.above_low
        )  # the money is known even so: it lies at an edge


def test_planted_breaches_among_many_queries_are_found_to_the_last() -> None:
    """100,000 queries of a cent or so, none above 5 cents; 37 planted at 5.0001 cents to 2 USD, 5 at the cap itself."""
    random = np.random.default_rng(3)
    normal = [min(D(f"{cost:.6f}"), D("0.0499")) for cost in random.lognormal(-4.6, 0.6, 100_000)]
    planted = [D("0.050001") + D("0.054") * number for number in range(37)]
    costs, most = [*normal, *planted, *[D("0.05")] * 5], D("0.05")
    counts, sums = Counter[int](), Counter[int]()
    for cost in costs:
        counts[bin_of(cost)] += 1
        sums[bin_of(cost)] += cost  # type: ignore[assignment]
    kept = [Cell(n, counts[n], D(sums[n])) for n in counts]
    found = breaches(kept, most, single(costs, most))
    assert (found.queries, found.low, found.high) == (100_042, 37, 37)
    assert found.above_low == found.above_high == sum(planted, D(0)) - 37 * most


def test_queries_without_a_price_are_told_and_not_counted() -> None:
    found = breaches([Cell(None, 7, D(0)), *cells([D("0.5")])], D("0.1"))
    assert (found.queries, found.without, found.low, found.high) == (1, 7, 1, 1)


def test_buckets_and_corrections_that_do_not_fit_their_bin_give_bounds_and_no_crash() -> None:
    """A layer's share of a day: the count is rounded and the cost is not."""
    for cost in (D("-1"), D(0), D(1_000)):
        found = breaches([Cell(bin_of(D("0.5")), 3, cost)], D("0.52"))
        assert 0 <= found.low <= found.high <= 3
        assert found.above_low <= found.above_high


def test_single_costs_that_are_not_the_bins_are_refused() -> None:
    with pytest.raises(CapError, match=r"0 single costs for the 1 queries around 0\.5"):
        breaches(cells([D("0.5")]), D("0.5"), [])


@pytest.mark.parametrize("most", [D(0), D(-1), D("NaN"), D("Infinity")])
def test_a_cap_is_above_nothing(most: Decimal) -> None:
    with pytest.raises(CapError, match="above 0"):
        breaches([], most)


@given(st.lists(_cost, max_size=60))
def test_bands_exhaust_queries_and_cost(costs: list[Decimal]) -> None:
    found = banded(cells(costs), BANDS.edges)
    assert [(band.low, band.high) for band in found] == [(None, D("0.01")), (D("0.01"), D("0.10")), (D("0.10"), None)]
    assert sum(band.queries for band in found) == len(costs)
    assert sum((band.cost for band in found), D(0)) == sum(costs, D(0))
    assert found[1].queries == sum(D("0.01") <= cost < D("0.10") for cost in costs)


def test_bands_of_no_queries_are_empty() -> None:
    assert banded([Cell(None, 3, D(0))], [D(1)]) == [Band(None, D(1), 0, D(0)), Band(D(1), None, 0, D(0))]


def test_a_band_inside_a_bin_is_refused_with_the_edges_nearby() -> None:
    with pytest.raises(CapError, match=r"0\.02 lies inside a bin: .* 0\.0199526, 0\.0223872"):
        banded([], [D("0.02")])


def test_a_mean_that_leaves_its_band_by_more_than_the_margin_is_a_move() -> None:
    """The edge is 0.01, the margin 5 %: 0.0104 stays, 0.0106 moves up; back only below 0.0095."""
    means = ["0.005", "0.0104", "0.0106", "0.0096", "0.0094", "0.2"]
    found = moves("complex", [(f"d{n}", 100, D(mean) * 100) for n, mean in enumerate(means)], BANDS)
    assert [(one.day, one.before, one.now) for one in found] == [("d2", 0, 1), ("d4", 1, 0), ("d5", 0, 2)]
    assert found[0].mean == D("0.0106")


def test_a_day_of_few_queries_moves_nothing_and_the_first_day_sets_the_band() -> None:
    days = [("d0", 29, D(29)), ("d1", 30, D("0.03")), ("d2", 29, D(29)), ("d3", 30, D("0.03"))]
    assert moves("simple", days, BANDS) == []
    assert moves("simple", [], BANDS) == []


def test_a_move_across_two_bands_down_is_one_move() -> None:
    found = moves("x", [("d0", 100, D(100)), ("d1", 100, D("0.1"))], BANDS)
    assert [(one.before, one.now) for one in found] == [(2, 0)]


def test_a_cap_that_is_broken_for_sure_is_a_signal_with_the_money_above_it() -> None:
    caps = [
        Cap("cap:complex", D("0.10"), "ticket"),
        Cap("cap:simple", D("0.01"), "page"),
        Cap("cap:none", D(1), "page"),
    ]
    found = {
        "cap:complex": breaches(cells([D("0.5"), D("0.35"), D("0.02")]), D("0.10")),
        "cap:simple": breaches(cells([D("0.01")]), D("0.01")),
    }
    (told,) = signals(caps, found)
    assert (told.subject, told.rule, told.severity, told.money) == ("cap:complex", "query_cap", "ticket", D("0.65"))
    assert told.why == "2 of 3 queries cost more than 0.1: 0.65 above it"


@pytest.mark.parametrize(("cost", "low", "high"), [("1.44", 0, 2), ("1.47", 2, 3)])
def test_the_bounds_of_three_queries_of_the_undecided_bin(cost: str, low: int, high: int) -> None:
    """The bin goes from 0.4467 to 0.5012, the cap is 0.48. Of 1.44 = 3 x 0.48 none need lie above, nor can three: 0.0999
    above the cheapest, 0.0333 each to the cap. 1.47 is 0.03 too much, of which one query holds 0.0212 at most."""
    found = breaches([Cell(bin_of(D("0.48")), 3, D(cost))], D("0.48"))
    assert (found.low, found.high, found.above_low) == (low, high, D(cost) - D("1.44"))
    assert cost != "1.44" or round(found.above_high, 4) == D("0.0389")  # 0.09995 / 0.05451 x 0.02119


def test_down_two_bands_the_nearer_edge_is_the_one_that_is_left() -> None:
    found = moves("x", [("d0", 30, D(30)), ("d1", 30, D("0.0096") * 30)], BANDS)
    assert [(one.before, one.now) for one in found] == [(2, 0)]
