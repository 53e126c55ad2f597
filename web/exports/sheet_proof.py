"""Sheet Proof: what is charged and held centrally is what invoices, accruals and prepayments say."""

from decimal import Decimal
from typing import Any

from allocation.close import proof
from allocation.close.accruals import AccrualError
from allocation.scope import Scope
from finops.money import minor_digits
from web.exports import sheet_journal
from web.exports.book import Book
from web.exports.controls import Expression
from web.exports.sheets import Layout
from web.exports.statement_facts import Facts
from web.exports.statement_summary import Places

NAME = "Proof"
_COLUMNS = (
    ("Issuer", "text"), ("Legal entity", "text"), ("Currency", "text"), ("Statements", "exact"), ("Held centrally", "exact"),
    ("Estimated by accruals", "exact"), ("Invoices", "exact"), ("Accrual movement", "exact"), ("Amortisation", "exact"),
    ("Prepayments", "exact"), ("Difference", "exact"),
)  # fmt: skip
_FIRST_AMOUNT = 4


def write(book: Book, sheet: Any, facts: Facts, scope: Scope, places: Places) -> None:
    """Fill the sheet."""
    widths = (26, 18, 11, *[20] * 8)
    page = book.page(sheet, Layout(widths, f"Statement {facts.period}: {NAME}", facts.stamp, wide=True))
    page.line("Proof", "title", 26)
    page.line(
        "Statements + held centrally + estimated = invoices + accrual movement + amortisation - prepayments. Difference: 0.",
        "subtitle", 18,
    )  # fmt: skip
    try:
        found = proof.of(facts.period, scope)
    except AccrualError as wrong:
        sheet_journal.missing(book, page, NAME, wrong)
        return
    rows = page.section("Per issuer, legal entity and currency", _COLUMNS, (
        [row.issuer or "(own cost)", row.legal_entity, row.currency, row.statements, row.central, row.estimated, row.invoices,
         row.accrual_movement, row.amortisation, row.prepayments, row.difference] for row in found
    ), nothing="No cost in this month")  # fmt: skip
    for number, row in enumerate(found, start=rows[0]):
        amounts = (row.statements, row.central, row.estimated, row.invoices, row.accrual_movement, row.amortisation,
                   row.prepayments, row.difference)  # fmt: skip
        cells = [page.at(_FIRST_AMOUNT + at, amount, number) for at, amount in enumerate(amounts)]
        left = Expression("+".join(cell.formula for cell in cells[:3]), sum(amounts[:3], Decimal(0)))
        right = Expression(
            "+".join(cell.formula for cell in cells[3:6]) + f"-{cells[6].formula}",
            sum(amounts[3:6], Decimal(0)) - amounts[6],
        )
        half = Decimal(1).scaleb(-minor_digits(row.currency)) / 2
        who = ", ".join((row.issuer or "own cost", *filter(None, (row.legal_entity,)), row.currency))
        book.controls.tie(f"Proof, {who}: both sides are equal to the smallest unit", left, right, half)
    for currency in sorted({row.currency for row in found} & set(places.totals)):
        own = [row for row in found if row.currency == currency]
        borne = page.sum_where(_FIRST_AMOUNT, rows, {3: currency}, sum((row.statements for row in own), Decimal(0)))
        nobodys = page.sum_where(_FIRST_AMOUNT + 1, rows, {3: currency}, sum((row.central for row in own), Decimal(0)))
        both = Expression(f"{borne.formula}+{nobodys.formula}", borne.value + nobodys.value)
        half = Decimal(1).scaleb(-minor_digits(currency)) / 2
        what = f"Proof = Summary, {currency}: statements and central lines are the month's cost"
        book.controls.tie(what, both, places.totals[currency][0], half)
