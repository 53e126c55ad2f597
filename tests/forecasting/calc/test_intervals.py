import numpy as np
import pytest

from forecasting.calc.baseline import forecast
from forecasting.calc.intervals import MIXED, OWN, POOLED, QUANTILES, coverage, marginals
from tests.forecasting.calc.panels import daily, hourly, noisy


def inside(quantiles, actual):
    return [((actual >= quantiles[..., low]) & (actual <= quantiles[..., -1 - low])).mean() for low in (1, 0)]


def test_intervals_hold_what_they_say_on_noise():
    rows = noisy(40, 24 * 15, seed=3)
    panel = hourly(rows)
    found = marginals(forecast(panel.until(24 * 14), 24)).quantiles()
    eighty, most = inside(found, rows[:, 24 * 14 :])
    assert 0.77 <= eighty <= 0.84
    assert 0.93 <= most <= 0.97


def test_measured_coverage_is_what_intervals_of_the_other_origins_would_have_held():
    found = forecast(hourly(noisy(40, 24 * 14, seed=4)), 24)
    whole, each = coverage(found)
    assert whole.cells == len(found.origins) * 40 * 24 == sum(one.cells for one in each)
    assert 0.77 <= whole.shares[0] <= 0.83
    assert 0.93 <= whole.shares[1] <= 0.97
    assert whole.shares[0] == pytest.approx(np.mean([one.shares[0] for one in each]))


def test_an_interval_that_is_too_narrow_is_seen_to_be():
    """A series that turned five times as noisy on its last days: the others' errors do not cover those days."""
    rows = noisy(10, 24 * 14)
    rows[0] = 1000 + np.random.default_rng(0).standard_normal(24 * 14) * np.repeat([1, 50], [24 * 10, 24 * 4])
    _, each = coverage(forecast(hourly(rows), 24))
    assert each[0].shares[0] < 0.75 < min(one.shares[0] for one in each[1:])


def test_own_errors_count_from_ten_origins_on():
    rows = noisy(3, 24 * 20)
    assert marginals(forecast(hourly(rows[:, : (OWN + 2) * 24]), 24)).basis == (POOLED,) * 3
    assert marginals(forecast(hourly(rows[:, : (OWN + 3) * 24]), 24)).basis == (MIXED,) * 3


def test_a_wild_series_has_wider_intervals_than_its_calm_neighbours_in_scales():
    rng = np.random.default_rng(5)
    rows = noisy(6, 24 * 20)
    rows[0] = 10 + 30 * (rng.random(24 * 20) < 0.1)  # bursts: most cells repeat, some do not at all
    found = forecast(hourly(rows), 24)
    width = np.ptp(marginals(found).quantiles()[..., [0, -1]], axis=2).mean(axis=1) / found.scale
    assert width[0] > 1.1 * width[1:].max()


def test_quantiles_are_those_of_the_errors_moved_by_the_point():
    """One series, three past forecasts: 21 errors of a week; u = 1/2 is their median whatever (n + 1) / n widens."""
    found = forecast(daily(noisy(1, 21 + 7 + 14, season=7)), 7)
    assert len(found.origins) == 3
    errors = np.sort(found.errors.ravel()) * found.scale[0]
    quantiles = marginals(found).quantiles()[0]
    assert quantiles[:, QUANTILES.index(0.5)] == pytest.approx(found.point[0] + errors[10])
    outer = 1 / 2 + 0.4 * (1 + 1 / 3)  # 1.03: beyond the largest
    assert outer > 1
    assert quantiles[:, QUANTILES.index(0.9)] == pytest.approx(found.point[0] + errors[-1])


def test_without_past_forecasts_nothing_is_said_to_be_covered():
    whole, _ = coverage(forecast(daily(noisy(1, 30, season=7)), 28))
    assert whole.cells == 0
    assert np.isnan(whole.shares).all()
