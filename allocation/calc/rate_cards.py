"""Rate cards, as people write them: what a cost centre is charged per unit in place of the actual cost.

A list of cards; another person has to approve it::

    - code: answers-complex
      cost_centre: CC-220                # who pays the standard rate
      owner: {cost_centre: CC-PLATFORM}  # who bears what the actual cost is above (or below) it
      unit: query                        # query, tokens (a million), gpu_hour, or seat (a month of one)
      tier: complex                      # or a list; default: every tier
      rate: "0.042"
      currency: USD
      from: 2026-01-01                   # exclusive to; default: always
      provider: openai                   # also model, environment, feature: of what; default: all
      includes: [shared, idle]           # what else of these dimensions the rate pays for; default: usage alone

The actual cost of the usage it is about and the amount at the standard rate differ by the variance: it leaves the cost
centre, or comes to it, and the owner bears the opposite. standard + variance = actual, per day and dimension, exactly. Only
EffectiveCost moves: what was listed, contracted and invoiced is no matter of a rate within the house.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from allocation.calc.capacity_schedule import exactly
from allocation.calc.contracts_fields import AgreementError, Fields, Match, entries
from allocation.calc.nested_fields import owner
from allocation.calc.splits import NARROWED_BY
from allocation.calc.splits_moves import EFFECTIVE, ZERO, Costs, Move, Outcome, Place, about
from finops.focus import TIERS

KIND = "rate_cards"
UNITS = ("query", "tokens", "gpu_hour", "seat")
MORE = ("shared", "idle")
_MILLION = 1_000_000
_FIELDS = (
    "code", "cost_centre", "owner", "unit", "tier", "rate", "currency", "from", "to", "includes", "note", *NARROWED_BY,
)  # fmt: skip
Quantities = Mapping[str, Mapping[Place, Decimal]]  # unit -> place of kind direct -> quantity


class Card(NamedTuple):
    """One rate for one cost centre."""

    code: str
    step: int
    cost_centre: str
    owner: tuple[str, str]
    unit: str
    tiers: tuple[str, ...]
    rate: Decimal
    currency: str
    begin: date | None
    end: date | None
    includes: tuple[str, ...]
    match: Match

    def covers(self, place: Place) -> bool:
        """Whether a row is paid for by the rate."""
        return (
            place.cost_centre == self.cost_centre
            and place.kind in ("direct", *self.includes)
            and (self.begin is None or self.begin <= place.day)
            and (self.end is None or place.day < self.end)
            and (not self.tiers or place.tier in self.tiers)
            and about(self.match, place)
        )

    def standard(self, quantity: Decimal, day: date) -> Decimal:
        """What a quantity costs at the rate, rounded half-even at 12 decimals."""
        per = {"tokens": _MILLION, "seat": monthrange(day.year, day.month)[1]}.get(self.unit, 1)
        return exactly(Fraction(quantity) * Fraction(self.rate) / per)

    def meets(self, other: "Card") -> bool:
        """Whether both may be about one row."""
        return (
            self.cost_centre == other.cost_centre
            and (self.begin or date.min) < (other.end or date.max)
            and (other.begin or date.min) < (self.end or date.max)
            and bool(not self.tiers or not other.tiers or set(self.tiers) & set(other.tiers))
            and self.match.meets(other.match)
        )


class RateCards(NamedTuple):
    """All cards, in the order of the document."""

    cards: tuple[Card, ...]


def parse(document: object) -> RateCards:
    """Cards from their YAML form. Raises AgreementError naming the card and the field."""
    cards = tuple(_card(fields, step) for step, fields in enumerate(entries(document, "rate cards"), start=1))
    for at, card in enumerate(cards):
        for other in cards[:at]:
            if card.meets(other):
                raise AgreementError(f"{card.code}: is about usage that {other.code} has a rate for too")
        if any(card.owner[0] == other.cost_centre for other in cards):
            raise AgreementError(
                f"{card.code}: owner {card.owner[0]} pays a standard rate itself, and bears no variance"
            )
    return RateCards(cards)


def _card(fields: Fields, step: int) -> Card:
    for name in fields.entry:
        if name not in _FIELDS:
            raise AgreementError(f"{fields.code}: unknown field {name!r}; known are {', '.join(sorted(_FIELDS))}")
    centre, bearer = fields.text("cost_centre"), owner(fields, "owner")
    if not centre:
        raise fields.wrong("cost_centre", "is missing: who pays the rate")
    if not bearer[0]:
        raise fields.wrong("owner", "is missing: who bears the difference to the actual cost")
    unit = fields.one_of("unit", ("", *UNITS))
    if not unit:
        raise fields.wrong("unit", f"is missing: one of {', '.join(UNITS)}")
    begin, end = fields.day("from"), fields.day("to")
    if begin is not None and end is not None and end <= begin:
        raise fields.wrong("to", "must be after from")
    tiers, includes = _words(fields, "tier", TIERS), _words(fields, "includes", MORE)
    if tiers and unit == "seat":
        raise fields.wrong("tier", "says nothing about seats")
    return Card(
        fields.code, step, centre, bearer, unit, tiers, fields.number("rate"), fields.currency(), begin, end, includes,
        fields.match(),
    )  # fmt: skip


def _words(fields: Fields, name: str, known: Sequence[str]) -> tuple[str, ...]:
    value = fields.entry.get(name)
    texts = value if isinstance(value, list) else [] if value is None else [value]
    if wrong := [text for text in texts if text not in known]:
        raise fields.wrong(name, f"is {wrong[0]!r}, must be of {', '.join(known)}")
    return tuple(texts)


def variances(
    cards: Sequence[Card], cost: Mapping[Place, Costs], quantities: Quantities
) -> tuple[list[Move], list[Outcome]]:
    """What leaves the cost centres that pay standard rates, and comes to the owners of the difference.

    A row in another currency than the card's is charged what it costs, and the outcome says so.
    """
    moves: list[Move] = []
    outcomes: list[Outcome] = []
    for card in cards:
        quantity = quantities.get(card.unit, {})
        places = sorted(place for place in cost.keys() | quantity.keys() if card.covers(place))
        found = moved = ZERO
        other: dict[str, Decimal] = {}
        for place in places:
            actual = cost[place][EFFECTIVE] if place in cost else ZERO
            if place.currency != card.currency:
                other[place.currency] = other.get(place.currency, ZERO) + actual
                continue
            found += actual
            variance = actual - card.standard(quantity.get(place, ZERO), place.day)
            if variance:
                moved += variance
                moves.append(Move(card.code, card.step, place, place.cost_centre, place.team, _effective(-variance)))
                moves.append(Move(card.code, card.step, place, *card.owner, _effective(variance)))
        outcomes.append(Outcome(card.code, card.step, card.currency, found, moved, {}, ""))
        outcomes += [
            Outcome(
                card.code, card.step, currency, amount, ZERO, {}, f"the rate is in {card.currency}: charged as it costs"
            )
            for currency, amount in sorted(other.items())
        ]
    return moves, outcomes


def _effective(amount: Decimal) -> Costs:
    return ZERO, ZERO, amount, ZERO
