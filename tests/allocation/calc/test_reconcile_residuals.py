"""Residuals of invoices without days: all that is charged with them is what the invoices state, once."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc.reconcile_invoices import InvoiceError, parse_invoice
from allocation.calc.reconcile_residuals import Charged, Residual, Stated, residuals
from allocation.calc.reconcile_rows import Line

D = Decimal


def stated(amount: str, scope: str = "", account: str = "a", category: str = "Usage") -> Stated:
    return Stated("p", account, scope, category, "USD", D(amount))


def charged(effective: str, scope: str = "tokens.standard", account: str = "a", billed: str | None = None) -> Charged:
    return Charged("p", account, scope, "Usage", "USD", D(effective), D(effective if billed is None else billed))


def test_one_row_per_account_and_scope_holds_what_is_not_charged_yet() -> None:
    found = residuals(
        [stated("10"), stated("2", category="Tax")], [charged("6", billed="0"), charged("1", "web_search")]
    )
    assert found == [
        Residual("p", "a", "", "Tax", "USD", D(2), D(2), "unexplained"),
        Residual("p", "a", "", "Usage", "USD", D(3), D(9), "unexplained"),
    ]


def test_a_charge_counts_for_the_line_that_names_its_scope_before_the_one_that_names_none() -> None:
    found = residuals([stated("5", "web_search"), stated("10")], [charged("5", "web_search"), charged("4")])
    assert [(row.scope, row.effective) for row in found] == [("", D(6))]


def test_an_invoice_of_no_account_is_of_all_and_another_account_is_not_touched() -> None:
    assert [
        row.effective for row in residuals([stated("10", account="")], [charged("4"), charged("1", account="b")])
    ] == [D(5)]
    assert [row.effective for row in residuals([stated("10")], [charged("4"), charged("1", account="b")])] == [D(6)]


def test_a_single_cause_of_the_waterfall_is_the_cause() -> None:
    def line(*causes: tuple[str, Decimal], unexplained: str = "0") -> Line:
        return Line("p", "a", "m", "", None, "Usage", "USD", "variance", D(1), None, None, D(2), causes, D(unexplained))

    def cause(*lines: Line) -> str:
        return residuals([stated("10")], [charged("9")], lines)[0].cause

    assert cause(line(("not_captured", D(1)))) == "not_captured"
    assert cause(line(("not_captured", D(1))), line(("not_captured", D(2)))) == "not_captured"
    assert cause(line(("not_captured", D(1)), unexplained="0.1")) == "unexplained"
    assert cause(line(("not_captured", D(1))), line(("duplicate", D(-1)))) == "unexplained"
    assert cause() == "unexplained"


_money = st.decimals(-1_000, 1_000, places=12)
_scopes, _accounts = st.sampled_from(["", "tokens.standard", "web_search"]), st.sampled_from(["", "a", "b"])


@given(
    st.lists(st.builds(Stated, st.just("p"), _accounts, _scopes, st.just("Usage"), st.just("USD"), _money), max_size=6),
    st.lists(
        st.builds(Charged, st.just("p"), _accounts, _scopes, st.just("Usage"), st.just("USD"), _money, _money), max_size=6
    ),
)  # fmt: skip
def test_with_its_residual_every_account_and_scope_is_charged_what_it_is_invoiced(
    invoices: list[Stated], charges: list[Charged]
) -> None:
    found = residuals(invoices, [*charges, Charged("q", "a", "", "Usage", "USD", D(1), D(1))])
    assert residuals(invoices, [*charges, *(Charged(*row[:7]) for row in found)]) == []
    assert len({row[:5] for row in found}) == len(found)


INVOICE: dict[str, Any] = {
    "issuer": "OpenAI", "number": "7", "billing_period": "2026-09", "currency": "EUR", "total": "11.90", "tax": "1.90",
    "issued_on": "2026-10-02", "exchange_rate": "0.92",
}  # fmt: skip


def test_an_invoice_without_lines_is_one_line_of_usage_and_its_tax() -> None:
    found = parse_invoice(INVOICE)
    assert [(line.category, line.amount, line.scope) for line in found.lines] == [
        ("Tax", D("1.90"), ""), ("Usage", D("10.00"), ""),
    ]  # fmt: skip
    assert (found.provider, found.billing_period, found.issued_on) == ("openai", date(2026, 9, 1), date(2026, 10, 2))


def test_the_cents_by_which_lines_miss_the_total_are_a_line_and_more_is_refused() -> None:
    lines = [{"amount": "5.004"}, {"amount": "5.003"}]
    found = parse_invoice(INVOICE | {"lines": lines})
    assert [(line.category, line.amount) for line in found.lines][2:] == [
        ("Tax", D("1.90")),
        ("Adjustment", D("-0.007")),
    ]
    with pytest.raises(InvoiceError, match=r"invoice 7: its lines and tax add up to 11\.95, its total is 11\.90"):
        parse_invoice(INVOICE | {"lines": [{"amount": "10.05"}]})


@given(
    st.lists(st.tuples(_money, st.sampled_from(["Usage", "Tax", "Credit"])), max_size=6), st.one_of(st.none(), _money)
)
def test_the_lines_of_an_invoice_add_up_to_its_total_and_its_tax(
    lines: list[tuple[Decimal, str]], more_tax: Decimal | None
) -> None:
    written = [{"amount": str(amount), "category": category} for amount, category in lines]
    of_lines = sum((amount for amount, category in lines if category == "Tax"), D(0))
    tax = of_lines if more_tax is None else of_lines + more_tax
    total = sum((amount for amount, _ in lines), D(0)) - of_lines + tax
    given = {"lines": written, "total": f"{total:f}"} | ({} if more_tax is None else {"tax": f"{tax:f}"})
    found = parse_invoice({"issuer": "x", "number": "1", "billing_period": "2026-09", "currency": "USD"} | given)
    assert sum((line.amount for line in found.lines), D(0)) == found.total == total
    assert sum((line.amount for line in found.lines if line.category == "Tax"), D(0)) == found.tax == tax
