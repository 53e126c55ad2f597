"""The audit trail: a chain of hashes over everything that people and commands change."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from finops import requests
from finops.models import AuditEvent, AuditHead

SYSTEM = "system"  # who does what nobody asked for at that moment
_acting: ContextVar[str] = ContextVar("acting", default=SYSTEM)
_LOCK = 0x41554449  # "AUDI": one writer at a time, else two rows would name the same predecessor
# Now, and what the next event goes on from.
_ENDS = """
SELECT clock_timestamp(), coalesce(
    (SELECT hash FROM finops_audithead), (SELECT hash FROM finops_auditevent ORDER BY id DESC LIMIT 1))
"""


class Head(NamedTuple):
    """Where the trail ends: how many events there are, the id of the last one and its hash in hexadecimal."""

    events: int
    last: int
    sha256: str


def _digest(previous: bytes, at: datetime, actor: str, action: str, subject: str, details: dict[str, Any]) -> bytes:
    row = json.dumps([at.isoformat(), actor, action, subject, details], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(previous + row.encode()).digest()


def record(*, action: str, actor: str, subject: str, details: dict[str, Any] | None = None) -> AuditEvent:
    """Append one event, in the caller's transaction: what was rolled back was not done. The time is the database's.

    It goes on from the head, which a trigger advances: where the end was cut off, from the event that is missing. Within a
    request ``details`` get its id as ``request``, unless they say one.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(_ENDS)
        at, ends = cursor.fetchone()
        previous = bytes(ends) if ends is not None else b""
        body = json.loads(json.dumps(details or {}, default=str))
        if not body.get("request") and (request := requests.current()):
            body["request"] = request
        return AuditEvent.objects.create(
            at=at, actor=actor[:150], action=action, subject=subject[:300], details=body, previous_hash=previous,
            hash=_digest(previous, at, actor[:150], action, subject[:300], body),
        )  # fmt: skip


@contextmanager
def acting(name: str) -> Iterator[None]:
    """Inside, ``who`` is this person: what follows from what they do is theirs."""
    token = _acting.set(name)
    try:
        yield
    finally:
        _acting.reset(token)


def who() -> str:
    """Whose doing it is; SYSTEM where nobody said."""
    return _acting.get()


def broken_links() -> Iterator[int]:
    """Ids of events whose hash or predecessor does not fit: empty for an untouched trail."""
    previous = b""
    for event in AuditEvent.objects.order_by("id").iterator():
        expected = _digest(previous, event.at, event.actor, event.action, event.subject, event.details)
        if bytes(event.previous_hash) != previous or bytes(event.hash) != expected:
            yield event.id
        previous = bytes(event.hash)


def head() -> Head:
    """Where the trail ends, as its head says: to be kept elsewhere too, for it can be compared later (``cut``)."""
    held = AuditHead.objects.first()
    return Head(held.events, held.last, bytes(held.hash).hex()) if held is not None else Head(0, 0, "")


def cut(known: Head | None = None, named: str = "the head") -> list[str]:
    """What is missing of the trail up to a head, by default its own: events that are gone, an end that is another.

    ``known``: a head that was kept elsewhere, ``named`` so in what is told.
    """
    end = head() if known is None else known
    there = AuditEvent.objects.all() if known is None else AuditEvent.objects.filter(id__lte=end.last)
    count, last = there.count(), there.order_by("-id").first()
    if count == end.events and (last is None or bytes(last.hash).hex() == end.sha256):
        return []
    ends = f"the last is event {last.id}" if last is not None else "none is there"
    if not end.events:
        return [f"{named} is gone: {count} events are there, {ends}"]
    if last is None or last.id < end.last:
        gone = f"the end is cut off after event {last.id}" if last is not None else "all are gone"
        return [f"{end.events - count} of {end.events} events are missing: {gone}, {named} says event {end.last}"]
    if count != end.events:
        return [f"{end.events - count} of {end.events} events are missing up to event {end.last}, by {named}"]
    return [f"event {end.last} is not the one that {named} says ({end.sha256[:12]})"]
