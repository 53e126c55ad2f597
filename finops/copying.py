"""COPY into ordinary tables."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from django.db import connection
from pyarrow import csv


def copy_table(name: str, columns: Sequence[str], table: pa.Table) -> None:
    """COPY an Arrow table into an ordinary table, column by column in this order; NULL is an empty unquoted field."""
    data = io.BytesIO()
    whole = table.combine_chunks()  # pyarrow writes bytes of zero for a table that begins with an empty chunk
    csv.write_csv(whole, data, csv.WriteOptions(include_header=False))
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN (FORMAT csv)") as copy,
    ):
        copy.write(data.getvalue())


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows of Python values into an ordinary table."""
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
