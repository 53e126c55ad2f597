import numpy as np
import pytest

from forecasting.calc.baseline import forecast
from forecasting.calc.hierarchy import aggregate
from forecasting.calc.intervals import QUANTILES, marginals
from forecasting.calc.paths import exceeding, paths, totals
from tests.forecasting.calc.panels import daily, hourly, noisy


def drifting(rows=4, cells=200, seed=0):
    """Daily series whose level wanders: the errors of one forecast go together."""
    rng = np.random.default_rng(seed)
    return 100 + np.cumsum(rng.standard_normal((rows, cells)), axis=1)


def test_every_cell_of_the_paths_has_the_quantiles_of_its_interval():
    bounds = marginals(forecast(daily(drifting()), 28))
    quantiles = bounds.quantiles()
    for row, mine in paths(bounds, seed=1, draws=4_000):
        found = np.quantile(mine, QUANTILES, axis=0).T
        assert found == pytest.approx(quantiles[row], rel=0.005)


def test_a_month_is_as_uncertain_as_months_were_and_not_as_if_days_were_alone():
    """Wandering levels: the month is almost as wide as its days together; with independent noise it is far narrower."""
    for rows, low, high in ((drifting(), 0.7, 1.01), (noisy(4, 200, season=7), 0.0, 0.45)):
        bounds = marginals(forecast(daily(rows), 28))
        month = next(iter(totals(bounds, [slice(0, 28)], seed=1).values()))[:, 0]
        width = np.ptp(np.quantile(month, [0.1, 0.9]))
        days = np.ptp(bounds.quantiles()[0][:, [1, 3]], axis=1).sum()
        assert low < width / days < high


def test_month_totals_cover_what_months_came_to():
    """Of 60 wandering series, 28 days ahead: their true totals against the interval of 80 % of the sampled ones."""
    rows = drifting(60, 200, seed=2)
    found = totals(marginals(forecast(daily(rows).until(172), 28)), [slice(0, 28)], seed=0)
    bounds = np.array([np.quantile(one[:, 0], [0.1, 0.9]) for one in found.values()])
    actual = rows[:, 172:].sum(axis=1)
    assert 0.7 <= ((actual >= bounds[:, 0]) & (actual <= bounds[:, 1])).mean() <= 0.9


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    bounds = marginals(forecast(hourly(noisy()), 24))
    one, two, other = (
        b"".join(mine.tobytes() for _, mine in paths(bounds, seed, draws=50)) for seed in (1, 1, 2)
    )  # fmt: skip
    assert one == two != other


def test_windows_add_up_to_the_whole():
    bounds = marginals(forecast(hourly(noisy()), 24))
    for sums in totals(bounds, [slice(0, 10), slice(10, 24), slice(0, 24)], seed=1).values():
        assert sums[:, 0] + sums[:, 1] == pytest.approx(sums[:, 2])


def test_factors_are_applied_to_every_path():
    bounds = marginals(forecast(hourly(noisy()), 24))
    factors = np.where(np.arange(24) < 12, 1, 0.5)[None].repeat(3, axis=0)
    halves = [slice(0, 12), slice(12, 24)]
    plain, priced = (totals(bounds, halves, 1, factors=each) for each in (None, factors))
    for key, sums in plain.items():
        assert priced[key] == pytest.approx(sums * [1, 0.5])


def test_refused_series_have_no_paths():
    rows = np.concatenate([noisy(), np.zeros((1, 24 * 14))])
    assert list(totals(marginals(forecast(hourly(rows), 24)), [slice(0, 24)], 1)) == [("s000",), ("s001",), ("s002",)]


def test_series_that_move_together_make_wide_sums():
    """The same noise in all against noise of their own: sums of ten are about sqrt(10) times as wide."""
    together = noisy(1).repeat(10, axis=0)
    widths = []
    for rows in (together, noisy(10)):
        whole = aggregate(forecast(hourly(rows), 24), ())
        sums = totals(marginals(whole), [slice(0, 1)], seed=1)[()]
        widths.append(np.ptp(np.quantile(sums, [0.1, 0.9])))
    assert 2 < widths[0] / widths[1] < 5


def test_the_probability_of_a_breach_counts_paths_above_what_is_left():
    assert exceeding(np.array([1.0, 2.0, 3.0, 4.0]), 10, already=7) == 1 / 4
