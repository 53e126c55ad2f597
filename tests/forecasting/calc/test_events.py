from datetime import timedelta

import numpy as np
import pytest

from forecasting.calc.baseline import forecast
from forecasting.calc.events import Event, factors, usual
from tests.forecasting.calc.panels import START, daily


def day(number, count=1, **more):
    return Event("holiday", START + timedelta(days=number), START + timedelta(days=number + count), **more)


def weeks(count=12):
    return np.tile([10.0, 10, 10, 10, 10, 5, 5], count)


def test_cells_of_an_event_are_not_known_as_usual():
    found = usual(daily([weeks(1)]), [day(1, 2)])
    np.testing.assert_array_equal(found.cost, [[10, np.nan, np.nan, 10, 10, 5, 5]])


def test_a_stated_factor_is_taken_out_of_the_history_and_put_on_the_forecast():
    panel = daily([weeks(1)])
    assert usual(panel, [day(0, factor=2.0)]).cost[0, 0] == 10 / 2
    found, untold = factors(panel, [day(8, 2, factor=0.5), day(9, factor=3.0)], 4)
    assert found.tolist() == [[1, 0.5, 0.5 * 3, 1]]
    assert untold == []


def test_what_past_dates_did_is_what_the_next_one_is_taken_to_do():
    row = weeks()
    row[[14, 36]] = [4, 2]  # instead of 10: 0.3 of the usual
    found, untold = factors(daily([row]), [day(14), day(36), day(85)], 7)
    assert found.tolist() == [pytest.approx([1, (4 + 2) / (10 + 10), 1, 1, 1, 1, 1])]
    assert untold == []


def test_an_event_that_was_never_seen_and_has_no_factor_is_said():
    assert factors(daily([weeks()]), [day(85)], 7)[1] == [
        "holiday on 2026-03-27 has no factor and no past date to measure it: left out"
    ]


def test_an_event_concerns_the_series_it_names():
    panel = daily([weeks(1), weeks(1)], (("a",), ("b",)))
    found, _ = factors(panel, [day(7, factor=2.0, where={"d0": ["b"]})], 1)
    assert found.tolist() == [[1], [2]]


def test_a_holiday_last_week_is_not_forecast_again():
    row = weeks()
    row[-7] = 0
    plain = forecast(daily([row]), 7, method="seasonal naive").point[0, 0]
    known = forecast(usual(daily([row]), [day(77)]), 7, method="seasonal naive").point[0, 0]
    assert (plain, known) == (0, 10)
