"""Counters: what they count between readings does not depend on the order in which readings arrive."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.counters import Reading, Readings, increase
from ingest.calc.reasons import Rejected

DAY = datetime(2026, 9, 8, tzinfo=UTC)


def at(minute):
    return DAY + timedelta(minutes=minute)


def reading(minute, value, started=None):
    return Reading("m", None if started is None else at(started), at(minute), {"c": Decimal(value)})


def counted(readings):
    """What remains when every interval replaces the one of the same end: end -> count."""
    known, rows = Readings(), {}
    for each in readings:
        for interval in known.add(each):
            before = interval.before.values if interval.before else None
            end = interval.after.started, interval.after.at
            rows[end] = increase(before, interval.after.values, {"c": "c"})["c"]
    return rows


def test_a_first_reading_is_a_baseline_and_the_next_counts_from_there():
    assert counted([reading(0, 100)]) == {}
    assert counted([reading(0, 100), reading(5, 130)]) == {(None, at(5)): 30}


def test_a_drop_is_a_reset_and_counts_what_is_shown_since():
    assert counted([reading(0, 100), reading(5, 30)]) == {(None, at(5)): 30}


def test_a_new_process_counts_from_zero_where_the_meter_was_watched_before_it_began():
    rows = counted([reading(0, 100, -60), reading(5, 130, -60), reading(10, 500, 6)])
    assert rows == {(at(-60), at(5)): 30, (at(6), at(10)): 500}, "500 is more than 130, and all of it is new"


def test_a_process_that_ran_before_anybody_looked_has_a_baseline_though_another_was_read_first():
    rows = counted([reading(0, 100, -60), reading(1, 9_000, -90), reading(5, 9_010, -90), reading(6, 101, -60)])
    assert rows == {(at(-90), at(5)): 10, (at(-60), at(6)): 1}, "two servers that share their labels"


def test_a_late_reading_splits_an_interval_and_keeps_the_sum():
    early, late, between = reading(0, 100), reading(10, 160), reading(4, 120)
    assert counted([early, late]) == {(None, at(10)): 60}
    assert counted([early, late, between]) == {(None, at(4)): 20, (None, at(10)): 40}


def test_a_late_reading_before_the_baseline_makes_the_baseline_count():
    assert counted([reading(5, 130), reading(0, 100)]) == {(None, at(5)): 30}


def test_a_late_reading_shows_that_a_process_began_while_the_meter_was_watched():
    assert counted([reading(10, 500, 6), reading(0, 100, -60)]) == {(at(6), at(10)): 500}


def test_the_same_reading_twice_is_one_and_another_of_the_same_instant_is_a_conflict():
    assert counted([reading(0, 100), reading(5, 130), reading(5, 130)]) == {(None, at(5)): 30}
    with pytest.raises(Rejected, match="duplicate_conflict"):
        counted([reading(0, 100), reading(5, 130), reading(5, 131)])


def test_a_series_that_appears_began_at_zero_if_its_family_was_looked_at():
    before, after = {"a1": Decimal(5)}, {"a1": Decimal(5), "a2": Decimal(7), "b1": Decimal(9)}
    family = {"a1": "a", "a2": "a", "b1": "b"}
    assert increase(before, after, family) == {"a1": 0, "a2": 7, "b1": 0}


def test_only_new_readings_are_kept_and_known_ones_are_neighbours():
    known = Readings()
    known.know([reading(0, 100)], at(0))
    assert [interval.before for interval in known.add(reading(5, 130))] == [reading(0, 100)]
    assert known.take() == [reading(5, 130)]
    assert known.take() == []


LIVES = st.lists(
    st.tuples(st.integers(1, 30), st.lists(st.tuples(st.integers(1, 10), st.integers(0, 99)), min_size=1, max_size=6)),
    min_size=1, max_size=4,
)  # fmt: skip


@given(LIVES, st.randoms())
def test_any_order_gives_the_same_intervals_and_their_sum_is_what_was_counted(lives, random):
    readings, minute, expected = [], 0, 0
    for index, (pause, steps) in enumerate(lives):
        started, value = minute + pause, 0
        minute = started
        for gap, more in steps:
            minute, value = minute + gap, value + more
            readings.append(reading(minute, value, started))
        expected += value - (steps[0][1] if index == 0 else 0)  # the very first reading is a baseline
    rows = counted(readings)
    assert sum(rows.values()) == expected
    shuffled = [*readings, *readings[: random.randint(0, len(readings))]]
    random.shuffle(shuffled)
    assert counted(shuffled) == rows
