"""What pages read of a day where it is kept: cost_daily and class_daily, written with the day's allocation."""

from collections.abc import Collection
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection
from django.db.models import Max

from allocation import rulebook
from allocation.calc import assign as assigning
from allocation.calc import daily
from allocation.models import UsageDaily
from allocation.posting import OF_CHARGE
from finops.copying import copy_table, read_table
from finops.periods import Period
from ingest.selectors import key_dimensions

_LACKING = (
    "SELECT charge_date FROM allocated_day d WHERE EXISTS (SELECT FROM allocated_cost a WHERE a.charge_date = d.charge_date) "
    "AND NOT EXISTS (SELECT FROM class_daily c WHERE c.charge_date = d.charge_date) ORDER BY 1"
)
_AMOUNTS = ("quantity", *assigning.COSTS)
_SHARES = (
    f"SELECT {', '.join(f'c.{name}' for name in OF_CHARGE.names)}, coalesce(o.code, ''), coalesce(t.code, ''), "
    f"{', '.join(f'a.{name}' for name in _AMOUNTS)} FROM allocated_cost a "
    "JOIN charge c ON c.id = a.charge_id AND c.charge_date = a.charge_date LEFT JOIN allocation_costcentre o "
    "ON o.id = a.cost_centre_id LEFT JOIN allocation_team t ON t.id = a.team_id WHERE a.charge_date = '{day:%Y-%m-%d}'"
)
_OF_SHARE = pa.schema([
    *OF_CHARGE, ("centre", pa.string()), ("team", pa.string()), *((f"of_{name}", daily.MONEY) for name in _AMOUNTS),
])  # fmt: skip


def silent(day: date) -> set[int]:
    """Usage keys of a day whose source does not say what of the output was reasoning."""
    keys = UsageDaily.objects.filter(charge_date=day).order_by().values("usage_key_id")
    return set(keys.annotate(most=Max("output_reasoning")).filter(most=None).values_list("usage_key_id", flat=True))


def keep(
    day: date, name: str, table: pa.Table, book: rulebook.Rulebook, centres: Collection[int | None] | None = None
) -> None:
    """Write what a table says of a day, of these cost centres (None: all)."""
    ids = pa.array([book.cost_centres.get(code) for code in table["cost_centre"].to_pylist()], pa.int64())
    if centres is not None:
        theirs = pc.is_in(ids, pa.array(sorted(centres, key=str), pa.int64()))
        table, ids = table.filter(theirs), ids.filter(theirs)
    teams = zip(table["cost_centre"].to_pylist(), table["team"].to_pylist(), strict=True)
    columns = {
        "charge_date": pa.repeat(pa.scalar(day), len(table)), "cost_centre_id": ids,
        "team_id": pa.array([book.teams.get(pair) for pair in teams], pa.int64()),
        **{column: table[column] for column in table.column_names[2:]},
    }  # fmt: skip
    copy_table(name, list(columns), pa.table(columns))


def lacking() -> list[date]:
    """Days that were allocated before there was a class_daily."""
    with connection.cursor() as cursor:
        cursor.execute(_LACKING)
        return [day for (day,) in cursor.fetchall()]


def fill(day: date) -> None:
    """Write class_daily of a day, a frozen one too, as its shares are."""
    keep(day, "class_daily", classes_of_shares(day), rulebook.in_force())


def classes_of_shares(day: date) -> pa.Table:
    """What class_daily is to say of a day by the shares that are kept, as the mappings that hold show its usage keys."""
    found = read_table(_SHARES.format(day=day), _OF_SHARE)
    (stretch,) = rulebook.stretches(Period(day, day + timedelta(days=1)))
    shown = stretch.shown(key_dimensions(set(found["usage_key_id"].to_pylist()) - {None}))
    size = len(found)
    borne = assigning.Parts(
        np.arange(size), np.zeros(size, np.int64), [], found["centre"].to_pylist(), found["team"].to_pylist(), []
    )
    shared = {name: found[f"of_{name}"].combine_chunks() for name in _AMOUNTS}
    shared["consumed_quantity"] = shared.pop("quantity")
    return daily.class_daily(daily.classes(found.select(OF_CHARGE.names), borne, shared, shown, silent(day)))
