"""Accruals of a month, and what the invoices that came in it change: computed at each step of its close, kept as facts.

The books begin with the first month that was accrued. Costs and invoices of months before stay out of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.db.models import Max, OuterRef, Subquery, Sum

from allocation import reconciliation
from allocation.calc import accruals as calc
from allocation.calc import fingerprints
from allocation.calc.accruals import MONTHS_OF_HISTORY, ZERO, Place, Position
from allocation.calc.natures import Cost
from allocation.close import invoiced, ledger_costs
from allocation.close.periods import frozen_months, is_frozen
from allocation.models import Accrual, AccrualRun, Charge, TrueUp
from finops import audit, locks
from finops.periods import Period

_KEY = ("issuer", "billing_account", "currency", "legal_entity", "billed_month")
_LOCK = 0x41434352  # "ACCR": one run at a time, else two would have one version


class AccrualError(ValueError):
    """A month cannot be accrued; the message says why."""


class Computed(NamedTuple):
    """A month as it stands: accruals and postings of invoices, not kept."""

    accruals: list[calc.Accrual]
    postings: list[calc.Posting]


@transaction.atomic
def run(period: Period, by: str) -> AccrualRun:
    """The accruals of a month: a new version, or the last one where nothing has changed or the month is frozen.

    Raises AccrualError where a month in between was not accrued.
    """
    locks.hold(_LOCK)
    newest = in_force(period)
    if newest is not None and is_frozen(period.start):
        return newest
    months = {period.start, *(row.month for row in _positions(period) if row.cost or row.estimate)}
    for month in sorted(months):
        reconciliation.derive_invoices(Period.month_of(month))
    found = compute(period)
    made = AccrualRun(month=period.start, version=newest.version + 1 if newest else 1, made_by=by[:150])
    owed, posted = [_accrual(made, row) for row in found.accruals], [_true_up(made, row) for row in found.postings]
    made.content_hash = digest(owed, posted)
    if newest is not None and newest.content_hash == made.content_hash:
        return newest
    made.save()
    Accrual.objects.bulk_create(owed)
    TrueUp.objects.bulk_create(posted)
    details = {
        "sha256": made.content_hash, "accruals": len(found.accruals), "invoices": len(found.postings),
        "accrued": str(sum((row.amount for row in found.accruals), ZERO)),
    }  # fmt: skip
    audit.record(action="accruals.run", actor=by, subject=str(made), details=details)
    return made


def digest(owed: Iterable[Accrual], posted: Iterable[TrueUp]) -> str:
    """The hash of a run's rows, as they are computed or stored."""
    return fingerprints.digest(
        sorted(
            [model.__name__, *(str(getattr(row, name)) for name in _KEY), *(getattr(row, name) for name in names)]
            for rows, model in ((owed, Accrual), (posted, TrueUp))
            for names in [
                [field.name for field in model._meta.concrete_fields if field.name not in ("id", "run", *_KEY)]
            ]
            for row in rows
        )
    )


def compute(period: Period, costs: Sequence[Cost] | None = None) -> Computed:
    """What a run would find now; nothing is kept. ``costs``: those of the month, where they are at hand."""
    before, begins = _positions(period), _begins(period)
    costs = ledger_costs.costs(period) if costs is None else costs
    owed = [row for row in ledger_costs.owed(costs) if row.month >= begins]
    stated, history = invoiced.stated(_months(begins, period.start), period), _shares(period)
    shares = {row.place: history.get(_account(row.place), ZERO) for rows in (owed, before) for row in rows}
    return Computed(*calc.close(period.start, owed, stated, before, shares))


def in_force(period: Period) -> AccrualRun | None:
    """The run of a month that counts."""
    return AccrualRun.objects.filter(month=period.start).order_by("-version").first()


def of(period: Period) -> list[Accrual]:
    """The accruals of a month, sorted; none where it was not accrued yet."""
    return list(
        Accrual.objects.filter(run=in_force(period)).order_by("issuer", "billing_account", "billed_month", "pk")
    )


def true_ups(period: Period) -> list[TrueUp]:
    """The invoices that were posted in a month, sorted."""
    return list(TrueUp.objects.filter(run=in_force(period)).order_by("issuer", "billing_account", "billed_month", "pk"))


class Accuracy(NamedTuple):
    """How near an accrual came to its invoice: ``accuracy`` = 1 - |invoiced - accrued| / |invoiced|."""

    place: Place | None
    invoiced: Decimal
    accrued: Decimal
    accuracy: Decimal | None


def accuracies(period: Period) -> list[Accuracy]:
    """Of each account whose invoice was posted in the month and had been accrued; the last row (None) is all of them.

    A month that was accrued as preliminary and invoiced before it closed counts with that accrual.
    """
    preliminary = _preliminary(period)
    found: dict[Place, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for row in true_ups(period):
        place = place_of(row)
        accrued = preliminary.get(place) if row.billed_month == period.start else row.accrued
        if accrued and row.invoiced:
            found[place].append((row.invoiced, accrued))
    rows = [_accuracy(place, pairs) for place, pairs in sorted(found.items())]
    return [*rows, _accuracy(None, [pair for pairs in found.values() for pair in pairs])] if rows else []


def place_of(row: Accrual | TrueUp) -> Place:
    """The place of a stored row."""
    return Place(row.issuer, row.billing_account, row.currency, row.legal_entity)


def _accuracy(place: Place | None, pairs: Sequence[tuple[Decimal, Decimal]]) -> Accuracy:
    stated, accrued = (sum((pair[at] for pair in pairs), ZERO) for at in (0, 1))
    return Accuracy(place, stated, accrued, calc.accuracy(pairs))


def _preliminary(period: Period) -> dict[Place, Decimal]:
    rows = Accrual.objects.filter(run__month=period.start, billed_month=period.start).order_by("run__version")
    return {place_of(row): row.amount for row in rows}


def _begins(period: Period) -> date:
    """The first month of the books; the month itself where there are none yet."""
    first: date | None = AccrualRun.objects.order_by("month").values_list("month", flat=True).first()
    return min(first or period.start, period.start)


def _months(first: date, last: date) -> Iterable[date]:
    month = Period.month_of(first)
    while month.start <= last:
        yield month.start
        month = Period.month_of(month.end)


def _positions(period: Period) -> list[Position]:
    """How places stood after the close before. Raises AccrualError."""
    last = AccrualRun.objects.filter(month__lt=period.start).order_by("-month", "-version").first()
    if last is None:
        return []
    gap = Charge.objects.filter(charge_date__gte=Period.month_of(last.month).end, charge_date__lt=period.start)
    if missing := gap.order_by("charge_date").values_list("charge_date", flat=True).first():
        raise AccrualError(
            f"{missing:%Y-%m} has cost and no accruals: close months in their order; "
            f"`manage.py close_month {missing:%Y-%m} --to preliminary --as USER` accrues it"
        )
    newest = AccrualRun.objects.filter(month=OuterRef("run__month")).values("month").annotate(at=Max("version"))
    rows = TrueUp.objects.filter(run__month__lt=period.start, run__version=Subquery(newest.values("at")))
    fields = ("issuer", "billing_account", "currency", "legal_entity", "billed_month")
    stated = {
        (Place(*row[:4]), row[4]): row[5]
        for row in rows.values_list(*fields).annotate(sum=Sum("invoiced")).order_by(*fields)
    }
    accrued = {(place_of(row), row.billed_month): row for row in Accrual.objects.filter(run=last)}
    found = []
    for place, month in sorted({*stated, *accrued}):
        at = accrued.get((place, month))
        cost, estimate, computed = (at.cost, at.estimate, at.computed) if at else (ZERO, ZERO, ZERO)
        found.append(Position(place, month, cost, estimate, stated.get((place, month), ZERO), computed))
    return found


def _shares(period: Period) -> dict[Place, Decimal]:
    """By which share invoices exceeded what was computed, by account whoever pays it, over the last closed months."""
    months = sorted(month for month in frozen_months() if month < period.start)[-MONTHS_OF_HISTORY:]
    stated = {(_account(row.place), row.month): row.amount for row in invoiced.stated(months, period)}
    history: dict[Place, list[calc.History]] = defaultdict(list)
    for month in months:
        computed: dict[Place, Decimal] = defaultdict(Decimal)
        for row in ledger_costs.costs(Period.month_of(month)):
            if row.month == month:
                computed[_account(row.place)] += row.computed
        for place, amount in computed.items():
            if (place, month) in stated:
                history[place].append(calc.History(place, month, amount, stated[place, month]))
    return {place: calc.history_share(rows) for place, rows in history.items()}


def _account(place: Place) -> Place:
    return place._replace(legal_entity="")


def _accrual(made: AccrualRun, row: calc.Accrual) -> Accrual:
    return Accrual(
        run=made, **row.place._asdict(), billed_month=row.month, invoice_id=calc.provisional_number(row.place, row.month),
        cost=row.cost, computed=row.computed, share=row.share, estimate=row.estimate, amount=row.amount,
        reversed=row.reversed,
    )  # fmt: skip


def _true_up(made: AccrualRun, row: calc.Posting) -> TrueUp:
    return TrueUp(
        run=made, **row.place._asdict(), billed_month=row.month, numbers=list(row.numbers), invoiced=row.invoiced,
        accrued=row.accrued, charged=row.charged, amount=row.true_up,
        causes={cause: f"{amount:.12f}" for cause, amount in row.causes},
    )  # fmt: skip
