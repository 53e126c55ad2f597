"""Sheet Journal: the lines for the books, balanced per legal entity and currency."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from allocation.close import journal
from allocation.close.accruals import AccrualError
from allocation.scope import Scope
from web.exports.book import Book, Page
from web.exports.controls import Expression
from web.exports.sheets import Layout, money_style
from web.exports.statement_facts import Facts

NAME = "Journal"
_COLUMNS = (
    ("Posting date", "date"), ("Legal entity", "text"), ("Account", "text"), ("Cost centre", "text"), ("Currency", "text"),
    ("Debit", "money2"), ("Credit", "money2"), ("Event", "text"), ("Text", "text"), ("Reference", "text"),
)  # fmt: skip
_ENTITY, _CURRENCY, _DEBIT, _CREDIT = 2, 5, 6, 7
_HEADER_ROW = 3


def write(book: Book, sheet: Any, facts: Facts, scope: Scope) -> None:
    """Fill the sheet."""
    widths = (13, 18, 16, 16, 11, 18, 18, 22, 52, 40)
    page = book.page(sheet, Layout(widths, f"Statement {facts.period}: {NAME}", facts.stamp, _HEADER_ROW, wide=True))
    page.line("Journal", "title", 26)
    try:
        found = journal.lines(facts.period, scope)
    except AccrualError as wrong:
        missing(book, page, NAME, wrong)
        return
    entry = found.entry
    number = f", document {entry.document_number}" if entry and entry.document_number else ""
    state = (
        f"Journal {entry.number} of {facts.period}{number}"
        if entry
        else "Preview: it is built when the month is closed"
    )
    page.line(state, "subtitle", 18)
    page.head(_COLUMNS)
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for line in found.lines:
        amount = money_style(line.currency)
        kinds = ["date", "text", "text", "text", "text", amount, amount, "text", "text", "text"]
        page.row(
            [line.posting_date, line.legal_entity or None, line.account, line.cost_centre, line.currency, line.debit or None,
             line.credit or None, line.event.replace("_", " "), line.text, line.reference], kinds,
        )  # fmt: skip
        sums[line.legal_entity, line.currency][0] += line.debit
        sums[line.legal_entity, line.currency][1] += line.credit
    rows = (_HEADER_ROW + 1, page.rows)
    if not found.lines:
        page.line("No line", "note")
    for (entity, currency), (debit, credit) in sorted(sums.items()):
        where = {_ENTITY: entity, _CURRENCY: currency}
        what = f"Journal, {entity or 'no legal entity'}, {currency}: debit = credit"
        left, right = page.sum_where(_DEBIT, rows, where, debit), page.sum_where(_CREDIT, rows, where, credit)
        book.controls.tie(what, left, right)


def missing(book: Book, page: Page, name: str, why: AccrualError) -> None:
    """Say on the sheet why there is nothing on it, with a check that does not hold: nothing is proved."""
    page.line(f"{name} cannot be made yet: {why}.", "note")
    what = f"{name} is made (0: a month before was not accrued)"
    book.controls.tie(what, Expression("0", Decimal(0)), Expression("1", Decimal(1)))
