"""Which sources state a day whole: what lets a layer rule it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from allocation.calc.layers import WITNESSES
from ingest.calc.scopes import covers
from ingest.source import Source
from ingest.sources import UnknownKind, get_source

ALL_PARTS = "*"  # every billing account of which the source's answers speak
LINES, USAGE = "lines", "usage"
NOTIONAL = ("notional",)  # kinds of cost of a stream that says nothing about a bill


class Whole(NamedTuple):
    """A source states the usage, or the lines, of a billing account whole; operations None: all of them."""

    source: str
    what: str  # LINES or USAGE
    part: str  # billing account; '': all that its accounts hold; ALL_PARTS
    operations: tuple[str, ...] | None
    but: tuple[str, ...] = ()  # operations that it does not state whole


class Day:
    """What is stated whole on one day."""

    def __init__(self, whole: Iterable[Whole]) -> None:
        self.whole = sorted(set(whole), key=str)
        self._known = {row[:3]: row for row in self.whole}

    def states(self, key: dict[str, Any], what: str, scope: str, operation: str = "") -> bool:
        """Whether the source and account of a usage key state this scope (and operation, where it matters) whole."""
        source = _source(key["source"])
        if source is None or not covers(source.line_scopes if what == LINES else source.scopes, scope):
            return False
        for part in dict.fromkeys((key["billing_account"], "", *(() if key["billing_account"] else (ALL_PARTS,)))):
            if (place := (key["source"], what, part)) in self._known:
                found = self._known[place]
                if what == LINES:
                    return True
                return operation not in found.but if found.operations is None else operation in ("", *found.operations)
        return False

    def as_json(self) -> list[list[Any]]:
        """As LayerDay.whole keeps it: equal for equal days."""
        return [
            [*row[:3], None if row.operations is None else list(row.operations), list(row.but)] for row in self.whole
        ]


class _Stream(NamedTuple):
    source: str
    what: str
    part: str
    account: str
    zone: str
    operations: tuple[str, ...]
    spans: list[Any]  # in order, not touching

    def covers(self, start: datetime, end: datetime) -> bool:
        return any(span.lower <= start and end <= span.upper for span in self.spans)


class Completeness:
    """All that complete answers cover, read once."""

    def __init__(self) -> None:
        spans: dict[tuple[str, str, str, str], list[Any]] = defaultdict(list)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT source, account, part, stream, unnest(covered) FROM ingest_coverage ORDER BY 1, 2, 3, 4"
            )
            for source, account, part, stream, span in cursor.fetchall():
                # rows that name no billing account have that of their import (ingest.calc.identity.named_accounts)
                named = part or ("" if account == "default" else account)
                spans[source, account, named, stream].append(span)
        streams = [_stream(*place, spans[place]) for place in spans if _source(place[0])]
        # gateways, traces and meters never rule, however complete
        self._streams = [
            stream for stream in streams
            if stream and (stream.what == LINES or get_source(stream.source).layer not in WITNESSES)
        ]  # fmt: skip

    def on(self, day: date) -> Day:
        """What is whole on a day of each issuer's own clock."""
        asked: dict[tuple[str, str, str], dict[str, list[tuple[_Stream, bool]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for stream in self._streams:
            inside = stream.covers(*_bounds(day, stream.zone))
            asked[stream.source, stream.what, stream.part][stream.account].append((stream, inside))
        whole = []
        for place, accounts in asked.items():
            answers = [answer for streams in accounts.values() if (answer := _whole(streams))]
            # '' speaks of all that was imported without naming one; a named account may be in the answers of several
            if len(answers) == len(accounts) or (place[2] and answers):
                whole.append(Whole(*place, *_joined(answers)))
        for kind, what in dict.fromkeys(place[:2] for place in asked):
            parts = [row for row in whole if row[:2] == (kind, what)]
            if len(parts) == sum(place[:2] == (kind, what) for place in asked):
                whole.append(Whole(kind, what, ALL_PARTS, *_joined([_Answer(*row[3:]) for row in parts])))
        return Day(whole)


def _source(kind: str) -> Source | None:
    try:
        return get_source(kind)
    except UnknownKind:  # of a package that is no longer installed
        return None


def _stream(kind: str, account: str, part: str, name: str, spans: list[Any]) -> _Stream | None:
    """None: it states would-be costs alone."""
    source = get_source(kind)
    try:
        known = {stream.name: stream for stream in source.streams({})}.get(name)
    except (KeyError, TypeError, ValueError):  # needs options of a connection
        known = None
    if known is not None and known.lines and known.kinds_of_cost == NOTIONAL:
        return None
    if known is not None:
        what = LINES if known.lines else USAGE
    elif not source.scopes or not source.line_scopes:
        what = USAGE if source.scopes else LINES
    else:
        what = LINES if name == "lines" or "cost" in name else USAGE
    return _Stream(kind, what, part, account, source.issuer_zone, tuple(known.operations) if known else (), spans)


@cache
def _bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    clock = ZoneInfo(zone)
    start, end = (datetime.combine(day + timedelta(days=n), datetime.min.time(), clock) for n in (0, 1))
    return start, end


class _Answer(NamedTuple):
    operations: tuple[str, ...] | None
    but: tuple[str, ...]


def _whole(streams: list[tuple[_Stream, bool]]) -> _Answer | None:
    """Which operations the streams state whole; None: nothing.

    Streams that have no answers for a day leave out the operations that they are about, or everything.
    """
    inside = [stream.operations for stream, covers in streams if covers]
    outside = [stream.operations for stream, covers in streams if not covers]
    if not inside or not all(outside):
        return None
    if all(inside):
        return _Answer(_names(inside), ())
    return _Answer(None, _names(outside))


def _joined(answers: Iterable[_Answer]) -> _Answer:
    found = list(answers)
    named = [answer.operations for answer in found if answer.operations is not None]
    but = _names(answer.but for answer in found)
    return _Answer(_names(named), but) if len(named) == len(found) else _Answer(None, but)


def _names(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for group in groups for name in group}))
