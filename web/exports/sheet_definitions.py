"""Sheet Definitions: the words of the workbook and the key figures, of the one registry (web/kpis.yaml)."""

from typing import Any

from web.exports.book import Book
from web.exports.sheets import Layout
from web.exports.statement_facts import Facts
from web.kpis import registry

NAME = "Definitions"
_CHECKS = (
    "Checks", "Live formulas. Controls has a control total of every column of numbers of every other sheet.",
)  # fmt: skip


def write(book: Book, sheet: Any, facts: Facts) -> None:
    """Fill the sheet."""
    page = book.page(sheet, Layout((42, 130), f"Statement {facts.period}: {NAME}", facts.stamp))
    page.line("Definitions", "title", 26)
    page.head([("Word", "text"), ("Meaning", "text")])
    known = registry()
    for word, meaning in (*known.glossary.items(), _CHECKS):
        page.row([word, meaning], ["text", "text"])
    for kpi in known.kpis:
        page.row([kpi.name, f"{kpi.words} {kpi.formula}."], ["text", "text"])
    for name, meaning in known.measures.items():
        page.row([name, f"{meaning}."], ["text", "text"])
