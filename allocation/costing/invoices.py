"""Charges what invoices without days state beyond all else of their account, on the last day of the billing period.

The amounts come from allocation.reconciliation_residuals, which settles them once the other days are charged.
"""

from datetime import date, timedelta

from django.conf import settings

from allocation.costing.work import Entry, Owner, Work
from allocation.models import InvoiceResidual
from finops.periods import Period

KIND, LAYER = "invoices", "invoice"
_MAX_CLASS = 30


def apply(work: Work) -> Work:
    """The day with the residuals that are posted on it."""
    entries = residual_entries(work.day)
    return work.having(work.usage, entries) if entries else work


def residual_entries(day: date) -> list[Entry]:
    """The charges that invoices without days add on the last day of their billing period; of other days none."""
    period = Period.month_of(day)
    if day != period.end - timedelta(days=1):
        return []
    rows = InvoiceResidual.objects.filter(billing_period=period.start).order_by("pk")
    return [_entry(row) for row in rows]


def _entry(row: InvoiceResidual) -> Entry:
    return Entry(
        subject=f"invoice {row.number}", layer=LAYER,
        dimensions={"provider": row.provider, "billing_account": row.billing_account},
        charge_category=row.charge_category, price_class=row.scope[:_MAX_CLASS], effective_cost=row.effective_cost,
        currency=row.currency, billed_cost=row.billed_cost, list_cost=row.effective_cost,
        contracted_cost=row.effective_cost, cause=row.cause, provenance="billed", billing_period=row.billing_period,
        # another rate of exchange than ours is nobody's usage
        owner=Owner(settings.FINANCE_COST_CENTRE) if row.cause == "fx" else Owner(),
    )  # fmt: skip
