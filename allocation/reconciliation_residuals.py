"""What invoices by hand charge beyond all else; posted on the last day of their billing period by costing.invoices."""

from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q, Sum

from allocation.calc.layers import account_groups
from allocation.calc.reconcile_residuals import Charged, Stated, residuals
from allocation.calc.reconcile_rows import ZERO, Line, money
from allocation.costing.invoices import LAYER
from allocation.models import Charge, Invoice, InvoiceLine, InvoiceResidual
from allocation.reconciliation import derive_invoices, lines_of
from allocation.reconciliation_evidence import MissingRate, rate
from allocation.reconciliation_invoices import NUMBERED, in_force
from allocation.reconciliation_levels import levels
from finops.periods import Period
from ingest.models import BilledLine
from ingest.selectors import key_dimensions, price_book

_REACH = timedelta(days=62)
_PLACE = ("provider", "billing_account", "scope", "charge_category", "currency")


def settle(days: set[date]) -> set[date]:
    """Recompute the residuals of the billing periods of these days; returns the last days of those that changed.

    Invoices that billed lines of these days state are brought up to date first.
    A period for which an exchange rate is missing keeps what it has; ``reconcile`` names the day.
    """
    for month in sorted(_months_billed(days)):
        derive_invoices(Period.month_of(month))
    found = set()
    for period in sorted({Period.month_of(day) for day in days}):
        try:
            if _settled(period):
                found.add(period.end - timedelta(days=1))
        except MissingRate:
            continue
    return found


def _months_billed(days: set[date]) -> set[date]:
    """The billing periods of which lines of these days state invoices, or did."""
    lines = BilledLine.objects.filter(NUMBERED, charge_date__in=days).order_by()
    known = Invoice.objects.filter(source=Invoice.Source.LINES, billing_period__in={day.replace(day=1) for day in days})
    return {*lines.values_list("billing_period", flat=True).distinct(), *known.values_list("billing_period", flat=True)}


@transaction.atomic
def _settled(period: Period) -> bool:
    """Whether the residuals of a month are others now. The waterfall is asked for causes only where they are."""
    known = InvoiceResidual.objects.filter(billing_period=period.start)
    invoices = [invoice for invoice in in_force(period) if invoice.source == Invoice.Source.MANUAL]
    if not invoices and not known.exists():
        return False
    sides = _sides(period, invoices)
    shown = {(row.provider, row.account): name for row, name in zip(sides.stated, sides.accounts, strict=True)}
    found = residuals(sides.stated, sides.charged)
    amounts = {
        (row.provider, shown[row.provider, row.account], *row[2:5]): (row.effective, row.billed) for row in found
    }
    kept = known.values_list(*_PLACE, "effective_cost", "billed_cost")
    if amounts == {tuple(row[:5]): tuple(row[5:]) for row in kept}:
        return False
    lines = [line._replace(account=sides.group(line.provider, line.account)) for line in _waterfall(period)]
    known.delete()
    numbers = {(invoice.provider, invoice.billing_account): invoice.number for invoice in reversed(invoices)}
    InvoiceResidual.objects.bulk_create(
        InvoiceResidual(
            billing_period=period.start, provider=row.provider, billing_account=shown[row.provider, row.account],
            scope=row.scope, charge_category=row.category, currency=row.currency, effective_cost=row.effective,
            billed_cost=row.billed, cause=row.cause, number=_number(numbers, shown[row.provider, row.account]),
        )
        for row in residuals(sides.stated, sides.charged, lines)
    )  # fmt: skip
    return True


def _waterfall(period: Period) -> list[Line]:
    return lines_of(period, levels(period))


def _number(numbers: dict[tuple[str, str], str], account: str) -> str:
    return next(number for (_, known), number in numbers.items() if known == account)


class _Sides(NamedTuple):
    """What invoices state, by groups of accounts (``accounts``: as they name theirs), and what else is charged of them."""

    stated: list[Stated]
    accounts: list[str]
    charged: list[Charged]
    groups: dict[str, dict[str, str]]

    def group(self, provider: str, account: str) -> str:
        return self.groups.get(provider, {}).get(account, account)


def _sides(period: Period, invoices: list[Invoice]) -> _Sides:
    charges = list(_charges(period))
    dimensions = key_dimensions({row["usage_key_id"] for row in charges})
    book = price_book().book

    def canonical(provider: str) -> str:
        return book.resolve_one(provider or None, None, None, None)[1] or provider

    of_invoices = InvoiceLine.objects.filter(invoice__in=invoices).order_by()
    fields = ("invoice__provider", "invoice__billing_account", "scope", "charge_category", "currency")
    rows = [
        (canonical(provider), *rest)
        for provider, *rest in of_invoices.values_list(*fields).annotate(sum=Sum("amount")).order_by(*fields)
    ]
    places = {key: (canonical(of["provider"]), of["billing_account"]) for key, of in dimensions.items()}
    groups = {
        provider: account_groups(
            {account for known, account in places.values() if known == provider}
            | {row[1] for row in rows if row[0] == provider}
        )
        for provider in {row[0] for row in rows}
    }
    stated = [Stated(row[0], groups[row[0]][row[1]], *row[2:]) for row in rows]
    currencies = {(row.provider, row.account): row.currency for row in stated}
    charged = []
    for row in charges:
        provider, account = places[row["usage_key_id"]]
        place = (provider, groups.get(provider, {}).get(account, ""))
        if place in currencies and dimensions[row["usage_key_id"]]["layer"] != LAYER:
            charged.append(_charged(period, place, row, currencies[place]))
    return _Sides(stated, [row[1] for row in rows], charged, groups)


def _charges(period: Period) -> list[dict[str, Any]]:
    """What is charged in a billing period, by usage key, scope, category and currencies."""
    near = {"charge_date__gte": period.start - _REACH, "charge_date__lt": period.end + _REACH}
    billed = Q(billing_period=period.start, correction=None, **near)
    since = Q(corrects_date__gte=period.start, corrects_date__lt=period.end)
    rows = Charge.objects.filter(billed | since, usage_key_id__isnull=False).order_by()
    fields = ("usage_key_id", "scope", "charge_category", "billing_currency", "original_currency")
    sums = {"effective": Sum("effective_cost"), "billed": Sum("billed_cost"), "original": Sum("original_cost")}
    return [dict(row) for row in rows.values(*fields).annotate(**sums)]


def _charged(period: Period, place: tuple[str, str], row: dict[str, Any], currency: str) -> Charged:
    at = rate(row["billing_currency"], currency, period.end - timedelta(days=1))
    effective, billed = (money((row[name] or ZERO) * at) for name in ("effective", "billed"))
    if row["original_currency"] == currency and row["original"] is not None:
        effective = row["original"]
    return Charged(*place, row["scope"], row["charge_category"], currency, effective, billed)
