"""Checks that agreements are charged in full, no more and no less (AR12, AR13): from the charges, and from the terms."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.db.models import Case, Count, F, Sum, When
from django.db.models.functions import Coalesce

from allocation.billed_agreements import NOT_STATED
from allocation.calc.amortisation import day_of, midnight
from allocation.calc.capacity import Capacity, Fleet
from allocation.calc.capacity_schedule import exactly
from allocation.calc.capacity_shares import costs
from allocation.calc.commitments import CREDIT, Commitment, Commitments
from allocation.costing import capacity, commitments, terms
from allocation.costing.work import ZERO
from allocation.models import Charge
from finops.models import SiteMark
from finops.periods import Period
from ingest.models import DirtySlice

_DAY = timedelta(days=1)
Row = tuple[Any, ...]


class Closing(NamedTuple):
    """How many commitments and days of fleets were looked at, and which do not close."""

    checked: int
    violations: list[Row]


class _Sums(NamedTuple):
    """Of one agreement, in its own currency: EffectiveCost and BilledCost; ``own``: nothing was converted.

    Corrections of frozen days keep only what they are in the site's currency, and the rate: ``blur`` is what rounding at that
    rate may make of them.
    """

    effective: Decimal
    billed: Decimal
    quantity: Decimal
    own: bool
    blur: Decimal = ZERO

    def against(self, agreed: Decimal) -> Decimal:
        """EffectiveCost, which is ``agreed`` where only rounding lies between them."""
        return agreed if abs(self.effective - agreed) <= self.blur else self.effective


_NOTHING = _Sums(ZERO, ZERO, ZERO, own=True)
_LAST_DECIMAL = Decimal(1).scaleb(-12)


def closing() -> Closing:
    """(agreement, day, what, charged, agreed): where computed charges are not what the agreement costs.

    Commitments: for the part of the term that is over, what is used, unused and expired is what was paid. Fleets: per day
    what is used and idle is what it costs. What bills make of it (allocation.billed_agreements) comes on top of either.
    """
    mark = SiteMark.objects.filter(name=terms.CHARGED).first()
    if mark is None:
        return Closing(0, [])
    until = date.fromisoformat(mark.value["until"])
    dirty = set(DirtySlice.objects.values_list("charge_date", flat=True).distinct())
    book: Commitments = terms.in_force(commitments.KIND, commitments.parse)
    found: Capacity = terms.in_force(capacity.KIND, capacity.parse)
    rows = [*_commitments(book, until, dirty), *_fleets(found, until, dirty)]
    return Closing(len(rows), [row for row in rows if row[-2] != row[-1]])


def _commitments(book: Commitments, until: date, dirty: set[date]) -> Iterator[Row]:
    for one in book.commitments:
        last = _closed_until(one, until)
        if last is None or any(one.first <= day <= last for day in dirty):
            continue
        paid = sum((one.purchased(day) for day in Period.through(one.first, last).days()), ZERO)
        rows = Charge.objects.as_is(one.first, last).filter(subject=one.subject)
        mine = {category: sums for (category,), sums in _sums(rows, "charge_category").items()}
        purchase = mine.pop("Purchase", _NOTHING)
        yield one.subject, one.first, "used and unused", _total(mine.values()).against(paid), paid
        if one.computes_purchase and purchase.own:
            yield one.subject, one.first, "purchase", purchase.billed, paid


def _closed_until(one: Commitment, until: date) -> date | None:
    """The last day up to which all that was paid is charged; None: nothing is over, or nothing was paid."""
    if not one.instalments:
        return None
    if one.as_consumed:
        return min(one.last, until)
    if one.last <= until:  # what an early end leaves, and what expires, is charged on the day after the term
        return one.last
    if one.kind == CREDIT:
        return None
    ends = [(day_of(part.end, one.zone), part.end) for part in one.begun()]
    whole = [day for day, end in ends if day <= until + _DAY and midnight(day, one.zone) == end]
    return max(whole) - _DAY if whole else None


def _fleets(found: Capacity, until: date, dirty: set[date]) -> Iterator[Row]:
    if not found.fleets:
        return
    rows: Any = Charge.objects.filter(subject__startswith=capacity.SUBJECT, charge_category="Usage")
    rows = rows.annotate(day=Coalesce("corrects_date", "charge_date"))
    by_day: dict[tuple[str, date], dict[str, _Sums]] = defaultdict(dict)
    for (name, day, kind), of in _sums(rows.filter(day__lte=until), "subject", "day", "price_class").items():
        by_day[name, day][kind] = of
    for fleet in found.fleets:
        name, last = capacity.subject(fleet), min(fleet.end - _DAY, until)
        for day in Period.through(fleet.begin, last).days() if fleet.begin <= last else ():
            if day in dirty:
                continue
            mine = by_day[name, day]
            charged, agreed = _total(of for kind, of in mine.items() if kind not in capacity.CLASSES), costs(fleet, day)
            yield name, day, "used and idle", charged.against(agreed.capacity), agreed.capacity
            energy = mine.get(capacity.ENERGY, _NOTHING)
            cost = _energy(fleet, energy.quantity)
            yield name, day, "energy", energy.against(cost), cost


def _energy(fleet: Fleet, kilowatt_hours: Decimal) -> Decimal:
    return exactly(Fraction(kilowatt_hours) * Fraction(fleet.energy.price)) if fleet.energy else ZERO


def _sums(charges: Any, *by: str) -> dict[tuple[Any, ...], _Sums]:
    """Sums of computed charges by these columns."""
    rows = charges.filter(provenance="computed").exclude(cause=NOT_STATED).order_by()
    found: dict[tuple[Any, ...], _Sums] = {}
    # a cost that is converted and not kept in its own currency is turned back at its rate
    rate = Case(When(original_cost=None, effective_cost__isnull=False, then=F("fx_rate")))
    sums = rows.annotate(back_at=rate).values_list(*by, "original_currency", "back_at").annotate(
        own=Sum(Coalesce("original_cost", "effective_cost")),
        billed=Sum("billed_cost"),
        quantity=Sum("consumed_quantity"),
        lines=Count("pk"),
    )  # fmt: skip
    for *place, currency, back_at, effective, billed, quantity, lines in sums:
        cost, blur = effective or ZERO, ZERO
        if back_at:
            cost = exactly(Fraction(cost) / Fraction(back_at))
            blur = lines * _LAST_DECIMAL * max(1 / back_at, Decimal(1))
        of = _Sums(cost, billed or ZERO, quantity, own=not currency, blur=blur)
        found[tuple(place)] = _total((found.get(tuple(place), _NOTHING), of))
    return found


def _total(parts: Iterable[_Sums]) -> _Sums:
    found = _NOTHING
    for of in parts:
        found = _Sums(
            found.effective + of.effective, found.billed + of.billed, found.quantity + of.quantity,
            own=found.own and of.own, blur=found.blur + of.blur,
        )  # fmt: skip
    return found
