"""What proves a workbook to whoever opens it: a control total of every column of numbers, and equations between sheets.

Both are written as values and as live formulas, so that a number that somebody changes, on any sheet, turns a check FALSE.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any, NamedTuple

from openpyxl.utils import get_column_letter

from web.exports.cells import EXACT_INT, clean

_WIDE = Context(prec=60)
_EPOCH = date(1899, 12, 30)  # of the day numbers of spreadsheets
_SMALLEST, _RELATIVE = Decimal("0.0000005"), Decimal("1E-12")  # a spreadsheet adds doubles
DIGITS = "digits"  # the kind of cell that holds an amount as text


class Expression(NamedTuple):
    """A formula without its ``=``, and what it was worth when the workbook was written."""

    formula: str
    value: Decimal


class Tie(NamedTuple):
    """Two figures of different sheets that are the same within a tolerance."""

    what: str
    left: Expression
    right: Expression
    tolerance: Decimal


@dataclass
class Tally:
    """Numbers of one column of one sheet, from the first to the last; ``texts``: amounts written as text."""

    sheet: str
    column: int
    texts: bool
    header: str = ""
    first: int = 0
    last: int = 0
    cells: int = 0
    total: Decimal = Decimal(0)
    size: Decimal = Decimal(0)

    def add(self, row: int, amount: Decimal) -> None:
        """Count one cell."""
        self.first, self.last, self.cells = self.first or row, row, self.cells + 1
        self.total = _WIDE.add(self.total, amount)
        self.size = _WIDE.add(self.size, abs(amount))

    @property
    def tolerance(self) -> Decimal:
        """How far a sum of doubles may be off."""
        return tolerance_of(self.size)

    @property
    def span(self) -> str:
        """The cells, as a formula names them."""
        letter = get_column_letter(self.column)
        return f"{quoted(self.sheet)}!${letter}${self.first}:${letter}${self.last}"


@dataclass
class Controls:
    """Of one workbook. ``parts``: what a sheet is a part of, where it is not a part by itself."""

    ties: list[Tie] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    _tallies: dict[tuple[str, int, bool], Tally] = field(default_factory=dict)
    _headers: dict[tuple[str, int], str] = field(default_factory=dict)

    def head(self, sheet: str, column: int, name: str) -> None:
        """The header above a column; the one above its first number names it."""
        self._headers[sheet, column] = name

    def count(self, sheet: str, column: int, row: int, value: Any, style: str | None) -> None:
        """Count a cell, if it is a number, a day, or an amount as text."""
        amount = number_of(value)
        texts = amount is None and isinstance(value, str) and value != "" and (style or "").startswith(DIGITS)
        if texts:
            amount = Decimal(value)
        if amount is None:
            return
        tally = self._tallies.get((sheet, column, texts))
        if tally is None:
            header = self._headers.get((sheet, column), "")
            tally = self._tallies[sheet, column, texts] = Tally(sheet, column, texts, header)
        tally.add(row, amount)

    def tie(self, what: str, left: Expression, right: Expression, tolerance: Decimal = _SMALLEST) -> None:
        """State that two figures are the same."""
        size = abs(left.value) + abs(right.value)
        self.ties.append(Tie(what, left, right, max(tolerance, tolerance_of(size))))

    def tallies(self) -> Iterator[Tally]:
        """In the order in which the sheets were begun, by column."""
        order = {name: number for number, name in enumerate(dict.fromkeys(key[0] for key in self._tallies))}
        yield from sorted(self._tallies.values(), key=lambda tally: (order[tally.sheet], tally.column, tally.texts))

    def part_of(self, sheet: str) -> str:
        """What its controls stand for on the sheet Checks."""
        return self.parts.get(sheet, sheet)

    def hold(self) -> bool:
        """Whether all equations held as written."""
        return all(holds(tie) for tie in self.ties)


def holds(tie: Tie) -> bool:
    """Whether the equation held as written."""
    return abs(_WIDE.subtract(tie.left.value, tie.right.value)) <= tie.tolerance


def tolerance_of(size: Decimal) -> Decimal:
    """What a spreadsheet may lose in adding doubles of that size in all."""
    return max(_SMALLEST, _WIDE.multiply(size, _RELATIVE))


def number_of(value: Any) -> Decimal | None:
    """A cell's value as a spreadsheet counts it; None for text and for whole numbers that become text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return Decimal((value - _EPOCH).days)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    if isinstance(value, int) and abs(value) > EXACT_INT:
        return None
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def quoted(sheet: str) -> str:
    """A sheet's name in a formula."""
    return "'" + sheet.replace("'", "''") + "'"


def text_of(words: str) -> str:
    """Words in a formula, as the cell that holds them has them."""
    return '"' + clean(words).replace('"', '""') + '"'


def exact_sum(amounts: str, where: Mapping[str, str]) -> str:
    """Formula of the sum of amounts where cells hold exactly these words: SUMIFS would take MAR-1 for a day and a for A."""
    tests = "*".join(f"EXACT({cells},{text_of(words)})" for cells, words in where.items())
    return f"SUMPRODUCT({tests},{amounts})" if len(where) > 1 else f"SUMPRODUCT({tests}*1,{amounts})"
