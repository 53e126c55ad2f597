"""Writes the charges of a day: of its usage, and of no call (allocation.costing)."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection
from django.db.models import NOT_PROVIDED

from allocation.calc import assign as assigning
from allocation.costing.entry_keys import entry_keys
from allocation.costing.work import COSTS, ZERO, Entry, added
from allocation.cube_store import KEY_COLUMNS
from allocation.models import Charge, CostCentre, Team
from finops.copying import copy_rows, copy_table
from finops.tokens import TOKEN_CLASSES
from ingest.selectors import LoadedBook

_PRICE_NAME = [
    "book", "provider", "model", "price_class", "mode", "service_tier", "region", "variant", "context_over", "window_start",
    "window_end", "valid_from", "currency", "rate", "per",
]  # fmt: skip
_AGREEMENT = ("subject", "commitment_id", "commitment_status", "original_currency", "original_cost", "fx_rate", "fx_day",
    "fx_source",
)  # fmt: skip
MAX_SKU = 300


def _left_to_the_database(default: Any, *, null: bool) -> frozenset[str]:
    """Columns that this default fills where a row does not name them."""
    fields = Charge._meta.local_fields
    return frozenset(field.attname for field in fields if field.db_default == default and field.null == null)


_EMPTY, _NULL = _left_to_the_database("", null=False), _left_to_the_database(NOT_PROVIDED, null=True)
# A charge as allocation.allocating reads it: the columns of the table, and the codes of a declared owner ('' or NULL: none).
OF_CHARGE = pa.schema([
    ("id", pa.int64()), ("usage_key_id", pa.int64()), ("tier", pa.string()), ("tier_estimated", pa.bool_()),
    ("consumed_unit", pa.string()), ("billing_currency", pa.string()), ("provenance", pa.string()),
    ("corrects_date", pa.date32()), ("commitment_status", pa.string()), ("charge_category", pa.string()),
    ("price_class", pa.string()), ("original_currency", pa.string()), ("fx_rate", pa.decimal128(30, 12)),
    *((name, pa.decimal128(30, 12)) for name in ("consumed_quantity", *assigning.COSTS)),
])  # fmt: skip
SCHEMA = pa.schema([*OF_CHARGE, ("owner__code", pa.string()), ("owner_team__code", pa.string())])


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


class Posting(NamedTuple):
    """Charges of a day's usage, with their ids, and the ratings behind them, that are still to be written."""

    columns: dict[str, Any]
    table: pa.Table  # SCHEMA: who allocates them need not read them back
    ratings: pa.Table  # columns of rating

    def write(self) -> None:
        """COPY them into the ledger; a column that says nothing of any charge is left to its default."""
        copy_table("rating", self.ratings.column_names, self.ratings)
        said = {name: values for name, values in self.columns.items() if not _says_nothing(name, values)}
        copy_table("charge", list(said), pa.table(said))


def _says_nothing(name: str, values: Any) -> bool:
    """Whether a column is what its default is in every row: NULL, or empty where the database has that for it."""
    if values.null_count == len(values):
        return name in _NULL
    return name in _EMPTY and not pc.any(pc.not_equal(values, "")).as_py()


def forget(day: date, keys: Sequence[int] | None) -> None:
    """Delete what a day is charged (of these usage keys; None: all), corrections apart. Its allocation deletes the shares."""
    old = Charge.objects.filter(charge_date=day, correction=None)
    old = old if keys is None else old.filter(usage_key_id__in=keys)
    old._raw_delete(using="default")


def rating_rows(ratings: pa.Table, prices: dict[int, dict[str, Any]]) -> pa.Table:
    """Rows of rating (calc.charges.rate_cube) as they are kept."""
    named = {"usage_key_id": "key_id", "rate_slot_id": "slot_id"}
    columns = {name: ratings[named.get(name, name)] for name in (*KEY_COLUMNS, "price_class", "quantity")}
    rows = ratings["price_row"]
    columns["price_id"] = of_price(rows, prices, "id")
    columns["list_rate"], columns["per"] = ratings["list_rate"], of_price(rows, prices, "per")
    columns["list_cost"] = columns["contracted_cost"] = ratings["list_cost"]
    columns |= {name: ratings[name] for name in ("currency", "proxy_cost", "assumed_standard")}
    return pa.table(columns)


def usage_charges(table: pa.Table, prices: dict[int, dict[str, Any]], ratings: pa.Table, ruled: Any = None) -> Posting:
    """Charges of usage of a day as allocation.costing hands them on, at these ratings.

    ``ruled``: of which of them a bill states the cost, so that it is BilledCost too; usage without a price has none of
    its own then, and the bill's line all of it, so that no estimate stands in for it.
    """
    count, day_of = len(table), table["charge_date"]

    def constant(value: str) -> pa.Array:
        return pa.repeat(pa.scalar(value), count)

    months = pc.floor_temporal(day_of, unit="month").cast(pa.date32())
    tokens = pc.is_in(table["price_class"], pa.array(TOKEN_CLASSES))
    as_billed = pc.fill_null(pc.coalesce(table["billed_cost"], table["effective_cost"]), ZERO)
    columns = {
        "id": _ids(count), "charge_date": day_of, "billing_period": months, "usage_key_id": table["key_id"],
        "tier": table["tier"],
        "tier_estimated": table["tier_estimated"], "charge_category": constant("Usage"), "charge_class": constant(""),
        "sku_id": table["sku_id"], "sku_price_id": pc.fill_null(of_price(table["price_row"], prices, "name"), ""),
        "price_class": table["price_class"], "consumed_quantity": table["quantity"],
        "consumed_unit": pc.if_else(tokens, "tokens", table["price_class"]), "list_unit_price": table["list_rate"],
        "pricing_unit": of_price(table["price_row"], prices, "per"), "list_cost": table["list_cost"],
        "contracted_cost": table["contracted_cost"], "effective_cost": table["effective_cost"],
        "billed_cost": table["billed_cost"] if ruled is None else pc.if_else(ruled, as_billed, table["billed_cost"]),
        "proxy_cost": table["proxy_cost"] if ruled is None else pc.if_else(ruled, None, table["proxy_cost"]),
        "billing_currency": table["currency"], "provenance": constant("computed"),
        **{name: table[name] for name in ("scope", "cause", *_AGREEMENT)},
    }  # fmt: skip
    if pc.any(pc.not_equal(table["owner_cost_centre"], "")).as_py():
        columns |= _owner_columns(table["owner_cost_centre"].to_pylist(), table["owner_team"].to_pylist())
    seen = columns | {
        "owner__code": table["owner_cost_centre"], "owner_team__code": table["owner_team"],
        "corrects_date": pa.nulls(count, pa.date32()),
    }  # fmt: skip
    charged = pa.table({name: seen[name] for name in SCHEMA.names}).cast(SCHEMA)
    return Posting(columns, charged, rating_rows(ratings, prices))


def _ids(count: int) -> pa.Array:
    """Ids for new charges, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(array_agg(nextval(s)), '{}') FROM CAST(pg_get_serial_sequence('charge', 'id') AS regclass) s, "
            "generate_series(1, %s)",
            [count],
        )
        return pa.array(sorted(cursor.fetchone()[0]), pa.int64())


def _owner_columns(centres: Sequence[str], teams: Sequence[str]) -> dict[str, pa.Array]:
    """Ids of declared owners; a cost centre or team that nobody knows yet is made, as rules make theirs."""
    pairs = {pair: _owner(*pair) for pair in set(zip(centres, teams, strict=True))}
    found = [pairs[pair] for pair in zip(centres, teams, strict=True)]
    return {
        "owner_id": pa.array([owner for owner, _ in found], pa.int64()),
        "owner_team_id": pa.array([team for _, team in found], pa.int64()),
    }


def _owner(code: str, team: str) -> tuple[int | None, int | None]:
    if not code:
        return None, None
    centre, _ = CostCentre.objects.get_or_create(code=code)
    return centre.pk, Team.objects.get_or_create(cost_centre=centre, code=team)[0].pk if team else None


def write_entries(day: date, entries: Sequence[Entry]) -> None:
    """Write the charges of no call, beside those of usage of their day. Equal ones become one row."""
    if not entries:
        return
    keys = entry_keys(entries)
    owners = _owner_columns([entry.owner.cost_centre for entry in entries], [entry.owner.team for entry in entries])
    rows: dict[tuple[Any, ...], list[Any]] = {}
    amounts = ("quantity", *COSTS, "original_cost")
    for entry, key, owner, team in zip(
        entries, keys, owners["owner_id"].to_pylist(), owners["owner_team_id"].to_pylist(), strict=True
    ):
        dimensions = entry.dimensions
        model = dimensions.get("model_served") or dimensions.get("model_requested") or entry.subject
        place = (
            day, entry.billing_period or day.replace(day=1), key, "", False, entry.charge_category, entry.charge_class,
            f"{dimensions.get('provider', '')}/{model}/{entry.price_class}"[:MAX_SKU], "", entry.price_class, entry.unit,
            entry.currency, entry.provenance, entry.cause, entry.subject, entry.commitment_id, entry.status, owner, team,
            entry.original_currency, entry.fx_rate, entry.fx_day, entry.fx_source,
        )  # fmt: skip
        values = [getattr(entry, name) for name in amounts]
        found = rows.get(place)
        rows[place] = values if found is None else [added(a, b) for a, b in zip(found, values, strict=True)]
    names = (
        "charge_date", "billing_period", "usage_key_id", "tier", "tier_estimated", "charge_category", "charge_class",
        "sku_id", "sku_price_id", "price_class", "consumed_unit", "billing_currency", "provenance", "cause", "subject",
        "commitment_id", "commitment_status", "owner_id", "owner_team_id", "original_currency", "fx_rate", "fx_day",
        "fx_source", "consumed_quantity", *COSTS, "original_cost", "scope",
    )  # fmt: skip
    copy_rows("charge", names, ((*place, *values, "") for place, values in rows.items()))
