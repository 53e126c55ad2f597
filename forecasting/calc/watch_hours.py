"""A day's cost as hours: what each usage key cost somebody is parted by when its usage lay; the rest is known by day alone.

All amounts are exact (Decimal, 12 decimals), and what comes out of a day adds up to what went in.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from finops.money import share

_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_NOTHING = Decimal(0)


class Whose(NamedTuple):
    """Whose cost of what; ``centre``: its id, None: nobody's."""

    centre: int | None
    provider: str
    model: str
    tier: str
    currency: str


class Amount(NamedTuple):
    """Cost, and usage without a price at its proxy price."""

    cost: Decimal
    unpriced: Decimal


class Part(NamedTuple):
    """What one usage key's queries of a tier cost one owner on a day."""

    key: int
    whose: Whose
    amount: Amount


class Used(NamedTuple):
    """Usage of one key and tier in one hour (its begin). ``weight``: what it costs at list prices, or else how much it is."""

    key: int
    tier: str
    hour: datetime
    weight: Decimal


Hours = dict[tuple[datetime | None, Whose], Amount]


def by_hour(day: Mapping[Whose, Amount], parts: Iterable[Part], used: Iterable[Used]) -> Hours:
    """A day's cost by hour (None: of the day alone) and whose.

    In: ``day``, all of it; ``parts`` of it whose usage keys are known; ``used``: when these were used. A key's part is shared
    by the weights of its tier, where that has none (its buckets were spread over tiers) by those of the whole key. What no
    part explains, and parts whose key has no hours, stay with the day. Invariant: sums by Whose are those of ``day``.
    """
    weights: dict[tuple[int, str | None], dict[datetime, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for one in used:
        for tier in (one.tier, None):
            held = weights[one.key, tier]
            held[one.hour] = _WIDE.add(held[one.hour], one.weight)
    found: dict[tuple[datetime | None, Whose], list[Decimal]] = defaultdict(lambda: [_NOTHING, _NOTHING])
    left = {whose: [amount.cost, amount.unpriced] for whose, amount in day.items()}
    for part in parts:
        hours = next(
            (held for tier in (part.whose.tier, None) if any((held := weights[part.key, tier]).values())), None
        )
        if hours is None:
            continue
        rest = left.setdefault(part.whose, [_NOTHING, _NOTHING])
        for place, money in enumerate(part.amount):
            rest[place] = _WIDE.subtract(rest[place], money)
            shared = share(money, list(hours.values())).to_pylist() if money else []
            for hour, piece in zip(hours, shared, strict=False):
                held_amount = found[hour, part.whose]
                held_amount[place] = _WIDE.add(held_amount[place], piece)
    for whose, rest in left.items():
        if any(rest):
            found[None, whose] = rest
    return {place: Amount(*both) for place, both in found.items() if any(both)}
