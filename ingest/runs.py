"""Runs: one attempt to read one input, with a lease that a dead process cannot keep and a fence it cannot pass."""

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from ingest.models import IngestRun, Quarantine
from ingest.reading import Place

LEASE = timedelta(minutes=5)
SHARED = timedelta(hours=1, minutes=10)  # of a shared run, from its hour
PUSHED = ("traces", "metrics")  # streams of shared runs


class FenceLost(Exception):
    """Somebody ended this run after its lease had passed; nothing more of it is committed."""


def database_now() -> datetime:
    """The database's clock: leases and default observation times use no other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def start(*, source: str, account: str, input_name: str, observed_at: datetime | None, **values: Any) -> IngestRun:
    """Open a run, with other fields of it; expired runs are ended first."""
    reap()
    now = database_now()
    return IngestRun.objects.create(
        source=source, account=account, input_name=input_name[:500], observed_at=observed_at or now, heartbeat_at=now,
        lease_until=now + LEASE, fence=uuid.uuid4(), **values,
    )  # fmt: skip


def shared(*, source: str, account: str, stream: str) -> IngestRun:
    """The open run of this hour that many small deliveries share; whoever is first opens it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{source} {account} {stream}"])
        now = database_now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        values = {"source": source, "account": account, "stream": stream, "window_start": hour}
        open_run = IngestRun.objects.filter(state=IngestRun.State.RUNNING, **values).first()
        return open_run or IngestRun.objects.create(
            input_name=f"{stream} from {hour:%Y-%m-%d %H:%M}", observed_at=now, heartbeat_at=now, fence=uuid.uuid4(),
            lease_until=hour + SHARED, window_end=hour + timedelta(hours=1), **values,
        )  # fmt: skip


def end_when_stopped(scope: str, run: IngestRun | None = None) -> None:
    """Let the database end a session whose process stops in the middle of a transaction, before its lease passes.

    So it keeps no locks from whoever takes over, and cannot commit when it wakes. ``scope``: SESSION, or LOCAL to this
    transaction. ``run``: the session is that run's alone, so that whoever ends the run can end the session too.
    """
    milliseconds = round(LEASE.total_seconds() * 800)
    with connection.cursor() as cursor:
        cursor.execute(f"SET {scope} idle_in_transaction_session_timeout = {milliseconds}")
        if run is not None:
            cursor.execute("SELECT set_config('application_name', %s, false)", [f"finops run {run.pk}"])


def end_sessions(ids: Sequence[int]) -> None:
    """End what sessions these runs still have: one that stands still within a COPY heeds no time-out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = ANY(%s) AND pid <> pg_backend_pid()",
            [[f"finops run {pk}" for pk in ids]],
        )


def reap() -> int:
    """End runs whose lease has passed. What they committed stays; a retry completes it. Shared runs are then done."""
    over = IngestRun.objects.filter(state=IngestRun.State.RUNNING, lease_until__lt=Now())
    is_shared = Q(stream__in=PUSHED, connection=None)
    done = over.filter(is_shared).update(state=IngestRun.State.DONE, finished_at=Now())
    dead = list(over.exclude(is_shared).values_list("pk", flat=True))
    if not dead:
        return done
    end_sessions(dead)
    return done + over.filter(pk__in=dead).update(
        state=IngestRun.State.FAILED, reason="lease expired", finished_at=Now()
    )


def advance(run: IngestRun, counts: dict[str, int], *, skipped: Counter[str]) -> None:
    """Add counts and renew the lease, in the transaction of a batch. Raises FenceLost."""
    if skipped:  # others may add to the same run: a JSON column knows no "+ 1"
        known = IngestRun.objects.select_for_update().values_list("skipped", flat=True).get(pk=run.pk)
        run.skipped = dict(Counter(known) + skipped)
    updated = IngestRun.objects.filter(pk=run.pk, fence=run.fence, state=IngestRun.State.RUNNING).update(
        heartbeat_at=Now(), lease_until=Greatest("lease_until", Now() + LEASE),
        **({"skipped": run.skipped} if skipped else {}), **{name: F(name) + count for name, count in counts.items()},
    )  # fmt: skip
    if not updated:
        raise FenceLost(f"run {run.pk} was ended by another process")


def quarantine(run: IngestRun, places: Sequence[Place]) -> None:
    """Record rejects, without their content."""
    Quarantine.objects.bulk_create(
        [
            Quarantine(
                run=run, reason=place.reason, detail=place.detail[:200], place=place.place[:200],
                byte_offset=place.offset, sha256=place.digest,
            )
            for place in places
        ]
    )  # fmt: skip


def finish(run: IngestRun, state: str, *, reason: str = "", **values: Any) -> None:
    """Close the run. Raises FenceLost."""
    updated = IngestRun.objects.filter(pk=run.pk, fence=run.fence, state=IngestRun.State.RUNNING).update(
        state=state, reason=reason[:500], finished_at=Now(), **values
    )
    if not updated:
        raise FenceLost(f"run {run.pk} was ended by another process")
    run.refresh_from_db()
