"""Files of exchange rates: the European Central Bank's wide form, and one rate a line.

Wide (``eurofxref-hist.csv``): a line a day, a column a currency, units of it for one EUR, ``N/A`` where there was none::

    Date,USD,JPY,
    2026-09-08,1.1025,160.12,

Narrow, in any order of columns::

    day,base,quote,rate
    2026-09-08,EUR,USD,1.1025

A file is read whole or not at all: every error names the line.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from finops.currencies import check_currency
from finops.money import MoneyError, money
from finops.periods import YEARS, PeriodError, check_day

_NARROW = {"day", "base", "quote", "rate"}
_NONE = frozenset({"", "n/a", "na", "-"})
_MOST = Decimal(10**12)
_PIVOT = "EUR"
_YEARS = range(1990, YEARS.stop)  # the ECB's rates begin in 1999


class FxFileError(ValueError):
    """A file of rates cannot be used; the message names the line."""


class Published(NamedTuple):
    """Units of ``quote`` for one of ``base`` on a day."""

    day: date
    base: str
    quote: str
    rate: Decimal


def published(day: str, base: str, quote: str, rate: str) -> Published:
    """One rate from its texts. Raises FxFileError."""
    try:
        found = check_day(date.fromisoformat(day.strip()), _YEARS)
    except PeriodError as error:
        raise FxFileError(f"{day.strip()} {error}") from None
    except ValueError:
        raise FxFileError(f"{day!r} is no day: write YYYY-MM-DD") from None
    for code in (base, quote):
        try:
            check_currency(code)
        except MoneyError as error:
            raise FxFileError(str(error)) from None
    if base == quote:
        raise FxFileError(f"{base} has no rate to itself")
    try:
        value = money([rate.strip()])[0].as_py()
    except MoneyError as error:
        raise FxFileError(f"{base}/{quote}: {error}") from None
    if not 0 < value < _MOST:
        raise FxFileError(f"{base}/{quote}: a rate is above 0 and below 10^12, not {rate}")
    return Published(found, base, quote, value)


def read(lines: Iterable[str]) -> list[Published]:
    """All rates of a file, by day and pair; the same one again is one. Raises FxFileError."""
    rows = csv.reader(lines)
    header = [name.strip().lstrip("\ufeff") for name in next(rows, [])]
    if {name.lower() for name in header} >= _NARROW:
        found = _narrow([name.lower() for name in header], rows)
    elif header and header[0].lower() == "date":
        found = _wide(header, rows)
    else:
        raise FxFileError("line 1: expected Date,USD,JPY,... as the ECB writes it, or day,base,quote,rate")
    rates: dict[tuple[date, str, str], Decimal] = {}
    for line, each in found:
        if rates.setdefault(each[:3], each.rate) != each.rate:
            raise FxFileError(f"line {line}: another rate of {each.base}/{each.quote} on {each.day} stands above")
    return [Published(*place, rate) for place, rate in sorted(rates.items())]


def _narrow(header: Sequence[str], rows: Iterator[list[str]]) -> Iterator[tuple[int, Published]]:
    for line, row in enumerate(rows, 2):
        if any(cell.strip() for cell in row):
            cells = dict(zip(header, row, strict=False))
            yield line, _on(line, cells.get("day", ""), *(cells.get(n, "").strip() for n in ("base", "quote", "rate")))


def _wide(header: Sequence[str], rows: Iterator[list[str]]) -> Iterator[tuple[int, Published]]:
    for line, row in enumerate(rows, 2):
        for quote, cell in list(zip(header, row, strict=False))[1:]:
            if quote and cell.strip().lower() not in _NONE:
                yield line, _on(line, row[0], _PIVOT, quote, cell)


def _on(line: int, day: str, base: str, quote: str, rate: str) -> Published:
    try:
        return published(day, base, quote, rate)
    except FxFileError as error:
        raise FxFileError(f"line {line}: {error}") from None
