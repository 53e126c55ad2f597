"""Figures that change on a date, hours on a clock, and exact products: what days of a fleet are made of."""

from datetime import date, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from allocation.calc.amortisation import HOUR, ZERO, Instalment, midnight, share_of
from finops.periods import Period

_WIDE = Context(prec=60)
_HOUR = timedelta(hours=1)


class Dated(NamedTuple):
    """A figure that changes: (day from which it holds, value) in the order of the days. None: since ever."""

    values: tuple[tuple[date | None, Decimal], ...] = ()

    def on(self, day: date) -> Decimal:
        """The value in force on a day; 0 before the first."""
        return next((value for since, value in reversed(self.values) if since is None or since <= day), ZERO)


def exactly(value: Fraction) -> Decimal:
    """A value at 12 decimals, rounded half-even once."""
    return Decimal(round(value * 10**12)).scaleb(-12, _WIDE)


def hours(day: date, zone: ZoneInfo) -> Fraction:
    """Hours that a day has on a clock: 23 or 25 where the clock is changed."""
    length = midnight(day + timedelta(days=1), zone) - midnight(day, zone)
    return Fraction(round(length.total_seconds()), round(_HOUR.total_seconds()))


def of_month(amount: Decimal, day: date, zone: ZoneInfo) -> Decimal:
    """The part of a monthly amount that one day has of its calendar month, by its hours."""
    month = Period.month_of(day)
    return share_of(Instalment(amount, midnight(month.start, zone), midnight(month.end, zone)), day, HOUR, zone).cost
