"""What is posted in a month, cell by cell: one amount that one account is debited and another credited with."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from allocation.calc.accruals import Accrual, Place, Posting
from allocation.calc.gl import ACCRUAL, ALLOCATION, OVER, PRIOR_YEAR, REVERSAL, ROUNDING, SETTLEMENT, TRUE_UP, UNDER
from allocation.calc.natures import CHARGE, FX, PURCHASE, TAX, ZERO, Cost
from allocation.calc.statement import rounded_by, rounded_to
from finops.money import minor_digits
from finops.periods import Period


class Centre(NamedTuple):
    """A cost centre as the books know it on the last day of the month; ``charged``: chargeback, not showback."""

    gl_account: str = ""
    legal_entity: str | None = None  # None: the one that pays
    charged: bool = True


class Split(NamedTuple):
    """What a split or rate card puts on a cost centre ('': nobody); over all of them it is zero."""

    cost_centre: str
    source: str
    provider: str
    variance: bool
    currency: str
    amount: Decimal


class Month(NamedTuple):
    """All that a journal is made of. ``finance``: the cost centre that bears recoverable tax."""

    period: Period
    costs: Sequence[Cost]
    splits: Sequence[Split]
    accruals: Sequence[Accrual]
    postings: Sequence[Posting]
    centres: Mapping[str, Centre]
    own: Place  # of what no issuer bills, but for its currency
    finance: str = ""


class Cell(NamedTuple):
    """An amount (of a negative one debit and credit change places) with all that accounts hang on.

    ``stated``: whose statement it is part of (None: nobody's); ``cost_centre``: who bears it in the books, '' is centrally;
    ``owed``: it adds to what an accrual or invoice of the month says; ``invoiced``: an invoice does.
    """

    event: str
    day: date
    stated: str | None
    cost_centre: str
    place: Place
    provider: str
    category: str
    owed: bool
    invoiced: bool
    reference: tuple[str, ...]
    billed_month: date | None
    amount: Decimal


def cells(month: Month) -> list[Cell]:
    """The cells at the currency's minor unit, in their order; zeros left out.

    Invariants: the cells that are part of a cost centre's statement add up to its amount (R10: the whole is rounded once, by
    largest remainder); those that an accrual or an invoice owes, with their cell of rounding, to it.
    """
    exact = _merged([*_of_costs(month), *_of_splits(month), *_of_accruals(month), *_of_postings(month)])
    rounded = _as_stated([cell for cell in exact if cell.stated is not None])
    rounded += [cell._replace(amount=_minor(cell.amount, cell.place.currency)) for cell in exact if cell.stated is None]
    rounded += _roundings(month, rounded)
    return sorted((cell for cell in rounded if cell.amount), key=_order)


def stated(month: Month) -> dict[tuple[str, str], Decimal]:
    """(cost centre, currency) -> what its statement says by these costs; '' is nobody's."""
    exact = _merged([*_of_costs(month), *_of_splits(month)])
    found: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for cell in _as_stated([cell for cell in exact if cell.stated is not None]):
        found[cell.stated or "", cell.place.currency] += cell.amount
    return dict(found)


def _last(period: Period) -> date:
    return period.end - timedelta(days=1)


def _open(month: Month) -> set[tuple[Place, date]]:
    return {(row.place, row.month) for row in month.accruals if row.amount}


def _of_costs(month: Month) -> Iterable[Cell]:
    waiting, numbers = _open(month), {(row.place, row.month): row.numbers for row in month.postings}
    for row in month.costs:
        at = (row.place, row.month)
        invoiced = bool(row.place.issuer) and at not in waiting
        bought = row.kind == PURCHASE
        yield Cell(
            _event(row, month), _last(month.period), None if bought else row.cost_centre,
            "" if bought else _bearer(row.cost_centre, month), row.place, row.provider, row.category, bool(row.owed), invoiced,
            numbers.get(at, ()) if row.owed else (), row.month if row.place.issuer else None,
            row.owed if bought else row.expense,
        )  # fmt: skip


def _event(row: Cost, month: Month) -> str:
    if row.correction and row.kind == CHARGE and row.month.year < month.period.start.year:
        return PRIOR_YEAR
    if row.category == "Tax" and row.cost_centre and row.cost_centre == month.finance:
        return TAX
    return FX if row.kind == CHARGE and row.cause == FX else row.kind


def _bearer(code: str, month: Month) -> str:
    """Cost of a cost centre that is shown only, or of nobody, stays central."""
    return code if code and month.centres.get(code, Centre()).charged else ""


def _of_splits(month: Month) -> Iterable[Cell]:
    for row in month.splits:
        event = ALLOCATION
        if row.variance:
            event = OVER if (row.amount > 0) == (row.cost_centre == row.source) else UNDER
        yield Cell(
            event, _last(month.period), row.cost_centre, _bearer(row.cost_centre, month),
            month.own._replace(currency=row.currency), row.provider, "", False, False, (), None, row.amount,
        )  # fmt: skip


def _of_accruals(month: Month) -> Iterable[Cell]:
    charged: dict[tuple[Place, date], Decimal] = defaultdict(lambda: ZERO)
    for row in month.costs:
        charged[row.place, row.month] += row.owed
    for at in month.accruals:
        yield _central(REVERSAL, month.period.start, at, at.reversed)
        yield _central(ACCRUAL, _last(month.period), at, at.amount - charged[at.place, at.month])


def _of_postings(month: Month) -> Iterable[Cell]:
    for row in month.postings:
        yield _central(REVERSAL, month.period.start, row, row.accrued)
        yield _central(SETTLEMENT, _last(month.period), row, row.accrued)
        yield _central(TRUE_UP, _last(month.period), row, row.invoiced - row.accrued - row.charged)


def _central(event: str, day: date, row: Accrual | Posting, amount: Decimal) -> Cell:
    stated = isinstance(row, Posting) and event != REVERSAL
    numbers = row.numbers if isinstance(row, Posting) else ()
    return Cell(
        event, day, None, "", row.place, row.place.issuer, "", event != REVERSAL, stated, numbers, row.month, amount
    )


def _merged(found: Iterable[Cell]) -> list[Cell]:
    sums: dict[Cell, Decimal] = defaultdict(lambda: ZERO)
    for cell in found:
        sums[cell._replace(amount=ZERO)] += cell.amount
    return sorted((cell._replace(amount=amount) for cell, amount in sums.items()), key=_order)


def _as_stated(found: Iterable[Cell]) -> list[Cell]:
    """Cells of statements, rounded: the whole of a currency, its statements, and their cells."""
    by_currency: dict[str, dict[str | None, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for cell in found:
        by_currency[cell.place.currency][cell.stated or None].append(cell)
    rounded = []
    for currency, owners in sorted(by_currency.items()):
        goals = rounded_by({code: sum((cell.amount for cell in of), ZERO) for code, of in owners.items()}, currency)
        for code, of in owners.items():
            amounts = rounded_to([cell.amount for cell in of], goals[code], currency)
            rounded += [cell._replace(amount=amount) for cell, amount in zip(of, amounts, strict=True)]
    return rounded


def _roundings(month: Month, rounded: Iterable[Cell]) -> list[Cell]:
    """What rounded cells owe a place less or more than its accrual or its invoice."""
    left: dict[tuple[Place, date], Decimal] = defaultdict(lambda: ZERO)
    of: dict[tuple[Place, date], Accrual | Posting] = {}
    rows: list[Accrual | Posting] = [*month.accruals, *month.postings]
    for row in rows:
        amount = row.amount if isinstance(row, Accrual) else row.invoiced
        left[row.place, row.month] += _minor(amount, row.place.currency)
        of[row.place, row.month] = row
    for cell in rounded:
        if cell.owed and cell.billed_month is not None and (cell.place, cell.billed_month) in of:
            left[cell.place, cell.billed_month] -= cell.amount
    return [
        _central(ROUNDING, _last(month.period), of[at], amount)._replace(invoiced=isinstance(of[at], Posting))
        for at, amount in sorted(left.items())
        if amount
    ]


def _minor(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-minor_digits(currency)), ROUND_HALF_EVEN)


def _order(cell: Cell) -> tuple[object, ...]:
    return tuple(str(part) for part in cell)
