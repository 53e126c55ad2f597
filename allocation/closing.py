"""Month end: a month from one state to the next, and back, with all that follows from it. Takes two people.

Each step holds the refresher's lock: what is committed before it is in the month, what comes later is posted as a
correction into an open one.
"""

from datetime import datetime

from django.db import transaction

from allocation import derived, reconciliation
from allocation.attribution import rate_cards, splits
from allocation.calc.closing import FROZEN, PRELIMINARY, SOFT_CLOSED, WORDS, StepError, following
from allocation.calc.gates import Gate, holding, kept
from allocation.close import accruals, checklist, freeze, gates, journal, manifest, statements, states
from allocation.close.waivers import LONGEST
from allocation.costing import terms
from allocation.failed_days import DaysFailed
from allocation.models import BillingPeriod, Charge
from allocation.reconciliation_evidence import MissingRate
from finops import approvals, audit
from finops.models import Approval
from finops.periods import Period
from ingest.models import FactDay

REOPEN = "period.reopen"
_ACTIONS = {PRELIMINARY: "period.prepare", SOFT_CLOSED: "period.soft_close", "closed": "period.close"}


class GatesHold(StepError):
    """Gates fail that are not waived."""

    def __init__(self, period: Period, to: str, failing: list[Gate]) -> None:
        self.failing = failing
        told = "; ".join(f"{gate.code}: {gate.told}" for gate in failing)
        super().__init__(f"{period} cannot be made {WORDS[to]}: {told}")


def close_step(
    period: Period, to: str, *, by: str, request: str = "", at: datetime | None = None
) -> BillingPeriod:  # fmt: skip
    """Take a month to ``to`` (preliminary, soft_closed, closed). Raises OnePerson, GatesHold, StepError; then nothing is done.

    What waits to be recomputed is recomputed first, and the month is reconciled. ``at``: when statements are issued or, in
    silence, accepted; by default now.
    """
    states.permitted(states.of(period), to, by=by)
    recompute()
    _reconcile(period, by)
    with transaction.atomic():
        states.lock()
        held, _ = BillingPeriod.objects.select_for_update().get_or_create(month=period.start)
        alone = states.permitted(held, to, by=by)
        recompute()  # what was committed since
        statements.accept_in_silence(at)
        measured = gates.of(period, to, held.version)
        if failing := holding(measured, to):
            raise GatesHold(period, to, failing)
        checklist.begin(period, held)
        _before(to, period, by)
        if to == SOFT_CLOSED:
            held.frozen_versions = freeze.versions(period)
        before, held.passed_gates = held.state, kept(measured)
        states.move(held, to, by=by, alone=alone)
        details = {"before": before, "after": to, "version": held.version, "self_approved": held.self_approved}
        details |= {"request": request} if request else {}
        if to == SOFT_CLOSED:
            details["manifest"] = manifest.write(period).sha256
        _follow(to, held, by, at)
        audit.record(action=_ACTIONS[to], actor=by, subject=str(period), details=details)
    return held


def recompute() -> None:
    """Make anew what waits. Days that fail go on waiting: a gate holds their month, and only that."""
    try:
        derived.refresh()
    except DaysFailed:
        return


def _reconcile(period: Period, by: str) -> None:
    try:
        reconciliation.reconcile(str(period), by)
    except MissingRate:
        return  # a gate says so


def _before(step: str, period: Period, by: str) -> None:
    """What a month gets when it is preliminary and, for the last time, before it is frozen."""
    if step in (PRELIMINARY, SOFT_CLOSED):
        splits.run(period)
        rate_cards.run(period)
        accruals.run(period, by)


def _follow(step: str, held: BillingPeriod, by: str, at: datetime | None) -> None:
    """What follows from a state that was reached. Who posts the journal later is neither who issued nor who built it."""
    period = Period.month_of(held.month)
    if step == PRELIMINARY:
        statements.draft(period, at=at)
    elif step == SOFT_CLOSED:
        statements.issue(period, by, at=at)
    else:
        journal.build(period, by)


def next_of(period: Period) -> str | None:
    """The step that comes next."""
    return following(states.of(period).state)


def propose_reopen(period: Period, reason: str, *, by: str) -> Approval:
    """Ask that a frozen month be opened again. Raises StepError."""
    held = states.of(period)
    if not reason.strip() or len(reason) > LONGEST:
        raise StepError(f"opening a month again needs a reason of at most {LONGEST} characters")
    _refuse_reopening(held, period)
    waiting = Approval.objects.filter(kind=REOPEN, state=Approval.State.PROPOSED, details__month=str(period)).first()
    if waiting is not None:
        raise StepError(f"{period}: request {waiting.pk} of {waiting.prepared_by} to open it again waits already")
    details = {"month": str(period), "version": held.version, "reason": reason.strip()}
    return approvals.propose(REOPEN, f"{period}: open version {held.version} again", details, by)


def _refuse_reopening(held: BillingPeriod, period: Period) -> None:
    if held.state not in FROZEN:
        raise StepError(f"{period} is {WORDS[held.state]}: there is nothing to open again")
    if later := states.frozen_after(period):
        names = ", ".join(f"{month:%Y-%m}" for month in reversed(later))
        raise StepError(f"{period} is followed by months that are closed: open them again first ({names})")


@transaction.atomic
def reopen(asked: Approval) -> BillingPeriod:
    """Open the month of an accepted request as its next version. Raises StepError where it has changed since.

    What was posted of it into months that are open is taken back: the month holds it itself now.
    """
    period = Period.month(asked.details["month"])
    states.lock()
    held = states.of(period)
    _refuse_reopening(held, period)
    if held.version != asked.details["version"]:
        raise StepError(f"{period} is version {held.version}, not {asked.details['version']}")
    before = held.state
    states.open_again(held, alone=asked.prepared_by == asked.decided_by)
    _take_back_corrections(period)
    days = {"charge_date__gte": period.start, "charge_date__lt": period.end}
    terms.rate_anew(
        day
        for rows in (FactDay.objects, Charge.objects)
        for day in rows.filter(**days).values_list("charge_date", flat=True)
    )
    audit.record(
        action=REOPEN, actor=asked.decided_by, subject=str(period),
        details={"before": before, "version": held.version, "reason": asked.details["reason"], "approval": asked.pk},
    )  # fmt: skip
    return held


def _take_back_corrections(period: Period) -> None:
    posted = Charge.objects.filter(corrects_date__gte=period.start, corrects_date__lt=period.end)
    days = set(posted.values_list("charge_date", flat=True))
    posted.delete()
    terms.rate_anew(days)
