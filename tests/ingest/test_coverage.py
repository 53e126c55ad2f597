"""What time is covered: the cursor of pulls, and the completeness of days."""

import random
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import coverage, runs
from ingest.coverage import Place, extend, missing, spans, whole_days
from ingest.models import Coverage, IngestRun
from ingest.pull import Window
from ingest.source import Covered

PLACE = Place("openai", "default", "", "completions")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(start: str, end: str) -> Window:
    return Window(at(start), at(end))


def run(observed_at: str = "2026-06-01", **given_: Any) -> IngestRun:
    return runs.start(source="openai", account="default", input_name="x", observed_at=at(observed_at), **given_)


def covered(start: str, end: str, *, part: str = "", stream: str = "completions") -> Covered:
    return Covered(part, stream, *window(start, end))


@pytest.mark.django_db
def test_touching_and_overlapping_windows_become_one_in_any_order() -> None:
    pieces = [("2026-01-01", "2026-01-03"), ("2026-01-03", "2026-01-05"), ("2026-01-04", "2026-01-08")]
    for order in permutations(pieces):
        Coverage.objects.all().delete()
        for piece in order:
            extend(run(), [covered(*piece)])
        assert spans(PLACE) == [window("2026-01-01", "2026-01-08")]


@pytest.mark.django_db
def test_a_gap_stays_a_gap_until_something_covers_it() -> None:
    extend(run(), [covered("2026-01-01", "2026-01-03"), covered("2026-01-05", "2026-01-06")])
    assert spans(PLACE) == [window("2026-01-01", "2026-01-03"), window("2026-01-05", "2026-01-06")]
    extend(run(), [covered("2026-01-02", "2026-01-05")])
    assert spans(PLACE) == [window("2026-01-01", "2026-01-06")]


@pytest.mark.django_db
def test_time_that_had_not_ended_when_the_answer_was_given_is_not_covered() -> None:
    extend(run("2026-01-02T13:45"), [covered("2026-01-01", "2026-01-03"), covered("2026-01-05", "2026-01-06")])
    assert spans(PLACE) == [window("2026-01-01", "2026-01-02T13:45")]


@pytest.mark.django_db
def test_streams_accounts_and_parts_are_covered_each_for_itself() -> None:
    extend(run(), [covered("2026-01-01", "2026-01-03"), covered("2026-02-01", "2026-02-03", stream="costs")])
    extend(run(), [covered("2026-03-01", "2026-03-03", part="org-2")])
    assert spans(PLACE) == [window("2026-01-01", "2026-01-03")]
    assert spans(PLACE._replace(stream="costs")) == [window("2026-02-01", "2026-02-03")]
    assert spans(PLACE._replace(part="org-2")) == [window("2026-03-01", "2026-03-03")]
    assert spans(PLACE._replace(account="other")) == []


@pytest.mark.django_db
def test_the_newest_answer_dates_the_coverage() -> None:
    extend(run("2026-05-01"), [covered("2026-01-01", "2026-01-03")])
    extend(run("2026-04-01"), [covered("2026-01-03", "2026-01-04")])
    assert Coverage.objects.get().observed_at == at("2026-05-01")


@pytest.mark.django_db
def test_coverage_goes_with_the_transaction_of_its_data() -> None:
    from django.db import transaction

    class Broken(Exception):
        pass

    def fail() -> None:
        with transaction.atomic():
            extend(run(), [covered("2026-01-01", "2026-01-03")])
            raise Broken

    with pytest.raises(Broken):
        fail()
    assert spans(PLACE) == []


def test_what_is_missing_is_what_nothing_covers() -> None:
    known = [window("2026-01-02", "2026-01-04"), window("2026-01-06", "2026-01-07")]
    assert missing(known, at("2026-01-01"), at("2026-01-10")) == [
        window("2026-01-01", "2026-01-02"), window("2026-01-04", "2026-01-06"), window("2026-01-07", "2026-01-10"),
    ]  # fmt: skip
    assert missing(known, at("2026-01-02"), at("2026-01-04")) == []
    assert missing(known, at("2026-01-03"), at("2026-01-06T12:00")) == [window("2026-01-04", "2026-01-06")]
    assert missing([], at("2026-01-01"), at("2026-01-02")) == [window("2026-01-01", "2026-01-02")]
    assert missing(known, at("2026-01-05"), at("2026-01-05")) == []


@given(
    pieces=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 10)), max_size=8),
    start=st.integers(0, 60), length=st.integers(0, 30),
)  # fmt: skip
def test_every_hour_is_either_covered_or_missing_and_never_both(
    pieces: list[tuple[int, int]], start: int, length: int
) -> None:
    zero, hour = at("2026-01-01"), timedelta(hours=1)
    taken = {n for low, size in pieces for n in range(low, low + size)}
    ordered = sorted({Window(zero + low * hour, zero + (low + size) * hour) for low, size in pieces})
    gaps = missing(ordered, zero + start * hour, zero + (start + length) * hour)
    empty = {n for low, high in gaps for n in range((low - zero) // hour, (high - zero) // hour)}
    assert empty == set(range(start, start + length)) - taken
    assert all(low < high for low, high in gaps)


def test_a_day_is_whole_when_all_of_its_hours_are_covered() -> None:
    known = [window("2026-01-01T00:00", "2026-01-03T23:59"), window("2026-01-04T12:00", "2026-01-06T00:00")]
    assert whole_days(known) == {date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 5)}


def test_days_are_those_of_the_issuers_clock_also_when_it_is_turned() -> None:
    # 8 March 2026 has 23 hours in Los Angeles: from 08:00 to 07:00 UTC.
    zone = "America/Los_Angeles"
    assert whole_days([window("2026-03-08T08:00", "2026-03-09T07:00")], zone) == {date(2026, 3, 8)}
    assert whole_days([window("2026-03-08T08:00", "2026-03-09T06:59")], zone) == set()
    # 1 November 2026 has 25.
    assert whole_days([window("2026-11-01T07:00", "2026-11-02T08:00")], zone) == {date(2026, 11, 1)}
    assert whole_days([window("2026-11-01T07:00", "2026-11-02T07:00")], zone) == set()


def test_no_coverage_makes_no_day_whole() -> None:
    assert whole_days([]) == set()
    assert coverage.whole_days([window("2026-01-01T05:00", "2026-01-01T06:00")]) == set()


@pytest.mark.django_db
def test_a_year_in_random_pieces_ends_as_one_span() -> None:
    dice = random.Random(7)
    days = [at("2025-01-01") + timedelta(days=n) for n in range(365)]
    dice.shuffle(days)
    extend(run(), [Covered("", "completions", day, day + timedelta(days=1)) for day in days])
    assert spans(PLACE) == [window("2025-01-01", "2026-01-01")]
