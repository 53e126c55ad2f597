"""The refresher: recomputes what is derived from the facts, one dirty day at a time, each in one transaction."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

import pyarrow as pa
from django.conf import settings
from django.db import connection, transaction

from allocation import layer_changes, layering, posting, rulebook
from allocation.calc import assign as assigning
from allocation.calc import charges as charging
from allocation.calc.cube import CUBE_SCHEMA, cube
from allocation.calc.daily import COST_DAILY_COLUMNS, cost_daily
from allocation.calc.rules import assign
from allocation.completeness import Completeness, Day
from allocation.layering import Names
from allocation.models import (
    AllocatedCost,
    Charge,
    CostDaily,
    LayerDay,
    LayerShare,
    QueryCostDaily,
    Rating,
    TierRule,
    UsageDaily,
    UsageDailyUnit,
)
from finops.copying import copy_rows, copy_table
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest import facts
from ingest.calc.book import PriceBook
from ingest.facts.derive import lines_of_day
from ingest.models import ALL_KEYS, RateSlot
from ingest.selectors import key_dimensions, price_book

_LOCK = 0x52454652  # "REFR": one refresher at a time
_UNIT_NAMES = {number: name for name, number in UNITS.items()}
_ROUNDS = 3  # a call matched across midnight derives the day beside it again
LAYER_SHARE_COLUMNS = (
    "charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id", "price_class", "part", "cause", "quantity",
    "list_cost",
)  # fmt: skip
_CUBE_COLUMNS = ("charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id", *CUBE_SCHEMA.names[5:])


def refresh(progress: Callable[[int, int], None] = lambda _done, _all: None) -> int:
    """Recompute every dirty slice; returns the number of days refreshed. Safe to call at any time, by anyone."""
    layer_changes.mark_stale_days()
    done = 0
    for _ in range(_ROUNDS):
        days = facts.dirty_days()
        if not days:
            break
        for number, day in enumerate(days):
            progress(done + number, done + len(days))
            refresh_day(day)
        done += len(days)
    progress(done, done)
    return done


def refresh_day(day: date) -> None:
    """Recompute the dirty slices of one day from its facts and clear their marks, in one transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        marked = facts.take_dirty_keys(day)
        if not marked:
            return
        keys = None if ALL_KEYS in marked else sorted(marked)
        was_layered = LayerDay.objects.filter(charge_date=day).exists()
        lines = lines_of_day(day)
        near = _keys_around(day)
        dimensions = key_dimensions({*marked, *(key for _, key in near), *(line[0] for line in lines)})
        loaded, slots = price_book(), {slot.pk: slot for slot in RateSlot.objects.all()}
        by_id = {"gateway", "trace"} <= {found["layer"] for found in dimensions.values()}
        here = {*marked, *(key for on, key in near if on == day), *(line[0] for line in lines)}
        dimensions = {key: found for key, found in dimensions.items() if key in here}
        layered = bool(lines) or by_id or _overlap(dimensions, loaded.book)
        if was_layered or layered:
            keys = None  # a change of one layer changes what is charged of the others
        table = _cube(day, keys)
        units = _unit_cube(day, keys)
        dimensions |= key_dimensions(set(table["key_id"].to_pylist()) - dimensions.keys())
        ratings = charging.rate_cube(table, loaded.book, dimensions, slots)
        if len(units):
            ratings = pa.concat_tables([ratings, charging.rate_units(units, loaded.book, dimensions, slots)])
        _replace_cube(day, keys, table, units)
        prices = posting.prices_of(ratings, loaded)
        _replace_ratings(day, keys, ratings, prices)
        if layered or was_layered:
            rated = _Rated(ratings, table, prices, loaded.book)
            whole = _post_layers(day, lines, rated, dimensions, by_id=by_id)
            if layered:
                LayerDay.objects.create(charge_date=day, whole=whole.as_json())
        else:
            posting.replace_charges(day, keys, charging.charges(ratings, dimensions), prices)
        _allocate_day(day, dimensions, layered=layered)
        _replace_query_costs(day, dimensions, layered=layered)


class _Rated(NamedTuple):
    ratings: pa.Table
    cube: pa.Table
    prices: dict[int, dict[str, Any]]
    book: PriceBook


def _overlap(dimensions: dict[int, dict[str, Any]], book: PriceBook) -> bool:
    """Whether several layers speak of one account and provider."""
    if len({found["layer"] for found in dimensions.values()}) < 2:
        return False
    return any(len(found) > 1 for found in Names(dimensions, book).layers_of().values())


def _post_layers(
    day: date, lines: list[tuple[Any, ...]], rated: _Rated, dimensions: dict[int, dict[str, Any]], *, by_id: bool
) -> Day:
    """Charge a whole day of which several layers speak: matched, never summed (invariant 6). Returns who stated it whole."""
    for model in (LayerDay, LayerShare):
        model.objects.filter(charge_date=day)._raw_delete(using="default")
    used = {*rated.cube["key_id"].to_pylist(), *(line[0] for line in lines)}
    dimensions = {key: found for key, found in dimensions.items() if key in used}
    whole, names = Completeness().on(day), Names(dimensions, rated.book)
    shares = layering.share(day, rated.ratings, rated.cube, names, whole, by_id=by_id)
    computed = charging.charges(shares.parts, dimensions)
    billed = posting.line_charges(day, lines, computed, dimensions, names, whole)
    posting.replace_charges(day, None, computed, rated.prices, billed.ruled)
    posting.write_line_charges(billed.rows)
    copy_rows("layer_share", LAYER_SHARE_COLUMNS, ((day, *row) for row in shares.rows))
    layer_changes.note_late(day, shares.late)
    return whole


def allocate_days(days: Iterable[date]) -> None:
    """Run the rules again over charges as they are; idempotent."""
    for day in days:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            charged = Charge.objects.filter(charge_date=day).values_list("usage_key_id", flat=True).distinct()
            dimensions = key_dimensions({*_keys_of_day(day), *(key for key in charged if key is not None)})
            layered = LayerDay.objects.filter(charge_date=day).exists()
            _allocate_day(day, dimensions, layered=layered)
            _replace_query_costs(day, dimensions, layered=layered)


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


def _keys_around(day: date) -> set[tuple[date, int]]:
    """(date, usage key) of the cube from the day before to the day after: a call may be matched across midnight."""
    rows = UsageDaily.objects.filter(charge_date__range=(day - timedelta(days=1), day + timedelta(days=1)))
    return set(rows.values_list("charge_date", "usage_key_id").distinct())


def _replace_ratings(
    day: date, keys: Sequence[int] | None, ratings: pa.Table, prices: dict[int, dict[str, Any]]
) -> None:
    _delete(Rating, day, keys)
    key = ("charge_date", "key_id", "tier", "tier_estimated", "slot_id", "price_class", "quantity")
    columns = {name: ratings[name] for name in key}
    rows = ratings["price_row"]
    columns["price_id"] = posting.of_price(rows, prices, "id")
    columns["list_rate"], columns["per"] = ratings["list_rate"], posting.of_price(rows, prices, "per")
    columns["list_cost"] = columns["contracted_cost"] = ratings["list_cost"]
    columns |= {name: ratings[name] for name in ("currency", "proxy_cost", "assumed_standard")}
    copy_table("rating", (*_CUBE_COLUMNS[:5], *list(columns)[5:]), pa.table(columns))


def _allocate_day(day: date, dimensions: dict[int, dict[str, Any]], *, layered: bool) -> None:
    """Assign all charges of a day and rebuild its cost_daily."""
    AllocatedCost.objects.filter(charge_date=day)._raw_delete(using="default")
    CostDaily.objects.filter(charge_date=day)._raw_delete(using="default")
    names = (
        "id", "usage_key_id", "tier", "tier_estimated", "consumed_unit", "billing_currency", "provenance",
        "consumed_quantity", *assigning.COSTS,
    )  # fmt: skip
    rows = list(Charge.objects.filter(charge_date=day).order_by("id").values_list(*names))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    charge = dict(zip(names, columns, strict=True))
    counts = [(*row[:3], *row[4:]) for row in layer_changes.counts_of_day(day, layered=layered)]
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


def _replace_query_costs(day: date, dimensions: dict[int, dict[str, Any]], *, layered: bool) -> None:
    """The distribution of cost per query of the day's queries; of layers that overlap, the part that is charged."""
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
    kept = layer_changes.kept_queries(day) if layered else {}
    for key, rule, number, all_queries, all_cost in rows:
        part = kept.get((key, tiers[rule]), Fraction(1))
        queries, cost = round(all_queries * part), all_cost * part.numerator / part.denominator
        if part == 0:
            continue
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
