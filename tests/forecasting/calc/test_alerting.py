"""Alerts: an episode is told once, again only for news, never in a silence, and nothing is lost."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.calc.alerting import (
    ENDED,
    OPENED,
    UNANSWERED,
    WORSE,
    Alert,
    AlertError,
    Notice,
    Signal,
    Silence,
    acknowledge,
    advance,
    folded,
)
from forecasting.calc.watch_policy import SEVERITIES, Telling

D = Decimal
BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
POLICY = Telling(quiet_hours=24, worse=D(2), unanswered={"page": 1, "ticket": 24}, levels=3, part=D("0.8"))


def hour(number: int) -> datetime:
    return BEGIN + timedelta(hours=number)


def signal(severity: str = "ticket", money: int = 100, rule: str = "day", **more: Any) -> Signal:
    return Signal(more.pop("subject", "budget:1"), rule, severity, D(money), f"{rule} {money}", **more)


class Run:
    """Looks at one subject, hour by hour."""

    def __init__(self, **given: Any) -> None:
        self.alert: Alert | None = None
        self.given = given
        self.told: list[tuple[int, str, str, int]] = []

    def at(self, number: int, *signals: Signal) -> list[Notice]:
        self.alert, notices = advance(self.alert, signals, hour(number), POLICY, **self.given)
        self.told += [(number, one.kind, one.severity, one.level) for one in notices]
        return notices

    @property
    def held(self) -> Alert:
        assert self.alert is not None
        return self.alert


def test_an_episode_is_told_when_it_opens_and_when_it_ends_and_not_in_between() -> None:
    run = Run()
    for number in range(40):
        run.at(number, *[signal("digest")] * (number < 10))
    assert run.told == [(0, OPENED, "digest", 1), (9 + 24, ENDED, "digest", 1)]
    assert run.held.ended_at == hour(33)


def test_nothing_fires_and_nothing_is_held() -> None:
    assert advance(None, [], hour(0), POLICY) == (None, [])


def test_several_rules_of_one_subject_are_one_alert_of_the_most_severe() -> None:
    (notice,) = Run().at(0, signal("digest", 500, "drift"), signal("page", 100, "fast"))
    assert notice == Notice(OPENED, "budget:1", "page", 1, D(500), "fast 100")
    run = Run()
    run.at(0, signal("digest", 500, "drift"))
    run.at(1, signal("digest", 400, "day"))
    assert run.held.rules == ("day", "drift")


def test_a_short_quiet_goes_on_with_the_episode_and_a_long_one_begins_a_new_one() -> None:
    run = Run()
    run.at(0, signal("digest"))
    run.at(24, signal("digest"))
    run.at(24 + 25, signal("digest"))
    assert [kind for _, kind, *_ in run.told] == [OPENED, ENDED, OPENED]
    assert run.held.opened_at == hour(49)


def test_higher_severity_and_money_so_many_times_worse_are_told_and_voided_is_the_answer_to_the_lesser() -> None:
    run = Run()
    run.at(0, signal("digest", 100))
    run.at(1, signal("digest", 199))
    run.alert = acknowledge(run.held, "ada", hour(1))
    run.at(2, signal("digest", 200))
    run.at(3, signal("digest", 399))
    assert run.held.acknowledged_by == "ada"
    run.at(4, signal("page", 399))
    assert run.told == [(0, OPENED, "digest", 1), (2, WORSE, "digest", 1), (4, WORSE, "page", 1)]
    assert run.held.acknowledged_by == ""


def test_what_became_less_severe_for_long_is_told_when_it_is_as_severe_again() -> None:
    run = Run()
    run.at(0, signal("page"))
    run.alert = acknowledge(run.held, "ada", hour(0))
    for number in range(1, 30):
        run.at(number, signal("digest"))
    assert run.held.severity == "digest"
    run.at(30, signal("page"))
    assert run.told == [(0, OPENED, "page", 1), (30, WORSE, "page", 1)]


def test_a_page_that_comes_and_goes_within_a_day_is_told_once() -> None:
    run = Run()
    for number in range(48):
        run.at(number, signal("page" if number % 20 == 0 else "digest"))
        run.alert = acknowledge(run.held, "ada", hour(number))
    assert run.told == [(0, OPENED, "page", 1)]


def test_nobody_answers_and_the_next_level_is_told_until_there_is_none() -> None:
    run = Run()
    for number in range(10):
        run.at(number, signal("page"))
    assert run.told == [(0, OPENED, "page", 1), (1, UNANSWERED, "page", 2), (2, UNANSWERED, "page", 3)]


def test_an_answer_ends_the_asking_and_a_digest_is_never_asked_for() -> None:
    run = Run()
    run.at(0, signal("page"))
    run.alert = acknowledge(run.held, "ada", hour(0))
    for number in range(1, 10):
        run.at(number, signal("page"))
    assert run.told == [(0, OPENED, "page", 1)]
    quiet = Run()
    for number in range(100):
        quiet.at(number, signal("digest"))
    assert quiet.told == [(0, OPENED, "digest", 1)]


def test_who_was_told_before_is_told_what_became_worse() -> None:
    run = Run()
    for number in range(25):
        run.at(number, signal("ticket"))
    run.at(25, signal("page"))
    assert run.told == [(0, OPENED, "ticket", 1), (24, UNANSWERED, "ticket", 2), (25, WORSE, "page", 2)]


def test_a_silence_holds_back_and_what_still_is_so_at_its_end_is_told_then() -> None:
    run = Run(silences=[Silence("*", hour(0), hour(5))])
    for number in range(8):
        run.at(number, signal("ticket"))
    assert run.told == [(5, OPENED, "ticket", 1)]
    assert run.held.opened_at == hour(0)


def test_what_ends_in_a_silence_is_not_told_and_is_kept() -> None:
    run = Run(silences=[Silence("budget:1", hour(0), hour(60))])
    run.at(0, signal())
    run.at(30)
    assert run.told == []
    assert (run.held.ended_at, run.held.told_at) == (hour(30), None)


def test_a_silence_up_to_a_severity_lets_more_severe_ones_through_and_one_of_another_subject_all() -> None:
    run = Run(silences=[Silence("budget:1", hour(0), hour(60), "ticket"), Silence("budget:2", hour(0), hour(60))])
    run.at(0, signal("ticket"))
    run.at(1, signal("page"))
    assert run.told == [(1, OPENED, "page", 1)]


def test_below_the_floor_an_alert_is_kept_and_told_once_it_is_worth_it() -> None:
    run = Run(floor=D(50))
    run.at(0, signal("page", 49))
    assert (run.told, run.held.money) == ([], 49)
    run.at(1, signal("page", 50))
    assert run.told == [(1, OPENED, "page", 1)]


def test_what_is_told_once_is_not_told_again_after_it_ended() -> None:
    """A restatement takes the spend below the threshold for a day and back."""
    run = Run()
    run.at(0, signal("digest", once=True))
    run.at(30)
    run.at(31, signal("digest", once=True))
    run.at(90, signal("digest", once=True))
    assert run.told == [(0, OPENED, "digest", 1), (30, ENDED, "digest", 1)]
    assert run.held.opened_at == hour(0)


def test_a_threshold_that_stays_crossed_while_nobody_looks_is_one_episode() -> None:
    run = Run()
    run.at(0, signal("digest", once=True))
    run.at(100, signal("digest", once=True))
    assert run.told == [(0, OPENED, "digest", 1)]


def test_the_same_look_twice_tells_nothing_twice() -> None:
    alert, first = advance(None, [signal("page")], hour(0), POLICY)
    again, second = advance(alert, [signal("page")], hour(0), POLICY)
    assert (len(first), second, again) == (1, [], alert)


@pytest.mark.parametrize(
    ("signals", "at", "said"),
    [
        ([signal(subject="budget:2")], 1, "one alert has one subject"),
        ([signal(), signal(subject="budget:2")], 1, "one alert has one subject"),
        ([signal("loud")], 1, "'loud' is no severity"),
        ([], -1, "was looked at"),
    ],
)
def test_what_cannot_be_is_refused(signals: list[Signal], at: int, said: str) -> None:
    held, _ = advance(None, [signal()], hour(0), POLICY)
    with pytest.raises(AlertError, match=said):
        advance(held, signals, hour(at), POLICY)


def test_only_what_lasts_is_acknowledged_and_by_somebody() -> None:
    run = Run()
    run.at(0, signal())
    with pytest.raises(AlertError, match="say who"):
        acknowledge(run.held, " ", hour(0))
    run.at(24)
    with pytest.raises(AlertError, match="nothing to acknowledge"):
        acknowledge(run.held, "ada", hour(24))


_hours = st.lists(st.lists(st.tuples(st.sampled_from(SEVERITIES), st.integers(0, 500)), max_size=2), max_size=120)


@given(_hours, st.lists(st.tuples(st.integers(0, 120), st.integers(1, 40)), max_size=3))
def test_of_any_hours_every_episode_is_told_unless_it_is_silent_to_its_end(
    hours: list[list[tuple[str, int]]], silent: list[tuple[int, int]]
) -> None:
    silences = [Silence("budget:1", hour(start), hour(start + length)) for start, length in silent]
    quiet = {number for start, length in silent for number in range(start, start + length)}
    run = Run(silences=silences)
    episodes: dict[datetime, set[int]] = {}
    for number, given_signals in enumerate(hours):
        run.at(number, *[signal(severity, money) for severity, money in given_signals])
        if run.alert and run.alert.ended_at is None:
            episodes.setdefault(run.alert.opened_at, set()).add(number)
    assert not any(number in quiet for number, *_ in run.told)
    opened = [number for number, kind, *_ in run.told if kind == OPENED]
    for begin, numbers in episodes.items():
        told = [number for number in opened if number in numbers]
        assert len(told) == (1 if numbers - quiet else 0), begin
    assert len(opened) == sum(bool(numbers - quiet) for numbers in episodes.values())
    assert sum(kind == ENDED for _, kind, *_ in run.told) <= len(opened)


@given(_hours)
def test_a_notice_is_never_less_severe_than_what_fires_then(hours: list[list[tuple[str, int]]]) -> None:
    run = Run()
    for number, given_signals in enumerate(hours):
        for notice in run.at(number, *[signal(severity, money) for severity, money in given_signals]):
            worst = max([SEVERITIES.index(severity) for severity, _ in given_signals], default=-1)
            assert notice.kind == ENDED or SEVERITIES.index(notice.severity) >= worst


PARENTS = {"team": "centre", "centre": "whole", "other": "whole"}


def test_money_is_told_once_where_it_is() -> None:
    """Of the whole's 100 the centre has 90, and of them the team 80: 80 >= 0.8 x 100. The team is told, all hear of it."""
    found = [
        signal("page", 100, subject="whole"),
        signal("page", 90, subject="centre"),
        signal("page", 80, subject="team"),
    ]
    assert folded(found, PARENTS, D("0.8")) == ([found[2]], {"whole": "team", "centre": "team"})


def test_a_part_that_has_too_little_of_it_or_is_less_severe_explains_nothing() -> None:
    few = [signal("page", 100, subject="whole"), signal("page", 79, subject="centre")]
    assert folded(few, PARENTS, D("0.8")) == (few, {})
    mild = [signal("page", 100, subject="whole"), signal("ticket", 100, subject="other")]
    assert folded(mild, PARENTS, D("0.8")) == (mild, {})


def test_signals_without_a_hierarchy_stay_as_they_are() -> None:
    found = [signal(subject="a"), signal(subject="b"), signal("page", subject="a")]
    assert folded(found, {}, D("0.8")) == (found, {})


def test_a_subject_that_is_part_of_itself_is_refused() -> None:
    with pytest.raises(AlertError, match="part of itself"):
        folded([signal(subject="a")], {"a": "b", "b": "a"}, D("0.8"))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["team", "centre", "whole", "other"]), st.sampled_from(SEVERITIES), st.integers(1, 100)
        ),
        max_size=8,
    )
)
def test_what_is_folded_away_is_told_by_a_part_that_stays(found: list[tuple[str, str, int]]) -> None:
    signals = [signal(severity, money, subject=subject) for subject, severity, money in found]
    kept, into = folded(signals, PARENTS, D("0.8"))
    assert {one.subject for one in signals} == {one.subject for one in kept} | set(into)
    assert set(into.values()) <= {one.subject for one in kept}


def test_money_is_worse_by_the_rule_that_says_so() -> None:
    """A rule of three days holds a burst of 500 and does not double by a new one; that of six hours does."""
    run = Run()
    run.at(0, signal("page", 500, "drift"), signal("page", 50, "fast"))
    run.alert = acknowledge(run.held, "ada", hour(0))
    run.at(1, signal("page", 590, "drift"), signal("page", 100, "fast"))
    run.at(2, signal("page", 600, "drift"), signal("page", 110, "day"))
    run.at(3, signal("page", 700, "drift"), signal("page", 219, "day"))
    assert run.told == [(0, OPENED, "page", 1), (1, WORSE, "page", 1)]
    run.at(4, signal("page", 710, "drift"), signal("page", 220, "day"))
    assert run.told[-1] == (4, WORSE, "page", 1)
