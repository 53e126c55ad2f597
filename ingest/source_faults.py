"""What a source raises or makes that no source may is a bug in it: said in one line with the place, never a traceback."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import pyarrow as pa
from django.db import Error

from ingest.calc.lines import LINE_COLUMNS
from ingest.calc.mapping import LAYERS
from ingest.calc.reasons import Rejected
from ingest.calc.records import storable
from ingest.calc.tables import WrongRows, require_columns
from ingest.calc.usage import USAGE_COLUMNS, USAGE_SCHEMA
from ingest.pull import LeaseLost, PullFailed
from ingest.source import ColumnSource, Context, Line, NotThisKind, Parsed, Record, RowSource, Skip, Source

T = TypeVar("T")
# What a source says by raising, and what goes through it from below: the lease, the disk, the database.
_MEANT = (Rejected, Skip, NotThisKind, PullFailed, LeaseLost, OSError, MemoryError, Error)


class SourceFailed(Exception):
    """A source has a bug; the message names its kind, the place of the record, and what it raised."""


def called(source: Source, place: str, do: Callable[..., T], *given: Any) -> T:
    """What the source answers. Raises what sources may raise, and SourceFailed for anything else."""
    try:
        return do(*given)
    except _MEANT:
        raise
    except Exception as error:
        raise failed(source, place, error) from error


def listed(source: Source, place: str, do: Callable[..., Iterable[T]], *given: Any) -> Iterator[T]:
    """What the source yields, one by one. Raises as ``called`` does."""
    try:
        yield from do(*given)
    except _MEANT:
        raise
    except Exception as error:
        raise failed(source, place, error) from error


def rows_of(source: RowSource, place: str, record: Record, context: Context) -> list[Record]:
    """The usage rows and Lines of a record, their columns known. Raises as ``called`` does, Rejected for a bad value."""
    return called(source, place, _rows, source, record, context)


def _rows(source: RowSource, record: Record, context: Context) -> list[Record]:
    made: Any = source.row(record, context)
    if not isinstance(made, list):
        raise WrongRows(f"row gives a {type(made).__name__}, not a list of rows")
    for row in made:
        if not isinstance(row, dict):
            raise WrongRows(f"row gives a list that holds a {type(row).__name__}, not rows")
        is_line = isinstance(row, Line)
        require_columns(tuple(row), LINE_COLUMNS if is_line else USAGE_COLUMNS, "line" if is_line else "usage")
    return [storable(row) for row in made]


def parsed_of(source: ColumnSource, place: str, table: pa.Table, context: Context) -> Parsed:
    """What a ColumnSource makes of a table. Raises as ``called`` does."""
    return called(source, place, _parsed, source, table, context)


def _parsed(source: ColumnSource, table: pa.Table, context: Context) -> Parsed:
    made: Any = source.usage(table, context)
    if not isinstance(made, Parsed) or not isinstance(made.usage, pa.Table):
        raise WrongRows(f"usage gives a {type(made).__name__}, not a Parsed of a table")
    if not made.usage.schema.equals(USAGE_SCHEMA):
        raise WrongRows("usage gives a table of another schema; make it by ingest.calc.usage.usage_table")
    return made


def layer_of(source: Source, context: Context) -> str:
    """The layer of an import. Raises SourceFailed for one that there is not."""
    layer = source.layer_in(context)
    if layer not in LAYERS:
        raise failed(source, "layer_in", WrongRows(f"{layer!r:.60} is none of {', '.join(LAYERS)}"))
    return layer


def failed(source: Source, place: str, error: Exception) -> SourceFailed:
    """The bug of a source at a place."""
    kind = "" if isinstance(error, WrongRows) else f"{type(error).__name__}: "
    said = " ".join(f"{kind}{error}".split())[:200]
    return SourceFailed(f"the source {source.kind} failed at {place}: {said}")
