"""The distribution of cost per query: ranks as SQL has them, and modes that are there."""

from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.distribution import Distribution, bin_of, edge, of_bins, of_costs
from ingest.calc.price_transparency import Cell

BIN = Decimal(10) ** (Decimal(1) / 20)
_cost = st.decimals(min_value="0.000001", max_value=99, places=12, allow_nan=False)
_costs = st.lists(_cost, min_size=1, max_size=150)


def money(logs: Any) -> list[Decimal]:
    return [Decimal(f"{10**log:.12f}") for log in logs]


def cells(costs: list[Decimal]) -> list[Cell]:
    return [Cell(bin_of(cost), 1, cost) for cost in costs]


def test_cost_of_a_tier_that_is_less_than_half_a_query_is_in_the_nearest_bin_and_in_the_mean() -> None:
    found = of_bins(
        [Cell(-20, 10, Decimal(1)), Cell(-4, 5, Decimal(3)), Cell(-15, 0, Decimal("0.5")), Cell(9, 0, Decimal(2))]
    )
    assert (found.queries, found.spend, found.mean) == (15, Decimal("6.5"), Fraction(13, 30))
    assert found.bins == [(-20, 10, Decimal("1.5")), (-4, 5, Decimal(5))]


@given(_costs)
def test_of_single_costs_every_figure_equals_a_plain_sort(costs: list[Decimal]) -> None:
    """percentile_disc(p): the first of the sorted costs whose row number is at least p x n. Top: the ceil(n / 100) last."""
    found, ordered, n = of_costs(costs), sorted(costs), len(costs)
    for name, hundredths in (("p50", 50), ("p95", 95), ("p99", 99)):
        assert set(found.quantiles[name]) == {ordered[ceil(Fraction(hundredths * n, 100)) - 1]}
    dearest = sum(ordered[-ceil(Fraction(n, 100)) :], Decimal(0))
    assert found.top is not None
    assert found.top == (ceil(Fraction(n, 100)), dearest, *[Fraction(dearest) / Fraction(sum(costs))] * 3)
    assert (found.mean, found.spend) == (Fraction(sum(costs)) / n, sum(costs))


@given(_costs)
def test_bins_bound_what_single_costs_say(costs: list[Decimal]) -> None:
    binned, single = of_bins(cells(costs)), of_costs(costs)
    assert (binned.queries, binned.spend, binned.mean, binned.bins) == (
        single.queries, single.spend, single.mean, single.bins,
    )  # fmt: skip
    for name, exact in single.quantiles.items():
        known = binned.quantiles[name]
        assert known.low * Decimal("0.999999") <= exact.value <= known.high * Decimal("1.000001")
        assert 1 / BIN <= known.value / exact.value <= BIN
    assert binned.top is not None
    assert single.top is not None
    assert binned.top.low * Fraction("0.999999") <= single.top.share <= binned.top.high * Fraction("1.000001")
    assert binned.top.queries == single.top.queries


def test_the_share_of_the_dearest_is_exact_where_bins_end_with_it() -> None:
    """198 queries of 0.01 and 2 of 1.00: the dearest hundredth, 2, costs 2.00 of 3.98."""
    found = of_bins([Cell(-40, 198, Decimal("1.98")), Cell(0, 2, Decimal(2))])
    assert found.top == (2, Decimal(2), *[Fraction(200, 398)] * 3)


def test_a_bin_that_the_dearest_cut_gives_bounds() -> None:
    """300 queries of one bin that cost 1.05 each on average; 3 cost 3.15 to 3 x 1.122 = 3.366 of 315."""
    top = of_bins([Cell(0, 300, Decimal(315))]).top
    assert top is not None
    assert (top.share, top.low) == (Fraction(1, 100), Fraction(1, 100))
    assert float(top.high) == pytest.approx(3 * 10**0.05 / 315)


def test_queries_without_a_cost_are_counted_and_in_no_figure() -> None:
    found = of_costs([None, Decimal(0), Decimal(3)])
    assert (found.queries, found.without, found.mean) == (1, 2, Fraction(3))
    assert of_bins([Cell(None, 2, Decimal(0)), Cell(9, 1, Decimal(3))]) == found._replace(
        quantiles={name: found.quantiles[name]._replace(low=edge(9), high=edge(10)) for name in found.quantiles},
        top=found.top,
    )
    nothing = of_costs([None])
    assert (nothing.queries, nothing.without, nothing.mean, nothing.verdict) == (0, 1, None, "too_few")


def mixture(seed: int, n: int, share: float, apart: float, spread: float = 0.3) -> list[Decimal]:
    """n queries, ``share`` of them 10**apart times as dear as the others, which cost 0.001 in the middle."""
    random = np.random.default_rng(seed)
    dear = random.random(n) < share
    return money(np.where(dear, apart, 0) - 3 + spread * random.normal(size=n))


def test_two_modes_have_their_shares_medians_and_spend() -> None:
    """90 % at 0.001 and 10 % at 0.1; log-normal with s = 0.3 ln 10, so a mean of e**(s**2 / 2) = 1.27 medians each."""
    costs = mixture(1, 20_000, 0.1, 2)
    for found in (of_costs(costs), of_bins(cells(costs))):
        assert found.verdict == "two_modes"
        cheap, dear = found.modes
        assert float(dear.query_share) == pytest.approx(0.1, abs=0.01)
        assert float(cheap.median.value) == pytest.approx(0.001, rel=0.06)
        assert float(dear.median.value) == pytest.approx(0.1, rel=0.08)
        assert float(dear.spend) == pytest.approx(2_000 * 0.1 * 1.27, rel=0.1)
        assert cheap.high == dear.low
    assert of_bins(cells(costs)).modes[1].spend == of_costs(costs).modes[1].spend


@given(st.integers(0, 50), st.floats(0.02, 0.98), st.floats(0, 3))
def test_modes_exhaust_queries_and_spend(seed: int, share: float, apart: float) -> None:
    found = of_costs(mixture(seed, 300, share, apart))
    assert sum(mode.queries for mode in found.modes) == found.queries
    assert sum((mode.spend for mode in found.modes), Decimal(0)) == found.spend
    assert sum(mode.query_share for mode in found.modes) == sum(mode.spend_share for mode in found.modes) == 1


def histogram(logs: Any) -> Distribution:
    numbers, counts = np.unique(np.floor(20 * logs).astype(int), return_counts=True)
    return of_bins(
        Cell(int(bin_), int(n), Decimal(int(n)) * edge(int(bin_))) for bin_, n in zip(numbers, counts, strict=True)
    )


ONE_MODE = {
    "normal": lambda random, n: random.normal(-3, 0.4, n),
    "uniform, the hardest": lambda random, n: random.uniform(-5, -1.5, n),
    "skewed": lambda random, n: -3 + random.exponential(0.4, n),
    "exponential cost": lambda random, n: np.log10(random.exponential(0.01, n)),
    "heavy tails": lambda random, n: -3 + 0.3 * random.standard_t(3, n),
    "all alike": lambda random, n: np.full(n, -3.01),
    "whole tokens": lambda random, n: np.log10(1e-5 * (1 + random.geometric(1 / 60, n))),
}


@pytest.mark.parametrize("shape", list(ONE_MODE))
@pytest.mark.parametrize("n", [120, 5_000])
def test_traffic_of_one_mode_is_said_to_be_so_in_95_of_100_cases(shape: str, n: int) -> None:
    alarms = sum(
        histogram(ONE_MODE[shape](np.random.default_rng(seed), n)).verdict != "one_mode" for seed in range(100)
    )
    assert alarms <= 5


@pytest.mark.parametrize(("n", "share", "apart"), [(500, 0.3, 1.5), (2_000, 0.1, 1.6), (20_000, 0.02, 1.7)])
def test_a_second_mode_is_found_in_90_of_100_cases(n: int, share: float, apart: float) -> None:
    """Modes 0.3 wide (a factor of two) that lie a factor of 30 to 50 apart."""
    found = 0
    for seed in range(50):
        random = np.random.default_rng(seed)
        logs = np.where(random.random(n) < share, apart, 0) - 3 + 0.3 * random.normal(size=n)
        found += histogram(logs).verdict == "two_modes"
    assert found >= 45


def test_a_tall_narrow_mode_hides_no_flat_one() -> None:
    """96 of 100 queries alike, four spread over a decade that begins a decade above them."""
    random = np.random.default_rng(1)
    found = histogram(np.concatenate([np.full(96_000, -3.02), random.uniform(-2, -1, 4_000)]))
    assert [mode.queries for mode in found.modes] == [96_000, 4_000]


def test_of_few_queries_nothing_is_said_about_modes() -> None:
    found = of_costs([*[Decimal("0.001")] * 50, *[Decimal(1)] * 49])
    assert (found.verdict, found.modes) == ("too_few", [])
    assert of_costs([*[Decimal("0.001")] * 50, *[Decimal(1)] * 50]).verdict == "two_modes"


def test_modes_part_in_the_middle_of_an_empty_stretch() -> None:
    """Costs of 0.001 and 1: the middle on the log axis is 10 ** -1.5."""
    found = of_costs([*[Decimal("0.001")] * 500, *[Decimal(1)] * 500])
    assert float(found.modes[1].low or 0) == pytest.approx(10**-1.5, rel=0.2)
