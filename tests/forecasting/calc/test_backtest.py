from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from forecasting.calc.backtest import (
    SERVED,
    Run,
    backtest,
    by_series,
    origins_of,
    refused,
    scores,
    variance,
)  # fmt: skip
from forecasting.calc.baseline import ENSEMBLE, NAIVE, forecast
from forecasting.calc.fitted import fitted
from forecasting.calc.intervals import QUANTILES, marginals
from forecasting.calc.price_index import PriceIndex, Steps
from forecasting.calc.series import Panel
from tests.bench.forecast import bootstrap, servegen
from tests.forecasting.calc.panels import START, daily, hourly, noisy

SERVEGEN = Path(__file__).parents[3] / "web/demo/data/llm_usage_servegen_hourly.parquet"


def run(actual, point, *, scale, spread=2.0):
    actual, point = np.array(actual, dtype=float), np.array(point, dtype=float)
    quantiles = point[:, :, None] + spread * np.array([-2, -1, 0, 1, 2])
    keys = tuple((str(number),) for number in range(len(actual)))
    return Run(
        SERVED, ("d0",), 100, keys, actual, point, quantiles, np.array(scale, dtype=float), (ENSEMBLE,) * len(keys)
    )


def test_scores_of_two_series_by_hand():
    found = scores([run([[10, 20], [5, 5]], [[12, 19], [5, 9]], scale=[2, 4])]).iloc[0]
    assert pytest.approx(((2 + 1) / 2 / 2 + (0 + 4) / 2 / 4) / 2) == found.MASE
    assert pytest.approx((2 + 1 + 0 + 4) / (10 + 20 + 5 + 5)) == found.WAPE
    assert found.Bias == pytest.approx((2 - 1 + 0 + 4) / 40)
    assert found.TotalWAPE == pytest.approx((abs(2 - 1) + 4) / 40)
    assert found.Coverage80 == 3 / 4  # within 2 of the point, the bound included
    assert found.Coverage95 == 4 / 4
    assert found.Cells == 4


def test_the_quantile_loss_is_twice_the_pinball_loss_over_the_actual_mean_of_the_quantiles():
    found = scores([run([[10]], [[11]], scale=[1])]).iloc[0]
    bounds = [11 - 4, 11 - 2, 11, 11 + 2, 11 + 4]
    losses = [
        2 * max(level * (10 - bound), (level - 1) * (10 - bound))
        for level, bound in zip(QUANTILES, bounds, strict=True)
    ]
    assert pytest.approx(sum(losses) / 5 / 10) == found.WQL


def test_what_is_not_known_counts_nowhere_and_what_never_varies_has_no_mase():
    found = scores([run([[10, np.nan], [5, 5]], [[12, 7], [5, 6]], scale=[2, 0])]).iloc[0]
    assert found.Cells == 3
    assert pytest.approx(2 / 2) == found.MASE
    nothing = scores([run([[np.nan]], [[1]], scale=[0])]).iloc[0]
    assert np.isnan([nothing.MASE, nothing.WAPE, nothing.Coverage80]).all()


def test_scores_by_series_are_those_of_its_rows():
    both = [run([[10], [5]], [[12], [5]], scale=[2, 4]), run([[8], [5]], [[8], [6]], scale=[2, 4])]
    found = by_series(both).set_index("Key")
    assert found.MASE[("0",)] == pytest.approx((2 / 2 + 0) / 2)
    assert found.WAPE[("1",)] == pytest.approx((0 + 1) / (5 + 5))
    assert found.Used[("1",)] == ENSEMBLE


def test_origins_do_not_overlap_and_leave_history_enough():
    panel = hourly(np.ones((1, 100)))
    assert origins_of(panel, 24, 2) == [52, 76]
    assert origins_of(panel, 24, 9) == [52, 76]  # 28 is not two days


def test_a_run_is_the_forecast_that_would_have_been_made_and_what_came():
    panel = hourly(noisy())
    (found,) = backtest(panel, 24, [240], methods=(SERVED,))
    then = forecast(panel.until(240), 24)
    assert np.array_equal(found.point, fitted(then, marginals(then)))
    assert np.array_equal(found.quantiles, marginals(then).quantiles())
    (naive,) = backtest(panel, 24, [240], methods=(NAIVE,))
    assert np.array_equal(naive.point, panel.cost[:, 216:240]), "what is to be beaten is no better or worse than it is"
    assert np.array_equal(found.actual, panel.cost[:, 240:264])
    assert found.scale[0] == pytest.approx(np.abs(panel.cost[0, 24:240] - panel.cost[0, : 240 - 24]).mean())


def test_levels_are_judged_against_the_sums_that_came():
    panel = hourly(noisy(3), (("a", "x"), ("a", "y"), ("b", "x")))
    runs = backtest(panel, 24, [240], [(), ("d0",)], methods=(SERVED,))
    assert [each.level for each in runs] == [(), ("d0",)]
    assert runs[0].actual[0] == pytest.approx(panel.cost[:, 240:264].sum(axis=0))
    assert runs[1].keys == (("a",), ("b",))


def test_series_that_were_too_young_at_an_origin_count_as_refused():
    rows = noisy(2)
    rows[1, :230] = 0
    runs = backtest(hourly(rows), 24, [240], methods=(SERVED,))
    assert refused(runs) == 1
    assert scores(runs).Cells[0] == 24


def test_an_announced_price_step_does_no_harm_to_a_forecast_with_the_index():
    """Prices fall to 0.6 at the origin. With the index the error is that of the usage alone."""
    panel = daily(noisy(4, 120, season=7), tuple((f"m{number}",) for number in range(4)))
    steps = Steps((START, START + timedelta(days=92)), (Decimal(1), Decimal("0.6")))
    index = PriceIndex(("d0",), dict.fromkeys(panel.keys, steps))
    changed = Panel(
        panel.grain, panel.start, panel.dimensions, panel.keys, panel.cost * index.factors(panel, START, 0, 120)
    )
    plain = scores(backtest(panel, 28, [92], methods=(SERVED,))).TotalWAPE[0]
    known = scores(backtest(changed, 28, [92], methods=(SERVED,), index=index)).TotalWAPE[0]
    unknown = scores(backtest(changed, 28, [92], methods=(SERVED,))).TotalWAPE[0]
    assert known == pytest.approx(plain)
    assert unknown == pytest.approx(1 / 0.6 - 1, abs=0.1)


def test_a_step_in_the_history_is_divided_out():
    panel = daily(noisy(2, 120, season=7), (("m",), ("n",)))
    index = PriceIndex(("d0",), {("m",): Steps((START, START + timedelta(days=60)), (Decimal(2), Decimal(3)))})
    changed = Panel(
        panel.grain, panel.start, panel.dimensions, panel.keys, panel.cost * index.factors(panel, START, 0, 120)
    )
    one, two = (
        backtest(each, 28, [92], methods=(SERVED,), index=which) for each, which in ((panel, None), (changed, index))
    )
    assert two[0].quantiles[0] == pytest.approx(one[0].quantiles[0] * 3 / 2)
    assert two[0].quantiles[1] == pytest.approx(one[0].quantiles[1])
    # What is shared among the two hangs on their sizes, which a price changes.
    assert two[0].point[0] == pytest.approx(one[0].point[0] * 3 / 2, rel=0.05)
    assert two[0].point[1] == pytest.approx(one[0].point[1], rel=0.05)


def test_a_variance_names_the_best_band_it_keeps():
    bands = [("crawl", 0.2), ("run", 0.12), ("walk", 0.15)]
    intervals = {80: (Decimal(90), Decimal(112))}
    found = variance(Decimal(100), Decimal(113), bands, intervals)
    assert (found.difference, found.share, found.band, found.inside) == (13, 0.13, "walk", {80: False})
    assert variance(Decimal(100), Decimal(88), bands, intervals).band == "run"
    assert variance(Decimal(100), Decimal(121), bands, intervals).band == ""
    assert variance(Decimal(0), Decimal(5), bands, {}).share is None


@pytest.mark.slow
def test_on_real_traffic_it_beats_seasonal_naive_and_covers_what_it_says():
    """ServeGen, clients active in 48 of 216 hours, four origins, a day ahead (the bench shows more of it)."""
    runs = backtest(servegen(SERVEGEN), 24, [216, 240, 264, 288])
    found = scores(runs).set_index("Method")
    served, naive = found.loc[SERVED], found.loc[NAIVE]
    _, _, high, _ = bootstrap(runs)
    assert served.MASE <= 0.95 * naive.MASE
    assert high < 0
    assert served.WQL <= 0.95 * naive.WQL
    assert 0.77 <= served.Coverage80 <= 0.86
    assert 0.92 <= served.Coverage95 <= 0.98
