"""Opening files: plain, gzip or zstd, in bounded memory, with bombs refused before anything is read from them."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

READ_SIZE = 1 << 18
BLOCK_SIZE = 1 << 20
MAX_LINE = 4 << 20
MAX_DOCUMENT = 64 << 20
MAX_RATIO, RATIO_FROM = 200, 64 << 20  # a log seldom packs better than 50:1; zeros pack 1029:1
_NEWLINE = 10
_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"


class Bomb(Exception):
    """The file decodes to far more than it holds; refused, nothing kept."""


class Truncated(Exception):
    """A compressed stream ends before its end; what came before it was read."""


@dataclass(frozen=True)
class OversizedLine:
    """A line longer than MAX_LINE, skipped."""

    line: int
    offset: int
    digest: bytes


@dataclass(frozen=True)
class Block:
    """Whole lines: ``data`` ends with a newline unless the file's last line has none."""

    data: bytes
    first_line: int
    offset: int


def compression(path: Path) -> str:
    """'gzip', 'zstd', 'parquet' or '' by the first bytes, whatever the name says."""
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_GZIP):
        return "gzip"
    if head == _ZSTD:
        return "zstd"
    return "parquet" if head == _PARQUET else ""


def pieces(path: Path) -> Iterator[bytes]:
    """The decoded bytes of a file in pieces of bounded size. Raises Truncated after the last piece that could be read."""
    kind = compression(path)
    with path.open("rb") as file:
        if kind == "gzip":
            yield from _gunzip(file)
        elif kind == "zstd":
            yield from _unzstd(file)
        else:
            while piece := file.read(BLOCK_SIZE):
                yield piece


def _gunzip(file: IO[bytes]) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    started = False
    while raw := file.read(READ_SIZE):
        while raw:
            try:
                piece = decoder.decompress(raw, BLOCK_SIZE)
            except zlib.error as error:
                if not started and decoder.unused_data == b"":
                    raise Truncated(f"not readable as gzip: {error}") from None
                raise Truncated(f"damaged gzip: {error}") from None
            started = True
            if piece:
                yield piece
            if decoder.eof:
                raw = decoder.unused_data.lstrip(b"\x00")
                if raw:
                    decoder = zlib.decompressobj(wbits=31)
            else:
                raw = decoder.unconsumed_tail
    if not decoder.eof:
        raise Truncated("the gzip stream ends early")


def _unzstd(file: IO[bytes]) -> Iterator[bytes]:
    with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as stream:
        while True:
            try:
                piece = stream.read(BLOCK_SIZE)
            except OSError as error:
                raise Truncated(f"damaged or truncated zstd: {error}") from None
            if not piece:
                return
            yield piece


def refuse_bombs(path: Path) -> None:
    """Decode a compressed file once without keeping anything. Raises Bomb above 200 times its size (from 64 MiB on).

    This costs about a second per gigabyte and is what allows "refused with nothing kept".
    """
    if compression(path) not in {"gzip", "zstd"}:
        return
    size, limit, decoded = path.stat().st_size, 0, 0
    limit = max(RATIO_FROM, size * MAX_RATIO)
    try:
        for piece in pieces(path):
            decoded += len(piece)
            if decoded > limit:
                raise Bomb(f"decodes to more than {MAX_RATIO} times its {size:,} bytes")
    except Truncated:
        return  # said again, with its place, when it is read


def line_blocks(path: Path) -> Iterator[Block | OversizedLine]:
    """Blocks of whole lines of about BLOCK_SIZE. Raises Truncated after the last whole line of a broken stream;
    its ``args[1]`` is the Block of the unfinished line.

    Which line is too long depends on its length alone, never on how the pieces of the file happen to be cut.
    """
    rest, line, offset = b"", 1, 0
    skipping = None  # sha256 of the oversized line being skipped
    try:
        for piece in pieces(path):
            if skipping is None and len(rest) <= MAX_LINE < len(rest) + _line_length(piece):
                skipping, skipped, rest = sha256(rest), len(rest), b""
            if skipping is not None:
                end = piece.find(b"\n")
                skipping.update(piece[: end if end >= 0 else None])
                if end < 0:
                    skipped += len(piece)
                    continue
                yield OversizedLine(line, offset, skipping.digest())
                line, offset, skipping, piece = line + 1, offset + skipped + end + 1, None, piece[end + 1 :]
            cut = piece.rfind(b"\n") + 1
            if not cut:
                rest += piece
                continue
            whole = b"".join((rest, memoryview(piece)[:cut]))
            rest = piece[cut:]
            yield Block(whole, line, offset)
            line, offset = line + newlines(whole), offset + len(whole)
    except Truncated as truncated:
        if skipping is not None:
            yield OversizedLine(line, offset, skipping.digest())
        raise Truncated(str(truncated), Block(rest, line, offset)) from None
    if skipping is not None:
        yield OversizedLine(line, offset, skipping.digest())
    elif rest:
        yield Block(rest, line, offset)


def newlines(data: bytes) -> int:
    """How many there are: by numpy in a quarter of the time of bytes.count, which stops at each."""
    return int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == _NEWLINE))


def _line_length(piece: bytes) -> int:
    """Bytes up to the end of the line that the piece begins with, or to the piece's end."""
    end = piece.find(b"\n")
    return end if end >= 0 else len(piece)


def head(path: Path, size: int) -> tuple[bytes, bool]:
    """Up to ``size`` decoded bytes from the start, and whether that is the whole file."""
    found = bytearray()
    try:
        for piece in pieces(path):
            found += piece
            if len(found) > size:
                return bytes(found[:size]), False
    except Truncated:
        return bytes(found), False
    return bytes(found), True
