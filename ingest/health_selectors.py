"""Reads for the pages Sources and Data health: what is connected, how complete it is, and what could not be taken.

However many connections there are, each read here is a fixed number of queries.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection as database
from django.db.models import Count, Max, Min
from django.db.models.functions import TruncDate

from ingest import coverage
from ingest.calc.windows import Stream, Window
from ingest.models import Connection, DirtySlice, IngestRun, Quarantine, SourceName, TakenFile
from ingest.pull import PullFailed
from ingest.runs import PUSHED
from ingest.source import Source
from ingest.source_status import RECENT_DAYS, STRIP_DAYS, RefusedFiles, Status
from ingest.sources import all_sources

NOTED_RUNS = 200


_DELIVERIES = """
SELECT connection_id, source, account, max(CASE WHEN connection_id IS NULL AND stream = ANY(%(shared)s) AND read > 0
        THEN heartbeat_at WHEN state = 'done' THEN finished_at END),
    coalesce(sum(stored + changed) FILTER (WHERE started_at >= %(recent)s), 0),
    array_agg(DISTINCT (started_at AT TIME ZONE 'UTC')::date) FILTER (WHERE started_at >= %(strip)s AND stored + changed > 0),
    bool_and(notes ? 'dismissed')
FROM ingest_ingestrun WHERE %(name)s = '' OR connection_id = (SELECT id FROM ingest_connection WHERE name = %(name)s)
GROUP BY 1, 2, 3 HAVING connection_id IS NOT NULL OR bool_or(NOT notes ? 'dismissed' OR stored + changed > 0) ORDER BY 2, 3
"""


def statuses(now: datetime, name: str = "") -> list[Status]:
    """Every connection by name, or the one of this name; then accounts whose records came without one.

    Of the latter those that brought nothing and whose runs are all dismissed (see ingest.dismissals) are left out.
    """
    with database.cursor() as cursor:
        since: dict[str, Any] = {
            "recent": now - timedelta(days=RECENT_DAYS),
            "strip": now - timedelta(days=STRIP_DAYS),
            "name": name,
            "shared": list(PUSHED),  # their run stays open for its hour: each delivery is committed for itself
        }
        cursor.execute(_DELIVERIES, since)
        delivered = {row[0] or (row[1], row[2]): row for row in cursor.fetchall()}
    covered = coverage.delivered()
    refused = _refused()
    items = Connection.objects.select_related("credential", "credential__created_by", "created_by").order_by("name")
    found = [
        _connected(item, covered.get(item.pk, {}), delivered.get(item.pk), refused.get(item.pk), now)
        for item in (items.filter(name=name) if name else items)
    ]
    return found + [_filled(Status(row[1], row[2], now), row) for row in delivered.values() if row[0] is None]


_REFUSED = """
SELECT t.connection_id, count(*), (array_agg(t.path ORDER BY t.id DESC))[1],
    (array_agg(coalesce(r.reason, '') ORDER BY t.id DESC))[1]
FROM ingest_takenfile t LEFT JOIN ingest_ingestrun r ON r.id = t.run_id WHERE t.outcome = 'refused' GROUP BY 1
"""


def _refused() -> dict[int, RefusedFiles]:
    with database.cursor() as cursor:
        cursor.execute(_REFUSED)
        return {row[0]: RefusedFiles(*row[1:]) for row in cursor.fetchall()}


def refused_files(item: Connection, limit: int | None = 50) -> list[TakenFile]:
    """Files of a watched folder that were refused and lie there unchanged, with their runs; the newest first."""
    rows = TakenFile.objects.filter(connection=item, outcome=IngestRun.State.REFUSED).select_related("run")
    return list(rows.order_by("-id")[:limit])


def _connected(
    item: Connection, covered: dict[str, list[Window]], row: Any, refused: RefusedFiles | None, now: datetime
) -> Status:
    status = Status(item.kind, item.account, now, item, begins_on=item.begins_on, refused=refused)
    source = all_sources().get(item.kind)
    if source is not None:
        status.zone = source.issuer_zone
        status.streams = {stream.name: covered.get(stream.name, []) for stream in streams_of(source, item)}
    return _filled(status, row) if row else status


def _filled(status: Status, row: Any) -> Status:
    status.last_done_at, status.records, status.arrivals = row[3], int(row[4]), frozenset(row[5] or ())
    status.dismissed = row[6]
    return status


def streams_of(source: Source, item: Connection) -> list[Stream]:
    """What the connection pulls; nothing where its options no longer make sense to the source."""
    try:
        return list(source.streams(item.options)) if item.way == Connection.Way.PULL else []
    except (PullFailed, ValueError, KeyError):
        return []


class Gap(NamedTuple):
    """Time that a stream lacks, and why: the last failed run that asked for some of it."""

    stream: str
    window: Window
    reason: str
    run: int | None

    @property
    def length(self) -> timedelta:
        """How much is lacking."""
        return self.window.end - self.window.start


def gaps(status: Status) -> list[Gap]:
    """The gaps of a connection with their reasons."""
    lacking = status.gaps()
    if not lacking or status.connection is None:
        return []
    ended = IngestRun.objects.filter(connection=status.connection, window_start__isnull=False)
    failed = list(ended.exclude(state__in=["done", "running"]).order_by("-id")[:1_000])
    return [Gap(stream, gap, *_why(stream, gap, failed)) for stream, gap in lacking]


def _why(stream: str, gap: Window, failed: Sequence[IngestRun]) -> tuple[str, int | None]:
    for run in failed:
        low, high = run.window_start, run.window_end
        if run.stream == stream and low and high and low < gap.end and high > gap.start:
            return run.reason, run.pk
    return "", None


def runs_of(*, before: int | None, limit: int, **chosen: Any) -> list[IngestRun]:
    """Runs of a connection, or of a source and account, newest first."""
    rows = IngestRun.objects.filter(**chosen).select_related("connection").order_by("-id")
    return list((rows if before is None else rows.filter(id__lt=before))[:limit])


def noted(runs: Iterable[IngestRun], what: str) -> list[tuple[str, int]]:
    """Unknown fields or dropped tags of runs: name and how often, the most frequent first."""
    found: dict[str, int] = {}
    for run in runs:
        for name, count in run.notes.get(what, {}).items():
            found[name] = found.get(name, 0) + count
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def names_of(kind: str, account: str, limit: int = 200) -> tuple[list[SourceName], int]:
    """What its projects, keys and users are called, and how many there are."""
    rows = SourceName.objects.filter(source=kind, account=account).order_by("what", "name", "external_id")
    found = list(rows[: limit + 1])
    return found[:limit], len(found) if len(found) <= limit else rows.count()


def quarantined(since: datetime) -> list[dict[str, Any]]:
    """Records that runs since then did not take: source, reason, how many, in how many runs, when last."""
    rows = Quarantine.objects.filter(run__started_at__gte=since).values("run__source", "reason")
    counted = rows.annotate(count=Count("id"), runs=Count("run", distinct=True), last_at=Max("run__started_at"))
    return [
        {"source": row["run__source"], **{name: row[name] for name in ("reason", "count", "runs", "last_at")}}
        for row in counted.order_by("-count", "run__source", "reason")
    ]


def quarantine_places(*, before: int | None, limit: int, **chosen: Any) -> list[Quarantine]:
    """Where records stood that were not taken, newest first."""
    rows = Quarantine.objects.filter(**chosen).select_related("run").order_by("-id")
    return list((rows if before is None else rows.filter(id__lt=before))[:limit])


_NOTED = """
SELECT source, each.key, sum(each.value::bigint), max(started_at)
FROM ingest_ingestrun, jsonb_each_text(notes -> %(what)s) AS each
WHERE started_at >= %(since)s AND notes ? %(what)s GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT %(most)s
"""


def noted_since(what: str, since: datetime, most: int = 50) -> list[dict[str, Any]]:
    """Names that runs since then counted (unknown_fields, dropped_tags): source, name, how often, when last."""
    with database.cursor() as cursor:
        cursor.execute(_NOTED, {"what": what, "since": since, "most": most})
        return [{"source": row[0], "name": row[1], "count": int(row[2]), "last_at": row[3]} for row in cursor]


def run_days(since: datetime) -> dict[date, dict[str, int]]:
    """Runs that began since then: day -> state -> how many."""
    rows = IngestRun.objects.filter(started_at__gte=since).annotate(day=TruncDate("started_at")).order_by()
    found: dict[date, dict[str, int]] = {}
    for row in rows.values("day", "state").annotate(count=Count("id")):
        found.setdefault(row["day"], {})[row["state"]] = row["count"]
    return found


class Behind(NamedTuple):
    """What waits to be recomputed."""

    slices: int
    days: int
    oldest: datetime | None


def behind() -> Behind:
    """How far the derived tables are behind the facts."""
    row = DirtySlice.objects.aggregate(slices=Count("id"), days=Count("charge_date", distinct=True), oldest=Min("at"))
    return Behind(row["slices"], row["days"], row["oldest"])
