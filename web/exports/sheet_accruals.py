"""Sheet Accruals & corrections: what is owed without an invoice, what invoices changed, what corrects frozen months."""

from decimal import Decimal
from typing import Any

from allocation import workbook_selectors
from allocation.close import accruals
from allocation.scope import Scope
from web.exports.book import Book
from web.exports.controls import Expression
from web.exports.sheets import Layout
from web.exports.statement_facts import Facts

NAME = "Accruals & corrections"
_ACCRUALS = (
    ("Issuer", "text"), ("Billing account", "text"), ("Provisional invoice", "text"), ("Legal entity", "text"),
    ("Billed", "date"), ("Currency", "text"), ("Cost to date", "exact"), ("Known unexplained", "exact"), ("Accrued", "exact"),
    ("Reversed from before", "exact"),
)  # fmt: skip
_TRUE_UPS = (
    ("Issuer", "text"), ("Billing account", "text"), ("Invoices", "text"), ("Legal entity", "text"), ("Billed", "date"),
    ("Currency", "text"), ("Invoiced", "exact"), ("Accrued", "exact"), ("Charged already", "exact"), ("True-up", "exact"),
)  # fmt: skip
_CORRECTIONS = (
    ("Cost centre", "text"), ("Cause", "text"), ("", "text"), ("Posted on", "date"), ("Corrects", "date"), ("Currency", "text"),
    ("Taken back", "exact"), ("Charged instead", "exact"), ("Correction", "exact"),
)  # fmt: skip


def write(book: Book, sheet: Any, facts: Facts, scope: Scope) -> None:
    """Fill the sheet; of a narrower scope the corrections alone."""
    widths = (26, 24, 30, 18, 12, 11, 20, 20, 20, 20)
    page = book.page(sheet, Layout(widths, f"Statement {facts.period}: {NAME}", facts.stamp, wide=True))
    page.line("Accruals and corrections", "title", 26)
    page.line("Accruals are estimated and taken back on the first day of the next month.", "subtitle", 18)
    if scope.everything:
        found = accruals.of(facts.period)
        rows = page.section("Accruals at the month's end", _ACCRUALS, (
            [row.issuer, row.billing_account, row.invoice_id, row.legal_entity, row.billed_month, row.currency, row.cost,
             row.estimate, row.amount, row.reversed] for row in found
        ), nothing="Nothing is accrued")  # fmt: skip
        parts = sum((row.cost + row.estimate for row in found), Decimal(0))
        both = f"{page.sum(7, rows, parts).formula}+{page.sum(8, rows, parts).formula}"
        whole = page.sum(9, rows, sum((row.amount for row in found), Decimal(0)))
        book.controls.tie("Accruals: cost to date + known unexplained = accrued", Expression(both, parts), whole)
        page.section("What the month's invoices changed", _TRUE_UPS, (
            [row.issuer, row.billing_account, ", ".join(row.numbers), row.legal_entity, row.billed_month, row.currency,
             row.invoiced, row.accrued, row.charged, row.amount] for row in accruals.true_ups(facts.period)
        ), nothing="No invoice was posted in this month")  # fmt: skip
    corrected = workbook_selectors.corrections(scope, facts.period)
    rows = page.section("Corrections of frozen months that this month bears", _CORRECTIONS, (
        [row.cost_centre or "(unallocated)", row.cause.replace("_", " "), None, row.posted_on, row.day, row.currency,
         row.reversed, row.restated, row.reversed + row.restated] for row in corrected
    ), nothing="No frozen month is corrected")  # fmt: skip
    parts = sum((row.reversed + row.restated for row in corrected), Decimal(0))
    both = f"{page.sum(7, rows, parts).formula}+{page.sum(8, rows, parts).formula}"
    what = "Corrections: taken back + charged instead = correction"
    book.controls.tie(what, Expression(both, parts), page.sum(9, rows, parts))
