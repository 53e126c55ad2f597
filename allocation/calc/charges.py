"""Charges from the cube: rate it, and make one line per date, usage key, tier, class and price."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.calc.book import PriceBook
from ingest.calc.rating_lines import rating_lines
from ingest.calc.scopes import charge_scope

MONEY = pa.decimal128(30, 12)
CHARGE_KEY = ("charge_date", "key_id", "tier", "tier_estimated", "price_class", "price_row", "cause")


def rate_cube(
    cube: pa.Table, book: PriceBook, dimensions: Mapping[int, Mapping[str, Any]], slots: Mapping[int, Any]
) -> pa.Table:
    """Ratings: RATED_SCHEMA of the price book with the cube's key columns in place of ``line``.

    The price row is ``price_row`` (NULL: unpriced). Cost of a rating = quantity x rate / unit, rounded half-even once.
    """
    rated = book.rate(rating_lines(cube, dimensions, slots))
    return _with_key(rated, cube)


def rate_units(
    units: pa.Table, book: PriceBook, dimensions: Mapping[int, Mapping[str, Any]], slots: Mapping[int, Any]
) -> pa.Table:
    """Ratings of usage that is not tokens: units[cube key, unit (name), quantity decimal]."""
    return _with_key(book.rate_units(rating_lines(units, dimensions, slots)), units)


def _with_key(rated: pa.Table, lines: pa.Table) -> pa.Table:
    at = rated["line"]
    columns = {name: lines[name].take(at) for name in ("charge_date", "key_id", "tier", "tier_estimated", "slot_id")}
    columns["price_class"] = rated["price_class"].cast(pa.string())
    columns["quantity"] = rated["quantity"].cast(pa.decimal128(38, 12))
    columns["price_row"] = rated["price_id"]
    for name in ("list_rate", "list_cost", "proxy_cost", "assumed_standard"):
        columns[name] = rated[name]
    columns["currency"] = pc.fill_null(rated["currency"].cast(pa.string()), "USD")
    return pa.table(columns)


def charges(ratings: pa.Table, dimensions: Mapping[int, Mapping[str, Any]]) -> pa.Table:
    """One charge per date, usage key, tier, class, price and cause: the ratings of all slots that have the same price.

    In: ratings, or parts of them with a ``cause`` ('' where the column is missing). Out: CHARGE_KEY, currency,
    list_rate, quantity, list_cost, proxy_cost, sku_id, scope, in a fixed order. Costs sum exactly.
    """
    if "cause" not in ratings.column_names:
        ratings = ratings.append_column("cause", pa.repeat(pa.scalar(""), len(ratings)))
    keys = [*CHARGE_KEY, "currency"]
    grouped = ratings.group_by(keys).aggregate(
        [("quantity", "sum"), ("list_cost", "sum"), ("proxy_cost", "sum"), ("list_rate", "min")]
    )
    columns = {name: grouped[name] for name in keys}
    columns["list_rate"] = grouped["list_rate_min"]
    columns["quantity"] = grouped["quantity_sum"].cast(pa.decimal128(38, 12))
    for name in ("list_cost", "proxy_cost"):
        columns[name] = grouped[f"{name}_sum"].cast(MONEY)
    pairs, at = _pairs(columns["key_id"], columns["price_class"])
    scopes = [scope_of(dimensions[key], price_class) for key, price_class in pairs]
    columns["scope"] = pa.array(scopes, pa.string()).take(at)
    skus = [f"{_model_name(dimensions[key])}/{price_class}" for key, price_class in pairs]
    columns["sku_id"] = pa.array(skus, pa.string()).take(at)
    table = pa.table(columns)
    return table.sort_by([(name, "ascending") for name in (*CHARGE_KEY, "currency")])


def _pairs(keys: pa.ChunkedArray, classes: pa.ChunkedArray) -> tuple[list[tuple[int, str]], pa.Array]:
    """The pairs that occur, and which of them each row has."""
    one, two = (column.combine_chunks().dictionary_encode() for column in (keys, classes))
    size = max(len(two.dictionary), 1)
    both, at = np.unique(one.indices.to_numpy().astype(np.int64) * size + two.indices.to_numpy(), return_inverse=True)
    of_key, of_class = one.dictionary.to_pylist(), two.dictionary.to_pylist()
    return [(of_key[pair // size], of_class[pair % size]) for pair in both.tolist()], pa.array(at)


def scope_of(found: Mapping[str, Any], price_class: str) -> str:
    """The charge scope of a usage key's class."""
    return charge_scope(price_class, found["mode"], found["service_tier_served"] or found["service_tier_requested"])


def _model_name(found: Mapping[str, Any]) -> str:
    return f"{found['provider']}/{found['model_served'] or found['model_requested']}"
