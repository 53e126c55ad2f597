"""From groups of records to a finished run, whatever they came from: a file, a pull, a push."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
from django.db import DatabaseError, connection, transaction

from ingest import coverage, meters, runs
from ingest.breaker import Breaker
from ingest.calc.batch import make_batch
from ingest.calc.identity import named_accounts
from ingest.calc.line_batch import make_line_batch
from ingest.calc.lines import LINE_SCHEMA
from ingest.calc.usage import USAGE_SCHEMA
from ingest.classification import current_classifier
from ingest.keys import Keys
from ingest.models import IngestRun
from ingest.moved import settle_moved
from ingest.reading import Group
from ingest.runs import FenceLost
from ingest.selectors import price_book
from ingest.source import Context, NotThisKind, Source
from ingest.source_faults import SourceFailed, layer_of
from ingest.streams import Bomb
from ingest.totals import run_totals
from ingest.writer import Delivery, Writer

BATCH_ROWS = 40_000


class Stopped(Exception):
    """An import ended early; ``run`` says what became of what was read (None: it never began)."""

    run: IngestRun | None = None


class Refused(Stopped):
    """The input was refused and nothing of it was kept (exit 3)."""


class Unfinished(Stopped):
    """The import could not finish; what was committed stays and a retry completes it (exit 1)."""


class SourceWrong(Unfinished):
    """The source has a bug: reading the same again, or sending it, changes nothing until that is mended."""


@dataclass
class Intake:
    """One run and what its records are read with. ``whole``: called in the transaction that ends a complete run."""

    run: IngestRun
    source: Source
    context: Context
    breaker: Breaker
    progress: Callable[[int], None] = lambda _: None  # called with the records read so far
    whole: Callable[[IngestRun], dict[str, Any]] = lambda _: {}  # what it did, for the run's notes
    stays_open: bool = False  # one run of many small deliveries that never restate each other: nothing is closed here


@dataclass
class _Progress:
    delivered: int = 0
    error: BaseException | None = None


def take(intake: Intake, found: Iterable[Group]) -> IngestRun:
    """Write groups and finish the run. Raises Refused and Unfinished, with the run as it ended.

    Idempotent: the same records in any order, cut or repeated leave the same facts.
    """
    run, source = intake.run, intake.source
    classifier, loaded = current_classifier(), price_book()
    writer = Writer(
        run, Keys(lambda: layer_of(source, intake.context), source.kind, loaded), classifier,
        line_keys=Keys(source.lines_layer, source.kind, loaded),
    )  # fmt: skip
    if not source.keeps_readings:
        return _take(intake, found, writer)
    with meters.one_at_a_time(source.kind, run.account):
        intake.context.state["readings"] = meters.KeptReadings(source.kind, run.account)
        return _take(intake, found, writer)


def _take(intake: Intake, found: Iterable[Group], writer: Writer) -> IngestRun:
    run, name = intake.run, intake.run.input_name
    if intake.stays_open:
        return _take_open(intake, found, writer)
    try:
        _pump(_deliveries(intake, found), writer, intake.progress)
        settle_moved(run, writer.days, writer.classifier)
        return _finish(intake, writer, IngestRun.State.DONE, "")
    except (Bomb, NotThisKind, Refused) as refusal:
        kept = run_committed(run)
        state = IngestRun.State.FAILED if kept else IngestRun.State.REFUSED
        stop = (Unfinished if kept else Refused)(f"{name}: {refusal}")
        stop.run = _break_off(intake, writer, state, str(refusal))
        raise stop from None
    except FenceLost as lost:
        raise Unfinished(str(lost)) from None
    except (Unfinished, OSError, DatabaseError) as error:
        reason = str(error) or type(error).__name__
        stop = Unfinished(f"{name}: {reason}")
        stop.run = _break_off(intake, writer, IngestRun.State.FAILED, reason)
        raise stop from error
    except SourceFailed as failed:
        stop = SourceWrong(f"{name}: {failed}")
        stop.run = _break_off(intake, writer, IngestRun.State.FAILED, str(failed))
        raise stop from failed
    except KeyboardInterrupt:
        stop = Unfinished(f"{name}: interrupted; the same command completes it")
        stop.run = _break_off(intake, writer, IngestRun.State.FAILED, "interrupted")
        raise stop from None
    except BaseException as error:  # a bug: the run says so at once, the error goes on
        _break_off(intake, writer, IngestRun.State.FAILED, f"{type(error).__name__}: {error}")
        raise


def _take_open(intake: Intake, found: Iterable[Group], writer: Writer) -> IngestRun:
    try:
        for delivery in _deliveries(intake, found):
            _write(writer, delivery)
    except (FenceLost, DatabaseError) as error:
        raise Unfinished(str(error) or type(error).__name__) from error
    except SourceFailed as failed:
        raise SourceWrong(str(failed)) from failed
    return intake.run


def _break_off(intake: Intake, writer: Writer, state: str, reason: str) -> IngestRun | None:
    """End a run early. None when somebody else has ended it; without a database it is left for the reaper."""
    connection.close_if_unusable_or_obsolete()
    try:
        return _finish(intake, writer, state, reason)
    except FenceLost:
        return None
    except DatabaseError:
        return intake.run


def run_committed(run: IngestRun) -> bool:
    """Whether a batch of the run has been committed."""
    return IngestRun.objects.filter(pk=run.pk, read__gt=0).exists()


def _finish(intake: Intake, writer: Writer, state: str, reason: str) -> IngestRun:
    run, context = intake.run, intake.context
    notes: dict[str, Any] = {}
    for name, counted in (("dropped_tags", context.dropped_tags), ("unknown_fields", context.unknown_fields)):
        if counted:
            notes[name] = dict(counted.most_common(50))
    if writer.keys.folded:
        notes["folded_keys"] = writer.keys.folded
    totals = run_totals(writer.kept, writer.keys.book, writer.billed)
    with transaction.atomic():
        runs.end_when_stopped("LOCAL")
        if state == IngestRun.State.DONE:
            coverage.extend(run, context.covered)
            notes |= intake.whole(run)
        identity = context.state.get("identity", run.identity)
        runs.finish(run, state, reason=reason, identity=identity, totals=totals, notes=notes)
    return run


def _deliveries(intake: Intake, found: Iterable[Group]) -> Iterator[Delivery]:
    """Groups gathered into batches; raises Refused or Unfinished when the breaker opens or a stream ends."""
    breaker, waiting = intake.breaker, _Waiting()
    any_yielded = False
    for group in found:
        breaker.see(group, len(group.usage) + len(group.lines))
        if breaker.open:
            raise (Unfinished if any_yielded else Refused)(breaker.open)
        waiting.add(group)
        if group.truncated or waiting.rows >= BATCH_ROWS:
            yield waiting.delivery(intake)
            any_yielded, waiting = True, _Waiting()
        if group.truncated:
            raise Unfinished(group.truncated)
    if waiting.rows or waiting.current.read:
        yield waiting.delivery(intake)


class _Waiting:
    """Groups on their way to one transaction."""

    def __init__(self) -> None:
        self.usage = [USAGE_SCHEMA.empty_table()]
        self.lines = [LINE_SCHEMA.empty_table()]
        self.current = Delivery(None)
        self.rows = 0

    def add(self, group: Group) -> None:
        self.current.read += group.read
        self.current.places += group.rejects
        self.current.skipped += group.skipped
        self.usage.append(group.usage)
        self.lines.append(group.lines)
        self.rows += len(group.usage) + len(group.lines)

    def delivery(self, intake: Intake) -> Delivery:
        kind, account, accounts = intake.source.kind, intake.run.account, intake.context.billing_accounts
        self.current.batch = make_batch(kind, account, named_accounts(pa.concat_tables(self.usage), account, accounts))
        if lines := pa.concat_tables(self.lines):
            self.current.lines = make_line_batch(kind, account, named_accounts(lines, account, accounts))
        readings = intake.context.state.get("readings")
        if isinstance(readings, meters.KeptReadings) and (new := readings.take()):
            self.current.also = partial(meters.keep, intake.run.pk, kind, account, new)
        return self.current


def _write(writer: Writer, delivery: Delivery) -> None:
    with connection.wrap_database_errors:  # COPY goes past Django and raises psycopg's own
        writer.write(delivery)


def _pump(deliveries: Iterator[Delivery], writer: Writer, progress: Callable[[int], None]) -> None:
    """Read and calculate here while another thread, with its own connection, writes the batch before."""
    waiting: queue.Queue[Delivery | None] = queue.Queue(maxsize=1)
    state = _Progress()

    def write() -> None:
        try:
            runs.end_when_stopped("SESSION", writer.run)
            while (delivery := waiting.get()) is not None:
                if state.error is None:
                    _write(writer, delivery)
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
