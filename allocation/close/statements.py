"""Statements from draft to posted. Each step is one transaction with its audit event; the clock is given or now.

draft -> issued -> accepted, or disputed and then accepted -> posted. What is issued never changes: a dispute that was right
ends with an adjustment in an open month (R19). Only chargeback is posted, and never by who issued it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from allocation.calc import statement_policy
from allocation.calc.closing import SOFT_CLOSED, WORDS
from allocation.calc.cost_centres import on, parse_centres
from allocation.calc.statement_policy import Policies, parse
from allocation.calc.statements import Inputs, Made, build
from allocation.close import periods, statement_frames, statement_rates, states
from allocation.costing import terms
from allocation.models import Adjustment, BillingPeriod, CostCentre, Grant, Statement, TermsVersion
from finops import audit, locks
from finops.approvals import SelfApproval
from finops.periods import Period

_LOCK = 0x53544D54  # "STMT": one writer of statements at a time
_DRAFTED = ("kind", "amount", "document", "content_hash", "drafted_at")
LONGEST = 2_000  # characters of a reason
State = Statement.State


class StatementError(ValueError):
    """A statement cannot take this step; the message says why."""


def load_policy(document: Any, *, actor: str) -> TermsVersion:
    """Put a statement policy in force; it holds for what is drafted from now on. Raises AgreementError."""
    return terms.load(statement_policy.KIND, document, parse, actor=actor, charged=False)


@transaction.atomic
def draft(period: Period, *, at: datetime | None = None) -> list[Statement]:
    """Make the drafts of an open month anew; those that are issued stay. Returns the drafts."""
    locks.hold(_LOCK)
    _write(period, at or timezone.now(), issued=False)
    return list(_of(period).filter(state=State.DRAFT).order_by("pk"))


@transaction.atomic
def issue(period: Period, by: str, *, at: datetime | None = None) -> list[Statement]:
    """Issue what the month's books hold now, to every cost centre and currency that has no statement of this version yet.

    Returns those issued now: asked again it issues nothing twice. Raises StatementError while the month is not frozen: what
    people agree to does not change under them.
    """
    states.lock()  # as every step of a close takes them: first the refresher's
    locks.hold(_LOCK)
    if not periods.is_frozen(period.start):
        state = WORDS[periods.state_of(period.start)]
        raise StatementError(
            f"{period} is {state}: its statements are issued at its soft close, close_month {period} --to {SOFT_CLOSED}"
        )
    now = at or timezone.now()
    _write(period, now, issued=True)
    fresh = list(_of(period).filter(state=State.DRAFT).select_related("cost_centre").order_by("pk"))
    for statement in fresh:
        statement.state, statement.issued_at, statement.issued_by = State.ISSUED, now, by[:150]
        statement.dispute_until = statement.document["dispute_until"]
    Statement.objects.bulk_update(fresh, ["state", "issued_at", "issued_by", "dispute_until"])
    if fresh:
        told = {f"{each.cost_centre.code} {each.currency}": [str(each.amount), each.content_hash] for each in fresh}
        audit.record(action="statements.issue", actor=by, subject=f"{period} v{fresh[0].version}", details=told)
    return list(Statement.objects.filter(pk__in=[each.pk for each in fresh]).order_by("pk"))


def accept(statement: Statement, *, by: str, at: datetime | None = None) -> Statement:
    """Agree to an issued statement; who disputed it may withdraw thereby. Raises StatementError, SelfApproval.

    Who issued it agrees only as an owner of its cost centre: else the window in which others may dispute it would be theirs.
    """

    def step(held: Statement) -> dict[str, Any]:
        if held.state == State.DISPUTED and held.disputed_by != by[:150]:
            raise StatementError(f"it is disputed by {held.disputed_by}: resolve it, or let them withdraw")
        if held.state not in (State.ISSUED, State.DISPUTED):
            raise StatementError(f"it is {held.state}: only an issued statement is accepted")
        if held.issued_by == by[:150] and not settings.SELF_APPROVAL and not _owns(by, held):
            until = f" after {held.dispute_until}" if held.dispute_until else ""
            raise SelfApproval(
                f"{by} issued this: its owner or another person accepts it, or it is accepted in silence{until}"
            )
        told = {"resolution": "withdrawn"} if held.state == State.DISPUTED else {}
        return told | {"state": State.ACCEPTED, "accepted_by": by[:150], "accepted_at": at or timezone.now()}

    return _step("accept", statement, by, step)


def dispute(statement: Statement, *, by: str, reason: str, at: datetime | None = None) -> Statement:
    """Object to an issued statement within its window; the figures stay as they are. Raises StatementError."""
    _require(reason, "why it is disputed")
    now = at or timezone.now()

    def step(held: Statement) -> dict[str, Any]:
        if held.state != State.ISSUED:
            raise StatementError(f"it is {held.state}: only an issued statement is disputed")
        if held.dispute_until is not None and now.date() > held.dispute_until:
            raise StatementError(f"it could be disputed until {held.dispute_until}")
        return {"state": State.DISPUTED, "disputed_by": by[:150], "disputed_at": now, "dispute_reason": reason.strip()}

    return _step("dispute", statement, by, step)


def resolve(
    statement: Statement, *, by: str, resolution: str, adjustment: int | None = None, at: datetime | None = None
) -> Statement:
    """End a dispute: with the number of the adjustment that another month bears, or without one where it was wrong.

    Nobody resolves what they dispute themselves. Raises StatementError, SelfApproval.
    """
    _require(resolution, "how the dispute ends")

    def step(held: Statement) -> dict[str, Any]:
        if held.state != State.DISPUTED:
            raise StatementError(f"it is {held.state}: only a disputed statement is resolved")
        if held.disputed_by == by[:150] and not settings.SELF_APPROVAL:
            raise SelfApproval(f"{by} disputes this: another person resolves it, or {by} withdraws")
        if adjustment is not None:
            _adjusts(adjustment, held)
        told = {"resolution": resolution.strip(), "adjustment_id": adjustment}
        return told | {"state": State.ACCEPTED, "accepted_by": by[:150], "accepted_at": at or timezone.now()}

    return _step("resolve", statement, by, step)


@transaction.atomic
def post(period: Period, by: str, *, at: datetime | None = None) -> list[Statement]:
    """Release the accepted chargeback statements of a month to the books. Returns those posted now.

    By another person than who issued them, unless the site lets one person do both: then they say so. Raises SelfApproval.
    """
    rows = _of(period).select_for_update(of=("self",)).filter(state=State.ACCEPTED, kind=Statement.Kind.CHARGEBACK)
    found = list(rows.order_by("pk"))
    for held in found:
        held.self_approved = held.issued_by == by[:150]
        if held.self_approved and not settings.SELF_APPROVAL:
            raise SelfApproval(f"{by} issued the statements of {period}: another person posts them")
        held.state, held.posted_by, held.posted_at = State.POSTED, by[:150], at or timezone.now()
    Statement.objects.bulk_update(found, ["state", "posted_by", "posted_at", "self_approved"])
    if found:
        told = {str(held.pk): [str(held.amount), held.content_hash] for held in found}
        audit.record(action="statements.post", actor=by, subject=f"{period} v{found[0].version}", details=told)
    return found


def accept_in_silence(at: datetime | None = None) -> int:
    """Accept what nobody disputed in its window, which ends with its last day in UTC. Returns how many."""
    now = at or timezone.now()
    with transaction.atomic():
        rows = Statement.objects.select_for_update(skip_locked=True, of=("self",))
        found = list(rows.filter(state=State.ISSUED, dispute_until__lt=now.date()).select_related("cost_centre"))
        for held in found:
            held.state, held.accepted_at = State.ACCEPTED, now
        Statement.objects.bulk_update(found, ["state", "accepted_at"])
        for held in found:
            told = {"dispute_until": held.dispute_until, "statement": held.pk}
            audit.record(action="statement.accept_in_silence", actor="clock", subject=named(held), details=told)
    return len(found)


def named(statement: Statement) -> str:
    """``2026-09 CC-100`` as the audit trail names it; with its version after a reopening."""
    version = f" v{statement.version}" if statement.version > 1 else ""
    return f"{statement.month:%Y-%m} {statement.cost_centre.code}{version}"


def _owns(name: str, held: Statement) -> bool:
    owner = held.cost_centre.owner
    granted = Grant.objects.filter(user__username=name, role=Grant.Role.OWNER, cost_centre=held.cost_centre_id)
    return (owner is not None and owner.get_username() == name) or granted.exists()


@transaction.atomic
def _step(verb: str, statement: Statement, by: str, step: Callable[[Statement], dict[str, Any]]) -> Statement:
    rows = Statement.objects.select_for_update(of=("self",)).select_related("cost_centre")
    held = rows.get(pk=statement.pk)
    changes = step(held)
    Statement.objects.filter(pk=held.pk).update(**changes)
    told = {name: value for name, value in changes.items() if name in ("dispute_reason", "resolution", "adjustment_id")}
    audit.record(
        action=f"statement.{verb}",
        actor=by,
        subject=named(held),
        details={"before": held.state, "after": changes["state"], "statement": held.pk} | told,
    )
    return rows.get(pk=held.pk)


def _write(period: Period, now: datetime, *, issued: bool) -> None:
    """Replace the drafts of the month by what its books hold now."""
    owners = dict(CostCentre.objects.values_list("code", "pk"))
    version = _version(period)
    told = set(_of(period).exclude(state=State.DRAFT).values_list("cost_centre_id", "currency"))
    rows = [
        Statement(
            month=period.start, cost_centre_id=owners[made.cost_centre], version=version, currency=currency,
            kind=made.policy.kind, amount=made.amount, document=made.document, content_hash=made.content_hash,
            drafted_at=now,
        )
        for currency in statement_frames.currencies(period)
        for made in _made(period, currency, version, now, issued=issued)
        if (owners[made.cost_centre], currency) not in told
    ]  # fmt: skip
    kept = {(row.cost_centre_id, row.currency) for row in rows}
    for old in _of(period).filter(state=State.DRAFT):
        if (old.cost_centre_id, old.currency) not in kept:
            old.delete()
    Statement.objects.bulk_create(
        rows,
        update_conflicts=True,
        update_fields=_DRAFTED,
        unique_fields=["month", "cost_centre", "currency", "version"],
    )


def _made(period: Period, currency: str, version: int, now: datetime, *, issued: bool) -> list[Made]:
    policies: Policies = terms.in_force(statement_policy.KIND, parse)
    year, own = statement_frames.year_to_date(period, currency), statement_rates.of(period, currency)
    return build(
        Inputs(
            period, currency, statement_frames.lines(period, currency), statement_frames.lines(period.previous(), currency),
            statement_frames.charged_before(period, year.start, currency), year.start,
            dict(CostCentre.objects.values_list("code", "name")), policies, statement_frames.budgets(period, year, currency),
            statement_frames.rules(period, currency), version, issued_on=now.date() if issued else None,
            provisional=not periods.is_frozen(period.start), self_approval=settings.SELF_APPROVAL, charging=_charging(period),
            own=own.rates, lacking=own.lacking,
        )
    )  # fmt: skip


def _charging(period: Period) -> dict[str, str]:
    """How the tree charges its cost centres, on the month's last day."""
    last = period.end - timedelta(days=1)
    tree = on(terms.in_force("cost_centres", parse_centres), last)
    return {code: entry.charging_on(last) for code, entry in tree.items()}


def _of(period: Period) -> Any:
    return Statement.objects.filter(month=period.start, version=_version(period))


def _version(period: Period) -> int:
    return BillingPeriod.objects.filter(month=period.start).values_list("version", flat=True).first() or 1


def _adjusts(number: int, held: Statement) -> None:
    found = Adjustment.objects.filter(pk=number).first() if 0 < number < 2**63 else None
    if found is None:
        raise StatementError(f"there is no adjustment {number}: it has a number once another person approved it")
    if all(part["cost_centre"] != held.cost_centre.code for part in found.parts):
        raise StatementError(f"adjustment {number} moves nothing to or from {held.cost_centre.code}")


def _require(text: str, what: str) -> None:
    if not text.strip() or len(text) > LONGEST:
        raise StatementError(f"say {what}, in at most {LONGEST} characters")
