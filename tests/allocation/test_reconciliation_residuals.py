"""Invoices by hand: what they charge beyond all else is posted once, on the last day of their billing period."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from allocation import reconciliation, reconciliation_invoices
from allocation.calc.reconcile_invoices import InvoiceError
from allocation.derived import refresh
from allocation.models import AllocatedCost, Charge, Invoice, InvoiceResidual
from allocation.verification import verify
from finops import fx
from finops.fx_files import Published
from tests.allocation.stated import KINDS, charges, line, state, total, whole_day
from tests.allocation.test_reconciliation_runs import HAIKU, billed, bucket, call, causes

pytestmark = pytest.mark.usefixtures("ledger")
D = Decimal
LAST = date(2026, 9, 30)


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.completeness.get_source", KINDS.__getitem__)


def invoice(total: str, lines: list[dict[str, Any]] | None = None, **given: Any) -> dict[str, Any]:
    return {
        "issuer": "Anthropic", "number": "A-9", "billing_account": "org-1", "billing_period": "2026-09", "currency": "USD",
        "total": total, "lines": lines or [],
    } | given  # fmt: skip


def derive() -> None:
    refresh()
    assert [(check.id, check.examples) for check in verify() if not check.ok] == []


def test_the_residual_makes_all_that_is_charged_the_invoices_total() -> None:
    state("gate", [call(n) for n in range(4)])  # 0.4 dollars
    reconciliation_invoices.enter(invoice("1.30", tax="0.20"), by="ann")
    derive()
    assert charges("charge_date", "charge_category", "effective_cost", "billed_cost", "cause", provenance="billed") == [
        (LAST, "Tax", D("0.2"), D("0.2"), "tax"), (LAST, "Usage", D("0.7"), D("1.1"), "unexplained"),
    ]  # fmt: skip
    assert total() == total("billed_cost") == D("1.3")
    assert sum(AllocatedCost.objects.values_list("effective_cost", flat=True)) == D("1.3")


def test_days_that_come_later_lessen_the_residual_and_nothing_is_charged_twice() -> None:
    reconciliation_invoices.enter(invoice("1.00"), by="ann")
    derive()
    assert total() == D(1)
    state("gate", [call(n) for n in range(4)])
    derive()
    assert (total(), total(provenance="billed")) == (D(1), D("0.6"))
    state("costs", [billed("0.5", 400_000)], [whole_day()])
    derive()
    # 0.4 computed, 0.1 of the cost report, 0.5 of the invoice
    assert (total(), total(charge_date=LAST)) == (D(1), D("0.5"))
    refresh()
    assert InvoiceResidual.objects.count() == 1


def test_a_last_day_of_which_a_cost_report_speaks_holds_the_residual_beside_it() -> None:
    midnight = datetime(2026, 9, 30, tzinfo=UTC)
    state("gate", [call(1, occurred_at=midnight)])
    state("costs", [billed("0.15", 100_000, period_start=midnight)], [whole_day(day=LAST)])
    reconciliation_invoices.enter(invoice("1.00"), by="ann")
    derive()
    assert (total(), total(cause="unexplained")) == (D(1), D("0.85"))
    state("gate", [call(2, occurred_at=midnight)])  # other usage of the same day
    derive()
    assert total() == D(1)


def test_tax_and_credits_of_a_cost_report_are_not_charged_again_by_the_invoice() -> None:
    tax = {"charge_category": "Tax", "provider": "anthropic", "billing_account": "org-1", "scope": "other"}
    state("costs", [billed("0.5", 400_000), line("0.1", **tax)], [whole_day()])
    reconciliation_invoices.enter(invoice("0.60", tax="0.10"), by="ann")
    derive()
    assert total() == D("0.6")
    assert not InvoiceResidual.objects.exclude(effective_cost=0).exists()


def test_an_invoice_for_one_scope_leaves_the_others_as_they_are() -> None:
    state("usage", [bucket(1_000_000), bucket(200_000, service_tier_served="priority")], [whole_day()])
    reconciliation_invoices.enter(invoice("1.50", [{"scope": "tokens.standard", "amount": "1.50"}]), by="ann")
    derive()
    assert total() == D("1.5") + D("0.2")


def test_a_residual_with_one_cause_carries_it() -> None:
    state("gate", [call(n) for n in range(4)])
    whole = [{"model": HAIKU, "class": "input_uncached", "mode": "sync", "service_tier": "", "quantity": "900000",
              "amount": "0.90"}]  # fmt: skip
    reconciliation_invoices.enter(invoice("0.90", whole), by="ann")
    derive()
    assert charges("effective_cost", "cause", provenance="billed") == [(D("0.5"), "not_captured")]
    assert causes(reconciliation.reconcile("2026-09", "ann")) == {"not_captured": D("0.5")}


def test_an_invoice_in_euros_is_compared_at_our_rate_and_its_own_rate_is_finances(settings: Any) -> None:
    settings.FX, settings.FINANCE_COST_CENTRE = "transaction", "CC-FIN"
    fx.load([Published(day, "EUR", "USD", D("1.25")) for day in (date(2026, 9, 8), LAST)], source="test", actor="test")
    state("gate", [call(n, 1_000_000) for n in range(4)])  # 4 dollars: 3.20 euros at our rate
    whole = [{"model": HAIKU, "class": "input_uncached", "mode": "sync", "service_tier": "", "quantity": "4000000",
              "amount": "3.40"}]  # fmt: skip
    given = invoice("3.40", whole, currency="EUR", exchange_rate="0.85")
    reconciliation_invoices.enter(given, by="ann")
    derive()
    found = reconciliation.reconcile("2026-09", "ann")
    assert (found.totals[0]["currency"], causes(found)) == ("EUR", {"fx": D("0.2")})
    [residual] = Charge.objects.filter(provenance="billed")
    # 0.20 euros are 0.25 dollars
    assert (residual.cause, residual.original_cost, residual.effective_cost) == ("fx", D("0.2"), D("0.25"))
    assert residual.owner is not None
    assert residual.owner.code == "CC-FIN"


def test_a_missing_exchange_rate_names_the_day_and_stops_nothing_else() -> None:
    state("gate", [call(n) for n in range(4)])
    reconciliation_invoices.enter(invoice("3.40", currency="EUR"), by="ann")
    derive()
    assert total() == D("0.4")
    with pytest.raises(ValueError, match="no exchange rate of USD to EUR for 2026-09-08"):
        reconciliation.reconcile("2026-09", "ann")


def test_other_content_under_the_same_number_is_a_revision_and_takes_the_place_of_the_first() -> None:
    state("gate", [call(n) for n in range(4)])
    first = reconciliation_invoices.enter(invoice("1.00"), by="ann")
    assert reconciliation_invoices.enter(invoice("1.00"), by="bob") == first
    reconciliation_invoices.enter(invoice("2.00"), by="bob")
    derive()
    assert total() == D(2)
    assert list(Invoice.objects.order_by("revision").values_list("revision", "total")) == [(1, D(1)), (2, D(2))]


def test_an_invoice_that_the_providers_lines_state_is_not_entered_again() -> None:
    state("costs", [billed("0.4", 400_000, invoice_id="INV-1")], [whole_day()])
    refresh()
    reconciliation.reconcile("2026-09", "ann")
    with pytest.raises(InvoiceError, match="INV-1: the provider's own lines state it already"):
        reconciliation_invoices.enter(invoice("0.4", issuer="anthropic", number="INV-1"), by="ann")
