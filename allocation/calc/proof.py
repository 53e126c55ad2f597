"""The proof of a month: what statements and central lines bear is what invoices, accruals and prepayments say, each by itself."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from allocation.calc.accruals import Accrual, Posting
from allocation.calc.journal_cells import Split
from allocation.calc.natures import AMORTISATION, BREAKAGE, OWN, PURCHASE, ZERO, Cost
from finops.money import minor_digits

NOT_IN_SHARES = "(pages)"  # what pages show beyond the shares of the charges: nothing, or something is wrong


class Proof(NamedTuple):
    """One issuer ('': own cost, of which no invoice comes), legal entity and currency; exact.

    statements + central + estimated = invoices + accrual_movement + amortisation - prepayments, or ``difference`` is not 0.
    ``estimated`` is what accruals add to cost for what invoices will say beyond it, held centrally.
    """

    issuer: str
    legal_entity: str
    currency: str
    statements: Decimal
    central: Decimal
    estimated: Decimal
    invoices: Decimal
    accrual_movement: Decimal
    amortisation: Decimal
    prepayments: Decimal

    @property
    def difference(self) -> Decimal:
        """What the two sides differ by."""
        left = self.statements + self.central + self.estimated
        return left - (self.invoices + self.accrual_movement + self.amortisation - self.prepayments)

    @property
    def holds(self) -> bool:
        """Whether it is 0.00 in the currency's minor unit."""
        return round(self.difference, minor_digits(self.currency)) == 0


class Shown(NamedTuple):
    """What pages and statements show of a provider, by whether a cost centre bears it; only where it differs from shares."""

    currency: str
    borne: bool
    amount: Decimal


class Sides(NamedTuple):
    """Both sides, from different tables: ``shares`` of charges and ``splits``; ``charges``, accruals and invoices."""

    shares: Iterable[Cost]
    splits: Iterable[tuple[str, str, Split]]  # with the issuer and the legal entity that they are shown under
    beyond: Iterable[Shown]
    charges: Iterable[Cost]
    accruals: Iterable[Accrual]
    before: Iterable[Accrual]  # of the close before
    postings: Iterable[Posting]


def prove(sides: Sides) -> list[Proof]:
    """One row per issuer, legal entity and currency, sorted."""
    sums: dict[tuple[str, str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    for cost in sides.shares:
        sums[_of(cost)]["statements" if cost.cost_centre else "central"] += cost.expense
    for issuer, entity, split in sides.splits:
        sums[issuer, entity, split.currency]["statements" if split.cost_centre else "central"] += split.amount
    for shown in sides.beyond:
        sums[NOT_IN_SHARES, "", shown.currency]["statements" if shown.borne else "central"] += shown.amount
    for cost in sides.charges:
        if cost.kind in (AMORTISATION, BREAKAGE, *OWN):
            sums[_of(cost)]["amortisation"] += cost.expense
        if cost.kind == PURCHASE:
            sums[_of(cost)]["prepayments"] += cost.owed
    for row in sides.accruals:
        sums[_of(row)]["estimated"] += row.estimate
        sums[_of(row)]["accrual_movement"] += row.amount
    for row in sides.before:
        sums[_of(row)]["estimated"] -= row.estimate
        sums[_of(row)]["accrual_movement"] -= row.amount
    for posting in sides.postings:
        sums[_of(posting)]["invoices"] += posting.invoiced
    columns = Proof._fields[3:]
    rows = [Proof(*at, *(amounts[name] for name in columns)) for at, amounts in sorted(sums.items())]
    return [row for row in rows if any(row[3:])]


def _of(row: Cost | Accrual | Posting) -> tuple[str, str, str]:
    return row.place.issuer, row.place.legal_entity, row.place.currency
