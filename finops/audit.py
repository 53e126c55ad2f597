"""The audit trail: a chain of hashes over everything that people and commands change."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from finops.models import AuditEvent

_LOCK = 0x41554449  # "AUDI": one writer at a time, else two rows would name the same predecessor


def _digest(previous: bytes, at: datetime, actor: str, action: str, subject: str, details: dict[str, Any]) -> bytes:
    row = json.dumps([at.isoformat(), actor, action, subject, details], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(previous + row.encode()).digest()


def record(*, action: str, actor: str, subject: str, details: dict[str, Any] | None = None) -> AuditEvent:
    """Append one event, in the caller's transaction: what was rolled back was not done. The time is the database's."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT clock_timestamp()")
        at = cursor.fetchone()[0]
        last = AuditEvent.objects.order_by("-id").values_list("hash", flat=True).first()
        previous = bytes(last) if last is not None else b""
        body = json.loads(json.dumps(details or {}, default=str))
        return AuditEvent.objects.create(
            at=at, actor=actor[:150], action=action, subject=subject[:300], details=body, previous_hash=previous,
            hash=_digest(previous, at, actor[:150], action, subject[:300], body),
        )  # fmt: skip


def broken_links() -> Iterator[int]:
    """Ids of events whose hash or predecessor does not fit: empty for an untouched trail."""
    previous = b""
    for event in AuditEvent.objects.order_by("id").iterator():
        expected = _digest(previous, event.at, event.actor, event.action, event.subject, event.details)
        if bytes(event.previous_hash) != previous or bytes(event.hash) != expected:
            yield event.id
        previous = bytes(event.hash)
