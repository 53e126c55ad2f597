"""Totals of a run: what it stored or changed, and what that costs at today's list prices."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from finops.money import MONEY, total
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.calc.book import PriceBook
from ingest.calc.rating_lines import rating_lines
from ingest.models import RateSlot
from ingest.selectors import key_dimensions

COSTS = ("list_cost", "reported_cost", "billed_cost")
_ZERO = Decimal(0)
_PLACE = ["charge_date", "key_id", "slot_id", "used"]
_Costs = dict[str, dict[str, Decimal]]  # currency -> one of COSTS -> amount


class UnitPlace(NamedTuple):
    """Where usage in a unit that is no token lies; ``used``: which classes and units its events use, as bits."""

    charge_date: date
    key_id: int
    slot_id: int
    used: int
    unit: int


class Sums(NamedTuple):
    """Sums of facts. ``tokens``: _PLACE, events, requests, reported_cost and the token classes; ``units``: quantities."""

    tokens: pa.Table
    units: Mapping[UnitPlace, Decimal]


def run_totals(parts: Sequence[Sums], book: PriceBook, billed: Mapping[str, Decimal]) -> dict[str, Any]:
    """Token classes, units, requests and costs as strings, and the number of records of which something has no price.

    ``billed``: what the lines stored or changed state, by currency. Costs of several currencies stand apart under
    ``by_currency`` (currency -> list_cost, reported_cost, billed_cost), and ``currency`` is mixed: nothing sums them.
    """
    totals: dict[str, Any] = dict.fromkeys(("requests", *TOKEN_CLASSES[:6]), "0")
    costs: _Costs = defaultdict(lambda: dict.fromkeys(COSTS, _ZERO))
    for currency, cost in billed.items():
        costs[currency]["billed_cost"] += cost
    totals["unpriced"] = _add_usage(totals, costs, parts, book) if parts else 0
    told = {code: {name: f"{cost:.12f}" for name, cost in costs[code].items()} for code in sorted(costs)}
    if len(told) > 1:
        return totals | {"currency": "mixed", "by_currency": told}
    ((currency, only),) = told.items() if told else [("USD", dict.fromkeys(COSTS, f"{_ZERO:.12f}"))]
    return totals | only | {"currency": currency}


def _add_usage(totals: dict[str, Any], costs: _Costs, parts: Sequence[Sums], book: PriceBook) -> int:
    """Add usage and what it costs; returns the number of records of which something has no price."""
    table, units = pa.concat_tables([part.tokens for part in parts]), _units(parts)
    for name in ("requests", *TOKEN_CLASSES):
        amount = pc.sum(table[name]).as_py() or 0
        if amount or name in totals:
            totals[name] = str(amount)
    for name, quantity in zip(units["unit"].to_pylist(), units["quantity"].to_pylist(), strict=True):
        totals[name] = f"{Decimal(totals.get(name, 0)) + quantity:f}"
    names = ["events", "requests", *TOKEN_CLASSES]
    grouped = table.group_by(_PLACE).aggregate([(name, "sum") for name in names]).rename_columns([*_PLACE, *names])
    dimensions = key_dimensions({*grouped["key_id"].to_pylist()})
    slots = {slot.pk: slot for slot in RateSlot.objects.all()}
    _add_reported(costs, table, dimensions)
    without_price = set[tuple[Any, ...]]()
    for lines, rate in ((grouped, book.rate), (units, book.rate_units)):
        if not len(lines):
            continue
        rated = rate(rating_lines(lines, dimensions, slots))
        for code in filter(None, pc.unique(rated["currency"]).to_pylist()):
            listed = rated.filter(pc.and_(pc.equal(rated["currency"], code), pc.is_valid(rated["list_cost"])))
            if len(listed):
                costs[code]["list_cost"] += total(listed["list_cost"])
        unpriced = lines.take(pc.unique(rated.filter(pc.is_null(rated["list_cost"]))["line"]))
        without_price |= set(zip(*(unpriced[name].to_pylist() for name in _PLACE), strict=True))
    events = zip(*(grouped[name].to_pylist() for name in (*_PLACE, "events")), strict=True)
    return sum(count for *place, count in events if tuple(place) in without_price)


def _add_reported(costs: _Costs, table: pa.Table, dimensions: Mapping[int, Mapping[str, Any]]) -> None:
    reported = table.filter(pc.not_equal(table["reported_cost"], pa.scalar(_ZERO, MONEY)))
    for key, cost in zip(reported["key_id"].to_pylist(), reported["reported_cost"].to_pylist(), strict=True):
        costs[dimensions[key]["reported_currency"] or "USD"]["reported_cost"] += cost


def _units(parts: Sequence[Sums]) -> pa.Table:
    """_PLACE, unit (its name) and quantity."""
    names = {number: name for name, number in UNITS.items()}
    sums: dict[UnitPlace, Decimal] = defaultdict(Decimal)
    for part in parts:
        for place, quantity in part.units.items():
            sums[place] += quantity
    kinds = (pa.date32(), pa.int64(), pa.int64(), pa.int64())
    columns: dict[str, Any] = {
        name: pa.array([place[at] for place in sums], kind)
        for at, (name, kind) in enumerate(zip(_PLACE, kinds, strict=True))
    }
    columns["unit"] = pa.array([names[place.unit] for place in sums], pa.string())
    columns["quantity"] = pa.array(list(sums.values()), MONEY)
    return pa.table(columns)
