import warnings

import numpy as np
import pytest

from forecasting.calc.theta import theta
from tests.forecasting.calc.panels import noisy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its documentation is put together by functions that pandas has deprecated
    from statsmodels.tsa.forecasting.theta import ThetaModel


@pytest.mark.parametrize("season", [7, 24])
@pytest.mark.parametrize("slope", [0.0, 0.02])
def test_it_is_the_theta_model_of_statsmodels(season, slope):
    rows = noisy(4, season * 9 + 3, season=season) + slope * np.arange(season * 9 + 3)
    ours = theta(rows, season, 2 * season)
    for row, forecast in zip(rows, ours, strict=True):
        theirs = ThetaModel(row, period=season, method="additive").fit().forecast(2 * season)
        assert np.abs(forecast - theirs).max() < 0.01 * row.mean()  # their weight is searched, ours on a grid of 1/200


def test_a_constant_stays_and_a_line_goes_on_at_half_its_slope():
    line = np.arange(60.0)[None]
    assert theta(np.full((1, 60), 3.0), 7, 5) == pytest.approx(np.full((1, 5), 3.0))
    found = theta(line, 7, 10)[0]
    assert found[0] == pytest.approx(59 + 0.5, abs=0.01)
    assert np.diff(found) == pytest.approx(np.full(9, 1 / 2), abs=0.01)


def test_a_season_goes_on_in_phase():
    profile = np.array([0.0, 0, 0, 1, 5, 1, 0])
    assert theta(np.tile(profile, 6)[None, :-2], 7, 7)[0] == pytest.approx(np.roll(profile, 2), abs=0.1)


def test_rows_do_not_know_each_other():
    rows = noisy(5)
    together = theta(rows, 24, 24)
    assert np.array_equal(together, np.concatenate([theta(row[None], 24, 24) for row in rows]))
