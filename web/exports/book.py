"""A workbook while it is written: sheets filled from the top, each number counted for the controls."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.table import Table, TableStyleInfo

from web.exports.cells import xlsx_cell
from web.exports.controls import Controls, Expression, exact_sum, quoted
from web.exports.sheets import KINDS, Layout, add_styles, lay_out


class Formula(str):
    """Text of a cell that a spreadsheet is to run; never made of what somebody else wrote."""

    __slots__ = ()


class Book:
    """A write-only workbook with its styles and its controls."""

    def __init__(self) -> None:
        self.workbook = Workbook(write_only=True)
        self.controls = Controls()
        add_styles(self.workbook)
        self.workbook.calculation.fullCalcOnLoad = True

    def sheet(self, name: str, part: str = "") -> Any:
        """The next sheet; ``part``: several sheets that are one line on the sheet Checks."""
        if part:
            self.controls.parts[name] = part
        return self.workbook.create_sheet(name)

    def page(self, sheet: Any, layout: Layout, *, counted: bool = True) -> "Page":
        """The sheet, laid out, to be filled."""
        return Page(sheet, layout, self.controls if counted else None)


class Page:
    """A write-only sheet that is filled from the top; knows how many rows it has."""

    def __init__(self, sheet: Any, layout: Layout, controls: Controls | None = None) -> None:
        lay_out(sheet, layout)
        self.sheet, self.rows, self._controls = sheet, 0, controls

    def row(self, values: Sequence[Any], styles: Sequence[str | None], height: float | None = None) -> None:
        """Append one row."""
        self.rows += 1
        if height is not None:
            self.sheet.row_dimensions[self.rows].height = height
        cells = []
        for column, (value, style) in enumerate(zip(values, styles, strict=True), start=1):
            cells.append(_cell(self.sheet, value, style))
            if self._controls is not None:
                self._controls.count(self.sheet.title, column, self.rows, value, style)
        self.sheet.append(cells)

    def line(self, text: str, style: str, height: float | None = None) -> None:
        """One line of words."""
        self.row([text], [style], height)

    def band(self, text: str, style: str, columns: int) -> None:
        """One line of words on a coloured band."""
        self.row([text, *[None] * (columns - 1)], [style] * columns, 20)

    def head(self, columns: Sequence[tuple[str, str]], height: float = 18) -> None:
        """The header row of columns (name, kind): aligned as what stands below."""
        sides = ["head" if KINDS[kind][1] == "left" else "head right" for _, kind in columns]
        for number, (name, _) in enumerate(columns, start=1):
            if self._controls is not None:
                self._controls.head(self.sheet.title, number, name)
        self.row([name for name, _ in columns], sides, height)

    def gap(self) -> None:
        """An empty row."""
        self.row([], [])

    def section(
        self, title: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]], nothing: str = "None"
    ) -> tuple[int, int]:
        """A titled table of columns (name, kind); returns its first and last row. ``nothing``: said where it has no row."""
        self.line(title, "section", 20)
        self.head(columns, 30 if any(len(name) > 14 for name, _ in columns) else 18)
        first, kinds = self.rows + 1, [kind for _, kind in columns]
        for values in rows:
            self.row(values, kinds)
        last = self.rows
        if last < first:
            self.line(nothing, "note")
        self.gap()
        return first, last

    def sum(self, column: int, rows: tuple[int, int], value: Decimal) -> Expression:
        """The sum of a column over rows of a section, for an equation."""
        return Expression(f"SUM({self.span(column, *rows)})" if rows[1] >= rows[0] else "0", value)

    def sum_where(self, column: int, rows: tuple[int, int], where: Mapping[int, str], value: Decimal) -> Expression:
        """The same over the rows whose other columns hold exactly these words."""
        if rows[1] < rows[0]:
            return Expression("0", value)
        cells = {self.span(number, *rows): words for number, words in where.items()}
        return Expression(exact_sum(self.span(column, *rows), cells), value)

    def at(self, column: int, value: Decimal, row: int | None = None) -> Expression:
        """The figure in a column of the last row (or of another), for an equation."""
        return Expression(f"{quoted(self.sheet.title)}!${get_column_letter(column)}${row or self.rows}", value)

    def span(self, column: int, first: int, last: int | None = None) -> str:
        """Cells of a column, as a formula names them."""
        letter = get_column_letter(column)
        return f"{quoted(self.sheet.title)}!${letter}${first}:${letter}${last or self.rows}"

    def table(self, name: str, header_row: int, headers: Sequence[str]) -> None:
        """Make the rows from the header to the last one an Excel table; it has at least one row below its header."""
        if self.rows == header_row:
            self.row([None] * len(headers), ["text"] * len(headers))
        ref = f"A{header_row}:{get_column_letter(len(headers))}{self.rows}"
        table = Table(displayName=name, name=name, ref=ref)
        table.tableStyleInfo = TableStyleInfo(name="TableStyleLight1", showRowStripes=False)
        table._initialise_columns()  # type: ignore[attr-defined]
        for column, text in zip(table.tableColumns, headers, strict=True):
            column.name = text
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl reminds of the columns, whether they are there or not
            self.sheet.add_table(table)


def _cell(sheet: Any, value: Any, style: str | None) -> Any:
    if not isinstance(value, Formula):
        return xlsx_cell(sheet, value, style)
    cell = WriteOnlyCell(sheet, value=f"={value}")
    cell.data_type = "f"
    if style is not None:
        cell.style = style
    return cell
