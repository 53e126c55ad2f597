"""The refresher: recomputes what is derived from the facts, one dirty day at a time, each in one transaction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings
from django.db import connection, transaction

from allocation import (
    allocating,
    billing,
    bucket_tiers,
    cube_store,
    daily_store,
    day_calls,
    layer_changes,
    layering,
    posting,
    query_costs,
    reconciliation_residuals,
    rulebook,
)
from allocation.attribution import drivers, monthly
from allocation.calc import charges as charging
from allocation.close import corrections
from allocation.close.periods import frozen_months, is_frozen
from allocation.completeness import Completeness, Day
from allocation.costing import steps, terms
from allocation.costing.work import Work, of_usage
from allocation.failed_days import Failures
from allocation.layering import Names
from allocation.models import (
    AllocatedDay,
    Charge,
    LayerDay,
    LayerShare,
    Rating,
)
from finops import locks
from finops.copying import behind, copy_rows
from ingest import facts
from ingest.calc.book import PriceBook
from ingest.facts.derive import lines_of_day
from ingest.models import ALL_KEYS, RATE_ANEW, RateSlot
from ingest.selectors import KnownKeys, price_book

_ROUNDS = 5  # a call matched across midnight derives the day beside it again, a blended rate its whole month
LAYER_SHARE_COLUMNS = (
    "charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id", "price_class", "part", "cause", "quantity",
    "list_cost",
)  # fmt: skip


def refresh(progress: Callable[[int, int], None] = lambda _done, _all: None) -> int:
    """Recompute every dirty slice; returns the number of days refreshed. Safe to call at any time, by anyone.

    What is settled over more than a day (a blended rate, a credit's balance) may mark days again: they follow. A day
    that cannot be charged stays marked and stops no other. Raises DaysFailed, once all others are done.
    """
    layer_changes.mark_stale_days()
    steps.mark_new_days()
    fill()
    done, failures, changed, known = 0, Failures(), set[date](), KnownKeys()
    for _ in range(_ROUNDS):
        days = failures.without(facts.dirty_days())
        if not days:
            break
        left = set(days)
        for number, day in enumerate(_in_order(days)):
            progress(done + number, done + len(days))
            after = {day + timedelta(days=on) for on in range(1, settings.TRACE_LOOK_BACK_DAYS + 1)}
            with failures.apart(day):
                refresh_day(day, known, settled=left.isdisjoint(after))
                left.discard(day)
        done += len(days)
        months = frozen_months()
        open_days = {day for day in days if day.replace(day=1) not in months}
        terms.rate_anew(steps.settle(open_days) | reconciliation_residuals.settle(set(days)) | corrections.settle())
        changed |= open_days
    allocate_days(sorted(drivers.settle(changed)))
    _distribute(known)
    monthly.settle()
    progress(done, done)
    failures.tell(done)
    return done


def _in_order(days: list[date]) -> list[date]:
    """Days as they are derived: where prices alone changed and no agreement runs through them, the last first.

    Then all that goes on with a day's queries costs what it will when the day is reached.
    """
    return days[::-1] if facts.is_rated_anew_alone() and not steps.in_force() else days


def refresh_day(day: date, known: KnownKeys, *, settled: bool = False) -> None:
    """Recompute the dirty slices of one day and clear their marks, in one transaction.

    The cube is made anew of the facts of the keys that are marked; what is charged of the day follows for these keys, or
    for all of them where one key's usage bears on another's charge (layers, agreements) or prices changed. Of a day of a
    frozen month nothing that was charged changes: the difference is posted into an open one. ``settled``: the days after are
    derived, and the distribution of its cost per query can be.
    """
    with _deriving():
        marked = facts.take_dirty_keys(day)
        if not marked:
            return
        marked |= bucket_tiers.concerned(day, marked, known)
        was_layered = LayerDay.objects.filter(charge_date=day).exists()
        lines = lines_of_day(day)
        near = cube_store.keys_around(day)
        scanned = _scanned(marked, {key for on, key in near if on == day})
        dimensions = known.of({*marked, *(key for _, key in near), *(line[0] for line in lines)})
        loaded, slots = price_book(), {slot.pk: slot for slot in RateSlot.objects.all()}
        by_id = {"gateway", "trace"} <= {found["layer"] for found in dimensions.values()}
        here = {*marked, *(key for on, key in near if on == day), *(line[0] for line in lines)}
        dimensions = {key: found for key, found in dimensions.items() if key in here}
        layered = bool(lines) or by_id or _overlap(dimensions, loaded.book)
        agreed, frozen = steps.in_force(), is_frozen(day)
        whole = frozen or was_layered or layered or RATE_ANEW in marked or agreed
        keys = None if whole else scanned
        distribute = settled and keys is None and not (agreed or frozen)
        table, units = _cube(day, scanned, keys, known)
        dimensions |= known.of(pc.unique(table["key_id"]).to_pylist())
        ratings = charging.rate_cube(table, loaded.book, dimensions, slots)
        if len(units):
            ratings = pa.concat_tables([ratings, charging.rate_units(units, loaded.book, dimensions, slots)])
        rated = _Rated(ratings, table, posting.prices_of(ratings, loaded), loaded.book)
        charged = _layers(day, lines, rated, dimensions, by_id=by_id) if layered or was_layered else None
        if charged is not None and layered:
            LayerDay.objects.create(charge_date=day, whole=charged.whole.as_json())
        with corrections.aside(day) as bearing:
            cube_store.delete(Rating, day, keys)
            usage = _post(day, keys, rated, charged, lines, dimensions)
            others = allocating.charges_of(day)
            dimensions |= known.of(set(others["usage_key_id"].to_pylist()) - {None})
            allocating.allocate_day(day, dimensions, others, layered=layered, posting=usage, distribute=distribute)
        day_calls.mark_stale(day)
        if distribute:
            day_calls.mark_done(day)
        terms.rate_anew(bearing)


def _scanned(marked: set[int], kept: set[int]) -> list[int] | None:
    """The usage keys whose facts are read; None: all of the day's, where they are marked with every key the cube has of it.

    The first import of a day marks thousands: to compare each fact with them costs more than to sum it.
    """
    some = marked - {RATE_ANEW}
    return None if ALL_KEYS in marked or (some and kept <= some) else sorted(some)


@contextmanager
def _deriving() -> Iterator[None]:
    """A transaction in which nobody else derives.

    It does not wait for the disk: what a crash loses of it is derived again, as the marks that it cleared are lost with it.
    Inside another transaction it is as durable as that one.
    """
    durable = connection.in_atomic_block
    with transaction.atomic(), behind():
        locks.hold(locks.REFRESHER)
        if not durable:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit TO off")
        with terms.held():
            yield


def fill() -> None:
    """After an upgrade: make what pages read of days that were allocated before they read it."""
    if daily_store.lacking():
        with _deriving():
            for day in daily_store.lacking():
                daily_store.fill(day)


def _distribute(known: KnownKeys) -> None:
    """Make the distributions of cost per query anew that changed costs left behind; those of frozen months stay."""
    for day in day_calls.stale_days():
        with _deriving():
            day_calls.mark_done(day)
            if not is_frozen(day):
                query_costs.replace(day, known)


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


def _cube(
    day: date, scanned: Sequence[int] | None, keys: Sequence[int] | None, known: KnownKeys
) -> tuple[pa.Table, pa.Table]:
    """Make the cube of the marked keys anew; returns it, with the rest of the day's where all of it is charged anew."""
    if scanned == [] and keys is None and day_calls.exist(day):  # its prices alone changed
        return cube_store.stored(day), cube_store.stored_units(day)
    table, units, sources = cube_store.of_facts(day, scanned, known)
    cube_store.replace(day, scanned, table, units)
    bucket_tiers.keep(day, scanned, sources)
    if scanned is None or scanned or not day_calls.exist(day):
        day_calls.replace(day)
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
) -> posting.Posting:  # fmt: skip
    """Charge the day: what is charged beside usage, what bills state beyond; its usage under its agreements is returned."""
    ratings = rated.ratings if layers is None else layers.parts
    usage = of_usage(charging.charges(ratings, dimensions))
    work = steps.cost(Work(day, usage, [], dimensions))
    billed = None
    if layers is not None:
        billed = billing.line_charges(day, lines, work, layers.names, layers.whole)
    posting.forget(day, keys)
    posting.write_entries(day, [*work.entries, *(billed.entries if billed else ())])
    if billed is not None:
        billing.write_line_charges(billed.rows)
    return posting.usage_charges(work.usage, rated.prices, rated.ratings, billed and billed.ruled)


def _charged_keys(day: date) -> set[int]:
    charged = Charge.objects.filter(charge_date=day).values_list("usage_key_id", flat=True).distinct()
    return {key for key in charged if key is not None}


def allocate_days(days: Iterable[date]) -> None:
    """Run the rules again over charges as they are; idempotent. Days of a frozen month are marked for the refresher."""
    months, known, book = frozen_months(), KnownKeys(), rulebook.in_force()
    days = sorted(days)
    terms.rate_anew({day for day in days if day.replace(day=1) in months})
    days = [day for day in days if day.replace(day=1) not in months]
    for day in days:
        with _deriving():
            before = AllocatedDay.objects.filter(charge_date=day).first()
            keys = {int(key) for key in before.borne} if before else {*cube_store.keys_of_day(day), *_charged_keys(day)}
            dimensions = known.of(keys)
            layered = LayerDay.objects.filter(charge_date=day).exists()
            if before and allocating.move_day(day, before.borne, dimensions, book, layered=layered):
                continue
            allocating.allocate_day(day, dimensions, allocating.charges_of(day), layered=layered)
            day_calls.mark_stale(day)
    AllocatedDay.objects.filter(charge_date__in=days).update(rules=book.number)
    _distribute(known)
