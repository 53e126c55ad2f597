"""Gates that a month may pass although they fail: one person asks with a reason, another accepts."""

from decimal import Decimal

from django.db import transaction

from allocation.calc.closing import StepError
from allocation.calc.gates import BY_CODE, Gate, Waived
from allocation.models import BillingPeriod, GateWaiver
from finops import approvals
from finops.models import Approval
from finops.periods import Period

KIND = "period.waiver"
LONGEST = 2_000


def given(period: Period, version: int) -> list[Waived]:
    """What was waived of a month's version."""
    rows = GateWaiver.objects.filter(period__month=period.start, version=version).select_related("approval")
    return [
        Waived(row.gate, row.value, row.reason, row.approval.prepared_by, row.approval.decided_by)
        for row in rows.order_by("pk")
    ]


def waiting(period: Period, version: int) -> list[Approval]:
    """Waivers of a month's version that nobody has decided on."""
    asked = Approval.objects.filter(kind=KIND, state=Approval.State.PROPOSED, details__month=str(period))
    return list(asked.filter(details__version=version).order_by("pk"))


def propose(period: Period, version: int, gate: Gate, reason: str, *, by: str) -> Approval:
    """Ask that a gate which fails be waived up to the value it has now. Raises StepError."""
    if not reason.strip() or len(reason) > LONGEST:
        raise StepError(f"a waiver of {gate.code} needs a reason of at most {LONGEST} characters")
    if gate.passes:
        raise StepError(f"{gate.code} of {period} does not fail: there is nothing to waive")
    if not gate.waivable:
        raise StepError(f"{gate.code} cannot be waived: {gate.told}")
    for asked in waiting(period, version):
        if asked.details["gate"] == gate.code:
            raise StepError(f"a waiver of {gate.code} waits already: request {asked.pk} of {asked.prepared_by}")
    details = {
        "month": str(period), "version": version, "gate": gate.code, "value": str(gate.value), "limit": str(gate.limit),
        "reason": reason.strip(), "told": gate.told,
    }  # fmt: skip
    return approvals.propose(KIND, f"{period}: waive {gate.code} ({gate.told})", details, by)


@transaction.atomic
def carry_out(asked: Approval) -> GateWaiver:
    """Keep the waiver that was accepted. Raises StepError where the month is another version by now."""
    month, version = Period.month(asked.details["month"]), asked.details["version"]
    period, _ = BillingPeriod.objects.get_or_create(month=month.start)
    if period.version != version:
        raise StepError(f"{month} was opened again since: version {period.version}, not {version}")
    if asked.prepared_by == asked.decided_by:
        BillingPeriod.objects.filter(pk=period.pk).update(self_approved=True)
    return GateWaiver.objects.create(
        period=period, version=version, gate=asked.details["gate"], value=Decimal(asked.details["value"]),
        reason=asked.details["reason"], approval=asked,
    )  # fmt: skip


def known(code: str) -> bool:
    """Whether there is such a gate."""
    return code in BY_CODE
