"""Who holds a connection: one process at a time, until it lets go, or dies and the lease passes."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import connection as database
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Greatest, Now

from ingest import runs
from ingest.models import Connection, IngestRun
from ingest.pull import LeaseLost

LEASE = timedelta(minutes=5)


class Busy(Exception):
    """Another worker holds the connection, until ``until`` unless it goes on; None: it let go just now."""

    def __init__(self, name: str, until: datetime | None) -> None:
        when = f" until {until.astimezone(UTC):%H:%M} UTC" if until else ""
        super().__init__(f"{name} is being synchronised by another worker{when}")
        self.until = until


class Lease:
    """A connection held by this process until it lets go, or dies and the lease passes."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.fence = connection, uuid.uuid4()

    def renew(self) -> None:
        """Hold on, also to the run that waits for its next page. Raises LeaseLost."""
        held = Connection.objects.filter(pk=self.connection.pk, fence=self.fence, lease_until__gt=Now())
        if not held.update(lease_until=Now() + LEASE):
            raise LeaseLost(f"{self.connection.name} was taken over by another worker")
        mine = IngestRun.objects.filter(connection=self.connection, state=IngestRun.State.RUNNING)
        mine.update(lease_until=Greatest("lease_until", Now() + runs.LEASE), heartbeat_at=Now())


@contextmanager
def leased(connection: Connection) -> Iterator[Lease]:
    """Hold the connection. Raises Busy. Runs that a former holder left open are ended: it cannot commit any more."""
    lease = Lease(connection)
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    with transaction.atomic():
        taken = Connection.objects.filter(free, pk=connection.pk).update(
            # "At once" is answered by this: who asks again meanwhile, asks for another.
            fence=lease.fence,
            lease_until=Now() + LEASE,
            last_tried_at=Now(),
            next_due_at=Coalesce("next_due_at", Now()),
        )
        if not taken:
            held = Connection.objects.filter(pk=connection.pk).values_list("lease_until", flat=True)
            raise Busy(connection.name, held.first())
        left = IngestRun.objects.filter(connection=connection, state=IngestRun.State.RUNNING)
        if ids := list(left.values_list("pk", flat=True)):
            runs.end_sessions(ids)
            left.update(state=IngestRun.State.FAILED, reason="its worker died", finished_at=Now())
    try:
        yield lease
    finally:
        database.close_if_unusable_or_obsolete()
        Connection.objects.filter(pk=connection.pk, fence=lease.fence).update(fence=None, lease_until=None)
