"""How sheets look and print: styles, names, columns, page set-up. Colours as on the pages."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, NamedStyle, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from finops.money import minor_digits

INK, MUTED, LINE, ACCENT, WARNING, BREACH = "14202B", "5D6B78", "E3E8EC", "0F6B66", "A9500B", "A4243B"
TIER_COLOURS = {"simple": "9FD3BF", "moderate": "4FA39A", "complex": "2A6A93", "research": "2D2A63"}
_SHAPES = {0: "#,##0", 2: "#,##0.00", 3: "#,##0.000", 4: "#,##0.0000"}
_FONT = "Arial"  # or its metric twin, wherever the workbook is opened
# Kind of cell: number format, alignment. A dash for nothing where nothing is the rule.
KINDS = {
    "text": ("@", "left"),
    "digits": ("@", "right"),
    "digits left": ("@", "left"),
    "truth": ('[=1]"TRUE";[=0]"FALSE";General', "left"),  # some programs show 1 where a formula is true
    "date": ("yyyy-mm-dd", "left"),
    "count": ("#,##0;[Red]-#,##0;\u2013", "right"),
    "count left": ("#,##0", "left"),
    "quantity": ("#,##0.0###########;[Red]-#,##0.0###########", "right"),
    "share": ("0.0%", "right"),
    "exact": ("#,##0.000000;[Red]-#,##0.000000;\u2013", "right"),
    "rate": ("#,##0.000000", "right"),
    **{f"money{digits}": (f"{shape};[Red]-{shape}", "right") for digits, shape in _SHAPES.items()},
}
_HAIRLINE = Side(style="thin", color=LINE)
_RULE = Side(style="thin", color=INK)
_TAKEN_BY_EXCEL = "history"
HEADER_MAX = 100  # each may be doubled, and page numbers stand beside them


def money_style(currency: str) -> str:
    """The style of an amount at its currency's minor unit."""
    return f"money{minor_digits(currency)}"


def add_styles(book: Workbook) -> None:
    """Every style by name: ``KIND``, and ``KIND total`` for rows of totals."""
    for kind, (number_format, side) in KINDS.items():
        for total in (False, True):
            style = NamedStyle(f"{kind} total" if total else kind)
            style.font = Font(name=_FONT, size=10, color=INK, bold=total)
            style.number_format = number_format
            style.alignment = _aligned(side)
            style.border = Border(top=_RULE) if total else Border(bottom=_HAIRLINE)
            book.add_named_style(style)
    _words(book, "title", Font(name=_FONT, size=16, bold=True, color=INK))
    _words(book, "subtitle", Font(name=_FONT, size=11, color=MUTED))
    _words(book, "section", Font(name=_FONT, size=12, bold=True, color=ACCENT))
    _words(book, "note", Font(name=_FONT, size=9, color=MUTED))
    _words(book, "draft", Font(name=_FONT, size=11, bold=True, color="FFFFFF"), WARNING)
    _words(book, "alarm", Font(name=_FONT, size=11, bold=True, color="FFFFFF"), BREACH)
    head = Font(name=_FONT, size=10, bold=True, color="FFFFFF")
    _words(book, "head", head, INK, _aligned("left", wrap=True))
    _words(book, "head right", head, INK, _aligned("right", wrap=True))
    for tier, colour in TIER_COLOURS.items():
        style = NamedStyle(f"tier {tier}")
        style.font = Font(name=_FONT, size=10, color=INK)
        style.alignment = _aligned("left")
        style.border = Border(left=Side(style="thick", color=colour), bottom=_HAIRLINE)
        book.add_named_style(style)
    _words(book, "unallocated", Font(name=_FONT, size=10, color=INK), "AEB9C2", _aligned("left"), pattern="lightUp")
    _words(book, "unpriced", Font(name=_FONT, size=10, italic=True, color=INK), "", _aligned("left"))


def _aligned(side: str, *, wrap: bool = False) -> Alignment:
    """Words and figures keep a distance from each other and from the edge."""
    return Alignment(horizontal=side, vertical="center", wrap_text=wrap, indent=1)


def _words(
    book: Workbook, name: str, font: Font, fill: str = "", alignment: Alignment | None = None, *, pattern: Any = "solid"
) -> None:
    style = NamedStyle(name)
    style.font = font
    style.alignment = alignment or Alignment(vertical="center")
    if fill:
        style.fill = PatternFill(pattern, fgColor=fill)
    book.add_named_style(style)


class SheetNames:
    """Names that Excel takes, each once: the workbook's own first, so that a cost centre called Summary makes way."""

    def __init__(self, own: Iterable[str]) -> None:
        self._taken = {_TAKEN_BY_EXCEL, *(name.lower() for name in own)}

    def of(self, text: str) -> str:
        """A name for this text: at most 31 characters, none of ``[]:*?/\\``, unlike all others whatever the case."""
        base = re.sub(r"[\[\]:*?/\\\x00-\x1f\ud800-\udfff\ufffe\uffff]", "-", text).strip("' ") or "-"
        name, number = base[:31].rstrip("' "), 1
        while name.lower() in self._taken:
            number += 1
            ending = f" ({number})"
            name = base[: 31 - len(ending)] + ending
        self._taken.add(name.lower())
        return name


@dataclass(frozen=True)
class Layout:
    """Columns' widths and how a sheet prints. ``header_row`` stays in view and heads every page."""

    widths: Sequence[float]
    footer: str
    stamp: str = ""
    header_row: int | None = None
    wide: bool = False
    one_page: bool = False


def lay_out(sheet: Any, layout: Layout) -> None:
    """Columns, panes and print set-up; before the first row."""
    for number, width in enumerate(layout.widths, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    sheet.sheet_view.showGridLines = False
    if layout.header_row is not None:
        sheet.freeze_panes = f"A{layout.header_row + 1}"
        sheet.print_title_rows = f"{layout.header_row}:{layout.header_row}"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = Worksheet.PAPERSIZE_A3 if layout.wide else Worksheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, int(layout.one_page)
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    margins = sheet.page_margins
    margins.left = margins.right = 0.4
    margins.top, margins.bottom, margins.header, margins.footer = 0.6, 0.6, 0.25, 0.25
    sheet.HeaderFooter.oddHeader.right.text = _plain(layout.stamp)
    sheet.HeaderFooter.oddFooter.left.text = _plain(layout.footer)
    sheet.HeaderFooter.oddFooter.right.text = "Page &P of &N"


def _plain(text: str) -> str:
    """Text in a page header: & begins a code there, and Excel repairs a file whose header has over 255 characters."""
    return text[:HEADER_MAX].replace("&", "&&")
