"""The steps of costing, in their order: what a day's usage costs under agreements, and what is charged beside it."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.db import connection

from allocation.costing import adjustments, capacity, commitments, contracts, fx, invoices, other_charges, terms
from allocation.costing.work import Work
from allocation.models import Adjustment, InvoiceResidual, TermsVersion
from finops.models import FxRate, SiteMark
from finops.periods import Period

DEMO = "demo"  # the mark of a database that holds demo data
AGREEMENTS: dict[str, terms.Parse] = {
    step.KIND: step.parse for step in (contracts, commitments, capacity, other_charges) if hasattr(step, "parse")
}
STEPS: tuple[Callable[[Work], Work], ...] = (
    contracts.apply, commitments.apply, capacity.apply, other_charges.apply, adjustments.apply, invoices.apply,
    fx.apply,
)  # fmt: skip
SETTLES: tuple[Callable[[set[date]], set[date]], ...] = tuple(
    step.settle for step in (contracts, commitments, capacity, other_charges) if hasattr(step, "settle")
)


def cost(work: Work) -> Work:
    """A day as it is charged, before bills speak."""
    for step in STEPS:
        work = step(work)
    return work


def settle(days: set[date]) -> set[date]:
    """What follows from charging these days: the days whose figures of a longer time have changed."""
    return {day for step in SETTLES for day in step(days)}


def in_force() -> bool:
    """Whether one usage key's charge may hang on another's: agreements, invoices, or roundings of currencies over a day."""
    kinds = (
        TermsVersion.objects.filter(live=True, kind__in=AGREEMENTS),
        FxRate.objects,
        InvoiceResidual.objects,
        Adjustment.objects,
    )
    return any(kind.exists() for kind in kinds)


def mark_new_days() -> None:
    """Mark the days up to today that agreements were not charged for yet: what time owes is owed without usage."""
    found: list[Any] = [terms.in_force(kind, parse) for kind, parse in AGREEMENTS.items()]
    begins = [parsed.begins for parsed in found if parsed.begins is not None]
    if not begins:
        return
    mark, today = SiteMark.objects.filter(name=terms.CHARGED).first(), _today()
    first = date.fromisoformat(mark.value["until"]) + timedelta(days=1) if mark else min(begins)
    if first <= today:
        terms.rate_anew(Period.through(first, today).days())
        SiteMark.objects.update_or_create(name=terms.CHARGED, defaults={"value": {"until": today.isoformat()}})


def _today() -> date:
    """The database's date (UTC); of a demo whose data ends earlier, the last day of its data."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
        today: date = cursor.fetchone()[0]
    demo = SiteMark.objects.filter(name=DEMO).first()
    return min(today, date.fromisoformat(demo.value["until"])) if demo and demo.value.get("until") else today
