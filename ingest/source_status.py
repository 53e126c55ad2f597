"""What is known of one source: whether it is late, and which days are complete. Reads nothing; see health_selectors."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ingest.calc.windows import Window
from ingest.coverage import missing
from ingest.models import Connection

STRIP_DAYS, RECENT_DAYS = 30, 7
COMPLETE, PARTIAL, MISSING, OUTSIDE = "complete", "partial", "missing", "outside"
_SLACK = timedelta(minutes=15)  # a worker that is busy elsewhere is not late yet


class Day(NamedTuple):
    """One day of a strip and what is known of it."""

    day: date
    state: str


class RefusedFiles(NamedTuple):
    """Files of a watched folder that were refused and lie there unchanged."""

    number: int
    path: str  # of the newest
    reason: str


@dataclass
class Status:
    """One connection, or one account of a kind whose records came without one (files, pushed batches)."""

    kind: str
    account: str
    now: datetime
    connection: Connection | None = None
    streams: dict[str, list[Window]] = field(default_factory=dict)  # what complete answers to it cover
    records: int = 0  # stored or changed within RECENT_DAYS
    last_done_at: datetime | None = None  # the last import that finished, or delivery of a pushed stream
    arrivals: frozenset[date] = frozenset()  # days of the strip on which records came
    zone: str = "UTC"
    begins_on: date | None = None
    refused: RefusedFiles | None = None
    dismissed: bool = False  # all its runs; see ingest.dismissals

    @property
    def name(self) -> str:
        """Of the connection; '' without one."""
        return self.connection.name if self.connection else ""

    @property
    def way(self) -> str:
        """How its records come: pull, folder, push, or file where nobody connected anything."""
        return self.connection.way if self.connection else "file"

    @property
    def state(self) -> str:
        """ok, late, failing, disabled or never; without a connection there is no schedule to be late on.

        A watched folder with files that were refused is failing until they change, go or are accepted.
        """
        item = self.connection
        if item is None:
            return "ok" if self.last_done_at or self.dismissed else "failing"
        if not item.enabled:
            return "disabled"
        if item.failures or self.refused:
            return "failing"
        if item.way == Connection.Way.PUSH:
            return "ok" if self.last_done_at else "never"
        if item.last_ok_at is None:
            return "never"
        due = item.next_due_at or item.last_ok_at + item.every
        return "late" if self.now > due + max(_SLACK, item.every) and not self.is_running else "ok"

    @property
    def is_running(self) -> bool:
        """Whether a worker holds it now."""
        return bool(self.connection and self.connection.lease_until and self.connection.lease_until > self.now)

    @property
    def complete_until(self) -> datetime | None:
        """Up to when every stream is known; None where one knows nothing or nothing states what it covers."""
        ends = [spans[-1].end if spans else None for spans in self.streams.values()]
        return min((end for end in ends if end), default=None) if None not in ends else None

    def days(self, start: date, end: date, streams: Iterable[str] | None = None) -> list[Day]:
        """The days of [start, end): complete where all (or the named) streams cover them, partial where some do."""
        chosen = [self.streams[name] for name in (self.streams if streams is None else streams)]
        each = [day_states(spans, start, end, self.zone) for spans in chosen]
        first = self.begins_on or start
        return [
            Day(start + timedelta(days=n), _joined([states[n] for states in each], start + timedelta(days=n) >= first))
            for n in range((end - start).days)
        ]

    def strip(self) -> list[Day]:
        """The last STRIP_DAYS days, today included; of files and pushes the days on which something came."""
        end = self.now.astimezone(ZoneInfo(self.zone)).date() + timedelta(days=1)
        start = end - timedelta(days=STRIP_DAYS)
        if self.streams:
            return self.days(start, end)
        every = (start + timedelta(days=n) for n in range(STRIP_DAYS))
        return [Day(day, "arrived" if day in self.arrivals else "none") for day in every]

    def complete_days(self) -> tuple[int, int]:
        """Complete days and all days since its beginning, up to yesterday on the issuer's clock."""
        today = self.now.astimezone(ZoneInfo(self.zone)).date()
        start = self.begins_on
        if not self.streams or start is None or start >= today:
            return 0, 0
        days = self.days(start, today)
        return sum(day.state == COMPLETE for day in days), len(days)

    def gaps(self) -> list[tuple[str, Window]]:
        """What the streams lack between the beginning and now, the newest first; the running bucket is no gap."""
        if self.begins_on is None or self.connection is None:
            return []
        start = datetime.combine(self.begins_on, datetime.min.time(), UTC)
        fresh = self.now - 2 * self.connection.every - timedelta(hours=1)
        found = [
            (name, gap)
            for name, spans in self.streams.items()
            for gap in missing(spans, start, self.now)
            if not (gap.end == self.now and gap.start > fresh)
        ]
        return sorted(found, key=lambda item: item[1].start, reverse=True)


def _joined(states: Sequence[str], inside: bool) -> str:
    if not inside:
        return OUTSIDE
    if states and all(state == COMPLETE for state in states):
        return COMPLETE
    return MISSING if all(state == MISSING for state in states) else PARTIAL


def day_states(covered: Sequence[Window], start: date, end: date, zone: str) -> list[str]:
    """Of each day of [start, end) on a clock whether the ordered intervals cover all, some or none of it."""
    clock, length = ZoneInfo(zone), (end - start).days
    borders = [datetime.combine(start + timedelta(days=n), datetime.min.time(), clock) for n in range(length + 1)]
    at = [border.timestamp() for border in borders]
    states = [MISSING] * length
    for low, high in covered:
        low_at, high_at = low.timestamp(), high.timestamp()
        for n in range(max(0, bisect_right(at, low_at) - 1), min(length, bisect_left(at, high_at))):
            whole = low_at <= at[n] and at[n + 1] <= high_at
            states[n] = COMPLETE if whole else PARTIAL
    return states
