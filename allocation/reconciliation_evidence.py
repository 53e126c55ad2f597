"""What is known of a month beside its levels: prices, exchange rates, single facts; asked only where levels differ."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from allocation.calc.charges import scope_of
from allocation.calc.reconcile_rows import Evidence, Offer, Row, money, plain_tier
from allocation.reconciliation_levels import Levels
from allocation.reconciliation_naming import Naming, witnesses
from finops import fx
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES
from ingest.calc.price_index import condition_of
from ingest.calc.prices import PRICE_CLASSES
from ingest.facts import evidence as facts
from ingest.models import RateSlot
from ingest.sources import UnknownKind, get_source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MissingRate(ValueError):
    """No exchange rate holds for a day on which levels of one account are in two currencies."""


def evidence(period: Period, found: Levels) -> Evidence:
    """The evidence of a month; its functions read the database when they are asked. ``rate`` raises MissingRate."""
    naming = found.naming
    slots = {slot.pk: slot.context_over for slot in RateSlot.objects.all()}
    worth = _worth(found.rows)

    @cache
    def price(offer: Offer) -> Decimal | None:
        return _price(naming, offer)

    @cache
    def copies(provider: str, account: str, day: date) -> list[Row]:
        keys = witnesses(naming, (provider, account), "computed")
        return [
            row
            for key, slot, *tokens in facts.copies_of_day(day, keys)
            for row in _as_rows("computed", naming, key, day, slots[slot], tokens, worth)
        ]

    @cache
    def hours(level: str, provider: str, account: str, day: date) -> list[tuple[int, Row]]:
        keys = witnesses(naming, (provider, account), level)
        return [
            (hour, row)
            for key, slot, hour, *tokens in facts.usage_by_hour(day, keys, _zone(naming, keys))
            for row in _as_rows(level, naming, key, day, slots[slot], tokens, worth)
        ]

    def bands(provider: str, model: str) -> Sequence[int]:
        index = naming.index(provider, model)
        return naming.loaded.book.prices_of(index)["thresholds"] if index >= 0 else ()

    return Evidence(period.start, period.end, price, cache(rate), copies, hours, found.late, bands)


def rate(base: str, quote: str, day: date) -> Decimal:
    """Units of the second currency for one of the first. Raises MissingRate."""
    if base == quote:
        return Decimal(1)
    found = fx.rate_for(base, quote, day)
    if found is None:
        raise MissingRate(f"there is no exchange rate of {base} to {quote} for {day}; load one that holds for that day")
    return found.rate


def _price(naming: Naming, offer: Offer) -> Decimal | None:
    """Of just this treatment at the day's start: what the book would assume from another is no price of it."""
    book, index = naming.loaded.book, naming.index(offer.provider, offer.model)
    if index < 0 or offer.price_class not in PRICE_CLASSES:
        return None
    region = naming.dimensions[naming.sample[offer.provider, offer.model]]["region"]
    condition = condition_of(offer.mode, offer.tier, region, offer.band, -1, -1)
    line = book.timeline(index, PRICE_CLASSES.index(offer.price_class), condition)
    instant = int((datetime.combine(offer.day, datetime.min.time(), UTC) - _EPOCH).total_seconds()) * 1_000_000
    at = max((number for number, start in enumerate(line.starts) if start <= instant), default=-1)
    if at < 0 or line.rows[at] < 0 or line.assumed[at]:
        return None
    row = line.rows[at]
    rate: Decimal = book.rows["rate"][row].as_py()
    return rate / int(book.per[row])


Worth = Mapping[tuple[Any, ...], tuple[Decimal, Decimal | None]]


def _worth(rows: Iterable[Row]) -> Worth:
    """Quantity and cost of the rows of usage of a kind."""
    sums: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in rows:
        if row.quantity is not None and row.category == "Usage":
            total = sums[_kind(row)]
            total[0] += row.quantity
            total[1] = None if total[1] is None or row.cost is None else total[1] + row.cost
    return {kind: (quantity, cost) for kind, (quantity, cost) in sums.items()}


def _kind(row: Row) -> tuple[Any, ...]:
    return row.provider, row.account, row.model, row.price_class, row.day, row.mode, plain_tier(row.tier), row.band or 0


def _as_rows(
    level: str, naming: Naming, key: int, day: date, band: int, tokens: Sequence[Any], worth: Worth
) -> Iterable[Row]:  # fmt: skip
    """Rows of single facts, at what the usage of their kind costs."""
    found = naming.dimensions[key]
    provider, account = naming.place(key)
    tier = plain_tier(found["service_tier_served"] or found["service_tier_requested"])
    for name, count in zip(TOKEN_CLASSES, tokens, strict=True):
        if not count:
            continue
        row = Row(
            level, provider, account, naming.model(key), name, day, Decimal(count), None, "USD", found["mode"], tier, band,
            scope_of(found, name),
        )  # fmt: skip
        quantity, cost = worth.get(_kind(row), (Decimal(0), None))
        yield row if cost is None or not quantity else row._replace(cost=money(cost * count / quantity))


def _zone(naming: Naming, keys: Sequence[int]) -> str:
    """The clock of the issuer whose usage it is."""
    for key in keys:
        try:
            return get_source(naming.dimensions[key]["source"]).issuer_zone
        except UnknownKind:
            continue
    return "UTC"
