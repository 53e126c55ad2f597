"""The journal of a month: balanced lines of its cells, per legal entity and currency (allocation.calc.journal_cells)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from allocation.calc.accruals import provisional_number
from allocation.calc.gl import ACCRUED, INTERCOMPANY, OTHER, PAYABLE, GlMap
from allocation.calc.journal_cells import Cell, Centre, Month, cells
from allocation.calc.natures import ZERO

_WORDS = {
    "charge": "AI cost of", "prior_year_correction": "Correction of a prior year,", "accrual": "Accrued,",
    "accrual_reversal": "Accrual reversed,", "accrual_settlement": "Invoice in place of accrual,",
    "true_up": "True-up,", "prepaid_purchase": "Paid ahead,", "prepaid_amortisation": "Prepaid, used,",
    "breakage": "Prepaid, unused,", "gpu_depreciation": "Own GPUs", "other_charge": "Other AI cost", "fx": "Exchange rate,",
    "recoverable_tax": "Recoverable tax,", "rounding": "Rounding,", "over_recovery": "Standard rate above cost",
    "under_recovery": "Standard rate below cost", "allocation": "Shared cost", "adjustment": "Adjustment",
}  # fmt: skip


class Line(NamedTuple):
    """A debit or a credit, at the currency's minor unit; the other is 0. ``cost_centre`` '': held centrally."""

    event: str
    posting_date: date
    legal_entity: str
    currency: str
    account: str
    cost_centre: str
    debit: Decimal
    credit: Decimal
    text: str
    reference: str
    billed_month: date | None


class Journal(NamedTuple):
    """Lines in their order; what went to suspense, by currency: (lines, sum of their amounts)."""

    lines: list[Line]
    suspense: dict[str, tuple[int, Decimal]]


def journal(month: Month, mapping: GlMap) -> Journal:
    """The lines of a month.

    Invariants: per legal entity and currency debits = credits; where another legal entity pays than bears, a pair of lines
    between them balances both; only cost centres that are charged have lines of their own. Lines that are alike are one.
    """
    sums: dict[Line, Decimal] = defaultdict(lambda: ZERO)
    for cell in cells(month):
        for line, amount in _sides(cell, month, mapping):
            sums[line] += amount
    lines = [
        line._replace(debit=max(amount, ZERO), credit=max(-amount, ZERO)) for line, amount in sums.items() if amount
    ]
    lines.sort(key=lambda line: tuple(str(part) for part in line))
    return Journal(lines, _suspense(lines, mapping))


def _sides(cell: Cell, month: Month, mapping: GlMap) -> list[tuple[Line, Decimal]]:
    """The two lines of a cell, or four between two legal entities; a debit is above zero."""
    centre = month.centres.get(cell.cost_centre, Centre()) if cell.cost_centre else Centre()
    payer = cell.place.legal_entity
    bearer = payer if centre.legal_entity is None else centre.legal_entity
    about = {
        "provider": cell.provider, "category": cell.category, "cost_centre": cell.cost_centre, "legal_entity": bearer,
        "gl_account": centre.gl_account,
    }  # fmt: skip
    liability = OTHER if not cell.place.issuer else PAYABLE if cell.invoiced else ACCRUED
    debit, credit = mapping.accounts(cell.event, about, liability)

    def line(entity: str, account: str, cost_centre: str = "", event: str = cell.event) -> Line:
        return Line(
            event, cell.day, entity, cell.place.currency, account, cost_centre, ZERO, ZERO, _text(cell),
            _reference(cell), cell.billed_month,
        )  # fmt: skip

    between: list[tuple[Line, Decimal]] = []
    if bearer != payer:
        between = [
            (line(bearer, mapping.payable_intercompany, event=INTERCOMPANY), -cell.amount),
            (line(payer, mapping.receivable_intercompany, event=INTERCOMPANY), cell.amount),
        ]
    return [(line(bearer, debit, cell.cost_centre), cell.amount), *between, (line(payer, credit), -cell.amount)]


def _text(cell: Cell) -> str:
    who = " ".join(filter(None, (cell.place.issuer or cell.provider, cell.place.billing_account)))
    when = f"{cell.billed_month:%Y-%m}" if cell.billed_month else ""
    return " ".join(filter(None, (_WORDS.get(cell.event, cell.event), who, when)))


def _reference(cell: Cell) -> str:
    if cell.reference:
        return ", ".join(cell.reference)
    if cell.billed_month is None or cell.invoiced or not cell.place.issuer:
        return ""
    return provisional_number(cell.place, cell.billed_month)


def _suspense(lines: Sequence[Line], mapping: GlMap) -> dict[str, tuple[int, Decimal]]:
    found: dict[str, tuple[int, Decimal]] = {}
    for line in lines:
        if line.account == mapping.suspense:
            count, amount = found.get(line.currency, (0, ZERO))
            found[line.currency] = count + 1, amount + line.debit + line.credit
    return found


def balances(lines: Sequence[Line]) -> dict[tuple[str, str], Decimal]:
    """(legal entity, currency) -> debits - credits: zero, every one of them."""
    found: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        found[line.legal_entity, line.currency] += line.debit - line.credit
    return dict(found)
