"""Which months are frozen, and where what comes late is posted."""

from datetime import date, datetime

from django.db import connection

from allocation.calc.closing import FROZEN
from allocation.models import BillingPeriod
from finops.periods import Period


def state_of(month: date) -> str:
    """BillingPeriod.State of the month that holds the day."""
    found = BillingPeriod.objects.filter(month=month.replace(day=1)).values_list("state", flat=True).first()
    return found or BillingPeriod.State.OPEN.value


def frozen_months() -> set[date]:
    """First days of the months whose charges never change again."""
    return set(BillingPeriod.objects.filter(state__in=FROZEN).values_list("month", flat=True))


def is_frozen(day: date) -> bool:
    """Whether the day lies in such a month."""
    return state_of(day) in FROZEN


def frozen_at(month: date) -> datetime | None:
    """When the figures of the month that holds the day were frozen; None: they are not."""
    found = BillingPeriod.objects.filter(month=month.replace(day=1), state__in=FROZEN)
    return found.values_list("soft_closed_at", flat=True).first()


def posting_day(day: date) -> date:
    """Where what a frozen day costs beyond what was posted of it is borne: today, or the last day of the first open month.

    That month is the first one after it that is not frozen; today counts on the database's clock, in UTC.
    """
    months, period = frozen_months(), Period.month_of(day)
    while period.start in months:
        period = Period.month_of(period.end)
    with connection.cursor() as cursor:
        cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
        today: date = cursor.fetchone()[0]
    return max(period.start, min(today, list(period.days())[-1]))
