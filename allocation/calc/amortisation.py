"""Straight-line amortisation: what a price that is paid at once costs in each day of the time it is paid for.

Time is cut into steps, hours or days, from its beginning; each costs price / steps, rounded down at 12 decimals, and the
last one takes what is left. Hours are real ones, so that a day of 23 or 25 hours costs as much less or more; days are
those of the agreement's own clock. A step belongs to the day in which it begins. All functions are exact and hang on
nothing but their arguments: the days of a term sum to its price, whatever its length, leap days and changes of clocks.
"""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

HOUR, DAY = "hour", "day"
STEPS = (HOUR, DAY)
_HOUR = timedelta(hours=1)
_UNIT = Decimal("1e-12")
_WIDE = Context(prec=60, rounding=ROUND_DOWN)
ZERO = Decimal(0)


class Instalment(NamedTuple):
    """A price paid once, for the time from ``start`` up to, not including, ``end`` (instants)."""

    price: Decimal
    start: datetime
    end: datetime


class Share(NamedTuple):
    """What one day costs: of the ``steps`` that begin in it, and the ``rest`` that an early end leaves."""

    cost: Decimal = ZERO
    steps: int = 0
    rest: Decimal = ZERO


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a day begins on a clock (UTC)."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def instant(value: date | datetime, zone: ZoneInfo) -> datetime:
    """An instant as it is, a date as its beginning."""
    return value.astimezone(UTC) if isinstance(value, datetime) else midnight(value, zone)


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The day of an instant on a clock."""
    return at.astimezone(zone).date()


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or its last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def monthly(price: Decimal, start: datetime, end: datetime, zone: ZoneInfo) -> list[Instalment]:
    """A price per month as instalments: months from the start's day on, the last one by its share of its month's days.

    The price of a shorter last month is rounded half-even at 12 decimals.
    """
    first, last = day_of(start, zone), day_of(end, zone)
    found: list[Instalment] = []
    while (begin := start if not found else found[-1].end) < end:
        until = midnight(months_later(first, len(found) + 1), zone)
        part = price
        if until > end:
            begun = day_of(begin, zone)
            share = Fraction(max((last - begun).days, 1), (day_of(until, zone) - begun).days)
            part = Decimal(round(Fraction(price) * share * 10**12)).scaleb(-12, _WIDE)
        found.append(Instalment(part, begin, min(until, end)))
    return found


def share_of(instalment: Instalment, day: date, step: str, zone: ZoneInfo, ended: datetime | None = None) -> Share:
    """What an instalment costs on a day; ``ended``: an early end, at which all that is left is posted.

    Invariant: over all days, cost and rest sum to the price.
    """
    stop, rest = all_steps(instalment, step, zone), ZERO
    if ended is not None and ended < instalment.end:
        stop = _until(instalment, ended, step, zone)
        if day_of(ended, zone) == day:
            rest = instalment.price - _cost(instalment, stop, step, zone)
    before = min(_begun(instalment, day, step, zone), stop)
    after = min(_begun(instalment, day + timedelta(days=1), step, zone), stop)
    cost = _cost(instalment, after, step, zone) - _cost(instalment, before, step, zone)
    return Share(cost, after - before, rest)


def _begun(instalment: Instalment, day: date, step: str, zone: ZoneInfo) -> int:
    """How many steps begin before a day begins."""
    return _until(instalment, midnight(day, zone), step, zone)


def _until(instalment: Instalment, at: datetime, step: str, zone: ZoneInfo) -> int:
    """How many steps begin before an instant."""
    if step == DAY:
        begun = (day_of(at, zone) - day_of(instalment.start, zone)).days
        return min(max(begun, 0), all_steps(instalment, step, zone))
    begun = -((instalment.start - at) // _HOUR)
    return min(max(begun, 0), all_steps(instalment, step, zone))


def all_steps(instalment: Instalment, step: str, zone: ZoneInfo) -> int:
    """Into how many steps an instalment's time is cut."""
    if step == HOUR:
        return max(-((instalment.start - instalment.end) // _HOUR), 1)
    last = day_of(instalment.end - timedelta(microseconds=1), zone)
    return (last - day_of(instalment.start, zone)).days + 1


def _cost(instalment: Instalment, steps: int, step: str, zone: ZoneInfo) -> Decimal:
    """What the first ``steps`` cost."""
    count = all_steps(instalment, step, zone)
    if steps >= count:
        return instalment.price
    return _WIDE.multiply(_WIDE.quantize(_WIDE.divide(instalment.price, Decimal(count)), _UNIT), Decimal(steps))
