"""The row of a month and the lock under which it changes. What a step calls lies in allocation.closing."""

from datetime import date

from django.conf import settings
from django.db.models.functions import Now

from allocation.calc import closing as calc
from allocation.calc.closing import CLOSED, FROZEN, PRELIMINARY, SOFT_CLOSED
from allocation.models import BillingPeriod
from finops import locks
from finops.periods import Period


def lock() -> None:
    """Keep the refresher and other steps away until the transaction ends (migration 0009)."""
    locks.hold(locks.REFRESHER)


def of(period: Period) -> BillingPeriod:
    """The month's row; for a month without one, one that is not saved."""
    return BillingPeriod.objects.filter(month=period.start).first() or BillingPeriod(month=period.start)


def permitted(held: BillingPeriod, to: str, *, by: str) -> bool:
    """Whether one person takes the step alone, as the site allows. Raises StepError, OnePerson."""
    return calc.permitted(
        f"{held.month:%Y-%m}", held.state, to, by=by[:150], prepared_by=held.prepared_by,
        self_approval=settings.SELF_APPROVAL,
    )  # fmt: skip


def move(held: BillingPeriod, to: str, *, by: str, alone: bool) -> BillingPeriod:
    """Set the state with who and when; under ``lock``."""
    who, when = {
        PRELIMINARY: ("prepared_by", "prepared_at"), SOFT_CLOSED: ("soft_closed_by", "soft_closed_at"),
        CLOSED: ("closed_by", "closed_at"),
    }[to]  # fmt: skip
    held.state, held.self_approved = to, held.self_approved or alone
    setattr(held, who, by[:150])
    setattr(held, when, Now())
    held.save()
    held.refresh_from_db()
    return held


def open_again(held: BillingPeriod, *, alone: bool) -> BillingPeriod:
    """The month as its next version, with nothing done; the database wants the accepted request (migration 0012)."""
    BillingPeriod.objects.filter(pk=held.pk).update(
        state=BillingPeriod.State.OPEN, version=held.version + 1, self_approved=alone, since=Now(), frozen_versions={},
        passed_gates=[],
        **dict.fromkeys(("prepared_by", "soft_closed_by", "closed_by"), ""),
        **dict.fromkeys(("prepared_at", "soft_closed_at", "closed_at")),
    )  # fmt: skip
    held.refresh_from_db()
    return held


def frozen_after(period: Period) -> list[date]:
    """Frozen months that follow it."""
    rows = BillingPeriod.objects.filter(month__gt=period.start, state__in=FROZEN).order_by("month")
    return list(rows.values_list("month", flat=True))
