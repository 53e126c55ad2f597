"""What an invoice without days charges beyond all else: one row per account, scope and billing period (CONTRACTS 2)."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from allocation.calc.reconcile_rows import ZERO, Line


class Stated(NamedTuple):
    """What invoices of a period charge. ``scope`` '': for all that the account used and no other line names."""

    provider: str
    account: str
    scope: str
    category: str
    currency: str
    amount: Decimal


class Charged(NamedTuple):
    """What else is charged of an account in the period, in the invoice's currency: by cost reports, computed, by agreement."""

    provider: str
    account: str
    scope: str
    category: str
    currency: str
    effective: Decimal
    billed: Decimal


class Residual(NamedTuple):
    """What is left to charge. Invariant, per place: all that is charged with it is what the invoices state."""

    provider: str
    account: str
    scope: str
    category: str
    currency: str
    effective: Decimal
    billed: Decimal
    cause: str


Place = tuple[str, str, str, str, str]  # provider, account, scope, category, currency


def residuals(stated: Iterable[Stated], charged: Iterable[Charged], lines: Iterable[Line] = ()) -> list[Residual]:
    """One row per place that invoices speak of and where anything is left, sorted.

    Charges count once: for the line that names their scope, else for the account's line without scope; an account that
    is not named ('') is every one. The cause is that of ``lines`` (a reconciliation of the period) where a single one
    explains all of the account's difference, else ``unexplained``.
    """
    left: dict[Place, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for row in stated:
        for column in (0, 1):
            left[row[:5]][column] += row.amount
    for charge in charged:
        place = _place(charge, left)
        if place is not None:
            left[place][0] -= charge.effective
            left[place][1] -= charge.billed
    causes = _causes(lines)
    return [
        Residual(*place, effective, billed, causes.get((place[0], place[1], place[3]), "unexplained"))
        for place, (effective, billed) in sorted(left.items())
        if effective or billed
    ]


def _place(charge: Charged, known: dict[Place, list[Decimal]]) -> Place | None:
    for account in dict.fromkeys((charge.account, "")):
        for scope in dict.fromkeys((charge.scope, "")):
            place = (charge.provider, account, scope, charge.category, charge.currency)
            if place in known:
                return place
    return None


def _causes(lines: Iterable[Line]) -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for line in lines:
        names = {cause for cause, _ in line.causes} | ({"unexplained"} if line.unexplained else set())
        found[line.provider, line.account, line.category] |= names
    return {place: next(iter(names)) for place, names in found.items() if len(names) == 1}
