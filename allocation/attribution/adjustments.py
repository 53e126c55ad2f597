"""Adjustments: one person asks for money to move, another approves it, and the costing of its day charges it."""

import json
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from allocation.calc.adjustments import Part, Request, parse, refuse_outside
from allocation.calc.contracts_fields import AgreementError
from allocation.calc.splits import KIND as SPLITS
from allocation.calc.splits import Splits
from allocation.calc.splits import parse as parse_splits
from allocation.costing import terms
from allocation.models import Adjustment, Charge, CostCentre, Team
from finops import approvals, audit
from finops.approvals import Worth
from finops.models import Approval

KIND = "adjustment"


def propose(document: Any, *, by: str) -> Approval:
    """Ask for an adjustment; it always takes a second person. Raises AgreementError naming the field."""
    found = parse(document)
    _refuse_other_months(found.month)
    _refuse_unknown(found.parts)
    pooled = _funding(found)
    written = json.loads(json.dumps(document, default=str))
    told = f"{found.month:%Y-%m}: {found.worth.normalize():f} {found.currency}" + (
        f" of pool {pooled}" if pooled else ""
    )
    return approvals.propose(KIND, told, {"adjustment": written}, by, worth=Worth(found.worth, found.currency))


@transaction.atomic
def carry_out(approval: Approval, day: date) -> Adjustment:
    """Post what was approved on a day of an open month. Raises AgreementError where it can no longer be.

    ``day``: allocation.close.periods.posting_day of the month it is about; the caller holds the refresher's lock.
    """
    found = parse(approval.details["adjustment"])
    _refuse_other_months(found.month)
    _refuse_unknown(found.parts)
    pool = _funding(found)
    parts = found.funded_by(_centre_of(found)) if pool else found.parts
    adjustment = Adjustment.objects.create(
        approval=approval, month=found.month, charge_date=day, late=day.replace(day=1) != found.month,
        currency=found.currency, reason=found.reason, evidence=dict(found.evidence), pool=pool,
        parts=[part._asdict() | {"amount": str(part.amount)} for part in parts], prepared_by=approval.prepared_by,
        approved_by=approval.decided_by,
    )  # fmt: skip
    terms.rate_anew([day])
    details = {"approval": approval.pk, "charge_date": day.isoformat(), "late": adjustment.late}
    audit.record(action="adjustment.post", actor=approval.decided_by, subject=str(adjustment), details=details)
    return adjustment


def requests() -> QuerySet[Approval]:
    """All adjustments that were asked for, with what was posted of them, the newest first."""
    return Approval.objects.filter(kind=KIND).select_related("adjustment").order_by("-pk")


def _funding(found: Request) -> str:
    """The pool that bears what the parts leave; '' without one. Raises AgreementError."""
    if found.pool:
        _centre_of(found)
    return found.pool


def _centre_of(found: Request) -> str:
    document: Splits = terms.in_force(SPLITS, parse_splits)
    pools = {pool.code: pool for pool in document.pools}
    pool = pools.get(found.pool)
    if pool is None:
        raise AgreementError(f"adjustment: pool {found.pool!r} is not in force: see `manage.py terms show splits`")
    if len(pool.source.empties) != 1:
        raise AgreementError(
            f"adjustment: pool {found.pool} is not the cost of one cost centre and cannot fund anything"
        )
    return pool.source.empties[0]


def _refuse_other_months(month: date) -> None:
    """Cost on a day before the books begin, or of one that is to come, would be in no month that is closed in its turn."""
    first = Charge.objects.order_by("charge_date").values_list("charge_date", flat=True).first()
    refuse_outside(month, first and first.replace(day=1), timezone.now().date().replace(day=1))


def _refuse_unknown(parts: tuple[Part, ...]) -> None:
    """Whoever is written wrong would bear money that nobody sees."""
    centres = set(CostCentre.objects.values_list("code", flat=True))
    teams = set(Team.objects.values_list("cost_centre__code", "code"))
    for part in parts:
        if part.cost_centre not in centres:
            raise AgreementError(f"adjustment: there is no cost centre {part.cost_centre!r}")
        if part.team and (part.cost_centre, part.team) not in teams:
            raise AgreementError(f"adjustment: {part.cost_centre} has no team {part.team!r}")
