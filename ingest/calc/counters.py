"""What counters that only rise have counted between two readings, whatever the order in which readings arrive.

A *meter* is one scraped target; a *process* of it is one life of the target, known by its start time where it states
one. Every reading is kept, and an interval is what lies between two neighbours. So a reading that comes late splits an
interval in two: the later half is restated and the sum stays; nothing is counted twice, whatever the order.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from ingest.calc.reasons import Rejected

_INSTANT = timedelta(microseconds=1)
Values = Mapping[str, Decimal]


class Reading(NamedTuple):
    """What all series of a meter said at one instant. ``started``: of the process, None where it does not say."""

    meter: str
    started: datetime | None
    at: datetime
    values: Values


class Interval(NamedTuple):
    """Two neighbouring readings of a process. ``before`` is None where everything since its start counts."""

    before: Reading | None
    after: Reading

    @property
    def length(self) -> timedelta:
        """From the reading before, else from the start of the process."""
        begin = self.before.at if self.before else self.after.started
        return self.after.at - begin if begin else timedelta()


def increase(before: Values | None, after: Values, family: Mapping[str, str]) -> dict[str, Decimal]:
    """What each counter of ``after`` has counted since ``before``; of all since the start where there is none.

    A counter that is smaller than before has begun anew and counted what it shows. One that was not there before began
    at zero if others of its family were there; else the earlier reading did not look at that family, and nothing is
    known of it. ``family`` names the family of each counter.
    """
    if before is None:
        return dict(after)
    looked_at = {family[name] for name in before if name in family}
    found = {}
    for name, value in after.items():
        if name in before:
            found[name] = value - before[name] if value >= before[name] else value
        else:
            found[name] = value if family[name] in looked_at else Decimal(0)
    return found


class Readings:
    """All readings that are known, in memory. A subclass that keeps them for longer overrides ``load``."""

    def __init__(self) -> None:
        self._series: dict[str, dict[datetime | None, list[Reading]]] = {}
        self._earliest: dict[str, datetime] = {}
        self._new: list[Reading] = []

    def load(self, meter: str, at: datetime) -> None:
        """Make the neighbours of this instant known with ``know``, and the meter's earliest reading."""

    def know(self, readings: Iterator[Reading] | list[Reading], earliest: datetime | None) -> None:
        """Readings that are kept already."""
        for reading in readings:
            series = self._of(reading)
            position = bisect_left(series, reading.at, key=_at)
            if position == len(series) or series[position].at != reading.at:
                series.insert(position, reading)
            if earliest is not None:
                self._begin(reading.meter, earliest)

    def add(self, reading: Reading) -> list[Interval]:
        """The intervals that a reading ends or restates, its own first; none where it only gives a first baseline.

        Raises Rejected where another reading of the same instant says otherwise.
        """
        self.load(reading.meter, reading.at)
        series, earliest = self._of(reading), self._earliest.get(reading.meter)
        position = bisect_left(series, reading.at, key=_at)
        if position < len(series) and series[position].at == reading.at:
            if series[position].values != reading.values:
                raise Rejected("duplicate_conflict", "another reading of the same instant says otherwise")
            return self._intervals([reading])
        series.insert(position, reading)
        self._begin(reading.meter, reading.at)
        self._new.append(reading)
        touched = [reading, *series[position + 1 : position + 2]]
        if earliest is not None and reading.at < earliest:  # processes that were running before we looked: not any more
            touched += [
                others[0]
                for started, others in self._series[reading.meter].items()
                if others and started is not None and reading.at <= started < earliest and others[0] not in touched
            ]
        return self._intervals(touched)

    def take(self) -> list[Reading]:
        """The readings that are new since the last call, to be kept."""
        taken, self._new = self._new, []
        return taken

    def _of(self, reading: Reading) -> list[Reading]:
        return self._series.setdefault(reading.meter, {}).setdefault(reading.started, [])

    def _begin(self, meter: str, at: datetime) -> None:
        self._earliest[meter] = min(self._earliest.get(meter, at), at)

    def _intervals(self, readings: list[Reading]) -> list[Interval]:
        found = []
        for reading in readings:
            position = bisect_left(self._of(reading), reading.at, key=_at)
            if position:
                found.append(Interval(self._of(reading)[position - 1], reading))
            elif reading.started is not None and self._earliest[reading.meter] <= min(
                reading.started, reading.at - _INSTANT
            ):
                found.append(Interval(None, reading))  # it began while the meter was being watched
        return found


def _at(reading: Reading) -> datetime:
    return reading.at
