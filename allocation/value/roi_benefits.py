"""Benefits by people: claimed, attested by who owns the cost, accepted by another person of finance. Each effect counts once."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from allocation.calc import outcomes_benefits
from allocation.calc.roi_gains import STATED, gross
from allocation.models import Benefit, Grant
from allocation.scope import EVERYTHING, Scope, roles_of
from allocation.value.outcomes import known
from allocation.value.roi_claims import claim_of
from finops import approvals, audit
from finops.models import Approval

KIND = "benefit"
_WRITERS = {Grant.Role.ANALYST, Grant.Role.FINANCE}


class BenefitError(ValueError):
    """A benefit cannot be claimed, attested or accepted; the message says why and what to do."""


class NotYours(BenefitError):
    """The person may not answer for this cost centre."""


@transaction.atomic
def claim(row: Any, *, by: str, scope: Scope = EVERYTHING) -> Benefit:
    """Claim an effect of a month. Raises allocation.calc.outcomes_fields.Wrong, and BenefitError where it is claimed already.

    The same claim again changes nothing; another one of the same effect and month is refused unless it says ``replaces``,
    and once it is attested always: what two features bring about is one claim with their shares.
    """
    said = outcomes_benefits.parse(row, known(scope))
    held = Benefit.objects.select_for_update().filter(effect=said.effect, month=said.month).first()
    if held is None:
        made = Benefit.objects.create(**said._asdict(), claimed_by=by[:150])
        audit.record(action="benefit.claim", actor=by, subject=str(made), details=said._asdict())
        return made
    if all(getattr(held, name) == value for name, value in said._asdict().items()):
        return held
    if standing(held) not in (Benefit.State.CLAIMED, Benefit.State.REFUSED):
        raise BenefitError(f"{held} is {standing(held)} as it is: claim what is new as an effect of its own")
    if row.get("replaces") not in (True, "true"):
        who = f"{held.cost_centre.code} {', '.join(held.features)}".strip()
        raise BenefitError(
            f"{held} is claimed by {who} already and counts once: share it between features in one claim, "
            "or send replaces: true to correct it"
        )
    for name, value in said._asdict().items():
        setattr(held, name, value)
    held.state, held.claimed_by, held.approval = Benefit.State.CLAIMED, by[:150], None
    held.attested_by, held.attested_at = "", None
    held.save()
    audit.record(action="benefit.replace", actor=by, subject=str(held), details=said._asdict())
    return held


@transaction.atomic
def attest(number: int, user: Any) -> Benefit:
    """The owner of the cost centre (or finance) answers for a claim; finance is asked to accept it. Raises BenefitError."""
    held = Benefit.objects.select_for_update().get(pk=number)
    owns = Grant.objects.filter(user=user, role=Grant.Role.OWNER, cost_centre=held.cost_centre_id).exists()
    if not owns and Grant.Role.FINANCE not in roles_of(user):
        raise NotYours(f"an owner of {held.cost_centre.code}, or finance, attests {held}")
    return attested(held, by=user.get_username())


@transaction.atomic
def attested(held: Benefit, *, by: str) -> Benefit:
    """What ``attest`` does once it is known who may."""
    if standing(held) != Benefit.State.CLAIMED:
        raise BenefitError(f"{held} is {standing(held)}; a claim alone is attested")
    held.state, held.attested_by, held.attested_at = Benefit.State.ATTESTED, by[:150], timezone.now()
    worth, told = None, "the value of its outcomes"
    if held.basis == STATED:
        amount = amount_of(held)
        told = f"{amount:f} {held.unit}"
        worth = approvals.Worth(amount, held.unit) if held.kind == Benefit.Kind.CASH else None
    details = {"benefit": held.pk, "kind": held.kind, "cost_centre": held.cost_centre.code, "pnl_line": held.pnl_line,
               "claimed_by": held.claimed_by, "realisation": str(held.realisation), "reference": held.reference}  # fmt: skip
    held.approval = approvals.propose(KIND, f"{held}: {told}", details, by=by, worth=worth)
    held.save()
    return held


def carry_out(asked: Approval) -> None:
    """Count an accepted benefit. Raises SelfApproval where who accepted it had claimed it."""
    held = Benefit.objects.select_for_update().get(pk=asked.details["benefit"])
    if asked.decided_by == held.claimed_by and not settings.SELF_APPROVAL:
        raise approvals.SelfApproval(f"{asked.decided_by} claimed this: another person has to accept it")
    if held.approval_id != asked.pk:
        raise BenefitError(f"{held} was claimed anew since: the new claim is to be attested")
    held.state, held.decided_by, held.decided_at = Benefit.State.ACCEPTED, asked.decided_by, timezone.now()
    held.save()


def standing(held: Benefit) -> str:
    """The state, as its approval knows it too."""
    if held.state == Benefit.State.ATTESTED and held.approval and held.approval.state == Approval.State.REJECTED:
        return Benefit.State.REFUSED.value
    return str(held.state)


def amount_of(held: Benefit) -> Decimal:
    """What is realised of a stated benefit, in its unit, exact."""
    return Decimal(f"{(gross(claim_of(held)) * held.realisation).normalize():f}")
