"""What a charge is in the books: its expense, what of it is owed to the issuer of an invoice, and the kind of posting."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from allocation.calc.accruals import Place

ZERO = Decimal(0)
# kinds of charges: of what an issuer bills, of what was paid ahead, of what nobody sends an invoice for
CHARGE, PURCHASE, AMORTISATION, BREAKAGE = "charge", "prepaid_purchase", "prepaid_amortisation", "breakage"
FLEET, OTHER, FX, ADJUSTMENT = "gpu_depreciation", "other_charge", "fx", "adjustment"
TAX = "recoverable_tax"
OWN = (FLEET, OTHER, FX, ADJUSTMENT)  # no invoice is expected of them
PREPAID = (PURCHASE, AMORTISATION, BREAKAGE)
_CAUSES = {"rerate": "price", "price_difference": "price", "": ""}


class Charged(NamedTuple):
    """Charges that are alike, summed. ``effective``, ``billed``: money; ``unbilled``: EffectiveCost where BilledCost is NULL.

    ``layer`` of the usage key, ``about``: first word of the subject (commitment, fleet, other ...; '' of usage).
    """

    layer: str
    about: str
    status: str
    category: str
    price_class: str
    provenance: str
    cause: str
    correction: str
    effective: Decimal
    billed: Decimal
    unbilled: Decimal
    of_account: bool = False  # an issuer and an account of its are named


class Posted(NamedTuple):
    """One posting of a charge: ``expense`` (EffectiveCost) and ``owed`` to its issuer; the difference was paid ahead."""

    kind: str
    expense: Decimal
    owed: Decimal
    computed: Decimal


class Cost(NamedTuple):
    """One posting of the month: charges that are alike, summed. ``cost_centre``: '' unallocated, or not asked for."""

    place: Place
    month: date  # that is billed, or corrected
    cost_centre: str
    provider: str
    category: str
    kind: str
    cause: str
    correction: bool
    expense: Decimal
    owed: Decimal
    computed: Decimal


def postings(row: Charged) -> list[Posted]:
    """What charges post. Invariant: the expenses add up to EffectiveCost.

    A commitment owes what it bills (its purchase) and spreads it; fleets, staff, licences, adjustments and roundings owe no
    issuer; all other charges owe BilledCost where a bill states it, else EffectiveCost. Where a bill amortises, what it
    charges beyond what it bills was paid ahead.
    """
    if row.layer == "fleet" or row.about == "fleet":
        return _of(FLEET, row.effective)
    if row.category == "Adjustment" and row.provenance == "allocated":
        return _of(ADJUSTMENT, row.effective)
    if row.layer == "other" and not row.of_account:  # what is agreed of an account, a tax say, its invoice bills
        return _of(OTHER, row.effective)
    if row.layer == "fx":
        return _of(FX, row.effective)
    if row.layer == "commitment" or row.about == "commitment":
        shortfall = row.status == "Shortfall"
        kind = CHARGE if shortfall else BREAKAGE if row.status in ("Unused", "Expired") else AMORTISATION
        owed = row.effective if shortfall else row.billed
        return _split(kind, row.effective, owed)
    if row.layer == "invoice":
        return [Posted(CHARGE, row.effective, row.effective, ZERO)]
    owed = row.billed + row.unbilled
    found = _split(CHARGE, row.effective, owed)
    if row.provenance == "computed":
        return [part._replace(computed=part.owed) for part in found]
    return found


def cause_of(row: Charged) -> str:
    """Why a charge comes late: tax or credit, what bills say beyond lower layers, else the cause of its correction."""
    if row.category in ("Tax", "Credit"):
        return row.category.lower()
    cause = row.cause or row.correction
    return _CAUSES.get(cause, cause)


def _of(kind: str, expense: Decimal) -> list[Posted]:
    return [Posted(kind, expense, ZERO, ZERO)] if expense else []


def _split(kind: str, expense: Decimal, owed: Decimal) -> list[Posted]:
    """What is both expense and owed; beside it what is used up of what was paid ahead, or paid ahead now."""
    both = expense if expense == owed else ZERO
    if kind == CHARGE and expense and owed:
        both = min(expense, owed, key=abs)
    parts = [
        Posted(CHARGE, both, both, ZERO), *_of(AMORTISATION if kind == CHARGE else kind, expense - both),
        Posted(PURCHASE, ZERO, owed - both, ZERO),
    ]  # fmt: skip
    return [part for part in parts if part.expense or part.owed]
