"""Four eyes: who prepares a thing of money does not approve it, unless the site says that one person may."""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from finops import audit, fx
from finops.database.roles import SELF_APPROVAL, told
from finops.models import Approval

EVERY_KIND = "*"


class ApprovalError(ValueError):
    """A request cannot be decided; the message says why."""


class SelfApproval(ApprovalError):
    """Somebody tried to approve what they prepared."""


class AboveLimit(ApprovalError):
    """It is about more money than the person may approve (FINOPS_APPROVAL_LIMITS)."""


class Worth(NamedTuple):
    """How much money a request is about."""

    amount: Decimal
    currency: str


def propose(kind: str, subject: str, details: dict[str, Any], by: str, worth: Worth | None = None) -> Approval:
    """Ask for something; whoever carries it out looks for its acceptance.

    ``worth``: what limits are compared with; None: it is about no amount that anybody could name.
    """
    if worth is not None:
        details = details | {"worth": {"amount": str(worth.amount), "currency": worth.currency}}
    with transaction.atomic():
        asked = Approval.objects.create(kind=kind, subject=subject[:300], details=details, prepared_by=by[:150])
        audit.record(action=f"{kind}.propose", actor=by, subject=subject, details={"approval": asked.pk} | details)
    return asked


@transaction.atomic
def decide(approval: Approval, *, by: str, accept: bool, reason: str = "", roles: Collection[str] = ()) -> Approval:
    """Accept or reject, once. Raises SelfApproval, AboveLimit and ApprovalError. Withdrawing one's own is no approval.

    ``roles``: those of the person, which limits may name.
    """
    held = Approval.objects.select_for_update().get(pk=approval.pk)
    if held.state != Approval.State.PROPOSED:
        raise ApprovalError(f"{held.kind} {held.subject} was {held.state} by {held.decided_by} already")
    if accept and held.prepared_by == by[:150]:
        _refuse_alone(by)
    if accept:
        _refuse_above_limit(held, {by[:150], *roles})
    held.state = Approval.State.ACCEPTED if accept else Approval.State.REJECTED
    held.decided_by, held.reason = by[:150], reason
    Approval.objects.filter(pk=held.pk).update(
        state=held.state, decided_by=held.decided_by, reason=reason, decided_at=Now()
    )
    verb = "approve" if accept else "reject"
    details = {"approval": held.pk, "prepared_by": held.prepared_by, "reason": reason}
    if accept and held.prepared_by == held.decided_by:
        details["self_approved"] = True
    audit.record(action=f"{held.kind}.{verb}", actor=by, subject=held.subject, details=details)
    held.refresh_from_db()
    return held


@transaction.atomic
def supersede(approval: Approval, *, by: str, reason: str) -> None:
    """Close a request that nobody decided because something newer stands in its place; no verdict on it."""
    held = Approval.objects.select_for_update().get(pk=approval.pk)
    if held.state != Approval.State.PROPOSED:
        raise ApprovalError(f"{held.kind} {held.subject} was {held.state} by {held.decided_by} already")
    Approval.objects.filter(pk=held.pk).update(
        state=Approval.State.SUPERSEDED, decided_by=by[:150], reason=reason, decided_at=Now()
    )
    details = {"approval": held.pk, "prepared_by": held.prepared_by, "reason": reason}
    audit.record(action=f"{held.kind}.supersede", actor=by, subject=held.subject, details=details)


def waiting(kind: str) -> list[Approval]:
    """What waits for a decision, the oldest first."""
    return list(Approval.objects.filter(kind=kind, state=Approval.State.PROPOSED).order_by("pk"))


def limit_of(kind: str, names: Collection[str]) -> Decimal | None:
    """The largest amount that a person of these names (user name, roles) may approve of a kind; None: any.

    Limits of the kind go before those of every kind. Where there are limits, whom none of them names has one of 0.
    """
    for of in (kind, EVERY_KIND):
        if limits := settings.APPROVAL_LIMITS.get(of):
            return max((amount for name, amount in limits.items() if name in names), default=Decimal(0))
    return None


def _refuse_alone(by: str) -> None:
    if not settings.SELF_APPROVAL:
        raise SelfApproval(f"{by} prepared this: another person has to approve it")
    with connection.cursor() as cursor:
        if not told(cursor, SELF_APPROVAL):
            raise SelfApproval(
                "FINOPS_SELF_APPROVAL is set and the database does not know it: `manage.py migrate` tells it, as its owner"
            )


def _refuse_above_limit(asked: Approval, names: Collection[str]) -> None:
    worth = asked.details.get("worth")
    if worth is None:
        return
    found = Worth(Decimal(worth["amount"]), worth["currency"])
    if (limit := exceeded(asked.kind, found, names, asked.prepared_at.date())) is not None:
        site = settings.REPORT_CURRENCY
        meant = f"{abs(found.amount).normalize():f} {found.currency}, above the limit of {limit.normalize():f} {site}"
        raise AboveLimit(f"this {asked.kind} is of {meant}: somebody with a higher one has to approve it")


def exceeded(kind: str, worth: Worth, names: Collection[str], day: date) -> Decimal | None:
    """The limit of a person of these names that an amount is above, at the rate of a day; None: it is not."""
    limit, site = limit_of(kind, names), settings.REPORT_CURRENCY
    if limit is None:
        return None
    rate = None if worth.currency == site else fx.on_or_before(worth.currency, site, day)
    return limit if abs(worth.amount) * (rate.rate if rate else 1) > limit else None
