"""What is stated of a series: points that add up, inside intervals, month totals and odds of one distribution."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.money import MONEY_DTYPE, money
from forecasting.calc import hierarchy, paths
from forecasting.calc.baseline import forecast
from forecasting.calc.daily import Asked, Known, Made, Series, drawn, lay, made, reach
from forecasting.calc.fitted import _shares, fitted
from forecasting.calc.intervals import ENOUGH, LEVELS, QUANTILES, marginals
from forecasting.calc.price_index import PriceIndex
from forecasting.calc.series import DAY, panel
from forecasting.calc.stated import medians, percentiles, stated_of
from tests.forecasting.calc.panels import START, daily, noisy

WHOLE, FINEST = (), ("d0", "d1")
KEYS = [("a", "x"), ("a", "y"), ("b", "x")]


def known(rows: np.ndarray) -> Known:
    """Histories of KEYS, from START on."""
    frame = pd.DataFrame({
        "ChargePeriodStart": pd.to_datetime([START + timedelta(days=n) for _ in rows for n in range(rows.shape[1])], utc=True),
        **{name: [key[place] for key, row in zip(KEYS, rows, strict=False) for _ in row] for place, name in enumerate(FINEST)},
        "EffectiveCost": pd.Series(money([f"{value:.6f}" for value in rows.ravel()]), dtype=MONEY_DTYPE),
    })  # fmt: skip
    held = panel(frame, FINEST, DAY, START, START + timedelta(days=rows.shape[1]), signed=True)
    return Known(frame, held, PriceIndex((), {}))


def all_of(rows: np.ndarray, horizon: int) -> Made:
    return made(known(rows), Asked(horizon, (WHOLE, ("d0",), FINEST)))


def growing(cells: int = 110, rate: float = 0.01, seed: int = 0) -> np.ndarray:
    """Three series that grow by a hundredth a day: what repeats the last weeks says too little of what comes."""
    return noisy(3, cells, seed, season=7) * (1 + rate) ** np.arange(cells)


def whole(found: Made) -> Series:
    return next(one for one in found.series if one.level == WHOLE)


def test_an_interval_is_stated_from_as_many_past_forecasts_on_as_the_conformal_rule_says() -> None:
    assert {level: next(n for n in range(1, 99) if -(-(n + 1) * level // 100) <= n) for level in LEVELS} == ENOUGH
    assert ENOUGH == {80: 4, 95: 19}


def test_growth_that_past_forecasts_missed_is_in_the_point_of_its_month_and_not_only_in_its_interval() -> None:
    """Four months that grow by 1 % a day: before, the point was the sum of what the models say, far below its own interval."""
    found = whole(all_of(growing(), 42))
    (month,) = (one for one in found.months if one.whole and not one.actual)  # May: 31 of the 42 days
    laid = lay(known(growing()), 42)
    models = sum(
        laid.base.point[:, n].sum() for n in range(42) if (START + timedelta(days=110 + n)).date() >= month.month
    )
    assert models < float(month.percentiles[9]), "what the models say lies outside of 80 %"
    assert month.point == month.percentiles[49]
    came = sum(
        (1.01 ** (110 + n)) * 30
        for n in range(42)
        if (START + timedelta(days=110 + n)).date().month == month.month.month
    )
    assert abs(float(month.point) - came) < abs(models - came) / 2


HISTORY = st.tuples(
    st.integers(0, 10_000), st.integers(42, 130), st.integers(1, 45), st.sampled_from([0.0, 0.01, -0.01])
)


@settings(max_examples=25, deadline=None)
@given(HISTORY)
def test_a_point_lies_in_its_interval_and_80_percent_in_95(asked: tuple[int, int, int, float]) -> None:
    """Days and months of every level, whatever the history: growing, falling, short, long."""
    seed, cells, horizon, rate = asked
    for one in all_of(growing(cells, rate, seed), horizon).series:
        for day in one.days:
            band = day.band
            assert (band.low_80 is None) == (80 not in one.stated) == (band.high_80 is None)
            assert (band.low_95 is None) == (95 not in one.stated) == (band.high_95 is None)
            if band.low_80 is not None and band.high_80 is not None:
                assert band.low_80 <= day.point <= band.high_80
            if band.low_95 is not None and band.high_95 is not None:
                assert band.low_95 <= day.point <= band.high_95
                assert band.low_95 < band.low_80 or band.low_95 in (0, day.point), (
                    "wider, as errors vary; nothing costs less than nothing"
                )
                assert band.high_80 < band.high_95 or band.high_95 == day.point
        for month in one.months:
            assert bool(month.percentiles) == bool(one.stated)
            if month.percentiles:
                assert month.percentiles[9] <= month.point == month.percentiles[49] <= month.percentiles[89]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(90, 130))
def test_a_months_quantiles_are_those_of_its_days_summed_on_the_paths_that_every_other_total_is_of_around_its_point(
    seed: int, cells: int
) -> None:
    """The paths that the commitment advisor weighs; what they are around is the sum of the stated points of the days."""
    facts = known(growing(cells, 0.01, seed))
    laid = lay(facts, 28)
    for one in made(facts, Asked(28, (WHOLE, ("d0",), FINEST))).series:
        futures = drawn(laid, one.level, one.key, 0)
        for month in one.months:
            inside = [
                n
                for n, day in enumerate(one.days)
                if (day.day.year, day.day.month) == (month.month.year, month.month.month)
            ]
            assert month.point == month.actual + sum(one.days[n].point for n in inside)
            totals = futures[:, inside].sum(axis=1) + float(month.actual)
            assert [float(value) for value in month.percentiles] == pytest.approx(np.percentile(totals, range(1, 100)))
            assert float(month.point) == pytest.approx(np.median(totals))


def test_with_three_past_forecasts_nothing_is_stated_and_points_are_the_models_and_add_up() -> None:
    rows = noisy(3, 21 + 14 + 28, season=7)[:1]
    found = all_of(rows, 28)
    assert [len(one.stated) for one in found.series] == [0, 0, 0]
    assert {one.checked for one in found.series} == {3}
    month = whole(found).months[0]
    assert (month.percentiles, {day.band for day in whole(found).days}) == ((), {(None,) * 4})
    assert month.point == month.actual + sum(
        day.point for day in whole(found).days if day.day.month == month.month.month
    )
    assert [day.point for day in whole(found).days] == [day.point for day in found.series[-1].days]
    assert all_of(noisy(1, 21 + 21 + 28, season=7), 28).series[0].stated == (80,)
    assert all_of(noisy(1, 21 + 18 * 7 + 28, season=7), 28).series[0].stated == (80, 95)


def test_parts_share_their_past_errors_and_may_state_what_the_whole_cannot() -> None:
    found = all_of(noisy(3, 21 + 14 + 28, season=7), 28)
    assert {one.level: one.stated for one in found.series} == {WHOLE: (), ("d0",): (80,), FINEST: (80,)}  # 3, 6 and 9


def test_history_reaches_as_far_as_the_whole_has_an_interval_that_is_measured() -> None:
    """By default: four past forecasts, and two of them that do not overlap."""
    for cells, most in ((49, 7), (63, 21), (90, 28), (120, 49), (200, 84)):
        far = reach(daily(noisy(1, cells, season=7)))
        found = all_of(noisy(1, cells, season=7), far)
        assert (far, 80 in whole(found).stated, found.coverage.cells > 0) == (most, True, True)


def test_medians_are_the_middle_quantiles_where_there_are_any() -> None:
    base = forecast(daily(noisy(2, 90, season=7)), 14)
    likely = marginals(base)
    assert [stated_of(likely, row) for row in (0, 1)] == [(80,)] * 2  # 8 past forecasts of each: 16
    assert np.array_equal(medians(likely), likely.quantiles()[:, :, QUANTILES.index(0.5)])
    few = forecast(daily(noisy(1, 63, season=7)), 28)
    assert np.array_equal(medians(marginals(few)), few.point)


# What adds up


@settings(max_examples=25, deadline=None)
@given(HISTORY, st.sampled_from([1.0, 0.3]))
def test_parts_add_up_to_the_whole_and_days_to_their_month_exactly(
    asked: tuple[int, int, int, float], often: float
) -> None:
    """Invariant 10, for histories of every kind; ``often``: how many days of a series have any cost."""
    seed, cells, horizon, rate = asked
    rows = growing(cells, rate, seed) * (np.random.default_rng(seed).random((3, cells)) < often)
    found = all_of(rows, horizon)
    by_level = {level: [one for one in found.series if one.level == level] for level in (WHOLE, ("d0",), FINEST)}
    (top,) = by_level[WHOLE]
    for parts in (by_level["d0",], by_level[FINEST]):
        for n, day in enumerate(top.days):
            assert sum(one.days[n].point for one in parts if one.days) == day.point
        for n, month in enumerate(top.months):
            assert sum(one.months[n].point for one in parts if one.months) == month.point
    for one in found.series:
        for month in one.months:
            mine = [day.point for day in one.days if f"{day.day:%Y-%m}" == f"{month.month:%Y-%m}"]
            assert month.actual + sum(mine) == month.point


def test_many_parts_that_cost_something_on_few_days_come_to_what_the_whole_costs() -> None:
    """Forty use cases, each with 10 a day on three days of ten: 120 a day. The medians of them come to something else."""
    rng = np.random.default_rng(3)
    rows = 10.0 * (rng.random((40, 140)) < 0.3)
    frame = daily(rows)
    base = forecast(frame, 14)
    likely = marginals(base)
    points = fitted(base, likely)
    (whole,) = medians(marginals(hierarchy.aggregate(base, WHOLE)))
    assert medians(likely).sum() < whole.sum()
    assert points.sum(axis=0) == pytest.approx(whole)
    assert points.sum() == pytest.approx(14 * 120, rel=0.1)
    quantiles = likely.quantiles()
    assert (points >= quantiles[:, :, 1] - 1e-9).all(), "none is said to lie outside of its 80 %"
    assert (points <= quantiles[:, :, 3] + 1e-9).all()


def test_what_never_cost_is_not_said_to_and_what_was_never_a_credit_is_none() -> None:
    """A gap beyond all intervals is shared by what is left above nothing, and never pushes a part below it."""
    assert _shares(np.array([6.0]), np.array([[1.0], [1.0]]), np.array([[9.0], [3.0]])).ravel().tolist() == [0.75, 0.25]
    assert _shares(np.array([1.0]), np.array([[1.0], [3.0]]), np.array([[9.0], [3.0]])).ravel().tolist() == [0.25, 0.75]
    up = _shares(np.array([9.0]), np.array([[1.0], [1.0]]), np.array([[np.inf], [3.0]]))
    assert up.ravel().tolist() == [1, 0]
    assert _shares(np.array([0.0]), np.zeros((2, 1)), np.zeros((2, 1))).sum() == 0


def test_a_distribution_is_moved_to_its_point_and_stays_on_its_side_of_nothing() -> None:
    """Totals from 0 to 100. To 60: in proportion. To 20, which would shrink them to two fifths: each 30 less."""
    sums = np.linspace(0, 100, 1_001)
    assert [percentiles(sums, Decimal(60), 0.0, np.inf)[n] for n in (9, 49, 89)] == [12, 60, 108]
    moved = percentiles(sums, Decimal(20), 0.0, np.inf)
    assert (moved[49], moved[89], moved[9]) == (20, 60, 0), "50 less 30, 90 less 30, and 10 less 30 is below nothing"
    assert percentiles(sums, Decimal(-5), 0.0, np.inf)[:50] == (Decimal(-5),) * 50
    assert percentiles(sums, Decimal(50), -np.inf, np.inf)[0] == 1
    assert percentiles(-sums, Decimal(-60), -np.inf, 0.0)[9] == -108
    assert percentiles(np.zeros(10), Decimal(0), 0.0, np.inf) == (Decimal(0),) * 99


# What gives away a part of its cost


def test_what_is_given_away_every_day_is_forecast_and_the_net_of_its_owner_too() -> None:
    """100 a day of one kind, of another -40: 60 a day, not 100."""
    rows = np.stack([np.full(100, 100.0), np.full(100, -40.0)])
    found = {(one.level, one.key): one for one in all_of(rows, 28).series}
    given = found[FINEST, ("a", "y")]
    assert (given.method, given.refusal) == ("median ensemble", "")
    assert [float(day.point) for day in given.days] == pytest.approx([-40.0] * 28)
    net = found[("d0",), ("a",)]
    assert [float(day.point) for day in net.days] == pytest.approx([60.0] * 28)
    assert all(float(month.percentiles[98]) < 61 * 31 for month in net.months)


def test_a_series_that_is_now_above_and_now_below_zero_is_forecast_as_it_goes() -> None:
    """Working days cost 70, weekends give back 35: a week comes to 5 x 70 - 2 x 35 = 280."""
    rng = np.random.default_rng(1)
    rows = np.tile([70.0, 70, 70, 70, 70, -35, -35], 16)[None] + rng.standard_normal((1, 112))
    one = all_of(rows, 28).series[-1]
    assert sum(float(day.point) for day in one.days) == pytest.approx(4 * 280, rel=0.02)
    assert float(min(day.point for day in one.days)) == pytest.approx(-35, abs=3)


def test_one_correction_is_no_habit() -> None:
    rows = np.full((1, 100), 10.0)
    rows[0, 90] = -500
    facts = known(rows)
    assert np.isnan(facts.panel.cost[0, 90])
    assert "corrections, left out of the history" in facts.panel.notes["a", "x"][0]
    rows[0, 90:93] = -500
    assert np.isnan(known(rows).panel.cost[0, 90:93]).all(), "three days of a hundred"
    rows[0, 80:90] = -500
    assert known(rows).panel.cost[0, 80] == -500
    assert "they recur, so its net is forecast" in known(rows).panel.notes["a", "x"][0]


def test_what_was_never_below_zero_is_not_forecast_there_nor_a_credit_above() -> None:
    rng = np.random.default_rng(2)
    rows = np.stack([np.abs(rng.standard_normal(100)), -np.abs(rng.standard_normal(100))])
    base = lay(known(rows), 28).base
    likely = marginals(base)
    drawn_ = dict(paths.paths(likely, 0, 200))
    assert drawn_[0].min() >= 0 >= drawn_[1].max()
    assert hierarchy.aggregate(base, WHOLE).panel.signed


MONEY = st.one_of(st.just(0.0), st.just(float("nan")), st.floats(-1e6, 1e6, allow_subnormal=False))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 90).flatmap(lambda n: st.lists(st.lists(MONEY, min_size=n, max_size=n), min_size=1, max_size=3)),
    st.integers(1, 20),
)
def test_any_history_of_either_sign_is_refused_with_a_reason_or_forecast_sanely(
    rows: list[list[float]], horizon: int
) -> None:
    found = forecast(daily(rows, signed=True), horizon)
    likely = marginals(found)
    quantiles = likely.quantiles()
    for row, method in enumerate(found.methods):
        assert bool(method) != bool(found.refusals[row])
        if method:
            assert np.isfinite(quantiles[row]).all()
            assert (np.diff(quantiles[row], axis=1) >= 0).all()
    for sums in paths.totals(likely, [slice(0, horizon)], seed=1, draws=20).values():
        assert np.isfinite(sums).all()


def test_amounts_are_told_at_twelve_decimals() -> None:
    day = whole(all_of(growing(), 14)).days[0]
    assert day.point == day.point.quantize(Decimal(1).scaleb(-12))
