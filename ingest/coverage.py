"""What time complete answers cover, as sets of intervals in PostgreSQL: cursors of pulls, completeness of days."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

from ingest.models import IngestRun
from ingest.pull import Window
from ingest.source import Covered


class Place(NamedTuple):
    """Whose time: a source kind, the account of its runs, a billing account ('': all of it) and a stream."""

    source: str
    account: str
    part: str
    stream: str


def extend(run: IngestRun, covered: Iterable[Covered]) -> None:
    """Add what a run's input states whole, in the transaction that ends the run.

    Time that had not ended when the input was given is left out: it may still change without being restated.
    """
    spans: dict[tuple[str, str], list[Window]] = {}
    for part, stream, start, end in covered:
        settled = min(end, run.observed_at)
        if settled > start:
            spans.setdefault((part, stream), []).append(Window(start, settled))
    with connection.cursor() as cursor:
        for (part, stream), ranges in sorted(spans.items()):
            cursor.execute(
                "INSERT INTO ingest_coverage AS c (source, account, part, stream, covered, observed_at) "
                "VALUES (%s, %s, %s, %s, %s::tstzmultirange, %s) ON CONFLICT (source, account, part, stream) DO UPDATE "
                "SET covered = c.covered + excluded.covered, observed_at = greatest(c.observed_at, excluded.observed_at)",
                [run.source, run.account, part, stream, _text(ranges), run.observed_at],
            )


def _text(ranges: Sequence[Window]) -> str:
    return "{" + ",".join(f"[{low.isoformat()},{high.isoformat()})" for low, high in ranges) + "}"


def spans(place: Place) -> list[Window]:
    """The covered intervals, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT unnest(covered) FROM ingest_coverage WHERE (source, account, part, stream) = (%s, %s, %s, %s) ORDER BY 1",
            list(place),
        )
        return [Window(row[0].lower.astimezone(UTC), row[0].upper.astimezone(UTC)) for row in cursor.fetchall()]


def delivered(connection_id: int | None = None) -> dict[int, dict[str, list[Window]]]:
    """What the complete answers to each connection, or to one, cover: connection -> stream -> intervals, in order.

    Less than ``spans`` where others deliver to the same account: what they know is not what this one has asked for.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DELIVERED, {"connection": connection_id})
        found: dict[int, dict[str, list[Window]]] = {}
        for number, stream, low, high in cursor.fetchall():
            window = Window(low.astimezone(UTC), high.astimezone(UTC))
            found.setdefault(number, {}).setdefault(stream, []).append(window)
        return found


_DELIVERED = """
SELECT connection_id, stream, lower(span), upper(span) FROM (
    SELECT connection_id, stream, unnest(range_agg(tstzrange(window_start, least(window_end, observed_at)))) AS span
    FROM ingest_ingestrun WHERE state = 'done' AND window_start < least(window_end, observed_at)
    AND connection_id IS NOT NULL AND (%(connection)s::bigint IS NULL OR connection_id = %(connection)s) GROUP BY 1, 2
) AS spans ORDER BY 1, 2, 3
"""


def missing(covered: Sequence[Window], start: datetime, end: datetime) -> list[Window]:
    """What of [start, end) the covered intervals leave out, in order."""
    gaps, at = [], start
    for low, high in covered:
        if low > at and at < end:
            gaps.append(Window(at, min(low, end)))
        at = max(at, high)
    if at < end:
        gaps.append(Window(at, end))
    return gaps


def whole_days(covered: Sequence[Window], zone: str = "UTC") -> set[date]:
    """The days of the issuer's clock that lie inside the covered intervals."""
    clock, days = ZoneInfo(zone), set[date]()
    for low, high in covered:
        day = low.astimezone(clock).date()
        while datetime.combine(day, datetime.min.time(), clock) < high:
            first, following = (datetime.combine(day + timedelta(days=n), datetime.min.time(), clock) for n in (0, 1))
            if low <= first and following <= high:
                days.add(day)
            day += timedelta(days=1)
    return days
