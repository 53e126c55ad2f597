"""What invoices state of places, in the currency of the books."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django.conf import settings
from django.db.models import Sum

from allocation.calc.accruals import Invoiced, Place
from allocation.close.gl import Payers
from allocation.close.ledger_costs import Issuers
from allocation.models import Invoice, InvoiceLine
from finops import fx
from finops.periods import Period
from ingest.selectors import key_dimensions

_STEP = Decimal(1).scaleb(-12)
_FIELDS = ("invoice_id", "usage_key_id", "charge_date", "currency")


def stated(
    months: Iterable[date], period: Period, *, payers: Payers | None = None, names: Issuers | None = None,
    category: str = "",
) -> list[Invoiced]:  # fmt: skip
    """What the invoices in force state of billed months, by place as the books of ``period`` have it; sorted.

    One that states nothing is none. ``category``: of their lines those alone; ``payers``, ``names``: where they are at hand.

    Amounts are converted as the charges are: lines of imported bills at the rate of their day, what an invoice by hand states
    at that of the last day of its month, on which its residual is charged (FINOPS_FX); without a rate they stay in their own
    currency.
    """
    invoices = _in_force(sorted(set(months)))
    lines = _lines(invoices, category)
    keys = key_dimensions({line["usage_key_id"] for line in lines if line["usage_key_id"] is not None})
    names, payers, site = names or Issuers(), payers or Payers(period), settings.REPORT_CURRENCY
    amounts: dict[tuple[Place, date], Decimal] = defaultdict(Decimal)
    numbers: dict[tuple[Place, date], set[str]] = defaultdict(set)
    for line in lines:
        invoice = invoices[line["invoice_id"]]
        if line["usage_key_id"] is None:
            issuer, account = names.canonical(invoice.provider or invoice.issuer), invoice.billing_account
        else:
            dims = keys[line["usage_key_id"]]
            issuer, account = names.of(dims), dims["billing_account"]
        last = Period.month_of(invoice.billing_period).end - timedelta(days=1)
        day = line["charge_date"] if invoice.source == Invoice.Source.LINES and line["charge_date"] else last
        amount, currency = _converted(line["amount"], line["currency"], site, day)
        at = payers.place(issuer, account, currency, invoice.billing_period), invoice.billing_period
        amounts[at] += amount
        numbers[at].add(invoice.number)
    return [Invoiced(*at, amount, tuple(sorted(numbers[at]))) for at, amount in sorted(amounts.items())]


def _in_force(months: Sequence[date]) -> dict[int, Invoice]:
    rows = Invoice.objects.filter(billing_period__in=months).order_by("issuer", "number", "revision")
    return {row.pk: row for row in {(row.issuer, row.number): row for row in rows}.values()}


def _lines(invoices: Iterable[int], category: str) -> list[dict[str, Any]]:
    rows = InvoiceLine.objects.filter(invoice__in=list(invoices))
    rows = (rows.filter(charge_category=category) if category else rows).values(*_FIELDS)
    return [dict(row) for row in rows.annotate(amount=Sum("amount")).order_by(*_FIELDS)]


def _converted(amount: Decimal, currency: str, site: str, day: date) -> tuple[Decimal, str]:
    if currency == site:
        return amount, site
    found = fx.rate_for(currency, site, day)
    if found is None:
        return amount, currency
    return (amount * found.rate).quantize(_STEP, ROUND_HALF_EVEN), site
