from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.calc.anomaly import (
    BACK,
    DROP,
    FALL,
    NEW,
    RISE,
    SPIKE,
    Episode,
    episodes,
    explained,
    scored,
)  # fmt: skip
from forecasting.calc.baseline import models
from forecasting.calc.events import Event, usual
from tests.forecasting.calc.panels import START, daily, hourly, noisy

NAN = float("nan")
HOURS = 24 * 20


def changed(*changes, rows=1):
    """A noisy day profile of mean 10, with factors on cells of the first series: (first, last, factor)."""
    found = noisy(rows, HOURS)
    for first, last, factor in changes:
        found[0, first:last] *= factor
    return found


def of(rows):
    return episodes(scored(hourly(rows)))


def test_a_usual_series_has_no_episode():
    assert of(changed()) == []


def test_a_spike_is_one_episode_with_its_money():
    rows = changed((300, 303, 6))
    (one,) = [each for each in of(rows) if each.start < START + timedelta(hours=310)]
    assert (one.kind, one.start, one.end) == (SPIKE, START + timedelta(hours=300), START + timedelta(hours=303))
    assert one.actual == pytest.approx(rows[0, 300:303].sum())
    assert one.impact == pytest.approx(one.actual - one.expected)
    assert one.expected == pytest.approx(rows[0, 300:303].sum() / 6, rel=0.3)
    assert one.peak > 6


def test_a_drop_is_seen_too():
    assert of(changed((300, 303, 0)))[0].kind == DROP


def test_a_spike_does_not_return_as_a_drop_of_the_next_day():
    rows = changed((300, 303, 6))
    assert scored(hourly(rows)).expected[0, 324:327] == pytest.approx(rows[0, 300:303] / 6, rel=0.3)
    assert len(of(rows)) == 1


def test_what_lasts_is_the_new_usual_after_a_day():
    rows = changed((300, HOURS, 3))
    assert scored(hourly(rows)).expected[0, 360:384].mean() == pytest.approx(30, rel=0.25)


def test_hits_less_than_a_day_apart_are_one_episode_and_nothing_is_counted_twice():
    apart = of(changed((300, 302, 6), (350, 352, 6)))
    near = of(changed((300, 302, 6), (322, 324, 6)))
    assert [one.start.hour for one in apart if one.impact > 30] == [300 % 24, 350 % 24]
    (one,) = [each for each in near if each.impact > 30]
    assert one.end >= START + timedelta(hours=324)


def test_the_forecast_in_force_is_the_one_of_the_morning():
    panel = hourly(changed())
    found = scored(panel)
    for origin in (48, 240):
        assert np.array_equal(found.expected[:, origin : origin + 24], models(panel.until(origin), 24)[0])
    assert np.isnan(found.expected[:, :48]).all()


def test_daily_series_are_judged_by_the_forecast_of_the_day_before():
    rows = noisy(1, 120, season=7)
    rows[0, 100] *= 4
    (one, *_) = episodes(scored(daily(rows)))
    assert (one.kind, one.start) == (SPIKE, START + timedelta(days=100))


def test_a_level_that_moves_is_seen_by_its_median_alone():
    """Up by 60 % for good, or down; with ``point`` out of reach single hours say nothing."""
    for factor, kind in ((1.6, RISE), (0.4, FALL)):
        found = episodes(scored(hourly(changed((300, HOURS, factor)))), point=99)
        assert [one.kind for one in found] == [kind]
        assert START + timedelta(hours=300) < found[0].start <= START + timedelta(hours=324)


def test_a_new_key_is_one_episode_with_its_first_day_and_the_first_series_are_none():
    rows = noisy(2, HOURS)
    rows[1, :300] = 0
    (one,) = of(rows)
    assert (one.kind, one.key) == (NEW, ("s001",))
    assert (one.expected, one.impact) == (0, pytest.approx(rows[1, 300:324].sum()))


def test_what_costs_again_after_weeks_of_nothing_is_an_episode():
    rows = noisy(1, HOURS)
    rows[0, 100:] = 0
    row = np.concatenate([rows[0], np.zeros(24 * 28), [5.0, 5, 5]])
    assert of([row])[-1].kind == BACK


def test_intermittent_series_are_not_one_long_alarm():
    """Seven cells of ten cost nothing, so most errors are next to nothing: not every cell with cost is a hit."""
    rng = np.random.default_rng(0)
    row = np.where(rng.random(HOURS) < 0.3, rng.exponential(10, HOURS), 0)
    assert (np.abs(scored(hourly([row])).distance) >= 6).mean() < 0.3 / 4


def test_gaps_are_no_drops_and_make_no_scores():
    rows = changed()
    rows[0, 300:306] = NAN
    found = scored(hourly(rows))
    assert np.isnan(found.distance[0, 300:306]).all()
    assert episodes(found) == []


def test_a_calendar_event_is_no_anomaly():
    rows = changed((300, 324, 8))
    event = Event("load test", START + timedelta(hours=300), START + timedelta(hours=324))
    assert of(rows) != []
    assert episodes(scored(usual(hourly(rows), [event]))) == []


def test_only_episodes_that_reach_into_the_asked_time_are_told():
    found = scored(hourly(changed((200, 202, 6), (400, 402, 6))))
    assert all(one.end > START + timedelta(hours=390) for one in episodes(found, since=390))
    assert len(episodes(found, since=390)) < len(episodes(found))


def test_scores_use_nothing_that_comes_later():
    rows = changed()
    later = rows.copy()
    later[:, 400:] *= 50
    one, two = (scored(hourly(each)) for each in (rows, later))
    assert np.array_equal(one.distance[:, :400], two.distance[:, :400], equal_nan=True)
    assert np.array_equal(one.shift[:, :400], two.shift[:, :400], equal_nan=True)


def test_dated_changes_of_the_same_key_explain_an_episode():
    episode = Episode(("openai", "gpt", "team"), SPIKE, START, START + timedelta(hours=3), 9, 1, 5, 4)
    changes = [
        (START - timedelta(hours=2), ("openai", "gpt"), "price of gpt x1.5"),
        (START - timedelta(days=3), ("openai", "gpt"), "long ago"),
        (START, ("openai", "other"), "another model"),
    ]
    assert explained(episode, changes, [0, 1], timedelta(days=1)) == ["price of gpt x1.5"]


CELL = st.one_of(st.just(0.0), st.just(NAN), st.just(5.0), st.floats(0, 1e9, allow_subnormal=False))


@settings(max_examples=40, deadline=None)
@given(st.lists(CELL, min_size=1, max_size=60))
def test_any_history_has_episodes_with_finite_money(row):
    for one in episodes(scored(daily([row]))):
        assert np.isfinite([one.expected, one.actual, one.impact]).all()
        assert not np.isnan(one.peak)
        assert one.start < one.end
