"""AR13: straight-line amortisation posts exactly the price, for any term, start day, leap year and change of clocks."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.amortisation import DAY, HOUR, STEPS, Instalment, day_of, instant, midnight, monthly, share_of

D = Decimal
BERLIN, UTC_ = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo"]
).map(ZoneInfo)  # fmt: skip
PRICES = st.decimals("0", "1000000", places=4)
DAYS = st.dates(date(2019, 12, 20), date(2029, 1, 10))


def posted(one: Instalment, step: str, zone: ZoneInfo, ended: datetime | None = None) -> list[Decimal]:
    first, last = day_of(one.start, zone), day_of(one.end, zone)
    days = [first + timedelta(days=n) for n in range(-2, (last - first).days + 3)]
    shares = [share_of(one, day, step, zone, ended) for day in days]
    return [share.cost + share.rest for share in shares]


def of_days(price: str, first: date, last: date, zone: ZoneInfo = UTC_) -> Instalment:
    return Instalment(D(price), midnight(first, zone), midnight(last, zone))


@given(PRICES, DAYS, st.integers(1, 800), st.sampled_from(STEPS), ZONES)
def test_ar13_the_days_of_any_term_cost_its_price_exactly_and_none_costs_less_than_nothing(
    price: Decimal, first: date, days: int, step: str, zone: ZoneInfo
) -> None:
    one = Instalment(price, midnight(first, zone), midnight(first + timedelta(days=days), zone))
    costs = posted(one, step, zone)
    assert sum(costs) == price
    assert all(cost >= 0 for cost in costs)
    assert costs[:2] == [0, 0] == costs[-2:]


@given(PRICES, st.datetimes(datetime(2023, 12, 1), datetime(2026, 1, 1)), st.integers(1, 9_000), ZONES)
def test_a_term_may_begin_and_end_at_any_instant(price: Decimal, start: datetime, hours: int, zone: ZoneInfo) -> None:
    begin = start.replace(tzinfo=UTC)
    assert sum(posted(Instalment(price, begin, begin + timedelta(hours=hours)), HOUR, zone)) == price


@given(PRICES, DAYS, st.integers(2, 500), st.integers(1, 499), st.sampled_from(STEPS), ZONES)
def test_an_early_end_posts_the_rest_on_its_day_and_nothing_after(
    price: Decimal, first: date, days: int, after: int, step: str, zone: ZoneInfo
) -> None:
    one = Instalment(price, midnight(first, zone), midnight(first + timedelta(days=days), zone))
    ended_on = first + timedelta(days=min(after, days - 1))
    ended = midnight(ended_on, zone)
    assert sum(posted(one, step, zone, ended)) == price
    on_the_day = share_of(one, ended_on, step, zone, ended)
    before = sum(share_of(one, first + timedelta(days=n), step, zone).cost for n in range((ended_on - first).days))
    assert (on_the_day.steps, on_the_day.cost, on_the_day.rest) == (0, 0, price - before)
    later = share_of(one, ended_on + timedelta(days=1), step, zone, ended)
    assert (later.cost, later.rest) == (0, 0)


def test_a_leap_year_has_a_day_more_to_bear_the_price() -> None:
    leap, common = (
        of_days("366", date(2024, 1, 1), date(2025, 1, 1)),
        of_days("365", date(2025, 1, 1), date(2026, 1, 1)),
    )
    assert share_of(leap, date(2024, 2, 29), DAY, UTC_).cost == 1
    assert share_of(common, date(2025, 2, 28), DAY, UTC_).cost == 1


def test_a_day_of_23_or_25_hours_costs_as_many_hours() -> None:
    # 2026 has 365 x 24 = 8760 hours; 1 each.
    year = of_days("8760", date(2026, 1, 1), date(2027, 1, 1), BERLIN)
    assert [share_of(year, day, HOUR, BERLIN).steps for day in (date(2026, 3, 29), date(2026, 10, 25))] == [23, 25]
    assert [share_of(year, day, HOUR, BERLIN).cost for day in (date(2026, 3, 29), date(2026, 10, 25))] == [23, 25]
    assert share_of(year, date(2026, 3, 29), DAY, BERLIN).cost == D(8760) / 365


def test_the_last_step_takes_what_rounding_leaves() -> None:
    # 10 / 3 = 3.333333333333 twice, and 10 - 6.666666666666 at last.
    three = of_days("10", date(2026, 1, 1), date(2026, 1, 4))
    costs = [share_of(three, date(2026, 1, day), DAY, UTC_).cost for day in (1, 2, 3)]
    assert costs == [D("3.333333333333"), D("3.333333333333"), D("3.333333333334")]


def test_an_instant_within_a_day_begins_the_hours_of_that_day() -> None:
    start = datetime(2026, 1, 1, 18, tzinfo=UTC)
    one = Instalment(D(30), start, start + timedelta(hours=30))
    assert [share_of(one, date(2026, 1, day), HOUR, UTC_).steps for day in (1, 2, 3)] == [6, 24, 0]


@given(DAYS, st.integers(1, 900), PRICES, ZONES)
def test_months_follow_each_other_without_a_gap_from_the_start_to_the_end(
    first: date, days: int, price: Decimal, zone: ZoneInfo
) -> None:
    start, end = midnight(first, zone), midnight(first + timedelta(days=days), zone)
    found = monthly(price, start, end, zone)
    assert (found[0].start, found[-1].end) == (start, end)
    assert all(one.end == two.start for one, two in pairwise(found))
    assert all(one.price == price for one in found[:-1])
    assert found[-1].price <= price


def test_months_are_counted_from_the_first_day_and_a_shorter_last_one_costs_its_share() -> None:
    start, end = instant(date(2026, 1, 31), UTC_), instant(date(2026, 3, 7), UTC_)
    # 31 January to 28 February, and 7 of the 31 days from then to 31 March.
    found = monthly(D(31), start, end, UTC_)
    assert [(day_of(one.start, UTC_), one.price) for one in found] == [(date(2026, 1, 31), 31), (date(2026, 2, 28), 7)]


def test_a_date_begins_on_its_own_clock_and_an_instant_is_what_it_is() -> None:
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert instant(date(2026, 7, 1), BERLIN) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert instant(at, BERLIN) == at


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_posted_before_the_term(step: str) -> None:
    assert share_of(of_days("5", date(2026, 1, 2), date(2026, 1, 3)), date(2026, 1, 1), step, UTC_).cost == 0
