"""The one guarded way from a value to a cell, for workbooks and CSV alike.

Text is never a formula, whatever it begins with; numbers carry every digit; NaN and what cannot be shown is refused.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from openpyxl.cell import WriteOnlyCell

from finops.formulas import guarded

EXACT_INT = 2**53  # beyond, a spreadsheet changes whole numbers without a word: they become text
TEXT_MAX = 32_767
_ILLEGAL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF])
_ILLEGAL |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


class CellError(ValueError):
    """A value that no cell can hold truthfully."""


def clean(text: str) -> str:
    """Text without control characters (tab and line ends stay) and what XML cannot hold, cut where Excel cuts."""
    found = text.translate(_ILLEGAL)
    return found if len(found) <= TEXT_MAX else found[: TEXT_MAX - 1] + "\u2026"


def xlsx_cell(sheet: Any, value: Any, style: str | None = None) -> Any:
    """A cell of a write-only sheet; ``style`` names a style of its workbook. Raises CellError."""
    cell = WriteOnlyCell(sheet)
    if style is not None:
        cell.style = style
    if value is None or value == "":
        return cell
    if isinstance(value, date) and not isinstance(value, datetime):
        cell.value = value
        return cell
    number = _number(value)
    cell.value = clean(_text(value)) if number is None else number
    cell.data_type = "s" if number is None else "n"  # openpyxl guesses formulas and errors
    return cell


def csv_field(value: Any) -> str:
    """A field for ``csv.writer``. Text that a spreadsheet would run gets an apostrophe; numbers stay numbers."""
    if value is None:
        return ""
    number = _number(value)
    if number is not None:
        return number
    text = clean(_text(value))
    if not isinstance(value, str):
        return text
    return guarded(text)


def _number(value: Any) -> str | None:
    """Digits of a number that a spreadsheet keeps; None for what is written as text. Raises CellError."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    if isinstance(value, int):
        return str(value) if -EXACT_INT <= value <= EXACT_INT else None
    number = Decimal(repr(value)) if isinstance(value, float) else value
    if not number.is_finite() or number.adjusted() > 300:
        raise CellError(f"{value!r} is no number that a cell can hold")
    return f"{number:f}"


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise CellError(f"{value!r} has no time zone")
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, (str, int, date)):
        return str(value)
    raise CellError(f"{type(value).__name__} is no value for a cell")
