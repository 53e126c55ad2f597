"""Own hardware and commitments of a month 0: how many GPUs stand ready, under which terms, and how full they are."""

from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import NamedTuple

from django.db.models import Q, Sum
from django.db.models.functions import ExtractHour

from allocation.calc.capacity import Capacity, Fleet
from allocation.calc.capacity import parse as parse_capacity
from allocation.calc.capacity_shares import costs
from allocation.calc.commitments import Commitments
from allocation.calc.commitments_entries import parse as parse_commitments
from allocation.costing import commitments as costing_commitments
from allocation.costing import terms
from allocation.costing.capacity import GPU_HOUR, IDLE, KIND, SUBJECT, USED
from allocation.models import Charge
from finops.periods import Period
from ingest.models import UsageEvent

_WEEK = 7  # days at the end of the month whose hours are a typical week
_OPEN_YEAR = 2099  # what ends later goes on


class Hardware(NamedTuple):
    """Fields of an Origin."""

    gpus: float = 0.0
    contract_share: float = 0.0
    contract_end: date | None = None
    profile: tuple[float, ...] = (1.0,)
    headroom: float = 1.0


def of(month: Period, notes: list[str]) -> Hardware:
    """The fleets of a month in which own hardware served."""
    fleets: Capacity = terms.in_force(KIND, parse_capacity)
    hours = [(_gpu_hours(fleet, month), _locked_until(fleet, month)) for fleet in fleets.fleets]
    whole = sum((each for each, _ in hours), Fraction(0))
    if not whole:
        notes.append("How many GPUs own usage had is not stated: needed GPUs are not shown.")
        return Hardware()
    locked = sum((each for each, end in hours if end is not None), Fraction(0))
    ends = {end for each, end in hours if each and end is not None}
    end = min(ends, default=None)
    if len(ends) > 1:
        notes.append(f"Contracts of fleets end on several days; the earliest, {end}, counts for all.")
    demand = _by_hour(month)
    load = _load(month, whole)
    busiest = load * max(demand) * len(demand) / sum(demand)
    return Hardware(
        float(whole) / (len(month) * 24), float(locked / whole), end, demand, max(1 / busiest, 1.0) if busiest else 1.0
    )


def end_of_commitments(codes: set[str], notes: list[str]) -> date | None:
    """The day on which the first of these commitments ends; None: there are none, or they go on."""
    if not codes:
        return None
    book: Commitments = terms.in_force(costing_commitments.KIND, parse_commitments)
    ends = {(one.ended or one.end).astimezone(UTC).date() for one in book.commitments if one.code in codes}
    ends = {end for end in ends if end.year <= _OPEN_YEAR}
    if len(ends) > 1:
        notes.append(f"Commitments end on several days; the earliest, {min(ends)}, counts for all.")
    return min(ends, default=None)


def _gpu_hours(fleet: Fleet, month: Period) -> Fraction:
    days = [day for day in month.days() if fleet.begin <= day < fleet.end]
    return sum((Fraction(costs(fleet, day).gpu_hours) for day in days), Fraction(0))


def _locked_until(fleet: Fleet, month: Period) -> date | None:
    """Until when a fleet is paid for whatever happens: a purchase until it is written off, rent until its stated end."""
    ends = [purchase.end for purchase in fleet.purchases]
    if fleet.end != date.max:
        ends.append(fleet.end)
    end = max(ends, default=None)
    return end if end is not None and end > month.end else None


def _load(month: Period, hours: Fraction) -> float:
    """Part of the fleets' GPU-hours that usage had."""
    rows = Charge.objects.filter(
        charge_date__gte=month.start, charge_date__lt=month.end, subject__startswith=SUBJECT, commitment_status=IDLE,
        price_class=GPU_HOUR,
    )  # fmt: skip
    idle = rows.aggregate(n=Sum("consumed_quantity"))["n"] or 0
    return float(max(1 - Fraction(idle) / hours, Fraction(0)))


def _by_hour(month: Period) -> tuple[float, ...]:
    """Calls on own hardware by hour of the month's last week, UTC; flat where all of a day stand in one hour (buckets)."""
    week = Q(charge_date__gte=month.end - timedelta(days=_WEEK), charge_date__lt=month.end)
    served = Charge.objects.filter(week, subject__startswith=SUBJECT, commitment_status=USED)
    keys = [key for key in served.order_by().values_list("usage_key_id", flat=True).distinct() if key is not None]
    since = datetime.combine(month.end - timedelta(days=_WEEK), time(), UTC)
    rows = UsageEvent.objects.filter(week, usage_key_id__in=keys, occurred_at__gte=since).order_by()
    found = [0.0] * (_WEEK * 24)
    for day, hour, calls in rows.values_list("occurred_at__date", ExtractHour("occurred_at")).annotate(
        n=Sum("requests")
    ):
        at = (day - since.date()).days * 24 + hour
        if 0 <= at < len(found):
            found[at] += float(calls or 0)
    if sum(1 for calls in found if calls) <= _WEEK:
        return (1.0,)
    return tuple(found)
