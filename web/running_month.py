"""A running month: how many of its days the figures cover, and which days of another month to compare them with."""

from datetime import date, timedelta

from allocation.selectors import Freshness
from finops.periods import Period


def running_day(period: Period, today: date, freshness: Freshness, last: date | None) -> int | None:
    """How many days of a running month the figures cover: up to the last import, and never less than there are data."""
    if today not in period:
        return None
    known = freshness.as_of.date() if freshness.as_of else today
    until = max(min(today, known), last or period.start)
    return until.day if until in period else 1


def unfinished(period: Period, day: int | None, today: date) -> str:
    """What a comparison of so many days has to say of the last one, where that is today; else ''."""
    last = None if day is None else period.start + timedelta(days=day - 1)
    return f"{last.day} {last:%B} is not over yet" if last == today else ""


def like_days(before: Period, day: int | None) -> Period:
    """The days of the former month to compare with: all, or as many as the running month has."""
    if day is None or day >= len(before):
        return before
    return Period(before.start, before.start + timedelta(days=day))
