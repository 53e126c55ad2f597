"""Sheet Rates: exchange rates, price versions and rate cards that the month was computed with."""

from typing import Any

from allocation import workbook_selectors
from allocation.attribution import rate_cards
from allocation.scope import Scope
from web.exports.book import Book
from web.exports.sheets import Layout
from web.exports.statement_facts import Facts

NAME = "Rates"
_FX = (
    ("From", "text"), ("To", "text"), ("Rate", "rate"), ("Published", "date"), ("Charges", "count"), ("Before", "exact"),
    ("After", "exact"), ("Source", "text"),
)  # fmt: skip
_CARDS = (
    ("Card", "text"), ("Cost centre", "text"), ("Rate", "rate"), ("From", "date"), ("", "text"), ("Currency", "text"),
    ("", "text"), ("Unit, tiers", "text"),
)  # fmt: skip


def write(book: Book, sheet: Any, facts: Facts, scope: Scope) -> None:
    """Fill the sheet."""
    page = book.page(sheet, Layout((30, 16, 16, 13, 12, 20, 20, 70), f"Statement {facts.period}: {NAME}", facts.stamp))
    page.line("Rates", "title", 26)
    page.line("The price of each line stands in Detail (ListUnitPrice per x_PricingUnit).", "subtitle", 18)
    page.section("Exchange rates that charges were converted at", _FX, (
        [rate.original, rate.currency, rate.rate, rate.day, rate.charges, rate.before, rate.after, rate.source]
        for rate in workbook_selectors.fx_rates(scope, facts.period)
    ), nothing="No charge was converted")  # fmt: skip
    page.section("Rate cards", _CARDS, (
        [card.code, card.cost_centre, card.rate, card.begin, None, card.currency, None,
         f"per {card.unit.replace('_', ' ')}{': ' if card.tiers else ''}{', '.join(card.tiers)}"]
        for card in (rate_cards.in_force(facts.period) if scope.everything else ())
    ), nothing="No cost centre is charged a standard rate")  # fmt: skip
    page.line("Versions", "section", 20)
    page.head([("What", "text"), ("Since (UTC)", "text"), ("Version", "text")])
    for name, version, since in workbook_selectors.price_versions(facts.period):
        page.row([name, since, version], ["text"] * 3)
