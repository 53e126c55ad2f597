"""What pages and API do to connections beyond ingest.connections: try before saving, ask for a sync, change the rhythm."""

import threading
from datetime import timedelta

from django.db import connection as database
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from finops import audit
from finops.models import User
from ingest.connections import LEAST, Settings, Trial, WrongConnection, connect, try_out
from ingest.connections import NAME as NAME
from ingest.models import Connection

PATIENCE = 25.0  # seconds that a person waits for a trial


class NotTried(Exception):
    """The trial failed and nothing was saved; the message says why."""


class CannotSync(Exception):
    """There is nothing to pull, or it is switched off."""


@sensitive_variables("secret")
def connect_tried(
    settings: Settings, secret: str, *, by: User | None, untried: bool
) -> tuple[Connection, Trial | None]:
    """Save a connection after it answered, or unseen by choice. Raises WrongConnection, PullFailed, NotTried."""
    trial = None
    item = _unsaved(settings, secret, by)
    if not untried:
        trial = _try(item)
        if not trial.ok:
            raise NotTried(trial.said)
    return connect(settings, secret=secret, by=by), trial


@sensitive_variables("secret")
def _unsaved(settings: Settings, secret: str, by: User | None) -> Connection:
    """The connection as it would be, checked and with its key sealed; nothing of it is kept."""
    with transaction.atomic():
        made = connect(settings, secret=secret, by=by)
        transaction.set_rollback(True)
    return made


def _try(item: Connection) -> Trial:
    """The trial, or that it took too long: a client that waits for a slow provider is patient, a person is not."""
    found: list[Trial] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(try_out(item))
        except BaseException as error:  # noqa: BLE001  raised again where somebody hears it
            errors.append(error)
        finally:
            database.close()

    thread = threading.Thread(target=run, name="connection-trial", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if errors:
        raise errors[0]
    return found[0] if found else Trial(False, f"{item.base_url} did not answer within {PATIENCE:.0f} seconds")


def ask_for_sync(item: Connection, *, by: User) -> None:
    """Due at once: the next tick hands it to a worker. Raises CannotSync."""
    if item.way == Connection.Way.PUSH:
        raise CannotSync(f"{item.name} is pushed to us; there is nothing to pull")
    if not item.enabled:
        raise CannotSync(f"{item.name} is disabled; enable it first")
    with transaction.atomic():
        Connection.objects.filter(pk=item.pk).update(next_due_at=None)
        audit.record(action="connection.sync_asked", actor=by.get_username(), subject=item.name)


def set_every(item: Connection, every: timedelta, *, by: User) -> None:
    """How often it is pulled, from now on. Raises WrongConnection."""
    if every < LEAST:
        raise WrongConnection("more than once a minute is more than providers bear")
    latest = timezone.now() + every
    with transaction.atomic():
        row = Connection.objects.select_for_update().get(pk=item.pk)
        row.every = every
        row.next_due_at = min(row.next_due_at, latest) if row.next_due_at else None
        row.save(update_fields=["every", "next_due_at"])
        details = {"every_seconds": round(every.total_seconds())}
        audit.record(action="connection.every", actor=by.get_username(), subject=item.name, details=details)
