"""Windows of pulls: borders are the provider's own, and stay where they are however often they are drawn."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.windows import Stream, Window, align, chunks, live_start

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WIDTHS = st.sampled_from([timedelta(minutes=1), HOUR, DAY])
TIMES = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def stream(**given_: object) -> Stream:
    values = {"name": "s", "width": HOUR, "chunk": DAY, "re_read": 3 * DAY, "states_all": True} | given_
    return Stream(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "down", "up"),
    [
        (timedelta(minutes=1), "2026-03-05T10:20", "2026-03-05T10:21"),
        (HOUR, "2026-03-05T10:00", "2026-03-05T11:00"),
        (DAY, "2026-03-05T00:00", "2026-03-06T00:00"),
    ],
)
def test_a_time_is_aligned_to_the_bucket_around_it(width: timedelta, down: str, up: str) -> None:
    moment = at("2026-03-05T10:20:30")
    assert align(moment, width) == at(down)
    assert align(moment, width, up=True) == at(up)
    assert align(at(down), width) == align(at(down), width, up=True) == at(down)


@given(start=TIMES, length=st.timedeltas(timedelta(0), timedelta(days=120)), width=WIDTHS)
def test_windows_cover_the_time_once_without_gap_and_are_no_longer_than_asked(
    start: datetime, length: timedelta, width: timedelta
) -> None:
    low, high = align(start, width), align(start + length, width, up=True)
    pieces = chunks(low, high, 30 * DAY)
    assert sum((end - begin for begin, end in pieces), timedelta(0)) == high - low
    assert all(before.end == after.start for before, after in pairwise(pieces))
    assert all(begin < end <= begin + 30 * DAY for begin, end in pieces)
    assert all(align(border, width) == border for piece in pieces for border in piece)


@given(first=TIMES, later=st.timedeltas(timedelta(0), timedelta(days=40)))
def test_the_borders_inside_do_not_depend_on_when_the_windows_are_drawn(first: datetime, later: timedelta) -> None:
    end = first + timedelta(days=100)
    inner = {piece.start for piece in chunks(first, end, 7 * DAY)[1:]}
    again = {piece.start for piece in chunks(first + later, end, 7 * DAY)[1:]}
    assert again <= inner


def test_nothing_is_cut_from_an_empty_time() -> None:
    assert chunks(at("2026-03-05"), at("2026-03-05"), DAY) == []
    assert chunks(at("2026-03-06"), at("2026-03-05"), DAY) == []


def test_the_first_pull_reads_the_window_that_the_provider_still_changes() -> None:
    assert live_start(stream(), [], at("2026-03-05T10:20")) == at("2026-03-02T10:00")


def test_a_later_pull_reads_again_from_the_end_of_what_is_known_and_not_from_now() -> None:
    known = [Window(at("2026-02-01"), at("2026-02-20T07:30"))]  # three weeks of outage: 20 February less 3 days
    assert live_start(stream(), known, at("2026-03-15T10:20")) == at("2026-02-17T07:00")


def test_what_is_known_of_the_future_moves_nothing() -> None:
    known = [Window(at("2026-02-01"), at("2026-02-20")), Window(at("2026-06-01"), at("2026-06-02"))]
    assert live_start(stream(), known, at("2026-02-21")) == at("2026-02-17")


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2026-03-05T23:59", "2026-02-01"),  # to the fifth the month before is read again
        ("2026-03-06T00:00", "2026-03-01"),
        ("2026-01-05T12:00", "2025-12-01"),
    ],
)
def test_bills_are_read_again_from_the_first_of_the_month(now: str, start: str) -> None:
    bill = stream(width=DAY, re_read=DAY, month_to_date=True)
    assert live_start(bill, [Window(at("2025-01-01"), at(now))], at(now)) == at(start)


def test_an_outage_over_the_end_of_a_month_reads_the_bill_from_where_it_stopped() -> None:
    bill = stream(width=DAY, re_read=DAY, month_to_date=True)
    assert live_start(bill, [Window(at("2025-01-01"), at("2026-01-10"))], at("2026-03-20")) == at("2026-01-09")
