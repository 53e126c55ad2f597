"""Rate cards: what cost centres are charged by standard rates, and who bears the difference (allocation.calc.rate_cards)."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db import transaction
from django.db.models import Sum

from allocation import rulebook
from allocation.attribution import moves
from allocation.calc.capacity_schedule import exactly
from allocation.calc.capacity_shares import costs
from allocation.calc.rate_cards import KIND, Card, parse, variances
from allocation.calc.splits_moves import ZERO, Place
from allocation.close import frozen
from allocation.costing import capacity, terms
from allocation.models import AllocatedCost, Basis, CostDaily, TermsVersion
from finops import locks
from finops.periods import Period
from ingest.selectors import key_dimensions

_OF_ROWS = {"query": "queries", "tokens": "tokens"}
_DIMENSIONS = (
    "provider",
    "model",
    "tier",
    "tier_estimated",
    "environment",
    "feature",
    "provenance",
    "billing_currency",
)
GPU_HOUR, SEAT = "gpu_hour", "seat"
__all__ = ["KIND", "in_force", "parse", "run"]


@transaction.atomic
def run(period: Period) -> int:
    """Charge the month's standard rates anew, on top of its splits; returns the rows of split_cost. Raises FrozenMonth."""
    locks.hold(locks.REFRESHER)
    moves.refuse_frozen(period)
    version = TermsVersion.objects.filter(kind=KIND, live=True).values_list("number", flat=True).first()
    cards = in_force(period)
    if not cards:
        return moves.write(period, Basis.VARIANCE, version or 0, [], [])
    cost = moves.cost(period, without=[Basis.VARIANCE])
    quantities = {unit: _quantities(unit, cards, period) for unit in {card.unit for card in cards}}
    return moves.write(period, Basis.VARIANCE, version or 0, *variances(cards, cost, quantities))


def in_force(period: Period) -> tuple[Card, ...]:
    """The cards that hold on some day of a month, in their order; of a frozen month those that it was frozen with."""
    cards: tuple[Card, ...] = frozen.document(period, KIND, parse).cards
    return tuple(
        card
        for card in cards
        if (card.begin or period.start) < period.end and (card.end is None or card.end > period.start)
    )


def _quantities(unit: str, cards: tuple[Card, ...], period: Period) -> dict[Place, Decimal]:
    """What the cost centres with a card of a unit used, by place."""
    centres = {card.cost_centre for card in cards if card.unit == unit}
    if unit in _OF_ROWS:
        return _of_rows(_OF_ROWS[unit], centres, period)
    return _seats(centres, period) if unit == SEAT else _gpu_hours(centres, period)


def _of_rows(column: str, centres: set[str], period: Period) -> dict[Place, Decimal]:
    rows = CostDaily.objects.filter(
        charge_date__gte=period.start, charge_date__lt=period.end, cost_centre__code__in=centres
    )
    rows = rows.filter(basis="direct").exclude(**{column: 0})
    found: dict[Place, Decimal] = defaultdict(Decimal)
    for day, centre, team, *rest in rows.values_list(
        "charge_date", "cost_centre__code", "team__code", *_DIMENSIONS, column
    ):
        found[Place(day, "direct", centre, team or "", *rest[:-1])] += rest[-1]
    return found


def _seats(centres: set[str], period: Period) -> dict[Place, Decimal]:
    """Seats of a day; what an early end leaves is no seat of anybody's."""
    rows = _charged(centres, period).filter(charge__consumed_unit=SEAT, charge__commitment_status="Used")
    return _placed(rows, "quantity")


def _gpu_hours(centres: set[str], period: Period) -> dict[Place, Decimal]:
    """The part of its fleet's hours that a charge bears: as large as the part of the fleet's cost of the day."""
    fleets = AllocatedCost.objects.of_days(period).filter(
        charge__subject__startswith=capacity.SUBJECT, charge__charge_category="Usage", charge__corrects_date=None,
    ).exclude(charge__price_class__in=capacity.CLASSES)  # fmt: skip
    totals = fleets.order_by().values_list("charge__subject", "charge_date").annotate(Sum("effective_cost"))
    whole = {(subject, day): cost for subject, day, cost in totals}
    known = {capacity.subject(fleet): fleet for fleet in terms.in_force(capacity.KIND, capacity.parse).fleets}
    found: dict[Place, Decimal] = defaultdict(Decimal)
    used = fleets.filter(cost_centre__code__in=centres).exclude(charge__commitment_status="Idle")
    for place, subject, cost in _subjects(used):
        total = whole[subject, place.day]
        if subject in known and cost and total:
            hours = costs(known[subject], place.day).gpu_hours
            found[place] += exactly(Fraction(hours) * Fraction(cost) / Fraction(total))
    return found


def _charged(centres: set[str], period: Period) -> Any:
    rows = AllocatedCost.objects.of_days(period)
    return rows.filter(cost_centre__code__in=centres, charge__corrects_date=None)


def _placed(rows: Any, column: str) -> dict[Place, Decimal]:
    found: dict[Place, Decimal] = defaultdict(Decimal)
    for place, _, amount in _subjects(rows, column):
        found[place] += amount
    return found


def _subjects(rows: Any, column: str = "effective_cost") -> list[tuple[Place, str, Decimal]]:
    """(place, agreement, sum of a column) of shares of charges."""
    names = (
        "charge_date", "cost_centre__code", "team__code", "charge__usage_key_id", "charge__tier", "charge__tier_estimated",
        "charge__provenance", "charge__billing_currency", "charge__subject",
    )  # fmt: skip
    summed = list(rows.order_by().values_list(*names).annotate(Sum(column)))
    seen, found = rulebook.Seen(key_dimensions({row[3] for row in summed})), []
    for day, centre, team, key, tier, estimated, provenance, currency, subject, amount in summed:
        dimensions = seen.on(day)[key]
        place = Place(
            day, "direct", centre, team or "", dimensions["provider"],
            dimensions["model_served"] or dimensions["model_requested"], tier, estimated, dimensions["environment"],
            dimensions["feature"], provenance, currency,
        )  # fmt: skip
        found.append((place, subject, amount or ZERO))
    return found
