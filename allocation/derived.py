"""The refresher: recomputes what is derived from the facts, one dirty day at a time, each in one transaction."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings
from django.db import connection, transaction

from allocation import rulebook
from allocation.calc import assign as assigning
from allocation.calc import charges as charging
from allocation.calc.cube import CUBE_SCHEMA, cube
from allocation.calc.daily import COST_DAILY_COLUMNS, cost_daily
from allocation.calc.rules import assign
from allocation.models import (
    AllocatedCost,
    Charge,
    CostDaily,
    QueryCostDaily,
    Rating,
    TierRule,
    UsageDaily,
    UsageDailyUnit,
)
from finops.copying import copy_rows, copy_table
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest import facts
from ingest.models import ALL_KEYS, RateSlot
from ingest.selectors import LoadedBook, key_dimensions, price_book

_LOCK = 0x52454652  # "REFR": one refresher at a time
_UNIT_NAMES = {number: name for name, number in UNITS.items()}
_CUBE_COLUMNS = ("charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id", *CUBE_SCHEMA.names[5:])


def refresh(progress: Callable[[int, int], None] = lambda _done, _all: None) -> int:
    """Recompute every dirty slice; returns the number of days refreshed. Safe to call at any time, by anyone."""
    days = facts.dirty_days()
    for done, day in enumerate(days):
        progress(done, len(days))
        refresh_day(day)
    progress(len(days), len(days))
    return len(days)


def refresh_day(day: date) -> None:
    """Recompute the dirty slices of one day from its facts and clear their marks, in one transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        marked = facts.take_dirty_keys(day)
        if not marked:
            return
        keys = None if ALL_KEYS in marked else sorted(marked)
        loaded, slots = price_book(), {slot.pk: slot for slot in RateSlot.objects.all()}
        table = _cube(day, keys)
        units = _unit_cube(day, keys)
        dimensions = key_dimensions({*table["key_id"].to_pylist(), *(() if keys is None else _keys_of_day(day))})
        ratings = charging.rate_cube(table, loaded.book, dimensions, slots)
        if len(units):
            ratings = pa.concat_tables([ratings, charging.rate_units(units, loaded.book, dimensions, slots)])
        _replace_cube(day, keys, table, units)
        prices = _prices_of(ratings, loaded)
        _replace_ratings(day, keys, ratings, prices)
        _replace_charges(day, keys, charging.charges(ratings, dimensions), prices)
        _allocate_day(day, dimensions)
        _replace_query_costs(day, dimensions)


def allocate_days(days: Iterable[date]) -> None:
    """Run the rules again over charges as they are; idempotent."""
    for day in days:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            dimensions = key_dimensions(_keys_of_day(day))
            _allocate_day(day, dimensions)
            _replace_query_costs(day, dimensions)


def _cube(day: date, keys: Sequence[int] | None) -> pa.Table:
    rows = facts.sums_of_day(day, keys)
    types = [pa.date32(), pa.int64(), pa.int64(), pa.int64(), *(field.type for field in list(CUBE_SCHEMA)[5:])]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(facts.SUM_COLUMNS)
    arrays = [_column(values, type_) for values, type_ in zip(columns, types, strict=True)]
    tiers = {rule.pk: (rule.tier, rule.estimated) for rule in TierRule.objects.all()}
    return cube(pa.Table.from_arrays(arrays, names=list(facts.SUM_COLUMNS)), tiers)


def _column(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_int64(type_):  # PostgreSQL's sum of bigint is numeric
        return pa.array([None if value is None else int(value) for value in values], type_)
    return pa.array(values, type_)


def _unit_cube(day: date, keys: Sequence[int] | None) -> pa.Table:
    tiers = {rule.pk: (rule.tier, rule.estimated) for rule in TierRule.objects.all()}
    summed: dict[tuple[Any, ...], Any] = {}
    for charge_date, key, rule, slot, unit, quantity in facts.unit_sums_of_day(day, keys):
        place = (charge_date, key, *tiers[rule], slot, _UNIT_NAMES[unit])
        summed[place] = summed.get(place, 0) + quantity
    names = ("charge_date", "key_id", "tier", "tier_estimated", "slot_id", "unit")
    columns = list(zip(*sorted(summed), strict=True)) if summed else [()] * len(names)
    types = (pa.date32(), pa.int64(), pa.string(), pa.bool_(), pa.int64(), pa.string())
    arrays = [pa.array(values, type_) for values, type_ in zip(columns, types, strict=True)]
    quantities = pa.array([summed[place] for place in sorted(summed)], pa.decimal128(30, 12))
    return pa.Table.from_arrays([*arrays, quantities], names=[*names, "quantity"])


def _rows(table: pa.Table, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names), strict=True) if len(table) else ()


def _delete(model: Any, day: date, keys: Sequence[int] | None) -> None:
    rows = model.objects.filter(charge_date=day)
    (rows if keys is None else rows.filter(usage_key_id__in=keys))._raw_delete(using="default")


def _replace_cube(day: date, keys: Sequence[int] | None, table: pa.Table, units: pa.Table) -> None:
    _delete(UsageDaily, day, keys)
    copy_table("usage_daily", _CUBE_COLUMNS, table)
    _delete(UsageDailyUnit, day, keys)
    numbered = ((*row[:5], UNITS[row[5]], row[6]) for row in _rows(units, units.column_names))
    copy_rows("usage_daily_unit", (*_CUBE_COLUMNS[:5], "unit", "quantity"), numbered)


def _keys_of_day(day: date) -> set[int]:
    return set(UsageDaily.objects.filter(charge_date=day).values_list("usage_key_id", flat=True).distinct())


def _prices_of(ratings: pa.Table, loaded: LoadedBook) -> dict[int, dict[str, Any]]:
    """Row of the price book -> that price, with its database id and its name."""
    used = sorted(row for row in pc.unique(ratings["price_row"]).to_pylist() if row is not None)
    rows = loaded.book.rows.select(_PRICE_NAME).take(pa.array(used, pa.int64())).to_pylist()
    return {
        number: row | {"id": loaded.ids[number], "name": _price_name(row)}
        for number, row in zip(used, rows, strict=True)
    }


def _replace_ratings(
    day: date, keys: Sequence[int] | None, ratings: pa.Table, prices: dict[int, dict[str, Any]]
) -> None:
    _delete(Rating, day, keys)
    key = ("charge_date", "key_id", "tier", "tier_estimated", "slot_id", "price_class", "quantity")
    columns = {name: ratings[name] for name in key}
    rows = ratings["price_row"]
    columns["price_id"] = _of_price(rows, prices, "id")
    columns["list_rate"], columns["per"] = ratings["list_rate"], _of_price(rows, prices, "per")
    columns["list_cost"] = columns["contracted_cost"] = ratings["list_cost"]
    columns |= {name: ratings[name] for name in ("currency", "proxy_cost", "assumed_standard")}
    copy_table("rating", (*_CUBE_COLUMNS[:5], *list(columns)[5:]), pa.table(columns))


def _of_price(rows: pa.ChunkedArray, prices: dict[int, dict[str, Any]], field: str) -> pa.Array:
    """A field of the price of each row; NULL where there is no price."""
    numbers = pa.array(list(prices), pa.int64())
    values = pa.array([price[field] for price in prices.values()], pa.string() if field == "name" else pa.int64())
    return values.take(pc.index_in(rows, numbers))


def _replace_charges(day: date, keys: Sequence[int] | None, table: pa.Table, prices: dict[int, dict[str, Any]]) -> None:
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
        "sku_id": table["sku_id"], "sku_price_id": pc.fill_null(_of_price(table["price_row"], prices, "name"), ""),
        "price_class": table["price_class"], "consumed_quantity": table["quantity"],
        "consumed_unit": pc.if_else(tokens, "tokens", table["price_class"]), "list_unit_price": table["list_rate"],
        "pricing_unit": _of_price(table["price_row"], prices, "per"), "list_cost": cost, "contracted_cost": cost,
        "effective_cost": cost, "proxy_cost": table["proxy_cost"], "billing_currency": table["currency"],
        "provenance": constant("computed"),
    }  # fmt: skip
    copy_table("charge", list(columns), pa.table(columns))


_PRICE_NAME = [
    "book", "provider", "model", "price_class", "mode", "service_tier", "region", "variant", "context_over", "window_start",
    "window_end", "valid_from", "currency", "rate", "per",
]  # fmt: skip


def _price_name(price: dict[str, Any]) -> str:
    """SkuPriceId: a natural key, the same in every database."""
    return json.dumps(
        [str(price[name]) for name in _PRICE_NAME if price[name] not in (None, "")], separators=(",", ":")
    )


def _allocate_day(day: date, dimensions: dict[int, dict[str, Any]]) -> None:
    """Assign all charges of a day and rebuild its cost_daily."""
    AllocatedCost.objects.filter(charge_date=day)._raw_delete(using="default")
    CostDaily.objects.filter(charge_date=day)._raw_delete(using="default")
    names = (
        "id", "usage_key_id", "tier", "tier_estimated", "price_class", "billing_currency", "provenance",
        "consumed_quantity", *assigning.COSTS,
    )  # fmt: skip
    rows = list(Charge.objects.filter(charge_date=day).order_by("id").values_list(*names))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    charge = dict(zip(names, columns, strict=True))
    counts = list(
        UsageDaily.objects.filter(charge_date=day)
        .order_by("usage_key_id", "tier", "tier_estimated", "rate_slot_id")
        .values_list("usage_key_id", "tier", "tier_estimated", "requests", "queries")
    )
    book = rulebook.in_force()
    assignment = assign(dimensions, book.rules, day)
    parts = assigning.parts(charge["usage_key_id"], assignment)
    money = pa.decimal128(30, 12)
    shared = {
        name: assigning.shares(pa.array(charge[name], money), parts) for name in ("consumed_quantity", *assigning.COSTS)
    }
    copy_rows(
        "allocated_cost",
        ("charge_id", "charge_date", "part", "rule_id", "cost_centre_id", "team_id", "quantity", *assigning.COSTS),
        zip(
            (charge["id"][row] for row in parts.row), [day] * len(parts.row), parts.part.tolist(),
            (book.rule_ids.get(rule) for rule in parts.rule),
            (book.cost_centres.get(code) for code in parts.cost_centre),
            (book.teams.get(pair) for pair in zip(parts.cost_centre, parts.team, strict=True)),
            *(column.to_pylist() for column in shared.values()), strict=True,
        ),
    )  # fmt: skip
    table = cost_daily(charge, parts, shared, counts, assignment, dimensions)
    copy_rows(
        "cost_daily",
        ("charge_date", "cost_centre_id", "team_id", *COST_DAILY_COLUMNS[2:]),
        (
            (day, book.cost_centres.get(row[0]), book.teams.get((row[0], row[1])), *row[2:])
            for row in _rows(table, COST_DAILY_COLUMNS)
        ),
    )


def _replace_query_costs(day: date, dimensions: dict[int, dict[str, Any]]) -> None:
    """The distribution of cost per query of the day's queries."""
    QueryCostDaily.objects.filter(charge_date=day)._raw_delete(using="default")
    classes = ", ".join(
        f"max(list_rate / per) FILTER (WHERE price_class = '{name}') AS {name}" for name in TOKEN_CLASSES
    )
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS class_rates")
        cursor.execute(
            f"CREATE TEMP TABLE class_rates ON COMMIT DROP AS SELECT usage_key_id, rate_slot_id, {classes} FROM rating "
            "WHERE charge_date BETWEEN %s AND %s GROUP BY 1, 2",
            [day, day + timedelta(days=settings.TRACE_LOOK_BACK_DAYS)],
        )
    tiers = {rule.pk: rule.tier for rule in TierRule.objects.all()}
    summed: dict[tuple[Any, ...], list[Any]] = {}
    rows = facts.query_costs_of_day(day, settings.TRACE_LOOK_BACK_DAYS, "class_rates")
    book = rulebook.in_force()
    assignment = assign(dimensions, book.rules, day)
    for key, rule, number, queries, cost in rows:
        owner = max(assigning.targets_of(assignment[key]), key=lambda target: target.weight)
        found = dimensions[key]
        place = (
            book.cost_centres.get(owner.cost_centre), found["provider"], found["model_served"] or found["model_requested"],
            tiers[rule], found["environment"], number,
        )  # fmt: skip
        total = summed.setdefault(place, [0, 0])
        total[0] += queries
        total[1] += cost
    copy_rows(
        "query_cost_daily",
        ("charge_date", "cost_centre_id", "provider", "model", "tier", "environment", "bin", "queries", "cost"),
        ((day, *place, queries, round(cost, 12)) for place, (queries, cost) in summed.items()),
    )
