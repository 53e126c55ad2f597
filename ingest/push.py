"""Records that are sent to us: a batch by POST /api/v1/events, spans and points by OTLP."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from ingest import runs
from ingest.breaker import Breaker
from ingest.calc.reasons import Rejected
from ingest.intake import Intake, take
from ingest.items import Item
from ingest.models import IngestRun
from ingest.reading import Group, groups_of_items
from ingest.services import context_of, latest_us
from ingest.source import NotThisKind, Record, Source
from ingest.source_faults import called, listed
from ingest.sources import get_source

MAX_BATCH = 10_000


class TooMany(ValueError):
    """More records than one request may hold."""


def take_batch(kind: str, account: str, records: Sequence[Any], *, mapping: Any = None) -> IngestRun:
    """Store a batch as a run of its own: every record is stored, known or quarantined when this returns.

    ``records``: parsed by ``ingest.calc.records.load_json``, so that numbers are exact. Raises UnknownKind, MappingError,
    TooMany, Unfinished when the database could not take it (the same batch may be sent again), and SourceWrong.
    """
    if len(records) > MAX_BATCH:
        raise TooMany(f"{len(records):,} records; at most {MAX_BATCH:,} at once")
    source, context = get_source(kind), context_of(mapping=mapping)
    name = f"pushed batch of {len(records):,}"
    run = runs.start(source=kind, account=account, input_name=name, observed_at=None)
    found = groups_of_items(_items(records, source), source, context, latest_us=latest_us())
    return take(Intake(run, source, context, Breaker(off=True)), found)


def take_stream(kind: str, account: str, stream: str, records: Sequence[Any]) -> list[Group]:
    """Store records that never restate each other in the run of this hour; returns them as read, rejects included.

    Committed when this returns. Raises Unfinished when the database could not take them, and SourceWrong.
    """
    source, context = get_source(kind), context_of()
    run = runs.shared(source=kind, account=account, stream=stream)
    found: list[Group] = []

    def groups() -> Iterator[Group]:
        for group in groups_of_items(_items(records, source), source, context, latest_us=latest_us()):
            found.append(group)
            yield group

    take(Intake(run, source, context, Breaker(off=True), stays_open=True), groups())
    return found


def _items(records: Sequence[Any], source: Source) -> Iterator[Item]:
    """Records of a batch, each object, page of objects, or what was wrong with its text."""
    number = 0
    for place, value in enumerate(records):
        digest = sha256(json.dumps(value, sort_keys=True, default=str).encode()).digest()
        for pointer, record in _records(value, source, f"event {place}"):
            yield Item(f"event {place}{pointer}", number, None, digest, record)
            number += 1


def _records(value: Any, source: Source, place: str) -> Iterator[tuple[str, Record | Rejected]]:
    if isinstance(value, Rejected):
        yield "", value
    elif not isinstance(value, dict):
        yield "", Rejected("unknown_shape", "not an object")
    elif not called(source, place, source.is_page, value):
        yield "", value
    else:
        try:
            for pointer, record in listed(source, place, source.records, value):
                yield pointer, record if isinstance(record, dict) else Rejected("unknown_shape", "not an object")
        except NotThisKind as other:
            yield "", Rejected("unknown_shape", str(other)[:200])
