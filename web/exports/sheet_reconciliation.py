"""Sheet Reconciliation: what was computed, what invoices and reports state, the cause of each difference; the invoices."""

from decimal import Decimal
from typing import Any

from allocation import workbook_selectors
from web.exports.book import Book
from web.exports.controls import Expression
from web.exports.sheets import Layout
from web.exports.statement_facts import Facts

NAME = "Reconciliation"
_LINES = (
    ("Provider", "text"), ("Billing account", "text"), ("Category", "text"), ("Status", "text"), ("Currency", "text"),
    ("Computed", "exact"), ("Invoiced or reported", "exact"), ("Difference explained", "exact"), ("Unexplained", "exact"),
    ("Lines", "count"), ("Causes", "text"),
)  # fmt: skip
_INVOICES = (
    ("Issuer", "text"), ("Billing account", "text"), ("Invoice", "text"), ("Source", "text"), ("Currency", "text"),
    ("Total, with tax", "exact"), ("Tax", "exact"), ("Issued on", "date"), ("", "text"), ("Revision", "count"),
    ("Entered by", "text"),
)  # fmt: skip
_COMPUTED, _STATED, _EXPLAINED, _OPEN = 6, 7, 8, 9


def write(book: Book, sheet: Any, facts: Facts) -> None:
    """Fill the sheet."""
    widths = (24, 24, 24, 20, 11, 20, 20, 20, 18, 10, 44)
    page = book.page(sheet, Layout(widths, f"Statement {facts.period}: {NAME}", facts.stamp, wide=True))
    run = workbook_selectors.reconciliation_of(facts.period)
    page.line("Reconciliation", "title", 26)
    told = (
        f"Run {run.number}, SHA-256 {run.hash[:16]}"
        if run
        else "This month was not reconciled yet: manage.py reconcile"
    )
    page.line(told, "subtitle", 18)
    found = workbook_selectors.reconciled(run) if run else []
    rows = page.section("By account, category and status", _LINES, (
        [row.provider, row.billing_account, row.category, row.state, row.currency, row.computed, row.stated, row.explained,
         row.unexplained, row.lines, row.causes] for row in found
    ))  # fmt: skip
    for currency in sorted({row.currency for row in found}):
        sums = {
            column: page.sum_where(column, rows, {5: currency}, _of(found, currency, name))
            for column, name in (
                (_COMPUTED, "computed"),
                (_STATED, "stated"),
                (_EXPLAINED, "explained"),
                (_OPEN, "unexplained"),
            )
        }
        difference = Expression(
            f"{sums[_STATED].formula}-{sums[_COMPUTED].formula}", sums[_STATED].value - sums[_COMPUTED].value
        )
        causes = Expression(
            f"{sums[_EXPLAINED].formula}+{sums[_OPEN].formula}", sums[_EXPLAINED].value + sums[_OPEN].value
        )
        what = f"Reconciliation, {currency}: invoiced - computed = explained + unexplained"
        book.controls.tie(what, difference, causes)
    page.section("Invoices of the month, the revision in force", _INVOICES, (
        [each.issuer, each.billing_account, each.number, each.get_source_display(), each.currency, each.total, each.tax,
         each.issued_on, None, each.revision, each.entered_by] for each in workbook_selectors.invoices(facts.period)
    ))  # fmt: skip


def _of(rows: list[workbook_selectors.Reconciled], currency: str, name: str) -> Decimal:
    return sum((getattr(row, name) for row in rows if row.currency == currency), Decimal(0))
