"""FOCUS files of anybody, read as texts for the linter."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from allocation.calc.focus_text import instant, number

_LONGEST_FIELD = 16_777_216


class Unreadable(ValueError):
    """Not a CSV or Parquet file."""


@contextmanager
def rows_of(path: Path) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """The header and the rows of a CSV or Parquet file, as texts, '' for null. Raises Unreadable and OSError."""
    try:
        if path.suffix.lower() == ".parquet":
            with pq.ParquetFile(path) as parquet:
                yield list(parquet.schema_arrow.names), _batches(parquet)
            return
        csv.field_size_limit(_LONGEST_FIELD)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            yield next(reader, []), (row for row in reader if row)
    except (csv.Error, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise Unreadable(f"{path.name} cannot be read: {error}") from None


def _batches(parquet: pq.ParquetFile) -> Iterator[list[str]]:
    for batch in parquet.iter_batches(batch_size=5_000):
        columns = [[_text(value) for value in column.to_pylist()] for column in batch.columns]
        yield from (list(row) for row in zip(*columns, strict=True))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, datetime):
        exact = value.tzinfo is not None and value.microsecond == 0
        return instant(value) if exact else value.isoformat()
    return str(value)
