"""Pulls: one connection at a time by one worker, window by window, each a run whose cursor moves with its data."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db import connection as database
from django.db.models import Case, F, Q, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from finops import audit
from ingest import coverage, runs
from ingest.breaker import Breaker
from ingest.calc.windows import align, chunks, live_start
from ingest.connections import client_of
from ingest.http import KeyRefused
from ingest.intake import Intake, Stopped, take
from ingest.lease import Lease, leased
from ingest.models import Connection, IngestRun, SourceName
from ingest.pull import Client, ConnectionFailed, CursorExpired, LeaseLost, Name, Page, PullFailed, Stream, Window
from ingest.reading import groups_of_pages
from ingest.redelivery import zero_unstated
from ingest.services import context_of, latest_us
from ingest.source import Covered, Source
from ingest.source_faults import SourceFailed, listed
from ingest.sources import get_source

BACKFILL_AT_ONCE = 40  # windows; the next tick goes on with the rest, so that live data is never an hour late
NAMES_EVERY = timedelta(days=1)
FIRST_REST, MAX_REST = timedelta(minutes=1), timedelta(hours=6)


@dataclass
class Outcome:
    """What a sync did: runs in their order, errors by stream, and whether windows are left for the next time.

    What concerns the whole connection stands once, under ``connection``.
    """

    runs: list[IngestRun] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    left: int = 0
    refused: set[str] = field(default_factory=set)  # streams that the key may not read

    @property
    def delivers(self) -> bool:
        """Whether a window came whole."""
        return any(run.state == IngestRun.State.DONE for run in self.runs)


def sync(
    connection: Connection, *, since: datetime | None = None, until: datetime | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:  # fmt: skip
    """Pull what is due of a connection, or of [since, until). Raises Busy and LeaseLost.

    Live windows of all streams come first, then missing ones, the newest first. A stream that fails does not keep
    others from being pulled; its cursor stays. What fails for all of them (nobody there, no such key) ends the sync.
    Repeating a sync at any point gives the same facts.
    """
    source, outcome = get_source(connection.kind), Outcome()
    with leased(connection) as lease:
        try:
            with client_of(connection, source, heartbeat=lease.renew) as client:
                windows = _plan(connection, source, since, until)
                most = len(windows) if since else BACKFILL_AT_ONCE + len(_streams(connection, source))
                for stream, window in windows[:most]:
                    if stream.name in outcome.errors:
                        continue
                    lease.renew()
                    progress(f"{stream.name} {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}")
                    _pull(lease, source, client, (stream, window), outcome)
                outcome.left = sum(stream.name not in outcome.errors for stream, _ in windows[most:])
                _say_once(outcome, {stream.name for stream, _ in windows})
                if "connection" not in outcome.errors:
                    _refresh_names(lease, source, client, outcome)
        except PullFailed as failed:  # no client at all (no key, a URL that is not allowed), or nobody to talk to
            outcome.errors["connection"] = str(failed)
        except LeaseLost:
            raise
        except Exception as error:  # a bug, or the database: it rests as after any failure, or the next tick repeats it
            outcome.errors["sync"] = type(error).__name__
            database.close_if_unusable_or_obsolete()
            with suppress(DatabaseError):
                note(lease, outcome)
            raise
        note(lease, outcome)
    return outcome


def _say_once(outcome: Outcome, streams: set[str]) -> None:
    """One error of the connection, where every stream failed alike."""
    reasons = [outcome.errors[name] for name in sorted(streams & outcome.errors.keys())]
    if len(streams) > 1 and len(reasons) == len(streams) and (len(set(reasons)) == 1 or outcome.refused >= streams):
        outcome.errors = {"connection": f"all {len(streams)} streams: {reasons[0]}"}


def _streams(connection: Connection, source: Source) -> list[Stream]:
    return list(source.streams(connection.options))


def _plan(
    connection: Connection, source: Source, since: datetime | None, until: datetime | None
) -> list[tuple[Stream, Window]]:
    now = runs.database_now()
    known = coverage.delivered(connection.pk).get(connection.pk, {})  # others may have asked elsewhere
    live: list[tuple[Stream, Window]] = []
    older: list[tuple[Stream, Window]] = []
    for stream in _streams(connection, source):
        end = align(until or now, stream.width, up=True)
        begin = datetime.combine(connection.begins_on, datetime.min.time(), UTC)
        if since is not None:
            live += [(stream, window) for window in chunks(align(since, stream.width), end, stream.chunk)]
            continue
        covered = known.get(stream.name, [])
        start = max(begin, live_start(stream, covered, now))
        live += [(stream, window) for window in chunks(start, end, stream.chunk)]
        for gap in coverage.missing(covered, begin, start):
            low, high = align(gap.start, stream.width), align(gap.end, stream.width, up=True)
            older += [(stream, window) for window in chunks(low, high, stream.chunk)]
    return live + sorted(older, key=lambda item: item[1].start, reverse=True)


def _pull(lease: Lease, source: Source, client: Client, planned: tuple[Stream, Window], outcome: Outcome) -> None:
    """One window as one run; asked once more from its beginning when the provider forgets its cursor.

    Raises LeaseLost, and ConnectionFailed when no stream can be had.
    """
    connection, (stream, window) = lease.connection, planned
    for attempt in (1, 2):
        run = runs.start(
            source=source.kind, account=connection.account, connection=connection, stream=stream.name,
            input_name=f"{connection.name}: {stream.name}", observed_at=None, window_start=window.start,
            window_end=window.end,
        )  # fmt: skip
        failed: list[PullFailed] = []
        found = listed(source, stream.name, source.pages, client, stream, window, connection.options)
        pages = _watched(found, run, lease, failed)
        context = context_of(options=connection.options)
        intake = Intake(run, source, context, Breaker(off=False, rest=""), whole=_whole(source, stream, window))
        try:
            take(intake, groups_of_pages(pages, source, context, latest_us=latest_us()))
        except Stopped as stopped:
            if attempt == 1 and any(isinstance(error, CursorExpired) for error in failed):
                continue
            if stopped.run is None:
                raise LeaseLost(str(stopped)) from None
            _blame(outcome, stream, str(stopped).removeprefix(f"{run.input_name}: "), failed)
        run.refresh_from_db()
        outcome.runs.append(run)
        return


def _blame(outcome: Outcome, stream: Stream, reason: str, failed: list[PullFailed]) -> None:
    """Note the error of a stream. Raises ConnectionFailed where the others would fail as well.

    A key that another stream has just been read with is a good one: what it is refused for is this stream's alone.
    """
    for error in failed:
        if isinstance(error, KeyRefused):
            outcome.refused.add(stream.name)
            if outcome.delivers:
                break
        if isinstance(error, ConnectionFailed):
            raise error
    outcome.errors[stream.name] = reason


def _watched(pages: Iterable[Page], run: IngestRun, lease: Lease, failed: list[PullFailed]) -> Iterator[Page]:
    """Pages as they come; each renews the lease. The first says when the answer was given, unless its clock is far from ours."""
    first = True
    try:
        for page in pages:
            if first and timedelta(0) <= run.observed_at - page.at < timedelta(minutes=15):
                run.observed_at = page.at
                run.save(update_fields=["observed_at"])
            first = False
            lease.renew()
            yield page
    except PullFailed as error:
        failed.append(error)
        raise


def _whole(source: Source, stream: Stream, window: Window) -> Callable[[IngestRun], dict[str, Any]]:
    """What a complete answer ends with: the cursor moves, and what it no longer states has vanished."""

    def end(run: IngestRun) -> dict[str, Any]:
        stated = [Covered("", stream.name, *window)]
        coverage.extend(run, stated)
        return zero_unstated(run, source, [stream], stated)

    return end


def _held(lease: Lease, names: Iterator[Name]) -> Iterator[Name]:
    for number, name in enumerate(names):
        if not number % 20:  # many projects take many requests
            lease.renew()
        yield name


def _refresh_names(lease: Lease, source: Source, client: Client, outcome: Outcome) -> None:
    connection, now = lease.connection, runs.database_now()
    if connection.names_at is not None and connection.names_at > now - NAMES_EVERY:
        return
    try:
        rows = [
            SourceName(
                source=source.kind, account=connection.account, what=name.what, external_id=name.id[:200],
                name=name.name[:300], seen_at=now,
            )
            for name in _held(lease, listed(source, "names", source.names, client, connection.options))
        ]  # fmt: skip
    except (PullFailed, SourceFailed) as failed:
        outcome.errors["names"] = str(failed)
        return
    distinct = {(row.what, row.external_id): row for row in rows}
    SourceName.objects.bulk_create(
        [distinct[key] for key in sorted(distinct)], update_conflicts=True, update_fields=["name", "seen_at"],
        unique_fields=["source", "account", "what", "external_id"],
    )  # fmt: skip
    Connection.objects.filter(pk=connection.pk).update(names_at=now)


def told(errors: Mapping[str, str]) -> str:
    """Errors in one line, each said once with the streams or files it is of."""
    names: dict[str, list[str]] = {}
    for name, reason in errors.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(found)}: {reason}" for reason, found in names.items())


def note(lease: Lease, outcome: Outcome) -> None:
    """The state of the connection after a sync: when it is due again, what went wrong.

    A failure rests a minute, then twice as long each time; no longer than usual while other streams deliver. Asked for
    while it ran (with other settings, or by somebody who saw more), it is due at once.
    """
    connection = lease.connection
    errors = told(outcome.errors)[:500]
    rows = Connection.objects.filter(pk=connection.pk, fence=lease.fence)
    if not outcome.errors.keys() - {"names"}:  # names are for the eye: without them all figures are there
        due = Now() if outcome.left else Now() + connection.every
        rows.update(next_due_at=_unless_asked(due), last_ok_at=Now(), last_error=errors, failures=0)
        return
    connection.refresh_from_db(fields=["failures"])
    longest = connection.every if outcome.delivers else MAX_REST
    rest = min(FIRST_REST * 2 ** min(connection.failures, 10), longest)
    due = Now() if outcome.left and outcome.delivers else Now() + rest
    rows.update(next_due_at=_unless_asked(due), last_error=errors, failures=F("failures") + 1)
    if connection.failures == 0:
        audit.record(action="connection.failed", actor="sync", subject=connection.name, details={"error": errors[:300]})


def _unless_asked(due: Combinable) -> Case:
    return Case(When(next_due_at=None, then=F("next_due_at")), default=due)


def due() -> list[Connection]:
    """Connections whose time has come and that nobody holds."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    ready = Q(next_due_at=None) | Q(next_due_at__lte=Now())
    pulled = Connection.objects.filter(enabled=True).exclude(way=Connection.Way.PUSH)
    return list(pulled.filter(free, ready).order_by("next_due_at", "pk"))
