"""FOCUS 1.4 beside Cost and Usage: Contract Commitment, Billing Period, Invoice Detail. Rows in, tables out."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa

from allocation.calc.focus_columns import BILLING_PERIOD, CONTRACT_COMMITMENT, INVOICE_DETAIL, schema, written
from allocation.calc.focus_ledger import Place, Terms
from allocation.calc.focus_rows import invoice_detail_id, kind_of
from allocation.calc.focus_text import DEFAULT_ACCOUNT, as_json, issuer_of
from finops.periods import Period

AVAILABILITY = ("provisioned_throughput", "reserved_gpu")
_INTERVAL = {"prepaid_credit": "Full Period", "enterprise_commit": "Full Period"}


class Invoiced(NamedTuple):
    """The lines of one invoice of one category: how much, and when they were first and last stated.

    ``ahead``: the earlier month that they were billed in (2026-09); '': that of the file. ``entered``: by hand, for all that
    the account used, whatever the currency it is charged in.
    """

    invoice: str
    place: Place
    billed_cost: Decimal
    first: datetime
    last: datetime
    issued: datetime | None
    ahead: str = ""
    entered: bool = False


def contract_commitments(commitments: Iterable[Terms], period: Period) -> pa.Table:
    """One row per commitment, in the order of their codes. The status is that at the end of the period."""
    rows = [_commitment(terms, period) for terms in sorted(commitments, key=lambda terms: terms.code)]
    return pa.Table.from_pylist(rows, schema=schema(written("1.4", CONTRACT_COMMITMENT)))


def billing_periods(seen: Iterable[tuple[datetime, datetime, str]], state: str, updated: datetime | None) -> pa.Table:
    """One row per (start, end, issuer) of Cost and Usage. ``state``: closed, or another one; ``updated``: last change."""
    rows = [
        {
            "BillingPeriodStart": start, "BillingPeriodEnd": end, "InvoiceIssuerName": issuer, "BillingPeriodCreated": start,
            "BillingPeriodLastUpdated": max(start, updated or start),
            "BillingPeriodStatus": "Closed" if state == "closed" else "Open",
        }
        for start, end, issuer in sorted(set(seen))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema(written("1.4", BILLING_PERIOD)))


def invoice_details(lines: Iterable[Invoiced], start: datetime, end: datetime) -> pa.Table:
    """One row per invoice, billing account and category. ``start``, ``end``: of the billing period."""
    rows = []
    for line in sorted(lines):
        _, account, currency, category = line.place
        rows.append(
            {
                "BilledCost": line.billed_cost, "BillingAccountId": account or DEFAULT_ACCOUNT, "BillingCurrency": currency,
                "BillingPeriodStart": start, "BillingPeriodEnd": end, "ChargeCategory": category,
                "InvoiceDetailCreated": line.first, "InvoiceDetailLastUpdated": line.last,
                "InvoiceDetailDescription": f"{category} of {account or DEFAULT_ACCOUNT}",
                "InvoiceDetailId": invoice_detail_id(line.invoice, line.place, line.ahead), "InvoiceId": line.invoice,
                "InvoiceIssueDate": line.issued, "InvoiceIssueStatus": "Issued",
                "InvoiceIssuerName": issuer_of(line.place[0]), "PaymentTerms": "As agreed with the issuer",
                "ReferenceInvoiceId": line.invoice,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema(written("1.4", INVOICE_DETAIL)))


def single_invoices(lines: Iterable[Invoiced], *, ahead: bool = False) -> dict[Place, str]:
    """Place -> its invoice, '' where there are several: which of them a charge is on, nobody says.

    One that was entered holds for the account's charges in any currency; that of no account for every account.
    """
    found: dict[Place, set[str]] = defaultdict(set)
    for line in lines:
        provider, account, _, category = line.place
        if bool(line.ahead) == ahead:
            if line.entered:
                found[provider, account, "", category].add(line.invoice)
            if account or not line.entered:
                found[line.place].add(line.invoice)
    return {place: _single(names) for place, names in found.items()}


def single_numbers(lines: Iterable[Invoiced]) -> dict[str, str]:
    """Provider -> the invoice of the month, where it sent one only."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        if not line.ahead:
            found[line.place[0]].add(line.invoice)
    return {provider: name for provider, names in found.items() if (name := _single(names))}


def single_accounts(lines: Iterable[Invoiced]) -> dict[str, str]:
    """Provider -> its billing account, where its invoices name one only; those by hand settle what names none, so they decide."""
    found: dict[str, set[str]] = defaultdict(set)
    by_hand: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        (by_hand if line.entered else found)[line.place[0]].add(line.place[1])
    return {provider: next(iter(names)) for provider, names in (found | by_hand).items() if len(names) == 1}


def _single(names: set[str]) -> str:
    return next(iter(names)) if len(names) == 1 else ""


def _commitment(terms: Terms, period: Period) -> dict[str, Any]:
    issuer = issuer_of(terms.provider)
    return {
        "BillingCurrency": terms.currency, "ContractCommitmentApplicability": _applicability(terms, issuer),
        "ContractCommitmentBenefitCategory": _benefit(terms.kind), "ContractCommitmentCategory": terms.category,
        "ContractCommitmentCost": terms.cost, "ContractCommitmentCreated": terms.loaded_at,
        "ContractCommitmentDescription": f"{kind_of(terms)} {terms.code}",
        "ContractCommitmentDurationType": _duration(terms),
        "ContractCommitmentFulfillmentInterval": _INTERVAL.get(terms.kind)
        or ("Monthly" if terms.kind not in AVAILABILITY else "Hourly" if terms.hourly else "Daily"),
        "ContractCommitmentId": terms.code, "ContractCommitmentLastUpdated": terms.loaded_at,
        "ContractCommitmentLifecycleStatus": _status(terms, period),
        "ContractCommitmentModel": "Discontinuous" if terms.kind in _INTERVAL else "Continuous",
        "ContractCommitmentOfferCategory": "Negotiated" if terms.kind == "enterprise_commit" else "Public",
        "ContractCommitmentPaymentInterval": _payments(terms),
        "ContractCommitmentPaymentModel": "All Upfront" if terms.upfront else "No Upfront",
        "ContractCommitmentPaymentUpfrontPercentage": Decimal(int(terms.upfront)),
        "ContractCommitmentPeriodStart": terms.start, "ContractCommitmentPeriodEnd": terms.end,
        "ContractPeriodStart": terms.start, "ContractPeriodEnd": terms.end, "ContractId": terms.commitment_id,
        "ContractCommitmentQuantity": terms.quantity, "ContractCommitmentUnit": terms.unit or None,
        "ContractCommitmentType": kind_of(terms), "InvoiceIssuerName": issuer, "ServiceProviderName": issuer,
    }  # fmt: skip


def _applicability(terms: Terms, issuer: str) -> str | None:
    if terms.everything:
        return as_json({"IsGlobalScope": True})
    if not terms.fixed_provider:
        return as_json({"IsComplexScope": True})
    rule = {"Dimension": "ServiceProviderName", "Operator": "In", "Values": [issuer]}
    return as_json({"InclusionOperator": "And", "Inclusions": [rule]})


def _benefit(kind: str) -> str:
    return "Availability" if kind in AVAILABILITY else "Discount" if kind == "enterprise_commit" else "Entitlement"


def _payments(terms: Terms) -> str:
    if terms.kind == "enterprise_commit" or terms.as_consumed:
        return "Custom"
    return "One-Time" if terms.upfront else "Monthly"


def _duration(terms: Terms) -> str:
    """The term; of what goes on, the month that it is renewed by."""
    if terms.goes_on:
        return "1 Month"
    days = max((terms.end - terms.start) // timedelta(days=1), 1)
    return f"{days} Day{'' if days == 1 else 's'}"


def _status(terms: Terms, period: Period) -> str:
    last = period.end
    if terms.start.date() >= last:
        return "Pending"
    if terms.ended is not None and terms.ended.date() <= last:
        return "Canceled"
    return "Expired" if terms.end.date() <= last else "Active"
