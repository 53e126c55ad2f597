"""Four eyes: who prepares a thing of money does not approve it, unless the site says that one person may."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from finops import audit
from finops.models import Approval


class ApprovalError(ValueError):
    """A request cannot be decided; the message says why."""


class SelfApproval(ApprovalError):
    """Somebody tried to approve what they prepared."""


def propose(kind: str, subject: str, details: dict[str, Any], by: str) -> Approval:
    """Ask for something; whoever carries it out looks for its acceptance."""
    with transaction.atomic():
        asked = Approval.objects.create(kind=kind, subject=subject[:300], details=details, prepared_by=by[:150])
        audit.record(action=f"{kind}.propose", actor=by, subject=subject, details={"approval": asked.pk} | details)
    return asked


@transaction.atomic
def decide(approval: Approval, *, by: str, accept: bool, reason: str = "") -> Approval:
    """Accept or reject, once. Raises SelfApproval and ApprovalError. Withdrawing one's own request is no approval."""
    held = Approval.objects.select_for_update().get(pk=approval.pk)
    if held.state != Approval.State.PROPOSED:
        raise ApprovalError(f"{held.kind} {held.subject} was {held.state} by {held.decided_by} already")
    if accept and held.prepared_by == by[:150] and not settings.SELF_APPROVAL:
        raise SelfApproval(f"{by} prepared this: another person has to approve it")
    held.state = Approval.State.ACCEPTED if accept else Approval.State.REJECTED
    held.decided_by, held.reason = by[:150], reason
    Approval.objects.filter(pk=held.pk).update(
        state=held.state, decided_by=held.decided_by, reason=reason, decided_at=Now()
    )
    verb = "approve" if accept else "reject"
    details = {"approval": held.pk, "prepared_by": held.prepared_by, "reason": reason}
    audit.record(action=f"{held.kind}.{verb}", actor=by, subject=held.subject, details=details)
    held.refresh_from_db()
    return held


def waiting(kind: str) -> list[Approval]:
    """What waits for a decision, the oldest first."""
    return list(Approval.objects.filter(kind=kind, state=Approval.State.PROPOSED).order_by("pk"))
