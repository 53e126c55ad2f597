"""What ``verify`` finds wrong with what a close has noted: journals, accruals, and who asked for and who decided what."""

from collections.abc import Iterator
from typing import Any

from django.db import connection

from allocation.close import accruals, journal
from allocation.models import AccrualRun, JournalEntry
from finops.models import Approval, AuditEvent
from finops.periods import Period

# A decision with what the audit trail says of the request and of the decision; NULL where it says nothing.
_DECISIONS = """
SELECT a.id, a.kind, a.subject, a.details ->> 'month', a.state, a.prepared_by, a.decided_by, asked.actor, done.actor,
    coalesce(done.details @> '{"self_approved": true}', false)
FROM finops_approval a
LEFT JOIN finops_auditevent asked ON asked.action = a.kind || '.propose' AND asked.details ->> 'approval' = a.id::text
LEFT JOIN finops_auditevent done ON done.details ->> 'approval' = a.id::text AND done.action = a.kind
    || CASE a.state WHEN 'accepted' THEN '.approve' WHEN 'rejected' THEN '.reject' ELSE '.supersede' END
WHERE a.state <> 'proposed' ORDER BY a.id
"""


def checked() -> int:
    """Journals, accrual runs and decisions."""
    decided = Approval.objects.exclude(state=Approval.State.PROPOSED).count()
    return JournalEntry.objects.count() + AccrualRun.objects.count() + decided


def violations() -> list[str]:
    """One line for each that does not hold."""
    return [*_journals(), *_accruals(), *_decisions()]


def _journals() -> Iterator[str]:
    told = _told("journal.build")
    for entry in JournalEntry.objects.order_by("month", "number"):
        if journal.digest(journal.stored(entry)) != entry.content_hash:
            yield f"{entry}: its lines are not those its hash is of"
        elif told.get(str(entry)) != entry.content_hash:
            yield f"{entry}: its hash is not the one in the audit trail"


def _accruals() -> Iterator[str]:
    told = _told("accruals.run")
    for run in AccrualRun.objects.order_by("month", "version"):
        named = f"{Period.month_of(run.month)} accruals v{run.version}"
        if accruals.digest(run.accruals.all(), run.trueups.all()) != run.content_hash:
            yield f"{named}: accruals and true-ups are not those their hash is of"
        elif told.get(str(run)) != run.content_hash:
            yield f"{named}: the hash is not the one in the audit trail"


def _told(action: str) -> dict[str, Any]:
    """Subject -> hash, as the audit trail was told last."""
    rows = AuditEvent.objects.filter(action=action).order_by("id").values_list("subject", "details")
    return {subject: details.get("sha256") for subject, details in rows}


def _decisions() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(_DECISIONS)
        rows = cursor.fetchall()
    for number, kind, subject, month, state, prepared, decided, asked_by, done_by, alone in rows:
        named = f"{month or kind}: request {number} ({subject})"
        if asked_by != prepared:
            yield f"{named} is {prepared}'s; the audit trail says {asked_by or 'nobody'}"
        elif done_by != decided:
            yield f"{named} was {state} by {decided}; the audit trail says {done_by or 'nobody'}"
        elif state == Approval.State.ACCEPTED and prepared == decided and not alone:
            yield f"{named} was prepared and accepted by {prepared} alone"
