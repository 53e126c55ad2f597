"""Reads of reconciliations and invoices. They are not of one cost centre: only for those who see everything."""

from django.db.models import Q, QuerySet

from allocation.models import Invoice, InvoiceLine, Reconciliation, ReconciliationLine
from finops.periods import Period

STATES = ("matched", "within_tolerance", "variance", "missing")


def runs(
    *, month: Period | None, provider: str, state: str, before: int | None, limit: int
) -> list[Reconciliation]:  # fmt: skip
    """Runs, the newest first; with ``provider`` or ``state`` those that have a line of them."""
    found = Reconciliation.objects.order_by("-pk")
    if month is not None:
        found = found.filter(month=month.start)
    if before is not None:
        found = found.filter(pk__lt=before)
    if provider or state:
        some = _of(ReconciliationLine.objects.all(), provider, state)
        found = found.filter(pk__in=some.values("reconciliation_id"))
    return list(found[:limit])


def lines(
    run: Reconciliation, *, provider: str = "", state: str = "", after: int | None = None, limit: int | None = None
) -> list[ReconciliationLine]:
    """Lines of a run in its order."""
    found = _of(run.lines.order_by("pk"), provider, state)
    if after is not None:
        found = found.filter(pk__gt=after)
    return list(found[:limit])


def _of(rows: QuerySet[ReconciliationLine], provider: str, state: str) -> QuerySet[ReconciliationLine]:
    if provider:
        rows = rows.filter(provider=provider)
    return rows.filter(state=state) if state else rows


def invoices(*, month: Period | None, issuer: str, before: int | None, limit: int) -> list[Invoice]:
    """Revisions of invoices, the newest first."""
    chosen = Q()
    if month is not None:
        chosen &= Q(billing_period=month.start)
    if issuer:
        chosen &= Q(issuer=issuer)
    if before is not None:
        chosen &= Q(pk__lt=before)
    return list(Invoice.objects.filter(chosen).order_by("-pk")[:limit])


def invoice_lines(invoice: Invoice, *, after: int, limit: int) -> list[InvoiceLine]:
    """Lines of a revision in its order, after a position."""
    return list(invoice.lines.filter(position__gt=after).order_by("position")[:limit])
