import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.calc.baseline import (
    CHECKED,
    ENSEMBLE,
    LAUNCH,
    NAIVE,
    NONE,
    ForecastError,
    forecast,
    models,
    scales,
)  # fmt: skip
from forecasting.calc.intervals import coverage, marginals
from forecasting.calc.launches import DONORS
from forecasting.calc.paths import totals
from forecasting.calc.series import DAY
from forecasting.calc.theta import theta
from tests.forecasting.calc.panels import daily, hourly, noisy

NAN = float("nan")


def test_a_point_is_the_median_of_seasonal_naive_seasonal_average_and_theta():
    row = np.concatenate([np.arange(7) + 10.0 * week for week in (1, 3, 4, 9)])
    ensemble, naive = models(daily([row]), 7)
    average = np.arange(7) + 10 * (1 + 3 + 4 + 9) / 4
    assert naive[0].tolist() == (np.arange(7) + 90).tolist()
    assert np.array_equal(ensemble[0], np.median([naive[0], average, theta(row[None], 7, 7)[0]], axis=0))


def test_no_point_is_below_zero():
    ensemble, _ = models(daily([np.linspace(100, 0, 35) ** 2]), 28)
    assert theta(np.linspace(100, 0, 35)[None] ** 2, 7, 28).min() < 0
    assert ensemble.min() == 0


def test_a_series_for_which_the_median_loses_is_served_seasonal_naive():
    rng = np.random.default_rng(0)
    moving = (
        100 + np.cumsum(rng.standard_normal((14, 24)), axis=0).ravel()
    )  # every hour wanders: the newest day knows most
    steady = noisy(1)[0]
    found = forecast(hourly([moving, steady]), 24)
    assert found.methods == (NAIVE, ENSEMBLE)
    assert np.array_equal(found.point[0], moving[-24:])
    assert found.skill[0] == 1
    assert found.skill[1] < 1


def test_a_method_can_be_asked_for():
    panel = hourly(noisy())
    assert forecast(panel, 24, method=NAIVE).methods == (NAIVE,) * 3
    assert np.array_equal(forecast(panel, 24, method=NAIVE).point, panel.cost[:, -24:])


def test_past_forecasts_are_those_that_would_have_been_made():
    panel = hourly(noisy())
    found = forecast(panel, 24)
    for number, origin in enumerate(found.origins):
        then, _ = models(panel.until(origin), 24)
        actual = panel.cost[:, origin : origin + 24]
        assert np.array_equal(found.misses[number], actual - then)
        assert np.array_equal(found.scales[number], scales(panel.until(origin)))
    assert found.origins[0] == panel.cells - 24
    assert found.origins[-1] == CHECKED * 24


def test_the_scale_is_the_mean_difference_to_the_season_before():
    assert scales(daily([[1, 2, 3, 4, 5, 6, 7, 2, 2, 3, 4, 5, 6, 10]])) == pytest.approx([(1 + 3) / 7])
    assert scales(daily([[5.0] * 14])) == pytest.approx([0.05])  # 1 % of the mean


def test_horizons_begin_at_one():
    with pytest.raises(ForecastError, match="at least one hour, not 0"):
        forecast(hourly(noisy()), 0)


def test_nothing_spent_is_refused():
    found = forecast(hourly([*noisy(), np.zeros(24 * 14)]), 24)
    assert (found.methods[3], found.refusals[3]) == (NONE, "nothing was spent in the history")
    assert np.isnan(found.point[3]).all()


def test_a_history_of_hours_is_refused_with_what_it_takes():
    row = np.zeros(24 * 14)
    row[-5:] = 1
    found = forecast(hourly([*noisy(), row]), 24)
    assert found.refusals[3] == "5 hours of history; a forecast needs 24 hours"


def test_a_panel_too_thin_to_know_its_errors_is_refused():
    found = forecast(daily(noisy(2, 30, season=7)), 28)
    assert found.served == []
    assert found.refusals[0] == (
        "30 days of history; to know how wrong 28 days ahead turn out takes 63 days, of this series or of others beside it: "
        "ask for fewer, or wait"
    )
    assert forecast(daily(noisy(2, 63, season=7)), 28).served == [0, 1]


def test_a_short_history_borrows_the_errors_of_others():
    rows = noisy(4, 100, season=7)
    rows[3, :84] = 0
    found = forecast(daily(rows), 7)
    assert (found.methods[3], found.history[3], found.checked[3]) == (ENSEMBLE, 16, 0)
    assert marginals(found).basis[3] == "the pool's errors"


def test_a_history_of_gaps_is_refused_and_one_gap_is_survived():
    rows = noisy()
    rows[0, 100:110] = NAN
    rows[1, 60:300] = NAN
    found = forecast(hourly(rows), 24)
    assert found.refusals == ("", "the cost of 240 hours of the last 336 hours is not known", "")
    assert np.isfinite(found.point[[0, 2]]).all()


def test_launches_are_forecast_as_earlier_launches_went():
    """A launch costs 10 on its first day and 4 on those that follow, as all before it did."""
    rows = np.zeros((DONORS + 3, 60))
    rows[0] = noisy(1, 60, season=7)[0]
    for number in range(1, DONORS + 2):
        rows[number, 7 + number : 14 + number] = 10
        rows[number, 14 + number :] = 4
    rows[-1, -7:] = 20  # the new one, a week old, twice as large
    found = forecast(daily(rows), 7)
    assert found.methods[-1] == LAUNCH
    assert found.point[-1] == pytest.approx([20 * 4 / 10] * 7)
    assert marginals(found).basis[-1] == "earlier launches"
    assert marginals(found).quantiles()[-1] == pytest.approx(np.full((7, 5), 8.0))
    assert coverage(found)[1][-1].shares == (1, 1)
    fewer = forecast(daily(rows[[0, *range(1, DONORS), -1]]), 7)
    assert "9 earlier launches that were followed for 14 days, and there are 8" in fewer.refusals[-1]


def test_a_launch_without_enough_earlier_ones_is_refused():
    rows = noisy(2, 60, season=7)
    rows[1, :50] = 0
    assert forecast(daily(rows), 7).refusals[1] == (
        "10 days of history; a forecast needs 14 days, or 9 earlier launches that were followed for 17 days, and there are 0"
    )


def test_what_comes_later_changes_no_forecast():
    rows = noisy(2, 24 * 14)
    other = rows.copy()
    other[:, 200:] = 1e6
    one, two = (forecast(hourly(each).until(200), 24) for each in (rows, other))
    assert np.array_equal(one.point, two.point)
    assert np.array_equal(one.misses, two.misses)


@settings(max_examples=10, deadline=None)
@given(st.floats(1e-6, 1e6))
def test_in_another_currency_the_forecast_is_the_same(rate):
    rows = noisy(2, 70, season=7)
    one, two = (marginals(forecast(daily(each), 14)).quantiles() for each in (rows, rows * rate))
    assert two == pytest.approx(one * rate, rel=1e-6)


CELL = st.one_of(st.just(0.0), st.just(NAN), st.just(5.0), st.floats(0, 1e9, allow_subnormal=False))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 80).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=3)),
    st.integers(1, 20),
)
def test_any_history_is_refused_with_a_reason_or_forecast_sanely(rows, horizon):
    """Thin, empty, gappy and zero histories: no crash, no NaN that is served, no interval that does not hold its quantiles."""
    found = forecast(daily(rows), horizon)
    bounds = marginals(found)
    quantiles = bounds.quantiles()
    for row, method in enumerate(found.methods):
        assert (method == NONE) == bool(found.refusals[row]) == bool(np.isnan(found.point[row]).all())
        if method != NONE:
            assert np.isfinite(found.point[row]).all()
            assert (found.point[row] >= 0).all()
            assert np.isfinite(quantiles[row]).all()
            assert (np.diff(quantiles[row], axis=1) >= 0).all()
            assert (quantiles[row] >= 0).all()
    coverage(found)
    for sums in totals(bounds, [slice(0, horizon)], seed=1, draws=20).values():
        assert np.isfinite(sums).all()


def test_a_series_that_ended_is_forecast_at_nothing_with_an_open_upper_end():
    rows = noisy(6, 24 * 14)
    rows[0, -24 * 5 :] = 0
    found = forecast(hourly(rows), 24)
    assert found.point[0].max() < 0.1 * rows[0, :200].mean()
    assert marginals(found).quantiles()[0, :, -1].max() > 0


def test_a_series_that_repeats_to_the_cent_has_an_interval_all_the_same():
    found = marginals(forecast(daily([[3.0] * 90, *noisy(3, 90, season=7)]), 14)).quantiles()[0]
    assert (found[:, 0] < 3).all()
    assert (found[:, -1] > 3).all()
    assert DAY.said(1) == "1 day"
