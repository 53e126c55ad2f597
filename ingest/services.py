"""Writes of ingest: import a file, load prices."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from django.conf import settings
from django.db import DatabaseError, connection

from ingest import runs, streams
from ingest.calc.batch import make_batch
from ingest.calc.usage import USAGE_SCHEMA
from ingest.classification import current_classifier
from ingest.keys import Keys
from ingest.models import ALL_KEYS, DirtySlice, IngestRun
from ingest.moved import settle_moved
from ingest.reading import Group, groups
from ingest.runs import FenceLost
from ingest.selectors import price_book
from ingest.source import Context, NotThisKind, Source
from ingest.sources import get_source
from ingest.streams import Bomb
from ingest.totals import run_totals
from ingest.writer import Delivery, Writer

BATCH_ROWS = 40_000
MAX_REJECTED_SHARE, MAX_REJECTED_IN_A_ROW = 0.20, 100
FUTURE = timedelta(minutes=5)


class Stopped(Exception):
    """An import ended early; ``run`` says what became of what was read (None: it never began)."""

    run: IngestRun | None = None


class Refused(Stopped):
    """The input was refused and nothing of it was kept (exit 3)."""


class Unfinished(Stopped):
    """The import could not finish; what was committed stays and a retry completes it (exit 1)."""


@dataclass
class Import:
    """Arguments of one import."""

    path: Path
    kind: str
    account: str = "default"
    mapping: Any = None
    at: datetime | None = None
    observed_at: datetime | None = None
    accept_bad: bool = False
    progress: Callable[[int], None] = lambda _: None  # called with the records read so far


@dataclass
class _Breaker:
    """Stops an import of which too much is rejected: that is a wrong kind or mapping, not bad rows."""

    off: bool
    first: bool = True
    streak: int = 0
    open: str = ""

    def see(self, group: Group, good: int) -> None:
        bad = len(group.rejects)
        if self.off or not group.read:
            return
        self.streak = self.streak + bad if not good else _longest_streak(group)
        if self.streak >= MAX_REJECTED_IN_A_ROW:
            self.open = f"{self.streak} records in a row were rejected"
        elif self.first and bad > MAX_REJECTED_SHARE * group.read and group.read >= 5:
            self.open = f"{bad} of the first {group.read} records were rejected"
        elif self.first and bad == group.read:
            self.open = f"all of the first {group.read} records were rejected"
        if self.open:
            reasons = Counter(place.reason for place in group.rejects).most_common(3)
            first = group.rejects[0]
            self.open += (
                f" ({', '.join(f'{reason}: {count}' for reason, count in reasons)}; the first at {first.place}: "
                f"{first.reason} {first.detail}); if the kind and mapping are right, --accept-bad takes the rest"
            )
        self.first = False


def _longest_streak(group: Group) -> int:
    """Rejects in a row by line numbers; a group without them counts no streak."""
    lines = sorted(int(place.place[5:]) for place in group.rejects if place.place.startswith("line "))
    longest = streak = 0
    for index, line in enumerate(lines):
        streak = streak + 1 if index and line == lines[index - 1] + 1 else 1
        longest = max(longest, streak)
    return longest


@dataclass
class _Progress:
    delivered: int = 0
    error: BaseException | None = None


def ingest_file(job: Import) -> IngestRun:
    """Import one file. Returns the finished run; raises Refused, Unfinished, UnknownKind or OSError.

    Idempotent: the same records in any order, cut or repeated leave the same facts.
    """
    source = get_source(job.kind)
    context = Context(
        at=job.at, observed_at=job.observed_at, mapping=job.mapping, tag_keys=frozenset(settings.TAG_KEYS)
    )
    try:
        streams.refuse_bombs(job.path)
    except Bomb as bomb:
        raise Refused(f"{job.path.name}: {bomb}") from None
    run = runs.start(source=job.kind, account=job.account, input_name=job.path.name, observed_at=job.observed_at)
    latest = round((runs.database_now() + FUTURE).timestamp() * 1e6)
    classifier = current_classifier()
    writer = Writer(run, Keys(source.layer_in(context), source.kind, price_book()), classifier)
    try:
        _pump(_deliveries(job, source, context, latest), writer, job.progress)
        settle_moved(run, writer.days, classifier)
    except (Bomb, NotThisKind, Refused) as refusal:
        kept = run_committed(run)
        state = IngestRun.State.FAILED if kept else IngestRun.State.REFUSED
        stop = (Unfinished if kept else Refused)(f"{job.path.name}: {refusal}")
        stop.run = _finish(run, writer, context, state, str(refusal))
        raise stop from None
    except FenceLost as lost:
        raise Unfinished(str(lost)) from None
    except (Unfinished, OSError, DatabaseError) as error:
        stop = Unfinished(f"{job.path.name}: {str(error) or type(error).__name__}")
        stop.run = _finish(run, writer, context, IngestRun.State.FAILED, str(error) or type(error).__name__)
        raise stop from error
    except KeyboardInterrupt:
        stop = Unfinished(f"{job.path.name}: interrupted; the same command completes it")
        stop.run = _finish(run, writer, context, IngestRun.State.FAILED, "interrupted")
        raise stop from None
    except BaseException as error:  # a bug: the run says so at once, the error goes on
        _finish(run, writer, context, IngestRun.State.FAILED, f"{type(error).__name__}: {error}")
        raise
    return _finish(run, writer, context, IngestRun.State.DONE, "")


def run_committed(run: IngestRun) -> bool:
    """Whether a batch of the run has been committed."""
    return IngestRun.objects.filter(pk=run.pk, read__gt=0).exists()


def _finish(run: IngestRun, writer: Writer, context: Context, state: str, reason: str) -> IngestRun:
    notes: dict[str, Any] = {}
    if context.dropped_tags:
        notes["dropped_tags"] = dict(context.dropped_tags.most_common(50))
    if writer.keys.folded:
        notes["folded_keys"] = writer.keys.folded
    identity = context.state.get("identity", run.identity)
    runs.finish(
        run, state, reason=reason, identity=identity, totals=run_totals(writer.kept, writer.keys.book), notes=notes
    )
    return run


def _deliveries(job: Import, source: Source, context: Context, latest: int) -> Iterator[Delivery]:
    """Groups of the file gathered into batches; raises Refused or Unfinished when the breaker opens or a stream ends."""
    breaker, waiting, current = _Breaker(job.accept_bad), list[pa.Table](), Delivery(None)
    any_yielded = False
    for group in groups(job.path, source, context, latest_us=latest):
        breaker.see(group, len(group.usage))
        if breaker.open:
            raise (Unfinished if any_yielded else Refused)(breaker.open)
        current.read += group.read
        current.places += group.rejects
        current.skipped += group.skipped
        waiting.append(group.usage)
        if group.truncated or sum(map(len, waiting)) >= BATCH_ROWS:
            yield _batch(job, source, waiting, current)
            any_yielded, waiting, current = True, [], Delivery(None)
        if group.truncated:
            raise Unfinished(group.truncated)
    if waiting and (current.read or any(map(len, waiting))):
        yield _batch(job, source, waiting, current)


def _batch(job: Import, source: Source, tables: list[pa.Table], delivery: Delivery) -> Delivery:
    usage = pa.concat_tables(tables) if tables else USAGE_SCHEMA.empty_table()
    delivery.batch = make_batch(source.kind, job.account, usage)
    return delivery


def _pump(deliveries: Iterator[Delivery], writer: Writer, progress: Callable[[int], None]) -> None:
    """Read and calculate here while another thread, with its own connection, writes the batch before."""
    waiting: queue.Queue[Delivery | None] = queue.Queue(maxsize=1)
    state = _Progress()

    def write() -> None:
        try:
            while (delivery := waiting.get()) is not None:
                if state.error is None:
                    writer.write(delivery)
                    state.delivered += delivery.read
        except BaseException as error:  # noqa: BLE001  handed to the reading thread, which raises it
            state.error = error
            while waiting.get() is not None:
                pass
        finally:
            connection.close()

    thread = threading.Thread(target=write, name="ingest-writer")
    thread.start()
    try:
        for delivery in deliveries:
            if state.error is not None:
                break
            waiting.put(delivery)
            progress(state.delivered)
    finally:
        waiting.put(None)
        thread.join()
    progress(state.delivered)
    if state.error is not None:
        raise state.error


def mark_days(days: list[date]) -> None:
    """Mark whole days dirty: everything derived from their facts is recomputed by the next refresh."""
    DirtySlice.objects.bulk_create([DirtySlice(charge_date=day, usage_key_id=ALL_KEYS) for day in days])
