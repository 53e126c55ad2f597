"""Running the rules again over what is charged: months that are open, the weights that rules share by, and the splits."""

from collections.abc import Iterable
from datetime import date

from django.db import transaction

from allocation.attribution import drivers, monthly
from allocation.charged_days import charged_days
from allocation.close.periods import frozen_months
from allocation.costing import terms
from allocation.derived import allocate_days, refresh
from allocation.models import BillingPeriod, Charge, RuleVersion
from finops import audit, locks
from finops.periods import Period


def open_months() -> list[date]:
    """First days of the open months that have charges or usage, in their order."""
    return sorted({day.replace(day=1) for day in charged_days()} - frozen_months())


def reallocate(wanted: Iterable[date] | None = None) -> list[date]:
    """Allocate the open ones of these months (first days; None: all of them) anew; returns those that were. Idempotent.

    Weights are settled from what the rules give without them, so that a second time is the last, whatever they were.
    """
    done = [month for month in open_months() if wanted is None or month in wanted]
    for month in done:
        days = charged_days(Period.month_of(month))
        allocate_days(sorted(days))
        allocate_days(sorted(drivers.settle(days)))
        monthly.run(Period.month_of(month))
    return done


def settle_frozen() -> None:
    """Weights of drivers that rules in force share by and that a month which never changes has none of yet."""
    drivers.settle(frozen_months(), only_missing=True)


def restate(period: Period, *, by: str) -> int:
    """Post what the newest rules give to others of a frozen month into an open one; returns the number of days looked at.

    The month itself stays; from then on what comes late for it is allocated by these rules too.
    """
    newest = RuleVersion.objects.order_by("-number").first()
    with transaction.atomic():
        locks.hold(locks.REFRESHER)
        BillingPeriod.objects.filter(month=period.start).update(restated_rules=newest and newest.number)
        charged = Charge.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end, correction=None)
        days = set(charged.order_by().values_list("charge_date", flat=True).distinct())
        terms.rate_anew(days)
        details = {"rules": newest and newest.number}
        audit.record(action="period.restate", actor=by, subject=str(period), details=details)
    refresh()
    return len(days)
