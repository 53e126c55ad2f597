"""Equations between Summary, the statement sheets, Detail and what was moved after the rules."""

from decimal import Decimal

from finops.money import minor_digits
from web.exports.book import Book
from web.exports.controls import Expression
from web.exports.sheet_allocation import Moves
from web.exports.statement_detail import Result
from web.exports.statement_facts import Facts
from web.exports.statement_summary import Places


def state(
    book: Book, facts: Facts, result: Result, places: Places, charged: dict[str, dict[str, Expression]], moves: Moves
) -> None:
    """Detail = Summary within the rounding to the minor unit, and each statement sheet = its line of the Summary."""
    for money in facts.currencies:
        unit = Decimal(1).scaleb(-minor_digits(money.currency))
        total = places.totals[money.currency][0]
        if facts.whole:
            what = f"Detail = Summary, {money.currency} (within half of the smallest unit)"
            book.controls.tie(what, result.cost(money.currency), total, unit / 2)
        for owner in facts.owners:
            sheet, line = charged[owner.code].get(money.currency), places.parts.get((money.currency, owner.code))
            if sheet is None or line is None:
                continue
            book.controls.tie(f"Statement {owner.code} = Summary, {money.currency}", sheet, line)
            own, moved = result.cost(money.currency, owner.code), moves.of(money.currency, owner.code)
            both = Expression(f"{own.formula}+{moved.formula}", own.value + moved.value)
            what = f"Detail of {owner.code} and what was moved = its statement, {money.currency} (within the smallest unit)"
            book.controls.tie(what, both, sheet, unit)
