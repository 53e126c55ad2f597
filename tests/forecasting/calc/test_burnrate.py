"""Burn rates: 1 is as meant, whatever the season; what is not known is on neither side."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.documents import read_yaml
from forecasting.calc.burnrate import (
    WEEK,
    Array,
    BurnError,
    Watched,
    fires,
    hours_left,
    rates,
    readings,
    season,
    spread,
    watched,
)
from forecasting.calc.watch_policy import BUDGET, EXPECTED, SEASON, BurnRule, Policy, Season, parse

POLICY: Policy = parse(read_yaml((Path(__file__).parents[3] / "forecasting/watch_policy.yaml").read_bytes()))
RULES = {rule.code: rule for rule in POLICY.burn}
PLAIN = Season(shrink_days=0, shrink_weeks=0, floor=0)
FAST = BurnRule("fast", "page", (1, 6), 6.0, BUDGET)
NOT = float("nan")


def flat(hours: int, value: float = 1.0) -> Array:
    return np.full(hours, value)


def seen(spend: Array, budget: float = 1.0, history: int = WEEK, expected: Array | None = None) -> Watched:
    return watched(spend, flat(len(spend), budget), 0, history, POLICY.season, expected)


def first(found: Array, code: str) -> int | None:
    """Hours after the week's end until the rule fires, the first hour being 1."""
    at = np.flatnonzero(fires(seen(found), RULES[code]))
    return int(at[0]) - WEEK + 1 if len(at) else None


def test_the_rate_of_a_window_is_spent_over_meant() -> None:
    spend = np.array([1.0, 2.0, 6.0, 0.0])
    assert rates(spend, flat(4), 2).tolist()[1:] == [(1 + 2) / 2, (2 + 6) / 2, (6 + 0) / 2]
    assert np.isnan(rates(spend, flat(4), 2)[0])  # there is no window of two hours yet
    assert rates(spend, np.array([1.0, 1.0, 5.0, 1.0]), 2)[2] == (2 + 6) / (1 + 5)


def test_an_hour_not_known_counts_on_neither_side_and_half_a_window_must_be_known() -> None:
    spend = np.array([4.0, NOT, 2.0, NOT, NOT, NOT])
    found = rates(spend, flat(6), 4)
    assert found[3] == (4 + 2) / 2
    assert np.isnan(found[4])
    assert np.isnan(found[5])
    assert np.isnan(rates(flat(3, NOT), flat(3), 2)).all()


def test_money_where_none_was_meant_has_an_infinite_rate_and_none_has_no_rate() -> None:
    assert rates(np.array([0.0, 5.0]), flat(2, 0), 2)[1] == np.inf
    assert np.isnan(rates(flat(2, 0), flat(2, 0), 2)[1])
    assert readings(seen(np.append(flat(WEEK, 0), flat(8, 3.0)), budget=0), [FAST])[0].rates == (np.inf, np.inf)


def test_corrections_that_take_cost_back_never_fire() -> None:
    spend = np.append(flat(WEEK), flat(24, -50.0))
    assert not any(fires(seen(spend), rule).any() for rule in POLICY.burn)


def test_spending_as_meant_fires_nothing() -> None:
    assert not any(fires(seen(flat(3 * WEEK)), rule).any() for rule in POLICY.burn)
    assert readings(seen(flat(3 * WEEK)), POLICY.burn) == []


def test_both_windows_must_hold() -> None:
    """One hour of 6 makes 6 in an hour but (6 + 5) / 6 in six; of 36 it makes 36 and (36 + 5) / 6 = 6.8."""
    assert not fires(seen(np.append(flat(WEEK), [6.0])), FAST).any()
    assert fires(seen(np.append(flat(WEEK), [36.0])), FAST)[-1]


def test_a_loop_is_seen_in_the_second_hour_a_stolen_key_in_the_first_a_leak_within_a_day() -> None:
    """Loop +20: after n hours the six-hour window holds 6 + 20 n; 6 x 6 needs n = 2. Key +60: n = 1. Leak +2: the day
    rule needs 24 + 2 n >= 48, n = 12."""
    assert first(np.append(flat(WEEK), flat(6, 21.0)), "fast") == 2
    assert first(np.append(flat(WEEK), flat(3, 61.0)), "fast") == 1
    assert first(np.append(flat(WEEK), flat(96, 3.0)), "day") == 12


def test_half_as_dear_again_is_drift_after_three_days_and_not_before() -> None:
    """The 72 hours hold 72 + n x 0.6 after n hours of 1.6: 1.5 x 72 = 108 needs n = 60."""
    assert first(np.append(flat(WEEK), flat(96, 1.6)), "drift") == 60


def test_a_steady_series_shows_what_it_never_did_within_hours_and_a_restless_one_does_not() -> None:
    hours = np.arange(WEEK)
    steady, restless = 1 + 0.1 * (hours % 2), np.where(hours % 50 < 3, 3.0, 0.9)
    leak = flat(24, 1.8)  # three hours then hold 1.1 + 1.8 + 1.8 = 1.49 x 3.15, of which they never held more than 3.2
    assert first(np.append(steady, leak), "unseen") == 2
    assert first(np.append(restless, leak), "unseen") is None


def test_a_rule_of_the_busiest_window_says_nothing_without_a_history() -> None:
    spend = np.append(flat(WEEK, NOT), flat(24, 9.0))
    assert first(spend, "unseen") is None
    assert first(spend, "fast") == 3  # of its six hours three must be known


def test_a_weekend_is_not_the_yardstick_of_a_monday() -> None:
    """Weekdays 1.4, weekends nothing: on average 1. Against the budget every week drifts; against its own weeks none does."""
    week = np.append(flat(120, 1.4), flat(48, 0.0))
    spend = np.tile(week, 6)
    against_budget = RULES["drift"]._replace(against=BUDGET, at_least=1.39)
    against_season = RULES["drift"]._replace(against=SEASON, at_least=1.39)
    found = watched(spend, flat(len(spend)), 0, 5 * WEEK, POLICY.season)
    assert fires(found, against_budget).any()
    assert not fires(found, against_season).any()


def test_the_season_of_a_history_without_shrinking_is_its_own() -> None:
    days = np.array([2.0, 1, 1, 1, 1, 0.5, 0.5])
    week = np.repeat(days, 24) * np.tile(np.append(flat(12, 0.5), flat(12, 1.5)), 7)
    found = season(np.tile(week, 3), 0, PLAIN)
    np.testing.assert_allclose(found, week / week.mean(), rtol=1e-12)


def test_a_season_begins_at_the_hour_of_the_week_that_is_said() -> None:
    week = np.repeat([3.0, 1, 1, 1, 1, 1, 1], 24)
    from_wednesday = np.roll(np.tile(week, 2), -48)
    np.testing.assert_allclose(season(from_wednesday, 48, PLAIN), season(np.tile(week, 2), 0, PLAIN))


@given(st.lists(st.one_of(st.just(NOT), st.floats(-5, 100)), max_size=400), st.integers(0, WEEK - 1))
def test_a_season_of_any_history_is_finite_and_at_least_the_floor(history: list[float], begins: int) -> None:
    for given_season in (POLICY.season, PLAIN):
        found = season(np.array(history, dtype=float), begins, given_season)
        assert found.shape == (WEEK,)
        assert np.isfinite(found).all()
        assert (found >= given_season.floor).all()


def test_a_season_of_nothing_known_is_flat() -> None:
    for nothing in (np.array([]), flat(WEEK, NOT), flat(WEEK, 0.0)):
        assert season(nothing, 0, POLICY.season).tolist() == [1.0] * WEEK


@given(st.lists(st.floats(0, 50), min_size=24, max_size=60), st.floats(0.1, 10))
def test_rates_do_not_depend_on_the_currency(spend: list[float], factor: float) -> None:
    ours = np.array(spend)
    np.testing.assert_allclose(
        rates(ours * factor, flat(len(ours), factor), 24), rates(ours, flat(len(ours)), 24), rtol=1e-9
    )


@given(st.lists(st.floats(0, 50), min_size=24, max_size=80), st.integers(0, 23), st.floats(0, 100))
def test_more_spend_never_silences_a_rule_against_the_budget(spend: list[float], back: int, more: float) -> None:
    before = np.append(flat(WEEK), spend)
    after = before.copy()
    after[-1 - back] += more
    for rule in (rule for rule in POLICY.burn if rule.against == BUDGET):
        assert not (fires(seen(before), rule) & ~fires(seen(after), rule)).any()


def test_a_forecast_is_what_is_expected_and_the_season_where_there_is_none() -> None:
    spend = np.append(flat(WEEK), flat(24, 2.5))
    assert fires(seen(spend), RULES["day"])[-1]
    announced = np.append(flat(WEEK, NOT), flat(24, 2.5))
    found = seen(spend, expected=announced)
    assert not fires(found, RULES["day"])[-1]
    assert found.meant[EXPECTED][:WEEK].tolist() == found.meant[SEASON][:WEEK].tolist()


def test_a_reading_says_what_was_spent_and_meant_in_the_longest_window() -> None:
    (found,) = readings(seen(np.append(flat(WEEK), flat(6, 21.0))), [FAST])
    assert (found.rates, found.spent, found.meant, found.over) == ((21.0, 21.0), 126.0, 6.0, 120.0)


def test_hours_left_are_what_is_left_at_the_rate_of_late() -> None:
    found = seen(np.append(flat(WEEK), [NOT, 4.0, 6.0]))
    assert hours_left(50, found, 3) == 50 / 5
    assert hours_left(-1, found, 3) == 0
    assert hours_left(50, seen(flat(WEEK, 0.0)), 3) is None


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20), st.integers(0, 6))
def test_days_as_hours_add_up_to_the_days(days: list[float], weekday: int) -> None:
    hours = spread(np.array(days), season(np.arange(400.0), 5, POLICY.season), weekday)
    np.testing.assert_allclose(hours.reshape(-1, 24).sum(axis=1), days, rtol=1e-12, atol=1e-300)


def test_a_day_not_known_has_no_known_hour() -> None:
    assert np.isnan(spread(np.array([NOT]), flat(WEEK), 0)).all()


@pytest.mark.parametrize(
    ("spend", "budget", "history", "expected", "said"),
    [
        (flat(3), flat(2), 0, None, "3 hours of spend, 2 of budget"),
        (flat(3), flat(3), 4, None, "a history of 4 hours"),
        (flat(3), flat(3), -1, None, "a history of -1 hours"),
        (flat(3, np.inf), flat(3), 0, None, "infinite"),
        (flat(3), flat(3, NOT), 0, None, "not known"),
        (flat(3), flat(3, -1), 0, None, "negative"),
        (flat(3), flat(3), 0, flat(3, -1), "negative"),
        (flat(3), flat(3), 0, flat(3, np.inf), "infinite"),
    ],
)
def test_hours_that_cannot_be_watched_are_refused(
    spend: Array, budget: Array, history: int, expected: Array | None, said: str
) -> None:
    with pytest.raises(BurnError, match=said):
        watched(spend, budget, 0, history, POLICY.season, expected)


def test_the_first_hour_is_one_of_a_week() -> None:
    with pytest.raises(BurnError, match="not 168"):
        season(flat(3), WEEK, POLICY.season)


def test_no_hours_are_no_alarm() -> None:
    assert readings(seen(np.array([]), history=0), POLICY.burn) == []


def test_windows_of_the_policy_ascend() -> None:
    assert all(one < two for rule in POLICY.burn for one, two in pairwise(rule.hours))


def test_what_burst_in_the_history_fires_nothing_now() -> None:
    spend = np.append(flat(WEEK - 10), flat(10, 90.0))
    assert not any(fires(seen(spend), rule).any() for rule in POLICY.burn)
