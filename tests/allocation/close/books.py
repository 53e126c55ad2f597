"""Months that are closed in tests of the books: usage of accounts of Anthropic, their invoices, the steps of a close."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from allocation import reconciliation_invoices
from allocation.close import accruals
from allocation.derived import refresh
from allocation.models import BillingPeriod
from finops.periods import Period
from tests.allocation.stated import state
from tests.allocation.test_reconciliation_runs import HAIKU

MILLION = 1_000_000  # tokens of input of HAIKU cost 1 dollar
SEPTEMBER, OCTOBER, NOVEMBER = (Period.month(f"2026-{number:02}") for number in (9, 10, 11))


def use(period: Period, account: str, dollars: str, **given: Any) -> None:
    """Usage of an account on the 8th of a month, through a gateway."""
    at = datetime(period.start.year, period.start.month, 8, 12, tzinfo=UTC)
    row = {
        "native_id": f"{period} {account} {given.get('native_id', '')}", "occurred_at": at, "provider": "anthropic",
        "model_served": HAIKU, "input_uncached": int(Decimal(dollars) * MILLION), "billing_account": account,
    }  # fmt: skip
    state("gate", [row | {name: value for name, value in given.items() if name != "native_id"}])


def invoice(period: Period, account: str, total: str, **given: Any) -> None:
    """An invoice of the account's month arrives now."""
    document = {
        "issuer": "Anthropic", "number": f"{account}-{period}", "billing_account": account, "billing_period": str(period),
        "currency": "USD", "total": total, "lines": [],
    }  # fmt: skip
    reconciliation_invoices.enter(document | given, by="ann")
    refresh()


def prepare(period: Period) -> None:
    """The month ends: it is preliminary, and accrued."""
    refresh()
    BillingPeriod.objects.update_or_create(month=period.start, defaults={"state": "preliminary"})
    accruals.run(period, "ann")


def freeze(period: Period, state: str = "soft_closed") -> None:
    """Accrued for the last time, and frozen."""
    refresh()
    accruals.run(period, "ann")
    BillingPeriod.objects.update_or_create(month=period.start, defaults={"state": state})


def accrued(period: Period) -> dict[tuple[str, str], Decimal]:
    """(account, billed month) -> accrual."""
    return {(row.billing_account, f"{row.billed_month:%Y-%m}"): row.amount for row in accruals.of(period)}


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
