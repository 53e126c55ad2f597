"""The cube where it is kept: made of the facts of a day, replaced by slice, read back."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from allocation.calc.cube import CUBE_SCHEMA, cube
from allocation.models import TierRule, UsageDaily, UsageDailyUnit
from finops.copying import copy_rows, copy_table
from finops.tokens import UNITS
from ingest import facts

KEY_COLUMNS = ("charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id")
COLUMNS = (*KEY_COLUMNS, *CUBE_SCHEMA.names[5:])
UNIT_SCHEMA = pa.schema([*list(CUBE_SCHEMA)[:5], ("unit", pa.string()), ("quantity", pa.decimal128(30, 12))])
_UNIT_NAMES = {number: name for name, number in UNITS.items()}


def of_facts(day: date, keys: Sequence[int] | None) -> pa.Table:
    """CUBE_SCHEMA of the facts of one day (of these usage keys; None: all)."""
    rows = facts.sums_of_day(day, keys)
    types = [pa.date32(), pa.int64(), pa.int64(), pa.int64(), *(field.type for field in list(CUBE_SCHEMA)[5:])]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(facts.SUM_COLUMNS)
    arrays = [_column(values, type_) for values, type_ in zip(columns, types, strict=True)]
    return cube(pa.Table.from_arrays(arrays, names=list(facts.SUM_COLUMNS)), _tiers())


def units_of_facts(day: date, keys: Sequence[int] | None) -> pa.Table:
    """UNIT_SCHEMA of the facts of one day: usage that is not tokens."""
    tiers, summed = _tiers(), dict[tuple[Any, ...], Any]()
    for charge_date, key, rule, slot, unit, quantity in facts.unit_sums_of_day(day, keys):
        place = (charge_date, key, *tiers[rule], slot, _UNIT_NAMES[unit])
        summed[place] = summed.get(place, 0) + quantity
    return _table([(*place, summed[place]) for place in sorted(summed)], UNIT_SCHEMA)


def stored(day: date, *, without: Sequence[int] = ()) -> pa.Table:
    """CUBE_SCHEMA of one day as it is kept, less these usage keys."""
    rows = UsageDaily.objects.filter(charge_date=day).exclude(usage_key_id__in=without)
    return _table(list(rows.order_by(*KEY_COLUMNS).values_list(*COLUMNS)), CUBE_SCHEMA)


def stored_units(day: date, *, without: Sequence[int] = ()) -> pa.Table:
    """UNIT_SCHEMA of one day as it is kept, less these usage keys."""
    rows = UsageDailyUnit.objects.filter(charge_date=day).exclude(usage_key_id__in=without)
    found = rows.order_by(*KEY_COLUMNS, "unit").values_list(*KEY_COLUMNS, "unit", "quantity")
    return _table([(*row[:5], _UNIT_NAMES[row[5]], row[6]) for row in found], UNIT_SCHEMA)


def replace(day: date, keys: Sequence[int] | None, table: pa.Table, units: pa.Table) -> None:
    """Keep these slices of a day (of these usage keys; None: all)."""
    delete(UsageDaily, day, keys)
    copy_table("usage_daily", COLUMNS, table)
    delete(UsageDailyUnit, day, keys)
    numbered = ((*row[:5], UNITS[row[5]], row[6]) for row in rows_of(units, units.column_names))
    copy_rows("usage_daily_unit", (*KEY_COLUMNS, "unit", "quantity"), numbered)


def delete(model: Any, day: date, keys: Sequence[int] | None) -> None:
    """Delete a derived table's slices of a day."""
    rows = model.objects.filter(charge_date=day)
    (rows if keys is None else rows.filter(usage_key_id__in=keys))._raw_delete(using="default")


def rows_of(table: pa.Table, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    """Rows of some columns of a table."""
    return zip(*(table[name].to_pylist() for name in names), strict=True) if len(table) else ()


def _tiers() -> dict[int, tuple[str, bool]]:
    return {rule.pk: (rule.tier, rule.estimated) for rule in TierRule.objects.all()}


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


def _column(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_int64(type_):  # PostgreSQL's sum of bigint is numeric
        return pa.array([None if value is None else int(value) for value in values], type_)
    return pa.array(values, type_)
