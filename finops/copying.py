"""COPY between the database and tables of Arrow or rows."""

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
from django.db import connection
from pyarrow import csv

_PIECE = 1_000  # rows


class _Behind(threading.local):
    """What this thread's connection copies behind: by whom, and which COPYs are not known to be done. No pool: nothing."""

    pool: ThreadPoolExecutor | None = None
    copies: Sequence[Future[None]] = ()


_behind = _Behind()


@contextmanager
def behind() -> Iterator[None]:
    """Inside, copy_table returns while the server still takes in the rows, one COPY after another; the next statement waits.

    A COPY that fails raises there, or at the end. Lies within a transaction: nothing is committed before its rows are in.
    """
    if _behind.pool is not None:
        yield
        return
    with ThreadPoolExecutor(1, "copy") as pool, connection.execute_wrapper(_after_copy):
        _behind.pool = pool
        try:
            yield
            _wait()
        finally:
            _behind.pool, _behind.copies = None, ()


def _after_copy(execute: Callable[..., Any], *statement: Any) -> Any:
    _wait()
    return execute(*statement)


def _wait() -> None:
    copies, _behind.copies = _behind.copies, ()
    for each in copies:
        each.result()


@contextmanager
def copy(statement: str) -> Iterator[psycopg.Copy]:
    """A COPY on Django's connection; the only way to one, so that it never meets another that runs behind."""
    _wait()
    with connection.cursor() as cursor, cursor.cursor.copy(statement) as running:
        yield running


def copy_table(name: str, columns: Sequence[str], table: pa.Table) -> None:
    """COPY an Arrow table into an ordinary table, column by column in this order; NULL is an empty unquoted field."""
    statement = f"COPY {name} ({', '.join(columns)}) FROM STDIN (FORMAT csv)"
    if _behind.pool is None:
        with copy(statement) as running:
            _write(running, table)
        return
    cursor = connection.cursor().cursor
    _behind.copies = (*_behind.copies, _behind.pool.submit(_copy_table, cursor, statement, table))


def _copy_table(cursor: "psycopg.Cursor[Any]", statement: str, table: pa.Table) -> None:
    with cursor, cursor.copy(statement) as running:
        _write(running, table)


def _write(running: psycopg.Copy, table: pa.Table) -> None:
    """In pieces, so that the server takes in one while the next is written."""
    for begin in range(0, len(table), _PIECE):
        running.write(_csv(table.slice(begin, _PIECE)))


def _csv(table: pa.Table) -> bytes:
    data = io.BytesIO()
    whole = table.combine_chunks()  # pyarrow writes bytes of zero for a table that begins with an empty chunk
    csv.write_csv(whole, data, csv.WriteOptions(include_header=False))
    return data.getvalue()


def table_of(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Rows of Python values as an Arrow table of this schema."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


def read_table(query: str, schema: pa.Schema) -> pa.Table:
    """Rows of a query (without parameters) as an Arrow table of this schema: no Python value per field in between.

    NULL is an empty unquoted field, an empty text a quoted one.
    """
    with copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as running:
        data = b"".join(bytes(piece) for piece in running)
    if not data:
        return schema.empty_table()
    return csv.read_csv(
        pa.py_buffer(data),
        csv.ReadOptions(column_names=schema.names, use_threads=False),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
            true_values=["t"], false_values=["f"],
        ),
    )  # fmt: skip


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows of Python values into an ordinary table."""
    with copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as running:
        for row in rows:
            running.write_row(row)
