"""Budgets as people write them, CSV or Excel: a header and rows of texts, with the row numbers that the file shows."""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from forecasting.calc.budget_entries import BudgetError, Row

BYTES_MAX, UNPACKED_MAX, ROWS_MAX, COLUMNS_MAX = 10_000_000, 200_000_000, 20_000, 60


def rows_of(name: str, content: bytes) -> tuple[list[str], list[Row]]:
    """The header and the rows of a file, of a workbook's first sheet. Raises BudgetError."""
    if len(content) > BYTES_MAX:
        raise BudgetError(f"{name} is larger than {BYTES_MAX // 1_000_000} MB")
    found = _workbook(content) if content[:2] == b"PK" else _csv(content)
    header = [text.strip() for text in next(found, ())]
    while header and not header[-1]:
        header.pop()
    if not any(header):
        raise BudgetError("its first row is the header; it is empty")
    if len(header) > COLUMNS_MAX:
        raise BudgetError(f"it has {len(header)} columns; at most {COLUMNS_MAX} are read")
    rows = []
    for number, cells in enumerate(found, start=2):
        if any(cells[len(header) :]):
            raise BudgetError(f"row {number}: has more cells than the header has columns")
        filled = [*cells, *[""] * (len(header) - len(cells))]
        if any(text and not column for text, column in zip(filled, header, strict=False)):
            raise BudgetError(f"row {number}: has a value below an empty cell of the header")
        if any(filled):
            rows.append(Row(number, {column: text for column, text in zip(header, filled, strict=False) if column}))
        if len(rows) > ROWS_MAX:
            raise BudgetError(f"it has more than {ROWS_MAX:,} rows")
    return header, rows


def _csv(content: bytes) -> Iterator[Sequence[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise BudgetError(f"it is neither Excel (xlsx) nor a CSV file in UTF-8: byte {wrong.start}") from None
    if "\x00" in text:
        raise BudgetError("it holds NUL characters: no CSV file")
    first = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True
    )
    try:
        yield from reader
    except csv.Error as wrong:
        raise BudgetError(f"line {reader.line_num}: {wrong}") from None


def _workbook(content: bytes) -> Iterator[Sequence[str]]:
    """Values, and refusal of a formula that nobody calculated: its amount would be lost without a word."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > UNPACKED_MAX:
                raise BudgetError(f"unpacked it is larger than {UNPACKED_MAX // 1_000_000} MB")
        books = [openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=only) for only in (True, False)]
        values, written = (book.worksheets[0].iter_rows(max_col=COLUMNS_MAX + 1) for book in books)
        for number, (row, formulas) in enumerate(zip(values, written, strict=True), start=1):
            texts = []
            for cell, formula in zip(row, formulas, strict=True):
                if cell.value is None and formula.data_type == "f":
                    raise BudgetError(
                        f"row {number}, {formula.coordinate}: a formula without a value; open and save the file"
                    )
                texts.append(_text(cell.value, number, formula))
            while texts and not texts[-1]:
                texts.pop()
            yield texts
    except BudgetError:
        raise
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError, IndexError, SyntaxError) as wrong:
        raise BudgetError(f"it is no Excel file that can be read: {' '.join(str(wrong).split())[:200]}") from None


def _text(value: Any, number: int, cell: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or (isinstance(value, str) and cell.data_type == "e"):
        raise BudgetError(f"row {number}, {cell.coordinate}: {value} is no text and no amount")
    if isinstance(value, (datetime, date)):
        return f"{value:%Y-%m}"
    return repr(value) if isinstance(value, float) else str(value)
