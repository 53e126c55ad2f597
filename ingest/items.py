"""Records that are read one by one, with their places: JSON lines, JSON documents, CSV and Parquet."""

import csv
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest import streams
from ingest.calc.columns import Numerals
from ingest.calc.reasons import Rejected
from ingest.calc.records import given_twice, load_json
from ingest.pull import Page, PullFailed
from ingest.source import Context, NotThisKind, Record, Source
from ingest.source_faults import called, listed
from ingest.streams import Block, Bomb, OversizedLine, Truncated

TOO_LONG = f"longer than {streams.MAX_LINE:,} bytes"
BOM = b"\xef\xbb\xbf"
MAX_TEXT = 1 << 16
_MAX_QUOTED_LINES = 500  # a CSV record over more lines than this is an open quotation mark, not a record
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")
_ROWS_AT_ONCE = 1_000


class Item(NamedTuple):
    """One record and where it stands. ``number``: its line, or its row or position where there are no lines."""

    place: str
    number: int
    offset: int | None
    digest: bytes  # of its bytes
    record: Record | Rejected


class _Line(NamedTuple):
    number: int
    offset: int
    raw: bytes


def line_items(path: Path, source: Source, context: Context) -> Iterator[Item]:  # noqa: ARG001
    """The records of JSON lines; a line may hold a page of them. Raises Truncated."""
    for block in streams.line_blocks(path):
        if isinstance(block, OversizedLine):
            yield oversized(block)
        else:
            yield from block_items(block, source)


def block_items(block: Block, source: Source) -> Iterator[Item]:
    """The records of the lines of a block."""
    for line in _lines_of(block):
        raw = line.raw.removesuffix(b"\n")
        text = raw.removeprefix(BOM) if line.number == 1 else raw
        if text.strip():
            digest = sha256(raw).digest()
            yield from _records_of(text, source, Item(f"line {line.number}", line.number, line.offset, digest, {}))


def oversized(line: OversizedLine) -> Item:
    """The reject of a line that is too long."""
    return Item(f"line {line.line}", line.line, line.offset, line.digest, Rejected("too_long", TOO_LONG))


def _records_of(text: bytes, source: Source, item: Item) -> Iterator[Item]:
    try:
        value = load_json(text)
        if not called(source, item.place, source.is_page, value):
            if not isinstance(value, dict):
                raise Rejected("unknown_shape", f"a JSON {type(value).__name__}, not an object")
            yield item._replace(record=value)
            return
        for pointer, record in listed(source, item.place, source.records, value):
            good = record if isinstance(record, dict) else Rejected("unknown_shape", "not an object")
            yield item._replace(place=f"{pointer} in {item.place}" if pointer else item.place, record=good)
    except NotThisKind as other:
        yield item._replace(record=Rejected("unknown_shape", str(other)))
    except Rejected as rejected:
        yield item._replace(record=rejected)


def page_items(pages: Iterable[Page], source: Source) -> Iterator[Item]:
    """The records of pulled pages, each of which is a document. Raises PullFailed."""
    number = count()
    for page in pages:
        try:
            for pointer, record in listed(source, page.place, source.records, page.document):
                good = record if isinstance(record, dict) else Rejected("unknown_shape", "not an object")
                digest = sha256(json.dumps(record, sort_keys=True, default=str).encode()).digest()
                yield Item(f"{page.place} {pointer}".rstrip(), next(number), None, digest, good)
        except NotThisKind as other:
            raise PullFailed(f"{page.place}: {other}") from None


def document_items(path: Path, source: Source, context: Context) -> Iterator[Item]:  # noqa: ARG001
    """The records of a JSON document. Raises Bomb, Truncated, and NotThisKind for a document of another kind."""
    raw = bytearray()
    try:
        for piece in streams.pieces(path):
            raw += piece
            if len(raw) > streams.MAX_DOCUMENT:
                raise Bomb(f"a JSON document of more than {streams.MAX_DOCUMENT:,} bytes")
    except Truncated as truncated:
        raise Truncated(str(truncated), Block(bytes(raw), 1, 0)) from None
    try:
        text = bytes(raw).removeprefix(BOM)
        is_text = source.reads_text and text.lstrip()[:1] not in (b"{", b"[")
        document: Any = text if is_text else load_json(text)
        if key := given_twice(document):
            raise Rejected("unknown_shape", f"{key[:100]} is given twice")
    except Rejected as rejected:
        yield Item("document", 1, 0, sha256(raw).digest(), rejected)
        return
    for number, (pointer, record) in enumerate(listed(source, "the document", source.records, document), 1):
        good = record if isinstance(record, dict) else Rejected("unknown_shape", "not an object")
        yield Item(pointer or "document", number, None, _digest(record), good)


def csv_items(path: Path, source: Source, context: Context) -> Iterator[Item]:
    """The records of a CSV. A line that cannot be read is a reject of its own; the lines after it are read.

    Raises NotThisKind for a file whose headings cannot be used.
    """
    lines = _Lines(path)
    numerals: Numerals = getattr(context.mapping, "csv", None) or Numerals()
    headings, delimiter = _headings(lines, numerals.delimiter or ("\t" if ".tsv" in path.name.lower() else None))
    called(source, "the headings", source.columns, headings, context)
    for line in lines:
        if isinstance(line, OversizedLine):
            yield oversized(line)
        elif line.raw.strip():
            record, raw = _csv_record(lines, line, headings, delimiter)
            digest = sha256(raw.removesuffix(b"\n")).digest()
            yield Item(f"line {line.number}", line.number, line.offset, digest, record)


def _digest(record: Any) -> bytes:
    return sha256(repr(record).encode("utf-8", "replace")).digest()


class _Lines:
    """Physical lines of a file, of which some may be put back."""

    def __init__(self, path: Path) -> None:
        self._lines = self._read(path)
        self._again: deque[_Line | OversizedLine] = deque()

    def __iter__(self) -> Iterator[_Line | OversizedLine]:
        while (line := self.take()) is not None:
            yield line

    def take(self) -> _Line | OversizedLine | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def put_back(self, lines: list[_Line | OversizedLine]) -> None:
        self._again.extendleft(reversed(lines))

    @staticmethod
    def _read(path: Path) -> Iterator[_Line | OversizedLine]:
        for block in streams.line_blocks(path):
            if isinstance(block, OversizedLine):
                yield block
            else:
                yield from _lines_of(block)


def _lines_of(block: Block) -> Iterator[_Line]:
    offset = block.offset
    for number, raw in enumerate(_split(block.data), block.first_line):
        yield _Line(number, offset, raw)
        offset += len(raw)


def _split(data: bytes) -> list[bytes]:
    """Lines with their newlines; only LF ends one (``splitlines`` also cuts at a lone CR)."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _headings(lines: _Lines, delimiter: str | None) -> tuple[list[str], str]:
    line = lines.take()
    while isinstance(line, _Line) and not line.raw.removeprefix(BOM).strip():
        line = lines.take()
    if not isinstance(line, _Line):
        raise NotThisKind("the CSV has no headings")
    raw = line.raw.removeprefix(BOM)
    if match := re.fullmatch(rb"sep=([,;\t|])\r?\n", raw):  # Excel's own hint
        return _headings(lines, match[1].decode())
    delimiter = delimiter or max(",;\t", key=lambda mark: raw.count(mark.encode()))
    try:
        (headings,) = csv.reader([raw.decode("utf-8")], delimiter=delimiter, strict=True)
    except (ValueError, csv.Error):
        raise NotThisKind("the headings of the CSV cannot be read") from None
    headings = [heading.strip() for heading in headings]
    if twice := next((name for name in headings if name and headings.count(name) > 1), None):
        raise NotThisKind(f"the CSV has the heading {twice[:60]} twice")
    return headings, delimiter


def _csv_record(lines: _Lines, line: _Line, headings: list[str], delimiter: str) -> tuple[Record | Rejected, bytes]:
    """The record that begins at ``line``, and its bytes. Lines of a quotation that leads nowhere are put back."""
    held, raw = [line], line.raw
    values = _fields(held, delimiter)
    more: list[_Line | OversizedLine] = []
    while values is None and len(held) < _MAX_QUOTED_LINES and len(raw) < MAX_TEXT:
        following = lines.take()
        if following is None:
            break
        more.append(following)
        if isinstance(following, OversizedLine):
            break
        held.append(following)
        raw += following.raw
        if b'"' in following.raw:  # only such a line can end the quotation
            values = _fields(held, delimiter)
    if isinstance(values, list) and (len(held) == 1 or len(values) == len(headings)):
        return _named(headings, values), raw
    lines.put_back(more)
    return values if isinstance(values, Rejected) else Rejected(
        "unknown_shape", "a quotation mark that is not closed"
    ), line.raw


def _fields(held: list[_Line], delimiter: str) -> list[str] | Rejected | None:
    """The fields of one record; None where a quotation is still open at the end."""
    texts = [line.raw.decode("utf-8", "surrogateescape") for line in held]
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    try:
        values = next(reader)
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
        return Rejected("too_long" if "field limit" in str(error) else "unknown_shape", str(error)[:100])
    return values if reader.line_num == len(texts) else Rejected("unknown_shape", "a quotation mark in the wrong place")


def _named(headings: list[str], values: list[str]) -> Record | Rejected:
    if len(values) != len(headings):  # fewer: a line that was cut, whose last figure would be wrong
        return Rejected("unknown_shape", f"{len(values)} fields under {len(headings)} headings")
    if _UNREADABLE.search("".join(values)):
        return Rejected("bad_utf8", "")
    return {name: value for name, value in zip(headings, values, strict=True) if name}


def parquet_items(path: Path, source: Source, context: Context) -> Iterator[Item]:
    """The rows of a Parquet file. Raises Bomb, NotThisKind, and Truncated where a damaged file cannot be read on."""
    size, number = path.stat().st_size, count(1)
    try:
        schema = pq.read_schema(path)
        strings = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        file = pq.ParquetFile(path, read_dictionary=strings)
    except (pa.ArrowException, OSError) as error:
        raise NotThisKind(f"not readable as Parquet: {error}") from None
    _refuse_parquet_bomb(file, size)
    called(source, "the headings", source.columns, schema.names, context)
    try:
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
            batch, too_long = _without_overlong(batch)
            for index, record in enumerate(batch.to_pylist(maps_as_pydicts="lossy")):
                row = next(number)
                bad = Rejected("too_long", f"a text above {MAX_TEXT >> 10} KiB") if index in too_long else None
                yield Item(f"row {row}", row, None, _digest(record), bad or record)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Truncated(f"damaged Parquet: {error}", Block(b"", next(number), 0)) from None


def _refuse_parquet_bomb(file: pq.ParquetFile, size: int) -> None:
    """Rows and bytes that a file of this size cannot honestly hold."""
    if file.metadata.num_rows > max(size // 2, 1_000):
        raise Bomb(f"{file.metadata.num_rows:,} rows in {size:,} bytes")
    decoded = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
    if decoded > max(streams.RATIO_FROM, size * streams.MAX_RATIO):
        raise Bomb(f"decodes to {decoded:,} bytes from {size:,}")


def _without_overlong(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, set[int]]:
    """The batch with overlong texts set to NULL before they become thousands of Python objects, and their rows."""
    rows, columns = set[int](), list[Any]()
    for column in batch.columns:
        if (
            pa.types.is_dictionary(column.type)
            and (pc.max(pc.binary_length(column.dictionary)).as_py() or 0) > MAX_TEXT
        ):
            long = pc.fill_null(pc.greater(pc.binary_length(column.dictionary).take(column.indices), MAX_TEXT), False)
            rows.update(np.flatnonzero(long.to_numpy(zero_copy_only=False)).tolist())
            indices = pc.if_else(long, pa.scalar(None, column.indices.type), column.indices)
            column = pa.DictionaryArray.from_arrays(indices, column.dictionary)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names), rows
