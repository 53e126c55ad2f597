"""Outcomes that name a trace, and the money of the queries that they name: one definition for returns and for agents.

An attempt has failed where no outcome says that its query succeeded. What a query cost is known where a task is (AgentTask) and
each of its calls has a price.
"""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth

from allocation.calc.outcomes import PRODUCTION
from allocation.calc.roi_rows import ZERO, Traced
from allocation.models import AgentTask, Evidence, Outcome
from finops.periods import Period

SPREAD = timedelta(days=31)  # a query lies at most that long before or after the month that its outcome names


def near(period: Period) -> Q:
    """Tasks whose outcomes may name a month of a period as their cohort."""
    return Q(charge_date__gte=period.start - SPREAD, charge_date__lt=period.end + SPREAD)


def naming(period: Period) -> "QuerySet[Outcome]":
    """Outcomes around a period of which something is known, and that name a query."""
    rows = Outcome.objects.filter(setting=PRODUCTION).exclude(evidence=Evidence.NONE).exclude(query_id=None)
    return rows.filter(spend_month__gte=period.start - SPREAD, spend_month__lt=period.end + SPREAD)


def costed(period: Period, currency: str) -> "QuerySet[AgentTask]":
    """Tasks around a period of which each call has a price in a currency."""
    return AgentTask.objects.filter(near(period), currency=currency, unpriced=0)


def is_traced(period: Period, currency: str) -> Exists:
    """Of an outcome, whether it names a query whose cost is known."""
    return Exists(costed(period, currency).filter(query_id=OuterRef("query_id")))


def money(period: Period, currency: str) -> list[Traced]:
    """Cost at list prices of the queries that began in a period and that outcomes name, by the slice they lie in."""
    named = naming(period)
    rows = costed(period, currency).filter(charge_date__gte=period.start, charge_date__lt=period.end)
    rows = rows.filter(query_id__in=named.values("query_id")).annotate(month=TruncMonth("charge_date"))
    good = named.filter(success=True).values("query_id")
    names = ("month", "cost_centre__code", "team__code", "feature")
    sums = {"listed": Sum("cost"), "lost": Sum("cost", filter=~Q(query_id__in=good))}
    found = rows.order_by().values(*names).annotate(**sums).values_list(*names, *sums)
    return [
        Traced(month, centre, team, feature, listed or ZERO, lost or ZERO)
        for month, centre, team, feature, listed, lost in found
    ]
