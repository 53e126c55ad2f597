"""Writes the charges of a day: of its ratings, and of what its billed lines state beyond them."""

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from allocation.calc import billed
from allocation.calc.billed import Computed, Remainder, Stated
from allocation.calc.layers import ZERO
from allocation.completeness import LINES, USAGE, Day
from allocation.layering import Names
from allocation.models import AllocatedCost, Charge
from finops.copying import copy_rows, copy_table
from finops.money import MONEY
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.facts.derive import BILLED_COLUMNS
from ingest.selectors import LoadedBook

COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
_PRICE_NAME = [
    "book", "provider", "model", "price_class", "mode", "service_tier", "region", "variant", "context_over", "window_start",
    "window_end", "valid_from", "currency", "rate", "per",
]  # fmt: skip
_LINE_CHARGE = (
    "charge_date", "billing_period", "usage_key_id", "tier", "tier_estimated", "charge_category", "charge_class", "sku_id",
    "sku_price_id", "price_class", "consumed_quantity", "consumed_unit", *COSTS, "billing_currency", "provenance", "scope",
    "cause",
)  # fmt: skip
_MAX_SKU = 300


def prices_of(ratings: pa.Table, loaded: LoadedBook) -> dict[int, dict[str, Any]]:
    """Row of the price book -> that price, with its database id and its name."""
    used = sorted(row for row in pc.unique(ratings["price_row"]).to_pylist() if row is not None)
    rows = loaded.book.rows.select(_PRICE_NAME).take(pa.array(used, pa.int64())).to_pylist()
    return {
        number: row | {"id": loaded.ids[number], "name": _price_name(row)}
        for number, row in zip(used, rows, strict=True)
    }


def _price_name(price: dict[str, Any]) -> str:
    """SkuPriceId: a natural key, the same in every database."""
    return json.dumps(
        [str(price[name]) for name in _PRICE_NAME if price[name] not in (None, "")], separators=(",", ":")
    )


def of_price(rows: pa.ChunkedArray, prices: dict[int, dict[str, Any]], field: str) -> pa.Array:
    """A field of the price of each row; NULL where there is no price."""
    numbers = pa.array(list(prices), pa.int64())
    values = pa.array([price[field] for price in prices.values()], pa.string() if field == "name" else pa.int64())
    return values.take(pc.index_in(rows, numbers))


def replace_charges(
    day: date, keys: Sequence[int] | None, table: pa.Table, prices: dict[int, dict[str, Any]], ruled: Any = None
) -> None:
    """Write the computed charges of a day (of these usage keys; None: all). ``ruled``: whose cost is also BilledCost."""
    old = Charge.objects.filter(charge_date=day)
    old = old if keys is None else old.filter(usage_key_id__in=keys)
    AllocatedCost.objects.filter(charge_date=day)._raw_delete(using="default")
    old._raw_delete(using="default")
    count, day_of = len(table), table["charge_date"]

    def constant(value: str) -> pa.Array:
        return pa.repeat(pa.scalar(value), count)

    months = pc.floor_temporal(day_of, unit="month").cast(pa.date32())
    tokens = pc.is_in(table["price_class"], pa.array(TOKEN_CLASSES))
    cost = table["list_cost"]
    columns = {
        "charge_date": day_of, "billing_period": months, "usage_key_id": table["key_id"], "tier": table["tier"],
        "tier_estimated": table["tier_estimated"], "charge_category": constant("Usage"), "charge_class": constant(""),
        "sku_id": table["sku_id"], "sku_price_id": pc.fill_null(of_price(table["price_row"], prices, "name"), ""),
        "price_class": table["price_class"], "consumed_quantity": table["quantity"],
        "consumed_unit": pc.if_else(tokens, "tokens", table["price_class"]), "list_unit_price": table["list_rate"],
        "pricing_unit": of_price(table["price_row"], prices, "per"), "list_cost": cost, "contracted_cost": cost,
        "effective_cost": cost, "billed_cost": pa.nulls(count, MONEY) if ruled is None else pc.if_else(ruled, cost, None),
        "proxy_cost": table["proxy_cost"], "billing_currency": table["currency"], "provenance": constant("computed"),
        "scope": table["scope"], "cause": table["cause"],
    }  # fmt: skip
    copy_table("charge", list(columns), pa.table(columns))


class LineCharges(NamedTuple):
    """Charges of billed lines (rows of _LINE_CHARGE), and which computed charges (a mask) the lines rule."""

    rows: list[tuple[Any, ...]]
    ruled: pa.Array


def line_charges(
    day: date, lines: Sequence[tuple[Any, ...]], computed: pa.Table, dimensions: dict[int, dict[str, Any]], names: Names,
    whole: Day,
) -> LineCharges:  # fmt: skip
    """What the billed lines of a day are charged for. ``lines``: facts.lines_of_day; ``computed``: its charges.

    Lines that are about usage of the day are reconciled with the computed charges (allocation.calc.billed); credits,
    taxes, purchases, corrections and what a commitment left unused are charged as they are.
    """
    found = [dict(zip(BILLED_COLUMNS, line, strict=True)) for line in lines]
    usage = [line for line in found if is_usage(line)]
    speaking: dict[Any, list[dict[str, Any]]] = {}
    of_usage: dict[Any, list[dict[str, Any]]] = {}
    for line in usage:
        place = (*names.place(line["usage_key_id"]), line["billing_currency"])
        speaking.setdefault(place, []).append(dimensions[line["usage_key_id"]])
    for key, dimension in dimensions.items():
        if dimension["layer"] == "provider_usage":
            of_usage.setdefault(names.place(key), []).append(dimension)

    def is_whole(place: Any, scope: str) -> bool:
        return all(whole.states(key, LINES, scope) for key in speaking[place])

    def counts(line: dict[str, Any]) -> bool:
        """Whether the line rules quantities: not where provider usage does."""
        keys = of_usage.get(names.place(line["usage_key_id"]), [])
        return not (keys and all(whole.states(key, USAGE, line["scope"]) for key in keys))

    below = [_computed(row, names) for row in computed.to_pylist()]
    ruling = billed.rule([_stated(line, names) for line in usage], below, is_whole)
    rows: dict[Any, list[Any]] = {}
    for line, left in zip(usage, ruling.remainders, strict=True):
        if left.charged:
            _add(rows, day, line, dimensions, _remainder(line, left, quantity=counts(line)), left.cause)
    for line in found:
        if not is_usage(line):
            amounts = {name: line[name] for name in COSTS}
            _add(rows, day, line, dimensions, amounts | {"quantity": line["consumed_quantity"] or ZERO}, "")
    mask = pa.array([at in ruling.ruled for at in range(len(below))], pa.bool_())
    return LineCharges([tuple(row) for _, row in sorted(rows.items())], mask)


def is_usage(line: dict[str, Any]) -> bool:
    """Whether a line is about usage of its day, so that computed charges may be of the same."""
    return line["charge_category"] == "Usage" and not line["charge_class"] and line["commitment_status"] != "Unused"


def _stated(line: dict[str, Any], names: Names) -> Stated:
    key, price_class = line["usage_key_id"], line["price_class"]
    unit = "tokens" if price_class in TOKEN_CLASSES else price_class
    known = price_class in (*TOKEN_CLASSES, *UNITS) and line["consumed_unit"] == unit
    return Stated(
        (*names.place(key), line["billing_currency"]), line["scope"], names.model(key), price_class, names.who(key),
        line["consumed_quantity"] if known else None, line["effective_cost"],
    )  # fmt: skip


def _computed(row: dict[str, Any], names: Names) -> Computed:
    key = row["key_id"]
    return Computed(
        (*names.place(key), row["currency"]), row["scope"], names.model(key), row["price_class"], names.who(key),
        row["quantity"], row["list_cost"],
    )  # fmt: skip


def _remainder(line: dict[str, Any], left: Remainder, *, quantity: bool) -> dict[str, Any]:
    amounts = {name: None if line[name] is None else line[name] - left.explained for name in COSTS}
    if amounts["billed_cost"] is None:
        amounts["billed_cost"] = amounts["effective_cost"]
    whole = line["consumed_quantity"] or ZERO
    if left.cause == "":
        amounts["quantity"] = whole
    else:
        amounts["quantity"] = whole - left.quantity if quantity and left.quantity is not None else ZERO
    return amounts


def _add(
    rows: dict[Any, list[Any]], day: date, line: dict[str, Any], dimensions: dict[int, dict[str, Any]],
    amounts: dict[str, Any], cause: str,
) -> None:  # fmt: skip
    if not any(amounts.values()):
        return
    key, price_class = line["usage_key_id"], line["price_class"]
    found = dimensions[key]
    model = found["model_served"] or found["model_requested"]
    text = f"{model}/{price_class}" if model and price_class else line["sku_id"] or line["description"] or line["scope"]
    sku = f"{found['provider']}/{text}"[:_MAX_SKU]
    fixed = (
        line["charge_category"],
        line["charge_class"],
        sku,
        price_class,
        line["billing_currency"],
        line["scope"],
        cause,
    )
    row = rows.setdefault(
        (key, *fixed),
        [
            day, line["billing_period"], key, "", False, *fixed[:3], "", price_class, ZERO, line["consumed_unit"],
            *(None for _ in COSTS), line["billing_currency"], "billed", line["scope"], cause,
        ],
    )  # fmt: skip
    at = _LINE_CHARGE.index("consumed_quantity")
    row[at] += amounts["quantity"]
    for number, name in enumerate(COSTS, _LINE_CHARGE.index("list_cost")):
        row[number] = _sum(row[number], amounts[name])


def _sum(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return b if a is None else a if b is None else a + b


def write_line_charges(rows: Sequence[tuple[Any, ...]]) -> None:
    """Write charges of billed lines, beside the computed ones of their day."""
    copy_rows("charge", _LINE_CHARGE, rows)
