"""The refresher: recomputes what is derived from the facts, one dirty day at a time, each in one transaction."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

import pyarrow as pa
from django.conf import settings
from django.db import connection, transaction

from allocation import billing, cube_store, layer_changes, layering, posting, reconciliation_residuals, rulebook
from allocation.calc import assign as assigning
from allocation.calc import charges as charging
from allocation.calc.daily import COST_DAILY_COLUMNS, cost_daily
from allocation.calc.rules import assign
from allocation.completeness import Completeness, Day
from allocation.costing import steps, terms
from allocation.costing.work import Work, of_usage
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
)
from finops.copying import copy_rows, copy_table
from finops.tokens import TOKEN_CLASSES
from ingest import facts
from ingest.calc.book import PriceBook
from ingest.facts.derive import lines_of_day
from ingest.models import ALL_KEYS, RATE_ANEW, RateSlot
from ingest.selectors import key_dimensions, price_book

_LOCK = 0x52454652  # "REFR": one refresher at a time
_ROUNDS = 5  # a call matched across midnight derives the day beside it again, a blended rate its whole month
_WHOLE = Fraction(1)
LAYER_SHARE_COLUMNS = (
    "charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id", "price_class", "part", "cause", "quantity",
    "list_cost",
)  # fmt: skip


def refresh(progress: Callable[[int, int], None] = lambda _done, _all: None) -> int:
    """Recompute every dirty slice; returns the number of days refreshed. Safe to call at any time, by anyone.

    What is settled over more than a day (a blended rate, a credit's balance) may mark days again: they follow.
    """
    layer_changes.mark_stale_days()
    steps.mark_new_days()
    done = 0
    for _ in range(_ROUNDS):
        days = facts.dirty_days()
        if not days:
            break
        for number, day in enumerate(days):
            progress(done + number, done + len(days))
            refresh_day(day)
        done += len(days)
        terms.rate_anew(steps.settle(set(days)) | reconciliation_residuals.settle(set(days)))
    progress(done, done)
    return done


def refresh_day(day: date) -> None:
    """Recompute the dirty slices of one day and clear their marks, in one transaction.

    The cube is made anew of the facts of the keys that are marked; what is charged of the day follows for these keys, or
    for all of them where one key's usage bears on another's charge (layers, agreements) or prices changed.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        marked = facts.take_dirty_keys(day)
        if not marked:
            return
        scanned = None if ALL_KEYS in marked else sorted(marked - {RATE_ANEW})
        was_layered = LayerDay.objects.filter(charge_date=day).exists()
        lines = lines_of_day(day)
        near = _keys_around(day)
        dimensions = key_dimensions({*marked, *(key for _, key in near), *(line[0] for line in lines)})
        loaded, slots = price_book(), {slot.pk: slot for slot in RateSlot.objects.all()}
        by_id = {"gateway", "trace"} <= {found["layer"] for found in dimensions.values()}
        here = {*marked, *(key for on, key in near if on == day), *(line[0] for line in lines)}
        dimensions = {key: found for key, found in dimensions.items() if key in here}
        layered = bool(lines) or by_id or _overlap(dimensions, loaded.book)
        keys = None if was_layered or layered or RATE_ANEW in marked or steps.in_force() else scanned
        table, units = _cube(day, scanned, keys)
        dimensions |= key_dimensions(set(table["key_id"].to_pylist()) - dimensions.keys())
        ratings = charging.rate_cube(table, loaded.book, dimensions, slots)
        if len(units):
            ratings = pa.concat_tables([ratings, charging.rate_units(units, loaded.book, dimensions, slots)])
        rated = _Rated(ratings, table, posting.prices_of(ratings, loaded), loaded.book)
        _replace_ratings(day, keys, rated)
        charged = _layers(day, lines, rated, dimensions, by_id=by_id) if layered or was_layered else None
        if charged is not None and layered:
            LayerDay.objects.create(charge_date=day, whole=charged.whole.as_json())
        _post(day, keys, rated, charged, lines, dimensions)
        dimensions |= key_dimensions(_charged_keys(day) - dimensions.keys())
        _allocate_day(day, dimensions, layered=layered)
        _replace_query_costs(day, dimensions, layered=layered)


class _Rated(NamedTuple):
    ratings: pa.Table
    cube: pa.Table
    prices: dict[int, dict[str, Any]]
    book: PriceBook


class _Layers(NamedTuple):
    """What layers leave to charge of the ratings, under which names they were compared, and who stated the day whole."""

    parts: pa.Table
    names: Names
    whole: Day


def _cube(day: date, scanned: Sequence[int] | None, keys: Sequence[int] | None) -> tuple[pa.Table, pa.Table]:
    """Make the cube of the marked keys anew; returns it, with the rest of the day's where all of it is charged anew."""
    table, units = cube_store.of_facts(day, scanned), cube_store.units_of_facts(day, scanned)
    cube_store.replace(day, scanned, table, units)
    if keys is None and scanned is not None:
        table = pa.concat_tables([table, cube_store.stored(day, without=scanned)])
        units = pa.concat_tables([units, cube_store.stored_units(day, without=scanned)])
    return table, units


def _overlap(dimensions: dict[int, dict[str, Any]], book: PriceBook) -> bool:
    """Whether several layers, or sources of provider usage, speak of one account and provider."""
    if len({(found["layer"], found["source"]) for found in dimensions.values()}) < 2:
        return False
    return bool(Names(dimensions, book).overlaps())


def _layers(
    day: date, lines: list[tuple[Any, ...]], rated: _Rated, dimensions: dict[int, dict[str, Any]], *, by_id: bool
) -> _Layers:
    """Match what several layers say of a whole day: charged once, never summed (invariant 6)."""
    for model in (LayerDay, LayerShare):
        model.objects.filter(charge_date=day)._raw_delete(using="default")
    used = {*rated.cube["key_id"].to_pylist(), *(line[0] for line in lines)}
    names = Names({key: found for key, found in dimensions.items() if key in used}, rated.book)
    whole = Completeness().on(day)
    shares = layering.share(day, rated.ratings, rated.cube, names, whole, by_id=by_id)
    copy_rows("layer_share", LAYER_SHARE_COLUMNS, ((day, *row) for row in shares.rows))
    layer_changes.note_late(day, shares.late)
    return _Layers(shares.parts, names, whole)


def _post(
    day: date, keys: Sequence[int] | None, rated: _Rated, layers: _Layers | None, lines: list[tuple[Any, ...]],
    dimensions: dict[int, dict[str, Any]],
) -> None:  # fmt: skip
    """Charge the day: its usage under its agreements, what is charged beside usage, and what bills state beyond."""
    ratings = rated.ratings if layers is None else layers.parts
    usage = of_usage(charging.charges(ratings, dimensions))
    work = steps.cost(Work(day, usage, [], dimensions))
    billed = None
    if layers is not None:
        billed = billing.line_charges(day, lines, work, layers.names, layers.whole)
    posting.replace_charges(day, keys, work.usage, rated.prices, billed and billed.ruled)
    posting.write_entries(day, [*work.entries, *(billed.entries if billed else ())])
    if billed is not None:
        billing.write_line_charges(billed.rows)


def _charged_keys(day: date) -> set[int]:
    charged = Charge.objects.filter(charge_date=day).values_list("usage_key_id", flat=True).distinct()
    return {key for key in charged if key is not None}


def allocate_days(days: Iterable[date]) -> None:
    """Run the rules again over charges as they are; idempotent."""
    for day in days:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            dimensions = key_dimensions({*_keys_of_day(day), *_charged_keys(day)})
            layered = LayerDay.objects.filter(charge_date=day).exists()
            _allocate_day(day, dimensions, layered=layered)
            _replace_query_costs(day, dimensions, layered=layered)


def _keys_of_day(day: date) -> set[int]:
    return set(UsageDaily.objects.filter(charge_date=day).values_list("usage_key_id", flat=True).distinct())


def _keys_around(day: date) -> set[tuple[date, int]]:
    """(date, usage key) of the cube from the day before to the day after: a call may be matched across midnight."""
    rows = UsageDaily.objects.filter(charge_date__range=(day - timedelta(days=1), day + timedelta(days=1)))
    return set(rows.values_list("charge_date", "usage_key_id").distinct())


def _replace_ratings(day: date, keys: Sequence[int] | None, rated: _Rated) -> None:
    ratings, prices = rated.ratings, rated.prices
    cube_store.delete(Rating, day, keys)
    key = ("charge_date", "key_id", "tier", "tier_estimated", "slot_id", "price_class", "quantity")
    columns = {name: ratings[name] for name in key}
    rows = ratings["price_row"]
    columns["price_id"] = posting.of_price(rows, prices, "id")
    columns["list_rate"], columns["per"] = ratings["list_rate"], posting.of_price(rows, prices, "per")
    columns["list_cost"] = columns["contracted_cost"] = ratings["list_cost"]
    columns |= {name: ratings[name] for name in ("currency", "proxy_cost", "assumed_standard")}
    copy_table("rating", (*cube_store.KEY_COLUMNS, *list(columns)[5:]), pa.table(columns))


def _allocate_day(day: date, dimensions: dict[int, dict[str, Any]], *, layered: bool) -> None:
    """Assign all charges of a day and rebuild its cost_daily."""
    AllocatedCost.objects.filter(charge_date=day)._raw_delete(using="default")
    CostDaily.objects.filter(charge_date=day)._raw_delete(using="default")
    names = (
        "id", "usage_key_id", "tier", "tier_estimated", "consumed_unit", "billing_currency", "provenance",
        "consumed_quantity", "owner__code", "owner_team__code", *assigning.COSTS,
    )  # fmt: skip
    rows = list(Charge.objects.filter(charge_date=day).order_by("id").values_list(*names))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    charge = dict(zip(names, columns, strict=True))
    counts = [(*row[:3], *row[4:]) for row in layer_changes.counts_of_day(day, layered=layered)]
    book = rulebook.in_force()
    assignment = assign(dimensions, book.rules, day)
    owners = zip(charge["owner__code"], charge["owner_team__code"], strict=True)
    parts = assigning.parts(charge["usage_key_id"], assignment, [(code or "", team or "") for code, team in owners])
    money = pa.decimal128(30, 12)
    shared = {
        name: assigning.shares(pa.array(charge[name], money), parts) for name in ("consumed_quantity", *assigning.COSTS)
    }
    bearers = {
        "rule_id": [book.rule_ids.get(rule) for rule in parts.rule],
        "cost_centre_id": [book.cost_centres.get(code) for code in parts.cost_centre],
        "team_id": [book.teams.get(pair) for pair in zip(parts.cost_centre, parts.team, strict=True)],
    }
    allocated = {
        "charge_id": pa.array(charge["id"], pa.int64()).take(pa.array(parts.row)),
        "charge_date": pa.repeat(pa.scalar(day), len(parts.row)), "part": pa.array(parts.part),
        **{name: pa.array(values, pa.int64()) for name, values in bearers.items()},
        "quantity": shared["consumed_quantity"], **{name: shared[name] for name in assigning.COSTS},
    }  # fmt: skip
    copy_table("allocated_cost", list(allocated), pa.table(allocated))
    table = cost_daily(charge, parts, shared, counts, assignment, dimensions)
    copy_rows(
        "cost_daily",
        ("charge_date", "cost_centre_id", "team_id", *COST_DAILY_COLUMNS[2:]),
        (
            (day, book.cost_centres.get(row[0]), book.teams.get((row[0], row[1])), *row[2:])
            for row in cube_store.rows_of(table, COST_DAILY_COLUMNS)
        ),
    )


def _replace_query_costs(day: date, dimensions: dict[int, dict[str, Any]], *, layered: bool) -> None:
    """The distribution of cost per query of the day's queries; of layers that overlap, the part that is charged."""
    QueryCostDaily.objects.filter(charge_date=day)._raw_delete(using="default")
    # a rating at several rates (an excess band) has none of its own: its average is what its cell's calls cost
    classes = ", ".join(
        f"coalesce(max(list_rate / per) FILTER (WHERE {of}), sum(list_cost) FILTER (WHERE {of}) "
        f"/ nullif(sum(quantity) FILTER (WHERE {of}), 0)) AS {name}"
        for name in TOKEN_CLASSES
        for of in [f"price_class = '{name}'"]
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
        queries, cost = all_queries, all_cost
        if (part := kept.get((key, tiers[rule]), _WHOLE)) is not _WHOLE:
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
