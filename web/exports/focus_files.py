"""Tables into CSV and Parquet files, batch by batch: the same rows make the same bytes of CSV."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from allocation.calc.focus_text import instant, number
from web.exports.cells import csv_field
from web.exports.files import replacing

FORMATS = ("csv", "parquet")
Write = Callable[[pa.Table], None]


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[Write]:
    """Write tables of a schema, one after another, by the path's ending; a file without rows has its header."""
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            with pq.ParquetWriter(temporary, schema, compression="zstd") as parquet:
                yield parquet.write_table
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(schema.names)
            yield lambda table: writer.writerows(_lines(table))


def _lines(table: pa.Table) -> Iterator[Sequence[str]]:
    columns = [[_field(value) for value in column.to_pylist()] for column in table.columns]
    return zip(*columns, strict=True)


def _field(value: Any) -> str:
    if isinstance(value, Decimal):
        return number(value)
    return instant(value) if isinstance(value, datetime) else csv_field(value)
