"""From a file to groups of usage rows: JSON lines (fast path), JSON documents, CSV and Parquet."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.blocks import parsed_blocks
from ingest.calc.lines import LINE_SCHEMA, check_lines, line_table
from ingest.calc.reasons import Reject, Rejected
from ingest.calc.records import fit, given_twice
from ingest.calc.usage import USAGE_SCHEMA, check, usage_of_rows
from ingest.items import Item, block_items, csv_items, document_items, line_items, oversized, page_items, parquet_items
from ingest.pull import Page, PullFailed
from ingest.shapes import shape
from ingest.source import ColumnSource, Context, Line, Parsed, Record, RowSource, Skip, Source
from ingest.source_faults import failed, parsed_of, rows_of
from ingest.streams import Block, OversizedLine, Truncated

__all__ = ["GROUP_ROWS", "Group", "Place", "groups", "records_in", "shape", "usage_of_rows"]

GROUP_ROWS = 8_192


class Place(NamedTuple):
    """Where a rejected record stood: line or JSON pointer, byte offset (None: unknown) and its hash."""

    reason: str
    detail: str
    place: str
    offset: int | None
    digest: bytes


@dataclass
class Group:
    """What came of some records: rows to store, rejects with their places, records that are no usage."""

    usage: pa.Table
    lines: pa.Table = field(default_factory=LINE_SCHEMA.empty_table)
    rejects: list[Place] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    read: int = 0
    truncated: str = ""  # the stream broke off after this group


def groups(path: Path, source: Source, context: Context, *, latest_us: int) -> Iterator[Group]:
    """The file's records in groups, checked. Memory is bounded by a few blocks, whatever the size of the file."""
    if isinstance(source, ColumnSource) and shape(path, source) == "lines":
        blocks = _line_groups(path, source, context)
    else:
        blocks = _item_groups(records_in(path, source, context), source, context)
    for records in blocks:
        yield records.finish(source, context, latest_us)


def groups_of_pages(pages: Iterable[Page], source: Source, context: Context, *, latest_us: int) -> Iterator[Group]:
    """The records of pulled pages in groups, checked; a pull that fails ends them as truncated."""
    for records in _item_groups(page_items(pages, source), source, context):
        yield records.finish(source, context, latest_us)


def groups_of_items(items: Iterable[Item], source: Source, context: Context, *, latest_us: int) -> Iterator[Group]:
    """Records that are at hand, in groups, checked."""
    for records in _item_groups(iter(items), source, context):
        yield records.finish(source, context, latest_us)


def records_in(path: Path, source: Source, context: Context) -> Iterator[Item]:
    """The file's records one by one, with their places; unreadable ones as Rejected."""
    read = {"lines": line_items, "document": document_items, "csv": csv_items, "parquet": parquet_items}
    return read[shape(path, source)](path, source, context)


class _Records:
    """Records of one group on their way to usage rows, with what is needed to name their places.

    Records are numbered within the group: those of a ColumnSource's tables by ``spans``, others by ``named``.
    """

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []  # of a ColumnSource
        self.rows: list[Record] = []  # of a RowSource: usage rows
        self.lines: list[Record] = []  # of a RowSource: lines of bills
        self.spans: list[tuple[np.ndarray[Any, Any], Block]] = []  # lines of the records of each block
        self.named: list[Item] = []  # without its record
        self.rejects: list[tuple[int, Place]] = []  # with the line, or the number in the file
        self.skipped: Counter[str] = Counter()
        self.read = 0
        self.truncated = ""

    def __len__(self) -> int:
        return sum(map(len, self.tables)) + len(self.named) + len(self.rejects)

    def reject(self, rejected: Rejected, item: Item) -> None:
        """Keep the place of a record, not the record."""
        place = Place(rejected.reason, rejected.detail, item.place, item.offset, item.digest)
        self.rejects.append((item.number, place))

    def finish(self, source: Source, context: Context, latest_us: int) -> Group:
        """Let a ColumnSource make usage of its tables, check all rows, resolve the places of rejects."""
        parsed = self._parsed(source, context)
        usage, rejects = check(parsed.usage, latest_us=latest_us)
        lines, bad_lines = check_lines(self._table(source, line_table, self.lines), latest_us=latest_us)
        first = {reject.record: reject for reject in reversed([*rejects, *bad_lines])}
        if first and isinstance(source, RowSource):  # a record with several rows is rejected as a whole, once
            numbers = [*parsed.usage["record"].to_pylist(), *(row["record"] for row in self.lines)]
            self.read -= int(np.isin(numbers, list(first)).sum()) - len(first)
            usage, lines = _without(usage, first), _without(lines, first)
        places = self.rejects + [self._place(reject) for reject in [*parsed.rejects, *first.values()]]
        places.sort(key=lambda item: item[0])
        usage, lines = self._numbered(usage), self._numbered(lines)
        rejected = [place for _, place in places]
        return Group(usage, lines, rejected, self.skipped + parsed.skipped, self.read, self.truncated)

    def _numbered(self, table: pa.Table) -> pa.Table:
        """From here on a record is known by its line, or by its number in the file."""
        if not len(table):
            return table
        return table.set_column(0, "record", pa.array(self._numbers()[table["record"].to_numpy()]))

    def _parsed(self, source: Source, context: Context) -> Parsed:
        if not isinstance(source, ColumnSource):
            return Parsed(self._table(source, usage_of_rows, self.rows), [], Counter())
        usages, rejects, skipped, before = [USAGE_SCHEMA.empty_table()], [], Counter[str](), 0
        for _, run in groupby(self.tables, key=lambda table: table.schema):
            table = pa.concat_tables(run).combine_chunks()
            numbers = self._numbers()[before : before + len(table)]
            place = f"lines {numbers[0]} to {numbers[-1]}" if len(numbers) else "no lines"
            parsed = parsed_of(source, place, table, context)
            shifted = pc.add(parsed.usage["record"], before)
            usages.append(parsed.usage.set_column(0, "record", shifted))
            rejects += [Reject(reject.record + before, *reject[1:]) for reject in parsed.rejects]
            skipped += parsed.skipped
            before += len(table)
        return Parsed(pa.concat_tables(usages), rejects, skipped)

    def _table(self, source: Source, make: Callable[[list[Record]], pa.Table], rows: list[Record]) -> pa.Table:
        """The table of what a RowSource made. Raises SourceFailed for values that fit no column."""
        try:
            return make(rows)
        except Exception as error:
            first = getattr(error, "record", None)
            place = f"one of {len(self.named):,} records" if first is None else self.named[first].place
            raise failed(source, place, error) from error

    def _numbers(self) -> np.ndarray[Any, Any]:
        if self.named:
            return np.array([item.number for item in self.named], dtype=np.int64)
        return np.concatenate([lines for lines, _ in self.spans])

    def _place(self, reject: Reject) -> tuple[int, Place]:
        number = reject.record
        if self.named:
            item = self.named[number]
            return item.number, Place(reject.reason, reject.detail, item.place, item.offset, item.digest)
        for lines, block in self.spans:
            if number < len(lines):
                line = int(lines[number])
                offset, raw = _line_of(block, line)
                return line, Place(reject.reason, reject.detail, f"line {line}", offset, sha256(raw).digest())
            number -= len(lines)
        raise IndexError(f"no record {reject.record} in this group")


def _without(table: pa.Table, numbers: Iterable[int]) -> pa.Table:
    return table.filter(pa.array(~np.isin(table["record"].to_numpy(), list(numbers)))) if len(table) else table


def _line_of(block: Block, line: int) -> tuple[int, bytes]:
    start = 0
    for _ in range(line - block.first_line):
        start = block.data.index(b"\n", start) + 1
    end = block.data.find(b"\n", start)
    return block.offset + start, block.data[start : end if end >= 0 else None]


def _line_groups(path: Path, source: ColumnSource, context: Context) -> Iterator[_Records]:
    records = _Records()
    try:
        for block, table in parsed_blocks(path, source):
            if isinstance(block, OversizedLine):
                _take(oversized(block), source, context, records, [])
                continue
            if table is None:
                _slow(block, source, context, records)
            else:
                records.tables.append(table)
                records.spans.append((np.arange(block.first_line, block.first_line + len(table)), block))
                records.read += len(table)
            if len(records) >= GROUP_ROWS:
                yield records
                records = _Records()
    except Truncated as truncated:
        _truncate(records, truncated)
    yield records


def _truncate(records: _Records, truncated: Truncated) -> None:
    """The stream broke off: what it left of a record is a reject, and the group says so."""
    reason, rest = truncated.args
    records.truncated = reason
    if rest.data:
        records.read += 1
        digest = sha256(rest.data).digest()
        item = Item(f"line {rest.first_line}", rest.first_line, rest.offset, digest, {})
        records.reject(Rejected("truncated_stream", reason), item)


def _slow(block: Block, source: ColumnSource, context: Context, records: _Records) -> None:
    """Read a block line by line: each bad line is rejected for itself."""
    fitted: list[tuple[int, Record]] = []
    lines: list[int] = []
    for item in block_items(block, source):
        _take(item, source, context, records, fitted)
        lines += [item.number] * (len(fitted) - len(lines))
    records.tables += _tables(fitted, source)
    records.spans.append((np.array(lines, dtype=np.int64), block))


def _fit_any(record: Record, source: ColumnSource) -> tuple[int, Record]:
    first: Rejected | None = None
    for number, schema in enumerate(source.schemas):
        if record.get(schema[0].name) is None:
            continue
        try:
            return number, fit(record, schema, e_notation=source.e_notation)
        except Rejected as rejected:
            first = first or rejected
    raise first or Rejected("unknown_shape", "no id")


def _tables(fitted: list[tuple[int, Record]], source: ColumnSource) -> list[pa.Table]:
    """One table per run of rows that fit the same variant, in their order."""
    return [
        pa.Table.from_pylist([row for _, row in run], schema=source.schemas[number])
        for number, run in groupby(fitted, key=lambda item: item[0])
    ]


def _take(item: Item, source: Source, context: Context, records: _Records, fitted: list[tuple[int, Record]]) -> None:
    """Read one record: fit it to the schemas of a ColumnSource, or let a RowSource make its usage rows."""
    records.read += 1
    try:
        if isinstance(item.record, Rejected):
            raise item.record
        if isinstance(source, ColumnSource):
            fitted.append(_fit_any(item.record, source))
            return
        assert isinstance(source, RowSource)
        if key := given_twice(item.record):
            raise Rejected("unknown_shape", f"{key[:100]} is given twice")
        rows = rows_of(source, item.place, item.record, context)
    except Rejected as rejected:
        records.reject(rejected, item)
    except Skip as skip:
        records.skipped[str(skip)] += 1
    else:
        if not rows:
            records.skipped["no_usage"] += 1
            return
        records.read += len(rows) - 1  # a record of several calls counts as so many
        for row in rows:
            (records.lines if isinstance(row, Line) else records.rows).append({**row, "record": len(records.named)})
        records.named.append(item._replace(record={}))


def _item_groups(items: Iterator[Item], source: Source, context: Context) -> Iterator[_Records]:
    records, fitted = _Records(), list[tuple[int, Record]]()
    try:
        for item in items:
            before = len(fitted)
            _take(item, source, context, records, fitted)
            if len(fitted) > before:
                records.named.append(item._replace(record={}))
            if records.read >= GROUP_ROWS:
                yield _with_tables(records, fitted, source)
                records, fitted = _Records(), []
    except Truncated as truncated:
        _truncate(records, truncated)
    except PullFailed as failed:
        records.truncated = str(failed)
    yield _with_tables(records, fitted, source)


def _with_tables(records: _Records, fitted: list[tuple[int, Record]], source: Source) -> _Records:
    if isinstance(source, ColumnSource):
        records.tables += _tables(fitted, source)
    return records
