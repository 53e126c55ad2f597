"""Sheets Checks and Controls: what must be equal, live and as it was when the workbook was written."""

from decimal import Decimal
from typing import Any

from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Font, PatternFill
from openpyxl.workbook.defined_name import DefinedName

from web.exports.book import Book, Formula, Page
from web.exports.controls import Expression, Tally, holds, quoted, text_of
from web.exports.sheets import BREACH, Layout

CHECKS, CONTROLS = "Checks", "Controls"
_FIRST = 7  # row of the first check
_CHECK_COLUMNS = (
    ("Check", "text", 74), ("Holds", "truth", 12), ("Left", "exact", 21), ("Right", "exact", 21), ("Difference", "exact", 16),
    ("Left when written", "exact", 21), ("Right when written", "exact", 21), ("Difference when written", "exact", 16),
    ("Held when written", "text", 12),
)  # fmt: skip
_CONTROL_COLUMNS = (
    ("Sheet", "text", 26), ("Column", "text", 9), ("Heading", "text", 28), ("Cells", "count", 10),
    ("Sum when written", "exact", 24),
    ("Sum", "exact", 24), ("Difference", "exact", 16), ("Holds", "truth", 9), ("Part", "text", 20),
)  # fmt: skip
_LAST_ROW = 1_048_576


def write(book: Book, checks: Any, controls: Any, footer: str, stamp: str) -> None:
    """Fill both sheets, after all others."""
    tallies = list(book.controls.tallies())
    _controls(book, controls, tallies, footer, stamp)
    for part in dict.fromkeys(book.controls.part_of(tally.sheet) for tally in tallies):
        _every_number(book, part, sum(book.controls.part_of(tally.sheet) == part for tally in tallies))
    _checks(book, checks, footer, stamp)


def _controls(book: Book, sheet: Any, tallies: list[Tally], footer: str, stamp: str) -> None:
    widths = [width for _, _, width in _CONTROL_COLUMNS]
    page = book.page(sheet, Layout(widths, f"{footer}: {CONTROLS}", stamp, header_row=1), counted=False)
    _mark_false(sheet, "H2:H20000")
    page.head([(name, kind) for name, kind, _ in _CONTROL_COLUMNS], 30)
    kinds = [kind for _, kind, _ in _CONTROL_COLUMNS]
    for tally in tallies:
        row = page.rows + 1
        now = _sum_of_texts(tally.span) if tally.texts else f"SUM({tally.span})"
        counted = f"COUNTA({tally.span})" if tally.texts else f"COUNT({tally.span})"
        same = f"AND(ABS(F{row}-E{row})<={tally.tolerance:f},{counted}=D{row})"
        letter = tally.span.rpartition("$")[0].rpartition("$")[2]
        words = tally.header + (" (as text)" if tally.texts else "")
        values = [tally.sheet, letter, words, tally.cells, tally.total, Formula(now), Formula(f"F{row}-E{row}")]
        page.row([*values, Formula(same), book.controls.part_of(tally.sheet)], kinds)
    page.table(CONTROLS, 1, [name for name, _, _ in _CONTROL_COLUMNS])


def _sum_of_texts(span: str) -> str:
    """Sum of amounts that are texts with a point, in any locale; an empty cell is none (and an error to NUMBERVALUE alone)."""
    digits = f'_xlfn.NUMBERVALUE("0"&SUBSTITUTE({span},"-",""),".",",")'
    return f'SUMPRODUCT({digits},1-2*(LEFT({span},1)="-"))'


def _every_number(book: Book, part: str, count: int) -> None:
    """One check for the controls of a part: as many hold as there are."""
    here = f"{quoted(CONTROLS)}!$I$2:$I${_LAST_ROW},{text_of(part)}"
    held = f"COUNTIFS({here},{quoted(CONTROLS)}!$H$2:$H${_LAST_ROW},TRUE)"
    every = Expression(f"COUNTIFS({here})", Decimal(count))
    what = f"{part}: every column of numbers adds up to what was written (columns)"
    book.controls.tie(what, Expression(held, Decimal(count)), every)


def _checks(book: Book, sheet: Any, footer: str, stamp: str) -> None:
    widths = [width for _, _, width in _CHECK_COLUMNS]
    page = book.page(sheet, Layout(widths, f"{footer}: {CHECKS}", stamp, header_row=_FIRST - 1), counted=False)
    ties = book.controls.ties
    last = _FIRST + len(ties) - 1
    _mark_false(sheet, "B4")
    _mark_false(sheet, f"B{_FIRST}:B{last}")
    page.line("Checks", "title", 26)
    page.line(
        "Formulas compare sums of this workbook with each other and with what they were when it was written.",
        "subtitle",
        18,
    )
    page.line(
        "Change an amount anywhere and at least one check turns FALSE. Open and recalculate to see them live.", "note"
    )
    page.row(
        ["All checks hold", Formula(f"AND(B{_FIRST}:B{last})"), "when written:", "TRUE" if book.controls.hold() else "FALSE"],
        ["text total", "truth total", "text total", "text total"], 20,
    )  # fmt: skip
    page.gap()
    page.head([(name, kind) for name, kind, _ in _CHECK_COLUMNS], 30)
    for tie in ties:
        _check(page, tie)
    book.workbook.defined_names["AllChecksHold"] = DefinedName("AllChecksHold", attr_text=f"{CHECKS}!$B$4")


def _check(page: Page, tie: Any) -> None:
    row, limit = page.rows + 1, f"{tie.tolerance:f}"
    same = f"AND(ABS(E{row})<={limit},ABS(C{row}-F{row})<={limit},ABS(D{row}-G{row})<={limit},ABS(F{row}-G{row}-H{row})<={limit})"
    difference = tie.left.value - tie.right.value
    page.row(
        [tie.what, Formula(same), Formula(tie.left.formula), Formula(tie.right.formula), Formula(f"C{row}-D{row}"),
         tie.left.value, tie.right.value, difference, "TRUE" if holds(tie) else "FALSE"],
        [kind for _, kind, _ in _CHECK_COLUMNS],
    )  # fmt: skip


def _mark_false(sheet: Any, cells: str) -> None:
    fill = PatternFill(bgColor=BREACH, fill_type="solid")
    rule = CellIsRule(  # type: ignore[no-untyped-call]
        operator="equal", formula=["FALSE"], font=Font(color="FFFFFF", bold=True), fill=fill
    )
    sheet.conditional_formatting.add(cells, rule)
