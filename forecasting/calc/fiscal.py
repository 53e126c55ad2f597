"""Fiscal years: twelve calendar months from any month on, or twelve periods of whole weeks (4-4-5, 4-5-4, 5-4-4).

A year of weeks begins on one weekday, the one *nearest* to the first day of its first month, or the last one *before* it or
on it (the year before then ends on the last such day of a month). It has 52 or 53 weeks; the 53rd belongs to the last period.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

from finops.money import SCALE
from finops.periods import Period

MONTHS = "months"
WEEKS = {"4-4-5": (4, 4, 5), "4-5-4": (4, 5, 4), "5-4-4": (5, 4, 4)}
PATTERNS = (MONTHS, *WEEKS)
BEGINS = ("nearest", "before")
PERIODS = 12
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_STEP = Decimal(1).scaleb(-SCALE)


class FiscalError(ValueError):
    """No such calendar; the message says what is possible."""


@dataclass(frozen=True)
class Calendar:
    """How fiscal years run. Raises FiscalError.

    ``first_month`` 1 to 12; ``weekday`` 0 Monday to 6 Sunday and ``begins`` count for years of weeks alone. A year is named
    by the calendar year in which its last months lie.
    """

    pattern: str = MONTHS
    first_month: int = 1
    weekday: int = 6
    begins: str = "nearest"

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise FiscalError(f"{self.pattern!r} is no pattern of a year; possible: {', '.join(PATTERNS)}")
        if self.first_month not in range(1, 13):
            raise FiscalError(f"the first month of a year is 1 to 12, not {self.first_month}")
        if self.weekday not in range(7) or self.begins not in BEGINS:
            raise FiscalError(f"a year of weeks begins on weekday 0 to 6, {' or '.join(BEGINS)} the first of its month")

    def year(self, name: int) -> Period:
        """The days of a fiscal year."""
        return Period(self._start(name), self._start(name + 1))

    def periods(self, name: int) -> tuple[Period, ...]:
        """Its twelve periods: they have every day of the year once, in order."""
        year = self.year(name)
        if self.pattern == MONTHS:
            months = [Period.month_of(year.start)]
            while len(months) < PERIODS:
                months.append(Period.month_of(months[-1].end))
            return tuple(months)
        lengths = [timedelta(weeks=weeks) for weeks in WEEKS[self.pattern] * 4]
        starts = [year.start + sum(lengths[:number], timedelta(0)) for number in range(PERIODS)]
        return tuple(Period(start, end) for start, end in zip(starts, [*starts[1:], year.end], strict=True))

    def year_of(self, day: date) -> int:
        """Name of the year that holds the day."""
        name = day.year + 1
        while day < self._start(name):
            name -= 1
        return name

    def _start(self, name: int) -> date:
        first = date(name - (self.first_month > 1), self.first_month, 1)
        if self.pattern == MONTHS:
            return first
        ahead = (self.weekday - first.weekday()) % 7
        if self.begins == "before":
            return first - timedelta(days=(7 - ahead) % 7)
        return first + timedelta(days=ahead if ahead <= 3 else ahead - 7)


def portion(amount: Decimal, whole: Period, part: Period) -> Decimal:
    """What of an amount for ``whole`` falls on the days of ``part``, evenly by day.

    In and out: units of currency, 12 decimals. Invariant: over any partition of ``whole`` the portions add up to the amount
    exactly. 0 where the two do not meet.
    """
    low, high = max(whole.start, part.start), min(whole.end, part.end)
    return until(amount, whole, high) - until(amount, whole, low) if low < high else Decimal(0)


def until(amount: Decimal, whole: Period, day: date) -> Decimal:
    """What of the amount falls on the days before ``day``, rounded half-even at 12 decimals."""
    days = min(max((day - whole.start).days, 0), len(whole))
    return _WIDE.quantize(_WIDE.divide(_WIDE.multiply(amount, Decimal(days)), Decimal(len(whole))), _STEP)
