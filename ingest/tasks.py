"""Tasks of ingest."""

import logging

from finops.celery import app
from ingest import runs
from ingest.folders import sweep
from ingest.lease import Busy
from ingest.models import Connection
from ingest.pull import LeaseLost
from ingest.sync import due, sync

log = logging.getLogger(__name__)

WAITS = 900  # seconds


@app.task(name="ingest.reap")
def reap() -> None:
    """End runs whose process has died."""
    runs.reap()


@app.task(name="ingest.sync_due")
def sync_due() -> None:
    """Hand out what is due; who gets it twice finds it held, or no longer due.

    One waits while workers are at longer work (a month is rated anew) rather than be dropped for the next, which would
    wait behind the same.
    """
    for connection in due():
        sync_one.apply_async((connection.pk,), expires=WAITS)


@app.task(name="ingest.sync_one")
def sync_one(connection_id: int) -> None:
    """Pull one connection, or take the new files of one folder, if it is still due and nobody else does."""
    connection = next((item for item in due() if item.pk == connection_id), None)
    if connection is None:
        return
    try:
        (sweep if connection.way == Connection.Way.FOLDER else sync)(connection)
    except (Busy, LeaseLost) as lost:
        log.info("%s", lost)
