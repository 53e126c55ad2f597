"""Rows that people write -> amounts by fiscal period. One bad row refuses all, and every bad row is named.

A file has one of three shapes, by its header: ``month`` and ``amount``, a row a period; ``annual`` and ``phasing``, a row a
year; or a column a period (``2026-01`` or ``P01``). Beside them: ``cost_centre`` (empty: the whole), ``provider``, ``model``,
``currency``.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from finops.currencies import check_currency
from finops.money import MoneyError, money, round_to_minor, share, total
from finops.periods import Period
from forecasting.calc.fiscal import MONTHS, PERIODS, Calendar

EVEN, LAST_YEAR = "even", "last_year"
TOLD = 20  # problems that a message names
_LARGEST = Decimal(10) ** 12
_WHERE = ("cost_centre", "provider", "model", "currency")
_OTHERS = ("month", "amount", "annual", "phasing")
_ALIASES = {
    "x_costcentre": "cost_centre",
    "serviceprovidername": "provider",
    "x_model": "model",
    "billingcurrency": "currency",
}
LastYear = Callable[[str, str, str, str], Sequence[Decimal]]


class BudgetError(ValueError):
    """A budget cannot be used; the message names rows and columns."""


class Row(NamedTuple):
    """A row of a file: its number there, and its cells as texts by column."""

    number: int
    cells: Mapping[str, str]


class Entry(NamedTuple):
    """One amount: whose (empty: the whole), of what (empty: all), for which days."""

    cost_centre: str
    provider: str
    model: str
    currency: str
    period: Period
    amount: Decimal


class Year(NamedTuple):
    """What rows are read against. ``last_year``: cost centre, provider, model, currency -> actual cost of its 12 periods."""

    calendar: Calendar
    name: int
    currency: str
    cost_centres: Collection[str]
    last_year: LastYear


class _Wrong(ValueError):
    def __init__(self, column: str, what: str) -> None:
        super().__init__(what)
        self.column = column


def parse(header: Sequence[str], rows: Iterable[Row], year: Year) -> list[Entry]:
    """All entries of a file, in its order. Raises BudgetError that names every bad row, up to TOLD of them."""
    columns = _columns(header, year)
    entries, problems, seen = list[Entry](), list[str](), dict[tuple[object, ...], int]()
    for row in rows:
        cells = {columns[name]: text.strip() for name, text in row.cells.items()}
        if not any(cells.values()):
            continue
        try:
            found = _entries(cells, year)
            for entry in found:
                before = seen.setdefault(entry[:5], row.number)
                if before != row.number:
                    raise _Wrong("", f"row {before} has an amount for the same, {entry.period} already")
            entries += found
        except _Wrong as wrong:
            problems.append(f"row {row.number}{f', column {wrong.column}' if wrong.column else ''}: {wrong}")
    if problems:
        more = f"; and {len(problems) - TOLD} more" if len(problems) > TOLD else ""
        raise BudgetError("; ".join(problems[:TOLD]) + more)
    if not entries:
        raise BudgetError("there is no amount in it")
    return entries


def phased(annual: Decimal, weights: Sequence[int | Decimal], currency: str) -> list[Decimal]:
    """An annual amount over twelve periods by weights: the parts add up to it exactly, whole minor units if it is.

    Raises MoneyError where all weights are zero or one is negative.
    """
    parts = share(annual, list(weights))
    rounded = round_to_minor(parts, currency)
    found = (rounded if total(rounded) == annual else parts).to_pylist()
    return [part for part in found if part is not None]


def _columns(header: Sequence[str], year: Year) -> dict[str, str]:
    """Name of each column in the file -> ours. Raises BudgetError."""
    names = {name: _name(name, year) for name in header if name.strip()}
    doubled = [name for name in names.values() if list(names.values()).count(name) > 1]
    if doubled or len(names) < sum(1 for name in header if name.strip()):
        raise BudgetError(f"the header has a column twice: {doubled[0] if doubled else 'the same name'}")
    for name, ours in names.items():
        if not ours:
            raise BudgetError(
                f"column {name!r} is not known; possible: {', '.join((*_WHERE, *_OTHERS))}, {_example(year)}"
            )
    found = set(names.values()) - set(_WHERE)
    by_period = found - set(_OTHERS)
    if not (
        found == {"month", "amount"}
        or found in ({"annual", "phasing"}, {"annual"})
        or (by_period and found == by_period)
    ):
        raise BudgetError(
            f"the header has month and amount, or annual and phasing, or a column a period ({_example(year)})"
        )
    return names


def _name(name: str, year: Year) -> str:
    plain = name.strip().lower().replace(" ", "_")
    plain = _ALIASES.get(plain, plain)
    if plain in (*_WHERE, *_OTHERS):
        return plain
    try:
        return f"P{_number(name.strip(), year):02d}"
    except _Wrong:
        return ""


def _example(year: Year) -> str:
    return f"{year.name}-01 or P01" if year.calendar.pattern == MONTHS else "P01 to P12"


def _entries(cells: Mapping[str, str], year: Year) -> list[Entry]:
    code, currency = cells.get("cost_centre", ""), cells.get("currency", "") or year.currency
    if code and code not in year.cost_centres:
        raise _Wrong("cost_centre", f"there is no cost centre {code!r}")
    try:
        check_currency(currency)
    except MoneyError as wrong:
        raise _Wrong("currency", str(wrong)) from None
    where = (code, cells.get("provider", ""), cells.get("model", ""), currency)
    periods = year.calendar.periods(year.name)
    if "annual" in cells:
        amounts = _phasing(_amount("annual", cells["annual"]), cells.get("phasing", ""), where, year)
        return [Entry(*where, period, amount) for period, amount in zip(periods, amounts, strict=True)]
    if "month" in cells:
        return [Entry(*where, periods[_number(cells["month"], year) - 1], _amount("amount", cells["amount"]))]
    given = {name: text for name, text in cells.items() if name not in _WHERE and text}
    if not given:
        raise _Wrong("", "there is no amount")
    return [Entry(*where, periods[int(name[1:]) - 1], _amount(name, text)) for name, text in sorted(given.items())]


def _number(text: str, year: Year) -> int:
    """1 to 12 of a period written P03 or, in a year of months, 2026-03."""
    periods = year.calendar.periods(year.name)
    if found := re.fullmatch(r"[Pp](0?[1-9]|1[0-2])", text):
        return int(found[1])
    by_month = {str(period): number for number, period in enumerate(periods, start=1)}
    if year.calendar.pattern == MONTHS and text in by_month:
        return by_month[text]
    possible = f"{periods[0]} to {periods[-1]}, or P01 to P12" if year.calendar.pattern == MONTHS else "P01 to P12"
    raise _Wrong("month", f"{text!r} is no period of fiscal year {year.name}: {possible}")


def _phasing(annual: Decimal, text: str, where: tuple[str, str, str, str], year: Year) -> list[Decimal]:
    way = text.strip().lower().replace(" ", "_") or EVEN
    weights: Sequence[int | Decimal] = [1] * PERIODS
    if way == LAST_YEAR:
        weights = year.last_year(*where)
        if not any(weights) or min(weights) < 0:
            raise _Wrong(
                "phasing", "last year has no cost of it in any period, or less than none in one: write percentages"
            )
    elif way != EVEN:
        weights = _percentages(text)
    return phased(annual, weights, where[3])


def _percentages(text: str) -> list[Decimal]:
    parts = [part for part in re.split(r"[;,\s/]+", text.replace("%", " ").strip()) if part]
    found = [_amount("phasing", part) for part in parts]
    if len(found) != PERIODS:
        raise _Wrong("phasing", f"{EVEN}, {LAST_YEAR} or twelve percentages, not {len(found)}")
    if sum(found) != 100:
        raise _Wrong("phasing", f"the percentages add up to {sum(found)}, not to 100")
    return found


def _amount(column: str, text: str) -> Decimal:
    try:
        amount = Decimal(text)
        if not re.fullmatch(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,2})?", text):
            raise InvalidOperation
    except InvalidOperation:
        shown = f"{text[:40]!r} is no number" if text else "there is none"
        raise _Wrong(column, f"{shown}: write an amount as 1234.50") from None
    if amount < 0 or amount >= _LARGEST:
        raise _Wrong(column, f"{text} is not between 0 and {_LARGEST:,}")
    try:
        money([amount])
    except MoneyError as wrong:
        raise _Wrong(column, str(wrong)) from None
    return amount
