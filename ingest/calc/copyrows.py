"""Rows as PostgreSQL's binary COPY format, made by numpy: a matrix of bytes and a mask of those that are sent.

Source: PostgreSQL documentation, COPY, "Binary Format"; types' send/receive functions in src/backend/utils/adt.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
EPOCH_2000_US = 946_684_800_000_000
EPOCH_2000_DAYS = 10_957


class Column(NamedTuple):
    """One column: values, which of them are NULL (None: none) and the PostgreSQL type."""

    type: str  # bool, int2, int4, int8, date (days since 1970), timestamptz (us since 1970), uuid (V16), numeric (decimal128)
    values: Any
    null: Mask | None = None


_BIG_ENDIAN = {"bool": "i1", "int2": ">i2", "int4": ">i4", "int8": ">i8", "date": ">i4", "timestamptz": ">i8"}
_SHIFT = {"date": EPOCH_2000_DAYS, "timestamptz": EPOCH_2000_US}


def encode(columns: Sequence[Column], rows: int) -> bytes:
    """The rows as binary COPY data with header and trailer."""
    blocks: list[Bytes] = [_big(np.full(rows, len(columns)), ">i2")]
    masks: list[Mask | None] = [None]
    for column in columns:
        null = column.null
        if null is not None and null.all():
            blocks.append(np.full((rows, 4), 0xFF, dtype=np.uint8))
            masks.append(None)
            continue
        data = _data(column)
        length = np.full(rows, data.shape[1], dtype=np.int32)
        if null is None or not null.any():
            blocks += [_big(length, ">i4"), data]
            masks += [None, None]
        else:
            length[null] = -1
            blocks += [_big(length, ">i4"), data]
            masks += [None, ~null]
    if all(mask is None for mask in masks):
        return HEADER + np.concatenate(blocks, axis=1).tobytes() + TRAILER
    matrix = np.concatenate(blocks, axis=1)
    sent = np.ones(matrix.shape, dtype=bool)
    start = 0
    for block, mask in zip(blocks, masks, strict=True):
        if mask is not None:
            sent[:, start : start + block.shape[1]] = mask[:, None]
        start += block.shape[1]
    return HEADER + matrix[sent].tobytes() + TRAILER


def _big(values: Any, dtype: str) -> Bytes:
    array = np.ascontiguousarray(values, dtype=dtype)
    return array.view(np.uint8).reshape(len(array), array.dtype.itemsize)


def _data(column: Column) -> Bytes:
    if column.type == "uuid":
        return np.ascontiguousarray(column.values).view(np.uint8).reshape(len(column.values), 16)
    if column.type == "numeric":
        return _numeric(column.values)
    return _big(column.values - _SHIFT.get(column.type, 0), _BIG_ENDIAN[column.type])


def _numeric(values: Any) -> Bytes:
    """Non-negative decimals below 10^12 with 12 decimals: six base-10000 digits, weight 2; zeros are stripped by PostgreSQL."""
    filled = pc.fill_null(values, pa.scalar(0, values.type))
    whole = pc.floor(filled)
    fraction = pc.subtract(filled.cast(pa.decimal128(30, 12)), whole.cast(pa.decimal128(30, 12)))
    parts = []
    for part in (whole.cast(pa.int64()), _pico(fraction)):
        number = part.to_numpy(zero_copy_only=False) if isinstance(part, pa.Array) else part
        parts += [number // 100_000_000, number // 10_000 % 10_000, number % 10_000]
    rows = len(parts[0])
    fields = np.empty((rows, 10), dtype=">i2")
    fields[:, :4] = (6, 2, 0, 12)  # digits, weight, sign, display scale
    fields[:, 4:] = np.stack(parts, axis=1)
    return fields.view(np.uint8).reshape(rows, 20)


def _pico(fraction: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """decimal128(31,12) fractions as int64 counts of 10^-12: the low word of each 16-byte value."""
    array = fraction.combine_chunks() if isinstance(fraction, pa.ChunkedArray) else fraction
    words = np.frombuffer(array.buffers()[1], dtype="<i8", count=2 * (array.offset + len(array)))
    return words[2 * array.offset :: 2]
