"""From rows to Arrow tables of a fixed schema: what does not fit is named with its row, never dropped and never bent.

Names are checked once per distinct combination of them, values by Arrow itself: rows that fit cost nothing more.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa


class WrongRows(ValueError):
    """Rows that no source may make. ``record``: number of the record that the first of them is of; None: of any."""

    def __init__(self, said: str, record: int | None = None) -> None:
        super().__init__(said)
        self.record = record


@lru_cache(maxsize=1_024)
def require_columns(names: tuple[str, ...], known: frozenset[str], table: str) -> None:
    """Raises WrongRows for a name that is no column of the table, with the column that is nearest to it."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), sorted(known), 1)
            raise WrongRows(
                f"{name} is no column of the {table} table" + (f"; the nearest is {near[0]}" if near else "")
            )


Rows = Sequence[Mapping[str, Any]]


def table_of(rows: Rows, schema: pa.Schema, *, given: Rows = ()) -> pa.Table:
    """A table of rows that name only columns of the schema; what they leave out is NULL. Raises WrongRows.

    ``given``: the rows before anything was derived from them, where the error is looked for first.
    """
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise _wrong([*given, *rows], schema) or error from None


def _wrong(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> WrongRows | None:
    for row in rows:
        for field in schema:
            value = row.get(field.name)
            try:
                pa.array([value], field.type)
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                return WrongRows(_misfit(field, value), row.get("record"))
    return None


def _misfit(field: pa.Field, value: Any) -> str:
    said = f"{field.name} is a {type(value).__name__} that does not fit {field.type}"
    if not pa.types.is_decimal(field.type):
        return said
    exact = "; give a Decimal of at most 12 decimals, as ingest.calc.values.money does"
    return f"{said}{exact}"
