"""Pure: the rows of an answer about costs from frames of allocated cost. Exact; ordered by bytes, nothing last."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from finops.money import MONEY
from finops.periods import Period

MONEY_COLUMNS = ("x_UnpricedEstimate",)
COUNTS = ("Requests", "Queries", "x_EstimatedQueries", "x_Tokens", "x_UnpricedTokens")
_COUNT = pa.decimal128(38, 0)  # int64 would wrap silently on a sum


def lines(frame: pd.DataFrame, keys: Sequence[str], column: str, *, previous: bool) -> pa.Table:
    """A frame of allocation.selectors.costs as keys, cost, Previous, counts and provenance.

    ``previous``: its cost stands in Previous and nothing else counts. ChargeDate becomes the day as text, or the first
    of its month where BillingPeriodStart is a key.
    """
    columns: dict[str, Any] = {}
    size = len(frame)
    for name in keys:
        if name in ("ChargeDate", "BillingPeriodStart"):
            days = [f"{day:%Y-%m-%d}" for day in frame["ChargeDate"]]
            columns[name] = pa.array(days if name == "ChargeDate" else [f"{day[:7]}-01" for day in days], pa.string())
        else:
            columns[name] = pa.array(list(frame[name]), pa.string())
    nothing = pa.repeat(pa.scalar(Decimal(0), MONEY), size)
    cost = pa.array(frame[column]).cast(MONEY) if size else nothing
    columns["cost"], columns["Previous"] = (nothing, cost) if previous else (cost, nothing)
    for name in MONEY_COLUMNS:
        columns[name] = nothing if previous or not size else pa.array(frame[name]).cast(MONEY)
    for name in COUNTS:
        values = [0] * size if previous else frame[name].tolist()
        columns[name] = pa.array(values, pa.int64()).cast(_COUNT)
    columns["provenance"] = pa.array(list(frame["x_Provenance"]), pa.string())
    return pa.table(columns)


def moved(frame: pd.DataFrame, before: Period, now: Period) -> pd.DataFrame:
    """Days of the period before as the days in the same place now; days too many count on the last one."""
    last = len(now) - 1
    days: list[date] = [now.start + timedelta(days=min((day - before.start).days, last)) for day in frame["ChargeDate"]]
    return frame.assign(ChargeDate=pd.Series(days, index=frame.index, dtype=object))


def folded(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """One row per key: sums, and every provenance that went into them; ordered by the keys' bytes, NULL last."""
    sums = ["cost", "Previous", *MONEY_COLUMNS, *COUNTS]
    if not table.num_rows:
        return table
    constant = table.append_column("_", pa.repeat(pa.scalar(0, pa.int8()), table.num_rows))
    by = [*keys, "_"]  # pyarrow gives aggregates without a key another shape
    found = constant.group_by(by).aggregate([*((name, "sum") for name in sums), ("provenance", "distinct")])
    lists: list[Any] = found["provenance_distinct"].to_pylist()
    provenance = [",".join(sorted(filter(None, values))) for values in lists]
    columns: dict[str, Any] = {name: found[name] for name in keys}
    columns |= {name: found[f"{name}_sum"].cast(table.schema.field(name).type) for name in sums}
    columns["provenance"] = pa.chunked_array([pa.array(provenance, pa.string())])
    result = pa.table(columns)
    return result.sort_by([(name, "ascending") for name in keys]) if keys else result


def place_at(table: pa.Table, keys: Sequence[str], row: int) -> list[str | None]:
    """The key of a row."""
    return [table[name][row].as_py() for name in keys]


def start_after(table: pa.Table, keys: Sequence[str], place: Sequence[Any]) -> int:
    """The first row after a key, whether or not that key still has a row."""

    def order(values: Sequence[Any]) -> list[tuple[bool, bytes]]:
        return [(value is None, (value or "").encode("utf-8", "surrogatepass")) for value in values]

    return bisect_right(range(table.num_rows), order(place), key=lambda row: order(place_at(table, keys, row)))


def total(table: pa.Table, name: str) -> Decimal:
    """Exact sum of a column; 0 for no rows."""
    value = pc.sum(table[name]).as_py()
    return Decimal(0) if value is None else value
