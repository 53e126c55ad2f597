"""Prices that wait for a person: what they are, and putting them in force or leaving the former ones."""

from typing import Any

from django.db import transaction

from finops import approvals
from finops.approvals import ApprovalError
from finops.models import Approval
from ingest import price_versions as versions
from ingest.calc.prices import PRICE_SCHEMA
from ingest.models import HeldPrice, PriceBookVersion
from ingest.price_versions import KIND, Load
from ingest.prices import add_entries, changes_of_entries, reprice

ENTRIES = "price_entries"
MOST_TOLD = 200


def pending() -> list[dict[str, Any]]:
    """Requests that nobody decided, the oldest first: id, subject, who loaded it, when, and its prices."""
    return [
        {"id": asked.pk, "subject": asked.subject, "prepared_by": asked.prepared_by, "prepared_at": asked.prepared_at,
         "prices": asked.details["prices"]}
        for asked in sorted((*approvals.waiting(KIND), *approvals.waiting(ENTRIES)), key=lambda asked: asked.pk)
    ]  # fmt: skip


@transaction.atomic
def approve(number: int, *, by: str, reason: str = "") -> Approval:
    """Put in force what a request asks for. Raises ApprovalError (SelfApproval, decided already, nothing left of it)."""
    decided = approvals.decide(_asked(number), by=by, accept=True, reason=reason)
    carry_out(decided)
    return decided


def carry_out(accepted: Approval) -> PriceBookVersion:
    """Put the prices of an accepted request in force: a version of its own. Raises ApprovalError."""
    if accepted.kind == ENTRIES:
        now = [versions.described(change) for change in changes_of_entries(accepted.details["entries"])]
        if now[:MOST_TOLD] != accepted.details["prices"]:
            raise ApprovalError("the prices in force have changed since this was asked: reject it, and propose again")
        origin = f"approval {accepted.pk}, proposed by {accepted.prepared_by}"
        return add_entries(accepted.details["entries"], origin=origin, actor=accepted.decided_by)[0].version
    versions.lock()
    held = HeldPrice.objects.filter(approval=accepted, version__live=True).select_related("version")
    prices = list(held.values(*PRICE_SCHEMA.names, "removes"))
    if not prices:
        raise ApprovalError(f"{accepted.subject}: no book in force holds these prices any more")
    former = held[0].version
    load = Load(
        former.book, former.matching, f"approval {accepted.pk} of {former.origin}"[:300], former.file_hash,
        accepted.decided_by, former.report | {"approved": accepted.pk},
    )  # fmt: skip
    version = versions.write(load, versions.with_held(versions.rows_of(former), prices), [], former)
    rest = HeldPrice.objects.filter(version=former, approval__state=Approval.State.PROPOSED)
    HeldPrice.objects.bulk_create(_of_version(price, version) for price in rest)
    reprice()
    return version


def propose(entries: Any, *, by: str) -> Approval:
    """Ask for entries, written as overrides are, to be laid over the books of the site. Raises PriceError.

    Nothing changes before another person accepts it; the request says what would change, and what of it looks wrong.
    """
    found = changes_of_entries(entries)
    names = sorted({f"{change.any_row['provider']} {change.any_row['model']}" for change in found})
    details = {"entries": entries, "prices": [versions.described(change) for change in found][:MOST_TOLD]}
    return approvals.propose(ENTRIES, f"prices: {', '.join(names)}" if names else "prices: no change", details, by)


def reject(number: int, *, by: str, reason: str = "") -> Approval:
    """Leave the former prices in force; the same prices are not asked for again. Raises ApprovalError."""
    return approvals.decide(_asked(number), by=by, accept=False, reason=reason)


def _asked(number: int) -> Approval:
    asked = Approval.objects.filter(pk=number, kind__in=(KIND, ENTRIES)).first()
    if asked is None:
        raise ApprovalError(f"there is no price change {number} that waits; `prices pending` lists them")
    return asked


def _of_version(price: HeldPrice, version: PriceBookVersion) -> HeldPrice:
    names = [*PRICE_SCHEMA.names, "approval_id", "former_rate", "former_per", "reason", "removes"]
    return HeldPrice(version=version, **{name: getattr(price, name) for name in names})
