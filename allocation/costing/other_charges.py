"""Charges that no call causes: what people state a day costs beside usage and agreements (allocation.calc.other_charges).

An entry that comes to more than FINOPS_APPROVAL_LIMIT (or to nobody knows how much) is charged once another person has
approved it; the approval holds for its content and ends with any change of it. An amount in another currency is compared at
the rate of its first day, as it stands where there is none.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.conf import settings

from allocation.calc.amortisation import ZERO
from allocation.calc.capacity_schedule import exactly
from allocation.calc.other_charges import Amount, OtherCharge, OtherCharges, amount_on, parse, worth
from allocation.costing import terms
from allocation.costing.work import Entry, Owner, Work
from allocation.models import TermsVersion
from finops import approvals, fx
from finops.models import Approval, SiteMark
from finops.money import share
from finops.periods import Period

KIND, LAYER = "other_charges", "other"
APPROVAL = "other_charge"
__all__ = ["APPROVAL", "KIND", "apply", "decided", "held_back", "parse", "settle", "subject"]
Bearer = tuple[dict[str, Any], Owner]


def subject(charge: OtherCharge) -> str:
    """How charges name an entry."""
    return f"other {charge.code}"


def apply(work: Work) -> Work:
    """The day with its other charges."""
    parsed: OtherCharges = terms.in_force(KIND, parse)
    here = [
        charge
        for charge in parsed.charges
        if charge.begin <= work.day and (charge.end is None or work.day < charge.end)
    ]
    if not here:
        return work
    waiting = {charge.code for charge in held_back(here)}
    by_code = {charge.code: charge for charge in parsed.charges}
    entries = [entry for charge in here if charge.code not in waiting for entry in _entries(charge, work, by_code)]
    return work.having(work.usage, entries)


def held_back(charges: Sequence[OtherCharge]) -> list[OtherCharge]:
    """Those that are not charged until somebody else has approved them."""
    above = [charge for charge in charges if _above_limit(charge)]
    if not above:
        return []
    accepted = Approval.objects.filter(kind=APPROVAL, state=Approval.State.ACCEPTED)
    known = set(accepted.values_list("details__sha256", flat=True))
    return [charge for charge in above if charge.digest not in known]


def _above_limit(charge: OtherCharge) -> bool:
    amount, site = worth(charge), settings.REPORT_CURRENCY
    if amount is None:
        return True
    rate = None if charge.currency == site else fx.on_or_before(charge.currency, site, charge.begin)
    if rate is not None:
        amount = exactly(Fraction(amount) * Fraction(rate.rate))
    return abs(amount) > settings.APPROVAL_LIMIT


def settle(days: set[date]) -> set[date]:  # noqa: ARG001
    """Ask for the approvals that entries in force need and nobody was asked for; no day changes by that."""
    live = TermsVersion.objects.filter(kind=KIND, live=True).first()
    if live is None:
        return set()
    waiting = held_back(terms.in_force(KIND, parse).charges)
    asked = set(Approval.objects.filter(kind=APPROVAL).values_list("details__sha256", flat=True)) if waiting else set()
    written = {entry["code"].strip(): entry for entry in live.document}
    for charge in waiting:
        if charge.digest not in asked:
            details = {"sha256": charge.digest, "entry": written[charge.code]}
            amount = worth(charge)
            about = None if amount is None else approvals.Worth(amount, charge.currency)
            approvals.propose(APPROVAL, subject(charge), details, live.loaded_by, worth=about)
    return set()


def decided(approval: Approval) -> None:
    """Somebody has decided on an entry: the days that were charged without it are charged anew."""
    found = [c.begin for c in terms.in_force(KIND, parse).charges if c.digest == approval.details["sha256"]]
    mark = SiteMark.objects.filter(name=terms.CHARGED).first()
    if found and mark and min(found) <= (until := date.fromisoformat(mark.value["until"])):
        terms.rate_anew(Period.through(min(found), until).days())


def _entries(charge: OtherCharge, work: Work, by_code: dict[str, OtherCharge]) -> Iterator[Entry]:
    if charge.rate is not None:
        yield from _of_rate(charge, work, by_code)
        return
    amount = amount_on(charge, work.day)
    if amount == Amount(ZERO, ZERO):
        return
    bearers = _bearers(charge, work, by_code)
    weights = [weight for _, weight in bearers]
    parts = [share(value, weights).to_pylist() for value in amount]
    for (bearer, _), effective, billed in zip(bearers, *parts, strict=True):
        yield _entry(charge, charge.currency, Amount(effective, billed), bearer)


def _of_rate(charge: OtherCharge, work: Work, by_code: dict[str, OtherCharge]) -> Iterator[Entry]:
    """A tax as a part of what its base costs that day, in its base's currency."""
    found: list[tuple[Bearer, str, Decimal]] = [
        (_as(base), base.currency, amount_on(base, work.day).effective)
        for base in (by_code[code] for code in charge.base_codes)
    ]
    found += _costs_of_base(charge, work) if charge.base is not None else []
    for bearer, currency, cost in found:
        if tax := exactly(Fraction(cost) * Fraction(charge.rate or ZERO)):
            yield _entry(charge, currency, Amount(tax, tax), bearer)


def _bearers(charge: OtherCharge, work: Work, by_code: dict[str, OtherCharge]) -> list[tuple[Bearer, Decimal]]:
    if charge.recoverable:
        return [(_as(charge), Decimal(1))]
    if charge.base_codes:
        return [(_as(base), abs(base.amount)) for base in (by_code[code] for code in charge.base_codes)]
    if charge.base is not None:
        costs = _costs_of_base(charge, work)
        currencies = {currency for _, currency, _ in costs}
        meant = charge.currency if charge.currency in currencies else currencies.pop() if len(currencies) == 1 else ""
        if found := [(bearer, cost) for bearer, currency, cost in costs if currency == meant]:
            return found
    return [(_as(charge), Decimal(1))]


def _as(charge: OtherCharge) -> Bearer:
    return dict(charge.dimensions), Owner(*charge.owner)


def _costs_of_base(charge: OtherCharge, work: Work) -> list[tuple[Bearer, str, Decimal]]:
    """Whose usage of the day a charge follows, and what it costs, by usage key, owner and currency."""
    names = ("key_id", "price_class", "owner_cost_centre", "owner_team", "currency", "effective_cost")
    sums: dict[tuple[int, str, str, str], Decimal] = {}
    for key, price_class, centre, team, currency, cost in zip(
        *(work.usage[name].to_pylist() for name in names), strict=True
    ):
        if cost and cost > 0 and charge.base is not None and charge.base.holds(work.dimensions[key], price_class):
            place = (key, centre, team, currency)
            sums[place] = sums.get(place, ZERO) + cost
    return [
        ((_dimensions(work.dimensions[key]), Owner(centre, team)), currency, cost)
        for (key, centre, team, currency), cost in sorted(sums.items())
    ]


def _dimensions(found: Any) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in ("layer", "source") and value}


def _entry(charge: OtherCharge, currency: str, amount: Amount, bearer: Bearer) -> Entry:
    dimensions, owner = bearer
    if charge.recoverable:
        owner = Owner(settings.FINANCE_COST_CENTRE)
    return Entry(
        subject(charge), LAYER, dimensions, charge.charge_category, charge.category, amount.effective, currency,
        list_cost=amount.effective, contracted_cost=amount.effective, billed_cost=amount.billed, owner=owner,
    )  # fmt: skip
