"""The parts of a query: what its calls of one day used at which price, what was charged of such usage, and who bears it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Max, Sum

from allocation import rulebook
from allocation.calc import assign as assigning
from allocation.calc.query_costs import KEY_BITS
from allocation.calc.rules_targets import Target
from allocation.models import Charge, Rating, TierRule
from allocation.scope import Scope
from allocation.value.query_rows import counted_elsewhere
from finops.tokens import TOKEN_CLASSES
from ingest.facts.one_query import Call
from ingest.models import Price
from ingest.selectors import KnownKeys

_STEP = Decimal(1).scaleb(-12)
_ZERO = Decimal(0)
_HIDDEN = ("project", "api_key", "principal", "billing_account", "environment", "feature")


class Line(NamedTuple):
    """Tokens of one class in one part, and their price: ``each`` of one token, ``rate`` of ``per`` as the book has it.

    ``cost`` None: there is no price. ``rate`` None though there is a cost: usage at several rates costs their average.
    ``standard``: the book has no price of its service tier, so the standard one holds.
    """

    name: str
    tokens: int
    each: Decimal | None
    rate: Decimal | None
    per: int | None
    cost: Decimal | None
    price: Price | None
    standard: bool


class Charged(NamedTuple):
    """What all usage of one key and tier was charged on one day, tokens alone; factors against its list cost, None: it has none.

    ``effective``: this part's, at these factors, in ``currency``; None: it has no list price.
    """

    currency: str
    list_cost: Decimal
    contracted_cost: Decimal
    effective_cost: Decimal
    contracted_factor: Decimal | None
    effective_factor: Decimal | None
    fx_rate: Decimal
    effective: Decimal | None


class Bearer(NamedTuple):
    """Who bears so much of a part; ``cost_centre`` None: nobody, or (``foreign``) somebody whom this reader may not see."""

    cost_centre: str | None
    team: str | None
    weight: Decimal
    effective: Decimal | None
    foreign: bool


class Part(NamedTuple):
    """The calls of a query on one day with one usage key, rate slot and tier. ``seen``: dimensions as rules see them, after
    mappings. ``elsewhere``: another layer counts and charges the same calls."""

    day: date
    calls: int
    layer: str
    source: str
    seen: Mapping[str, Any]
    lines: list[Line]
    cost: Decimal
    currency: str
    charged: Charged | None
    elsewhere: bool
    rule: str | None
    note: str
    rules_version: int
    bearers: list[Bearer]


def cell_of(call: Call) -> int:
    """Usage key and rate slot, as rates name them."""
    return call.usage_key_id << KEY_BITS | call.rate_slot_id


def parts_of(
    scope: Scope, day: date, calls: Sequence[Call], ways: Mapping[int, TierRule], known: KnownKeys, rates: Any
) -> list[Part]:  # fmt: skip
    """The calls of one day of a query, by usage key, rate slot and tier; ``rates``: of the day (query_costs.rates_of)."""
    cells: dict[tuple[int, int], list[Call]] = {}
    for call in calls:
        if call.charge_date == day:
            cells.setdefault((cell_of(call), call.tier_rule), []).append(call)
    book = rulebook.holding_on(day)
    stated = known.of({cell >> KEY_BITS for cell, _ in cells})
    seen, elsewhere, found = book.on(day, stated), counted_elsewhere(day, ways), []
    of_day = _OfDay(day, stated)
    for (cell, way), own in cells.items():
        key, tier = cell >> KEY_BITS, ways[way].tier
        lines, currency = of_day.lines(cell, tier, own, rates.get(cell, {}))
        cost = sum((line.cost for line in lines if line.cost is not None), _ZERO)
        priced = all(line.cost is not None for line in lines)
        charged = of_day.charged(key, tier, cost if priced else None)
        rule = seen.assignment[key]
        bearers = _bearers(scope, book, assigning.targets_of(rule), charged and charged.effective)
        theirs = scope.everything or any(not each.foreign for each in bearers)
        of = dict(seen.dimensions[key]) | ({} if theirs else dict.fromkeys(_HIDDEN, ""))
        of |= {} if theirs else {"tags": {}}
        given = {"rule": rule.rule, "note": rule.note} if rule and theirs else {"rule": None, "note": ""}
        found.append(
            Part(
                day, len(own), stated[key]["layer"], stated[key]["source"], of, lines, cost, currency, charged,
                (key, way) in elsewhere, **given, rules_version=book.number, bearers=bearers,
            )
        )  # fmt: skip
    return found


class _OfDay:
    """Ratings, prices and charges of some usage keys of a day, read once."""

    def __init__(self, day: date, keys: Collection[int]) -> None:
        of_keys = {"charge_date": day, "usage_key_id__in": keys, "price_class__in": TOKEN_CLASSES}
        self.ratings = list(Rating.objects.filter(**of_keys))
        prices = Price.objects.select_related("version")
        self.prices = prices.in_bulk({row.price_id for row in self.ratings if row.price_id})
        charges = Charge.objects.filter(correction=None, **of_keys).order_by()
        self.charges = list(
            charges.values("usage_key_id", "tier", "billing_currency").annotate(
                listed=Sum("list_cost"), contracted=Sum("contracted_cost"), effective=Sum("effective_cost"),
                rate=Max("fx_rate"),
            )
        )  # fmt: skip

    def lines(self, cell: int, tier: str, calls: Sequence[Call], prices: Mapping[str, Any]) -> tuple[list[Line], str]:
        """What was used by class with its price, and the currency of prices."""
        rows = [row for row in self.ratings if row.usage_key_id << KEY_BITS | row.rate_slot_id == cell]
        rows.sort(key=lambda row: (row.list_rate is not None, row.tier == tier))
        rated, found = {row.price_class: row for row in rows}, []
        for name in TOKEN_CLASSES:
            tokens, row, each = sum(call.tokens.get(name, 0) for call in calls), rated.get(name), prices.get(name)
            if tokens:
                rate, per, price = (row.list_rate, row.per, self.prices.get(row.price_id or 0)) if row else (None,) * 3
                cost = None if each is None else tokens * each
                found.append(Line(name, tokens, each, rate, per, cost, price, bool(row and row.assumed_standard)))
        return found, next((row.currency for row in rows if row.list_cost is not None), "")

    def charged(self, key: int, tier: str, cost: Decimal | None) -> Charged | None:
        """What was charged of a key and tier, and of it what costs so much at list prices."""
        rows = [row for row in self.charges if (row["usage_key_id"], row["tier"]) == (key, tier)]
        found = max(rows, key=lambda row: (row["listed"] or _ZERO, row["effective"] or _ZERO), default=None)
        if found is None or (found["listed"] is None and found["effective"] is None):
            return None
        listed, contracted, effective = (found[name] or _ZERO for name in ("listed", "contracted", "effective"))
        of_contract, factor = (amount / listed if listed else None for amount in (contracted, effective))
        rate = found["rate"] or Decimal(1)
        part = None if cost is None or factor is None else (cost * rate * effective / listed).quantize(_STEP)
        return Charged(found["billing_currency"], listed, contracted, effective, of_contract, factor, rate, part)


def _bearers(
    scope: Scope, book: rulebook.Rulebook, targets: Sequence[Target], effective: Decimal | None
) -> list[Bearer]:
    """Who bears a part; what they bear sums to it."""
    found, weight, before = list[Bearer](), _ZERO, _ZERO
    for target in targets:
        weight += target.weight
        until = None if effective is None else (effective * weight).quantize(_STEP)
        own, before = None if until is None else until - before, until or _ZERO
        if not scope.everything and book.cost_centres.get(target.cost_centre) not in scope.cost_centres:
            found.append(Bearer(None, None, target.weight, None, True))
            continue
        known = target.cost_centre if target.cost_centre in book.cost_centres else None
        found.append(Bearer(known, target.team or None, target.weight, own, False))
    return found
