"""Runs that brought nothing and are to be seen as such no more: an administrator says so, or their connection goes.

A dismissed run stays where all runs are. An account whose runs are all dismissed is no source that anybody waits for; the
next run of it shows it again.
"""

from typing import Any

from django.db import transaction
from django.db.models import JSONField, Q, QuerySet, Value
from django.db.models.expressions import CombinedExpression, F

from finops import audit
from finops.models import User
from ingest.models import Connection, IngestRun

DISMISSED = "dismissed"  # of the notes of a run: why
_ENDED_BADLY = Q(state__in=(IngestRun.State.FAILED, IngestRun.State.REFUSED))


class CannotDismiss(Exception):
    """There is nothing to dismiss; the message says why."""


def dismiss(kind: str, account: str, *, by: User) -> None:
    """Dismiss what failed of an account that has no connection and of which no run has finished. Raises CannotDismiss."""
    with transaction.atomic():
        runs = IngestRun.objects.filter(source=kind, account=account, connection=None)
        if runs.filter(state=IngestRun.State.DONE).exists():
            raise CannotDismiss(
                f"{kind}, account {account}, has delivered; only one whose runs all failed is dismissed"
            )
        number = _mark(runs.filter(_ENDED_BADLY).exclude(notes__has_key=DISMISSED), f"by {by.get_username()}")
        if not number:
            raise CannotDismiss(f"{kind}, account {account}, has no failed run")
        details = {"kind": kind, "account": account[:200], "runs": number}
        audit.record(
            action="imports.dismissed", actor=by.get_username(), subject=f"{kind} {account}"[:300], details=details
        )


def with_connection(connection: Connection) -> None:
    """Dismiss the runs of a connection that is removed which brought nothing; in the caller's transaction."""
    runs = IngestRun.objects.filter(connection=connection)
    brought_nothing = Q(state=IngestRun.State.DONE, stored=0, changed=0)
    _mark(runs.filter(_ENDED_BADLY | brought_nothing), f"with the connection {connection.name}")


def _mark(runs: "QuerySet[IngestRun]", why: str) -> int:
    note: Any = Value({DISMISSED: why}, output_field=JSONField())
    return runs.update(notes=CombinedExpression(F("notes"), "||", note, output_field=JSONField()))
