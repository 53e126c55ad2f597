"""Fiscal calendars: every day of a year lies in one period, and an amount by days adds up exactly."""

import itertools
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.periods import Period
from forecasting.calc.fiscal import BEGINS, PATTERNS, WEEKS, Calendar, FiscalError, portion

D = Decimal
CALENDARS = st.builds(
    Calendar, st.sampled_from(PATTERNS), st.integers(1, 12), st.integers(0, 6), st.sampled_from(BEGINS)
)
YEARS = st.integers(2001, 2098)


@given(CALENDARS, YEARS)
def test_periods_partition_the_year_and_years_the_calendar(calendar: Calendar, name: int) -> None:
    year, periods = calendar.year(name), calendar.periods(name)
    assert len(periods) == 12
    assert [p.start for p in periods] == [year.start, *(p.end for p in periods[:-1])]
    assert periods[-1].end == year.end == calendar.year(name + 1).start


@given(CALENDARS, st.dates(date(2002, 1, 1), date(2097, 12, 31)))
def test_a_day_lies_in_the_year_that_is_named_for_it(calendar: Calendar, day: date) -> None:
    assert day in calendar.year(calendar.year_of(day))


@given(st.sampled_from(list(WEEKS)), st.integers(1, 12), st.integers(0, 6), st.sampled_from(BEGINS), YEARS)
def test_a_year_of_weeks_has_its_pattern_and_the_53rd_week_is_the_last_periods(
    pattern: str, first: int, weekday: int, begins: str, name: int
) -> None:
    calendar = Calendar(pattern, first, weekday, begins)
    lengths = [len(period) for period in calendar.periods(name)]
    weeks = [7 * n for n in WEEKS[pattern] * 4]
    assert lengths[:-1] == weeks[:-1]
    assert lengths[-1] - weeks[-1] in (0, 7)
    start = calendar.year(name).start
    assert start.weekday() == weekday
    distance = (start - date(name - (first > 1), first, 1)).days
    assert -3 <= distance <= 3 if begins == "nearest" else -6 <= distance <= 0


def test_a_retail_year_of_2026_and_its_53rd_week() -> None:
    retail = Calendar("4-5-4", 2)  # the Sunday nearest to 1 February
    assert str(retail.year(2024)) == "2023-01-29 to 2024-02-03"  # 53 weeks
    assert len(retail.year(2024)) == 53 * 7
    assert str(retail.periods(2024)[-1]) == "2023-12-31 to 2024-02-03"
    assert len(retail.year(2025)) == 52 * 7


def test_a_year_from_july_is_named_by_the_year_it_ends_in() -> None:
    periods = Calendar(first_month=7).periods(2027)
    assert (str(periods[0]), str(periods[-1])) == ("2026-07", "2027-06")
    assert Calendar(first_month=7).year_of(date(2026, 6, 30)) == 2026


@pytest.mark.parametrize("wrong", [{"pattern": "4-4-4"}, {"first_month": 0}, {"weekday": 7}, {"begins": "after"}])
def test_no_other_calendar_is_taken(wrong: dict[str, object]) -> None:
    with pytest.raises(FiscalError):
        Calendar(**wrong)  # type: ignore[arg-type]


def test_a_period_that_two_months_share_is_cut_by_its_days() -> None:
    period = Period(date(2026, 1, 26), date(2026, 2, 23))  # 28 days: 6 in January, 22 in February
    assert portion(D(28), period, Period.month("2026-01")) == 6
    assert portion(D(28), period, Period.month("2026-02")) == 22
    assert portion(D(28), period, Period.month("2026-03")) == 0


@given(
    st.decimals(0, 10**9, places=12), st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 400),
    st.lists(st.integers(0, 400), max_size=8),
)  # fmt: skip
def test_over_any_cuts_the_portions_add_up_exactly(amount: Decimal, start: date, days: int, cuts: list[int]) -> None:
    whole = Period(start, start + timedelta(days=days))
    edges = sorted({0, days, *(cut for cut in cuts if cut < days)})
    parts = [Period(start + timedelta(days=a), start + timedelta(days=b)) for a, b in itertools.pairwise(edges)]
    assert sum((portion(amount, whole, part) for part in parts), D(0)) == amount
