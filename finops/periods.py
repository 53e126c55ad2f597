"""Half-open UTC intervals: days and months of ``charge_date``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

YEARS = range(2000, 2101)  # of which a month may be asked for, and in which what people state may lie


class PeriodError(ValueError):
    """Not a period; the message says what was expected."""


def check_day(day: date, years: range = YEARS) -> date:
    """The day (or instant), which lies in these years: beyond them are slips of the pen. Raises PeriodError."""
    if day.year not in years:
        raise PeriodError(f"lies outside {years[0]}-01-01 to {years[-1]}-12-31; for what has no end leave the end out")
    return day


@dataclass(frozen=True, order=True)
class Period:
    """Days from ``start`` up to, not including, ``end``."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise PeriodError(f"a period must end after it starts: {self.start} to {self.end}")

    @classmethod
    def month(cls, text: str) -> "Period":
        """The month written YYYY-MM. Raises PeriodError, also outside of YEARS."""
        found = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", text)
        if not found or int(found[1]) not in YEARS:
            raise PeriodError(f"a month is written YYYY-MM, from {YEARS[0]}-01 to {YEARS[-1]}-12, not {text[:60]!r}")
        return cls.month_of(date(int(found[1]), int(found[2]), 1))

    @classmethod
    def month_of(cls, day: date) -> "Period":
        """The month that holds the day."""
        first = day.replace(day=1)
        return cls(first, (first + timedelta(days=32)).replace(day=1))

    @classmethod
    def through(cls, first: date, last: date) -> "Period":
        """The days from ``first`` to ``last``, both included (the last day of the calendar is not)."""
        if last < first:
            raise PeriodError(f"the last day, {last}, lies before the first, {first}")
        return cls(first, min(last, date.max - timedelta(days=1)) + timedelta(days=1))

    def previous(self) -> "Period":
        """The month before for a month; otherwise as many days, just before."""
        if self == Period.month_of(self.start):
            return Period.month_of(self.start - timedelta(days=1))
        return Period(self.start - (self.end - self.start), self.start)

    def days(self) -> Iterator[date]:
        """Every day of the period."""
        for offset in range((self.end - self.start).days):
            yield self.start + timedelta(days=offset)

    def __len__(self) -> int:
        return (self.end - self.start).days

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.start <= day < self.end

    def __str__(self) -> str:
        if self == Period.month_of(self.start):
            return f"{self.start:%Y-%m}"
        return f"{self.start} to {self.end - timedelta(days=1)}"
