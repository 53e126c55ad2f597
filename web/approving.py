"""What follows when a request for approval is decided, by its kind."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from allocation import assumptions, closing, fx_changes, policy_changes, reconciliation_invoices, rule_changes
from allocation.attribution import adjustments, monthly
from allocation.calc import gl as gl_maps
from allocation.calc import statement_policy
from allocation.close import gl, periods, policy, statements, states, waivers
from allocation.costing import other_charges, proposals, terms
from allocation.models import Grant, TermsVersion
from allocation.value import roi_benefits
from finops import approvals
from finops.models import Approval
from finops.periods import Period
from forecasting import budgets, calendar
from ingest import price_approvals, price_versions
from web import delivery_plan

AGREEMENTS = "agreements"


class Document(NamedTuple):
    """A document that the books hang on: what reads it, and what puts it in force."""

    name: str
    parse: terms.Parse
    load: Callable[..., TermsVersion]


# By the kind of the document, which is that of its approval too.
DOCUMENTS = {
    statement_policy.KIND: Document("statement policy", statement_policy.parse, statements.load_policy),
    gl_maps.KIND: Document("posting matrix", gl_maps.parse, gl.load),
    delivery_plan.KIND: Document("plan of deliveries", delivery_plan.parse, delivery_plan.load),
    assumptions.KIND: Document("assumption register", assumptions.parse, assumptions.load),
    calendar.KIND: Document("calendar of events", calendar.parse, calendar.load),
}


def propose_agreements(kind: str, entries: list[Any], *, by: str) -> Approval:
    """Ask for a list of agreements to be put in force. Raises ValueError naming the entry and the field.

    The request says what it would add, change and delete; accepting it is refused once something else is in force.
    """
    written = json.loads(json.dumps(entries, default=str))
    monthly.DOCUMENTS[kind](written)
    details = {"agreements": kind, "entries": written} | proposals.beside(kind, written)
    count = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
    return approvals.propose(AGREEMENTS, f"{kind}: {count}", details, by=by, worth=proposals.worth(kind, written))


def propose_document(kind: str, document: Any, *, by: str) -> Approval:
    """Ask for one of DOCUMENTS to be put in force. Raises ValueError naming the entry and the field.

    Accepting it is refused once something else is in force.
    """
    written = json.loads(json.dumps(document, default=str))
    DOCUMENTS[kind].parse(written)
    details = {"entries": written, "in_force_hash": proposals.beside(kind, [])["in_force_hash"]}
    count = f"{len(written)} {'entry' if len(written) == 1 else 'entries'}"
    return approvals.propose(kind, f"{DOCUMENTS[kind].name}: {count}", details, by=by)


def above_limit(kind: str, worth: approvals.Worth | None, by: str) -> bool:
    """Whether a person may not put so much in force alone (FINOPS_APPROVAL_LIMITS)."""
    if worth is None:
        return False
    names = {by, *Grant.objects.filter(user__username=by).values_list("role", flat=True)}
    return approvals.exceeded(kind, worth, names, timezone.now().date()) is not None


@transaction.atomic
def decide(asked: Approval, *, by: str, accept: bool, reason: str = "") -> Approval:
    """Decide, and carry out what was accepted. Raises finops.approvals.ApprovalError, and ValueError as it was proposed."""
    if asked.kind in (closing.REOPEN, adjustments.KIND):
        states.lock()  # before the audit trail's lock, as every step takes them: the other order would be a deadlock
    roles = Grant.objects.filter(user__username=by, user__is_active=True).values_list("role", flat=True)
    decided = approvals.decide(asked, by=by, accept=accept, reason=reason, roles=frozenset(roles))
    if accept and decided.kind in CARRY_OUT:
        CARRY_OUT[decided.kind](decided)
    return decided


def _agreements(asked: Approval) -> None:
    kind = asked.details["agreements"]
    proposals.refuse_stale(kind, asked.details)
    monthly.load(kind, asked.details["entries"], actor=asked.prepared_by)


def _document(asked: Approval) -> None:
    proposals.refuse_stale(asked.kind, asked.details)
    DOCUMENTS[asked.kind].load(asked.details["entries"], actor=asked.prepared_by)


def _adjustment(asked: Approval) -> None:
    month = Period.month(asked.details["adjustment"]["month"])
    adjustments.carry_out(asked, periods.posting_day(month.start))


CARRY_OUT: dict[str, Callable[[Approval], object]] = {
    rule_changes.KIND: rule_changes.carry_out, rule_changes.DOCUMENT: rule_changes.carry_out,
    AGREEMENTS: _agreements, price_versions.KIND: price_approvals.carry_out, price_approvals.ENTRIES: price_approvals.carry_out,
    reconciliation_invoices.KIND: reconciliation_invoices.carry_out, other_charges.APPROVAL: other_charges.decided,
    budgets.KIND: budgets.carry_out, closing.REOPEN: closing.reopen, waivers.KIND: waivers.carry_out,
    policy.APPROVAL: policy.carry_out, adjustments.KIND: _adjustment,
    fx_changes.KIND: fx_changes.carry_out, policy_changes.KIND: policy_changes.carry_out,
    roi_benefits.KIND: roi_benefits.carry_out, **dict.fromkeys(DOCUMENTS, _document),
}  # fmt: skip
