"""What follows when a request for approval is decided, by its kind."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from allocation import reconciliation_invoices
from allocation.costing import other_charges, steps, terms
from finops import approvals
from finops.models import Approval
from ingest import price_approvals, price_versions

AGREEMENTS = "agreements"


def propose_agreements(kind: str, entries: list[Any], *, by: str) -> Approval:
    """Ask for a list of agreements to be put in force. Raises ValueError naming the entry and the field."""
    steps.AGREEMENTS[kind](entries)
    details = {"agreements": kind, "entries": entries}
    return approvals.propose(AGREEMENTS, f"{kind}: {len(entries)} entries", details, by=by)


@transaction.atomic
def decide(asked: Approval, *, by: str, accept: bool, reason: str = "") -> Approval:
    """Decide, and carry out what was accepted. Raises finops.approvals.ApprovalError, and ValueError as it was proposed."""
    decided = approvals.decide(asked, by=by, accept=accept, reason=reason)
    if accept and decided.kind in CARRY_OUT:
        CARRY_OUT[decided.kind](decided)
    return decided


def _agreements(asked: Approval) -> None:
    kind = asked.details["agreements"]
    terms.load(kind, asked.details["entries"], steps.AGREEMENTS[kind], actor=asked.prepared_by)


CARRY_OUT: dict[str, Callable[[Approval], object]] = {
    AGREEMENTS: _agreements, price_versions.KIND: price_approvals.carry_out, price_approvals.ENTRIES: price_approvals.carry_out,
    reconciliation_invoices.KIND: reconciliation_invoices.carry_out, other_charges.APPROVAL: other_charges.decided,
}  # fmt: skip
