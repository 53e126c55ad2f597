"""Windows of pulls: aligned to the provider's buckets, cut into pieces that one series of requests answers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Stream(NamedTuple):
    """One series of buckets or records with a cursor of its own, e.g. an endpoint."""

    name: str
    width: timedelta  # of a bucket; windows are aligned to it
    chunk: timedelta  # the longest window that is asked at once
    re_read: timedelta  # how far back every pull reads again, because the provider still changes it
    states_all: bool  # a complete answer states all there is: what it no longer states has vanished
    operations: tuple[str, ...] = ()  # of the usage it states; empty: all of the source's
    lines: bool = False  # states lines of bills instead of usage
    kinds_of_cost: tuple[str, ...] = ()  # of the lines it states; empty: all of the source's
    month_to_date: bool = False  # reads again from the first of the month (of the month before until its fifth day)


class Window(NamedTuple):
    """Half-open, UTC."""

    start: datetime
    end: datetime


def align(at: datetime, width: timedelta, *, up: bool = False) -> datetime:
    """The bucket border at or before ``at``; ``up``: at or after it."""
    over = (at - _EPOCH) % width
    return at if not over else at - over + (width if up else timedelta(0))


def chunks(start: datetime, end: datetime, longest: timedelta) -> list[Window]:
    """[start, end) in pieces of at most ``longest``, in order; borders are multiples of it, so that they stay put."""
    pieces, at = [], start
    while at < end:
        following = min(end, align(at, longest) + longest)
        pieces.append(Window(at, following))
        at = following
    return pieces


def live_start(stream: Stream, covered: Sequence[Window], now: datetime) -> datetime:
    """Where a pull begins to read: what the provider may still change, from the end of what is covered.

    ``covered``: in order. Without any the re-read window before now; what lies before is back-filled.
    """
    known = [window.end for window in covered if window.end <= now]
    start = align((max(known) if known else now) - stream.re_read, stream.width)
    if stream.month_to_date:
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if now.day <= 5:  # bills of the month before are still rewritten
            month = (month - timedelta(days=1)).replace(day=1)
        start = min(start, month)
    return start
