"""Invoices: derived from billed lines that carry a number, or entered by hand and accepted by another person."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q

from allocation.calc.reconcile_invoices import InvoiceError, oddities, parse_invoice
from allocation.costing.terms import rate_anew
from allocation.models import Invoice, InvoiceLine
from allocation.models.reconciliation import WITHDRAWN
from finops import approvals, audit
from finops.models import Approval
from finops.periods import Period
from ingest.selectors import key_dimensions

KIND = "invoice"
_SYSTEM = "import"


def in_force(period: Period) -> list[Invoice]:
    """The highest revision of every invoice of a billing period, by issuer and number."""
    rows = Invoice.objects.filter(billing_period=period.start).order_by("issuer", "number", "revision")
    return list({(row.issuer, row.number): row for row in rows}.values())


def propose(document: Any, *, by: str) -> Approval:
    """Ask for an invoice to be entered. Raises InvoiceError."""
    found = parse_invoice(document)
    _refuse_derived(found.issuer, found.number)
    newest = _newest(found.issuer, found.number)
    written = json.loads(json.dumps(document, default=str))
    details = {"invoice": written, "notes": oddities(found), "revision": newest.revision if newest else 0}
    worth = approvals.Worth(found.total, found.currency)
    return approvals.propose(KIND, f"{found.issuer} {found.number}", details, by, worth=worth)


def propose_withdrawal(issuer: str, number: str, *, by: str, reason: str) -> Approval:
    """Ask for an invoice to be withdrawn. Raises InvoiceError."""
    newest = standing(issuer, number, reason)
    details = {"withdraw": [issuer, number], "reason": reason, "revision": newest.revision}
    worth = approvals.Worth(newest.total, newest.currency)
    return approvals.propose(KIND, f"withdraw {issuer} {number}", details, by, worth=worth)


def carry_out(approval: Approval) -> Invoice:
    """Enter or withdraw the invoice, as was accepted. Raises InvoiceError, and ApprovalError where it is stale."""
    details = approval.details
    issuer, number = details.get("withdraw") or (details["invoice"]["issuer"], str(details["invoice"]["number"]))
    newest = _newest(issuer, number)
    if newest is not None and newest.revision != details.get("revision", newest.revision):
        raise approvals.ApprovalError(
            f"revision {newest.revision} of {issuer} {number} was entered since this was asked: reject it, and propose again"
        )
    if "withdraw" in details:
        return withdraw(issuer, number, by=approval.prepared_by, reason=details["reason"], approval=approval)
    return enter(details["invoice"], by=approval.prepared_by, approval=approval)


@transaction.atomic
def withdraw(issuer: str, number: str, *, by: str, reason: str, approval: Approval | None = None) -> Invoice:
    """Take an invoice that was entered by hand out of force: its next revision states nothing. Raises InvoiceError."""
    newest = standing(issuer, number, reason)
    invoice = Invoice.objects.create(
        issuer=issuer, number=number, revision=newest.revision + 1, provider=newest.provider,
        billing_account=newest.billing_account, issued_on=newest.issued_on, billing_period=newest.billing_period,
        currency=newest.currency, total=0, tax=0, source=Invoice.Source.MANUAL, content_hash=WITHDRAWN,
        approval=approval, entered_by=by[:150],
    )  # fmt: skip
    rate_anew([Period.month_of(newest.billing_period).end - timedelta(days=1)])
    details = {"reason": reason, "total": str(newest.total), "currency": newest.currency}
    audit.record(action="invoice.withdraw", actor=by, subject=str(invoice), details=details)
    return invoice


def standing(issuer: str, number: str, reason: str = "looked at") -> Invoice:
    """The invoice that may be withdrawn for that reason. Raises InvoiceError."""
    newest = _newest(issuer, number)
    if newest is None or newest.withdrawn:
        raise InvoiceError(f"there is no invoice {number} of {issuer}{' any more' if newest else ''}")
    _refuse_derived(issuer, number)
    if not reason.strip():
        raise InvoiceError(f"invoice {number}: say the reason why it is withdrawn")
    return newest


@transaction.atomic
def enter(document: Any, *, by: str, approval: Approval | None = None) -> Invoice:
    """Put an invoice in force; other content under the same number is its next revision. Raises InvoiceError."""
    found = parse_invoice(document)
    _refuse_derived(found.issuer, found.number)
    digest = hashlib.sha256(repr(found).encode()).hexdigest()
    newest = _newest(found.issuer, found.number)
    if newest is not None and newest.content_hash == digest:
        return newest
    invoice = Invoice.objects.create(
        issuer=found.issuer, number=found.number, revision=newest.revision + 1 if newest else 1, provider=found.provider,
        billing_account=found.billing_account, issued_on=found.issued_on, billing_period=found.billing_period,
        currency=found.currency, total=found.total, tax=found.tax, exchange_rate=found.exchange_rate,
        source=Invoice.Source.MANUAL, content_hash=digest, approval=approval, entered_by=by[:150],
    )  # fmt: skip
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=invoice, position=at, description=line.description, charge_date=line.day, model=line.model,
            price_class=line.price_class, mode=line.mode, service_tier=line.service_tier, scope=line.scope,
            charge_category=line.category, quantity=line.quantity, amount=line.amount, currency=found.currency,
        )
        for at, line in enumerate(found.lines, 1)
    )  # fmt: skip
    rate_anew([Period.month_of(found.billing_period).end - timedelta(days=1)])
    audit.record(
        action="invoice.enter", actor=by, subject=str(invoice),
        details={"sha256": digest, "total": str(found.total), "currency": found.currency, "notes": oddities(found)},
    )  # fmt: skip
    return invoice


def _newest(issuer: str, number: str) -> Invoice | None:
    return Invoice.objects.filter(issuer=issuer, number=number).order_by("-revision").first()


def _refuse_derived(issuer: str, number: str) -> None:
    newest = _newest(issuer, number)
    if newest is not None and newest.source == Invoice.Source.LINES:
        raise InvoiceError(f"invoice {number}: the provider's own lines state it already; import them anew instead")


@transaction.atomic
def derive(period: Period, lines: Iterable[Mapping[str, Any]]) -> list[Invoice]:
    """Make the invoices of a month what billed lines state (reconciliation_levels.stated_lines with a number).

    Changed lines are a new revision; lines that are gone leave one without lines. Returns the new revisions.
    """
    stated = [line for line in lines if line["billing_period"] == period.start]
    dimensions = key_dimensions({line["usage_key_id"] for line in stated})
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for line in stated:
        of = dimensions[line["usage_key_id"]]
        found[of["host"] or of["provider"] or of["source"], line["invoice_id"]].append(line)
    for known in in_force(period):
        if known.source == Invoice.Source.LINES:
            found.setdefault((known.issuer, known.number), [])
    made = [_derived(*place, period.start, rows, dimensions) for place, rows in sorted(found.items())]
    return [invoice for invoice in made if invoice is not None]


def _derived(
    issuer: str, number: str, month: date, rows: list[Mapping[str, Any]], dimensions: Mapping[int, Mapping[str, Any]]
) -> Invoice | None:
    rows = sorted(rows, key=lambda row: (row["charge_date"], row["usage_key_id"], *map(str, row.values())))
    digest = hashlib.sha256(repr([sorted(row.items()) for row in rows]).encode()).hexdigest()
    newest = _newest(issuer, number)
    if newest is not None and newest.content_hash == digest:
        return None
    accounts = {dimensions[row["usage_key_id"]]["billing_account"] for row in rows}
    currencies = sorted({row["billing_currency"] for row in rows}) or ([newest.currency] if newest else [])
    tax = [row["cost"] for row in rows if row["charge_category"] == "Tax"]
    invoice = Invoice.objects.create(
        issuer=issuer, number=number, revision=newest.revision + 1 if newest else 1, billing_period=month,
        billing_account=next(iter(accounts)) if len(accounts) == 1 else "", currency=currencies[0],
        total=sum((row["cost"] for row in rows if row["billing_currency"] == currencies[0]), Decimal(0)),
        tax=sum(tax, Decimal(0)), source=Invoice.Source.LINES, content_hash=digest, entered_by=_SYSTEM,
    )  # fmt: skip
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=invoice, position=at, description=row["text"] or "", charge_date=row["charge_date"],
            usage_key_id=row["usage_key_id"], price_class=row["price_class"], scope=row["scope"],
            charge_category=row["charge_category"], charge_class=row["charge_class"], quantity=row["quantity"],
            amount=row["cost"], currency=row["billing_currency"], lines=row["lines"],
        )
        for at, row in enumerate(rows, 1)
    )  # fmt: skip
    return invoice


NUMBERED = ~Q(invoice_id="")
