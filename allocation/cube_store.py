"""The cube where it is kept: made of the facts of a day, replaced by slice, read back."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Q

from allocation import bucket_tiers
from allocation.calc.bucket_tiers import part_units, tiers_of_slots
from allocation.calc.cube import CUBE_SCHEMA, KEY, cube, summed
from allocation.models import UsageDaily, UsageDailyUnit
from finops.copying import copy_rows, copy_table, read_table, table_of
from finops.tokens import UNITS
from ingest import facts
from ingest.selectors import KnownKeys

KEY_COLUMNS = ("charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id")
COLUMNS = (*KEY_COLUMNS, *CUBE_SCHEMA.names[5:])
UNIT_SCHEMA = pa.schema([*list(CUBE_SCHEMA)[:5], ("unit", pa.string()), ("quantity", pa.decimal128(30, 12))])
_STORED = "SELECT {names} FROM {table} WHERE {which} ORDER BY {order}"
_ORDER = 'usage_key_id, tier COLLATE "C", tier_estimated, rate_slot_id'
_SORT = [(name, "ascending") for name in KEY]
_UNIT_NAMES = {number: name for name, number in UNITS.items()}


class OfFacts(NamedTuple):
    """The cube of one day, of some usage keys. ``sources``: by what each key's buckets were parted over tiers."""

    table: pa.Table  # CUBE_SCHEMA
    units: pa.Table  # UNIT_SCHEMA
    sources: list[tuple[int, str, int]]


def of_facts(day: date, keys: Sequence[int] | None, known: KnownKeys) -> OfFacts:
    """The cube of the facts of one day (of these usage keys; None: all), buckets parted over tiers."""
    rows, rules = facts.sums_of_day(day, keys), bucket_tiers.rules()
    types = [pa.date32(), pa.int64(), pa.int64(), pa.int64(), *(field.type for field in list(CUBE_SCHEMA)[5:])]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(facts.SUM_COLUMNS)
    arrays = [_column(values, type_) for values, type_ in zip(columns, types, strict=True)]
    sums, tiers = pa.Table.from_arrays(arrays, names=list(facts.SUM_COLUMNS)), {n: row[:2] for n, row in rules.items()}
    of_bucket = pa.array([rules[rule][1] for rule in sums["tier_rule"].to_pylist()], pa.bool_())
    table, sources = cube(sums.filter(pc.invert(of_bucket)), tiers), []
    if any(of_bucket.to_pylist()):
        buckets = [
            _with_policy(cube(some, tiers), version) for version, some in _by_policy(sums.filter(of_bucket), rules)
        ]
        found = bucket_tiers.parted(day, pa.concat_tables(buckets), table, keys, known)
        table, sources = summed(pa.concat_tables([table, found.rows])), found.sources
    return OfFacts(table, _units_of_facts(day, keys, rules, tiers_of_slots(table)), sources)


def _by_policy(sums: pa.Table, rules: Mapping[int, tuple[str, bool, int]]) -> Iterable[tuple[int, pa.Table]]:
    """Buckets by the version of the policy that judged them."""
    versions = pa.array([rules[rule][2] for rule in sums["tier_rule"].to_pylist()])
    for version in sorted(set(versions.to_pylist())):
        yield version, sums.filter(pc.equal(versions, version))


def _with_policy(table: pa.Table, version: int) -> pa.Table:
    return table.append_column("policy", pa.repeat(pa.scalar(version, pa.int64()), len(table)))


def _units_of_facts(
    day: date, keys: Sequence[int] | None, rules: Mapping[int, tuple[str, bool, int]],
    tiers: Mapping[tuple[int, int], Sequence[tuple[str, int]]],
) -> pa.Table:  # fmt: skip
    """UNIT_SCHEMA of the facts of one day: usage that is not tokens. ``tiers``: of buckets, with their requests."""
    summed_, buckets = dict[tuple[Any, ...], Any](), dict[tuple[Any, ...], Any]()
    for charge_date, key, rule, slot, unit, quantity in facts.unit_sums_of_day(day, keys):
        if rules[rule][1]:
            place: tuple[Any, ...] = (key, slot, _UNIT_NAMES[unit])
            buckets[place] = buckets.get(place, 0) + quantity
        else:
            place = (charge_date, key, *rules[rule][:2], slot, _UNIT_NAMES[unit])
            summed_[place] = summed_.get(place, 0) + quantity
    for (key, slot, name), quantity in buckets.items():
        for tier, part in part_units(quantity, tiers[key, slot]):
            summed_[day, key, tier, True, slot, name] = part
    return table_of([(*place, summed_[place]) for place in sorted(summed_)], UNIT_SCHEMA)


def spread_differences() -> list[tuple[Any, ...]]:
    """(charge_date, 'buckets over tiers') of days whose buckets are not parted as their facts and their mix say."""
    known, found = KnownKeys(), []
    days = UsageDaily.objects.filter(tier_estimated=True).order_by("charge_date")
    dirty = set(facts.dirty_days())
    for day in days.values_list("charge_date", flat=True).distinct():
        if day in dirty:
            continue
        keys = sorted(bucket_tiers.keys_of(day))
        here, kept = of_facts(day, keys, known), stored(day)
        kept = kept.filter(pc.is_in(kept["key_id"], pa.array(keys, pa.int64())))
        if here.table.sort_by(_SORT) != kept.sort_by(_SORT):
            found.append((day, "buckets over tiers"))
    return found


def stored(day: date, *, without: Sequence[int] = ()) -> pa.Table:
    """CUBE_SCHEMA of one day as it is kept, less these usage keys."""
    rows = _STORED.format(names=", ".join(COLUMNS), table="usage_daily", which=_less(day, without), order=_ORDER)
    return read_table(rows, CUBE_SCHEMA)


def stored_units(day: date, *, without: Sequence[int] = ()) -> pa.Table:
    """UNIT_SCHEMA of one day as it is kept, less these usage keys."""
    names, which = ", ".join((*KEY_COLUMNS, "unit", "quantity")), _less(day, without)
    rows = _STORED.format(names=names, table="usage_daily_unit", which=which, order=f"{_ORDER}, unit")
    found = read_table(rows, UNIT_SCHEMA.set(5, pa.field("unit", pa.int16())))
    return found.set_column(5, "unit", pa.array([_UNIT_NAMES[unit] for unit in found["unit"].to_pylist()], pa.string()))


def _less(day: date, keys: Sequence[int]) -> str:
    return f"charge_date = '{day:%Y-%m-%d}' AND usage_key_id <> ALL('{{{','.join(map(str, keys))}}}')"


def replace(day: date, keys: Sequence[int] | None, table: pa.Table, units: pa.Table) -> None:
    """Keep these slices of a day (of these usage keys; None: all)."""
    delete(UsageDaily, day, keys)
    copy_table("usage_daily", COLUMNS, table)
    delete(UsageDailyUnit, day, keys)
    numbered = ((*row[:5], UNITS[row[5]], row[6]) for row in rows_of(units, units.column_names))
    copy_rows("usage_daily_unit", (*KEY_COLUMNS, "unit", "quantity"), numbered)


def keys_of_day(day: date) -> set[int]:
    """Usage keys of the cube of a day."""
    return set(UsageDaily.objects.filter(charge_date=day).values_list("usage_key_id", flat=True).distinct())


def keys_around(day: date) -> set[tuple[date, int]]:
    """(date, usage key) of the cube from the day before to the day after: a call may be matched across midnight."""
    rows = UsageDaily.objects.filter(charge_date__range=(day - timedelta(days=1), day + timedelta(days=1)))
    return set(rows.values_list("charge_date", "usage_key_id").distinct())


def delete(model: Any, day: date, keys: Sequence[int] | None) -> None:
    """Delete a derived table's slices of a day."""
    rows = model.objects.filter(charge_date=day)
    (rows if keys is None else rows.filter(usage_key_id__in=keys))._raw_delete(using="default")


def borne_by(ids: Collection[int | None]) -> Q:
    """Rows of these cost centres; None is nobody."""
    of_some = Q(cost_centre__in=[centre for centre in ids if centre is not None])
    return of_some | Q(cost_centre=None) if None in ids else of_some


def rows_of(table: pa.Table, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    """Rows of some columns of a table."""
    return zip(*(table[name].to_pylist() for name in names), strict=True) if len(table) else ()


def _column(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_int64(type_):  # PostgreSQL's sum of bigint is numeric
        return pa.array([None if value is None else int(value) for value in values], type_)
    return pa.array(values, type_)
