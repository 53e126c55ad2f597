"""Rows as PostgreSQL's binary COPY format, packed by numpy.

Source: PostgreSQL documentation, COPY, "Binary Format"; types' send/receive functions in src/backend/utils/adt.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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


# Big-endian layout of a value, by type.
_LAYOUT: dict[str, Any] = {
    "bool": "i1", "int2": ">i2", "int4": ">i4", "int8": ">i8", "date": ">i4", "timestamptz": ">i8", "uuid": "V16",
    "numeric": (">i2", (10,)),
}  # fmt: skip
_SHIFT = {"date": EPOCH_2000_DAYS, "timestamptz": EPOCH_2000_US}


def encode(columns: Sequence[Column], rows: int) -> bytes:
    """The rows as binary COPY data with header and trailer.

    Rows that are NULL in the same columns have one layout and are written together, so their order is kept only among
    themselves.
    """
    ready = [
        column._replace(values=_numeric(column.values)) if column.type == "numeric" else column for column in columns
    ]
    absent = [np.zeros(rows, dtype=bool) if column.null is None else column.null for column in columns]
    pattern = np.zeros(rows, dtype=np.int64)
    for null in absent:
        if null.any() and not null.all():
            pattern = pattern << 1 | null
            if pattern.max(initial=0) > 1 << 40:  # keep the code small: number the patterns there are
                pattern = np.unique(pattern, return_inverse=True)[1]
    parts = [HEADER]
    for code in np.unique(pattern):
        chosen = np.flatnonzero(pattern == code)
        parts.append(_rows_alike(ready, [bool(null[chosen[0]]) for null in absent], chosen))
    return b"".join([*parts, TRAILER])


def _rows_alike(columns: Sequence[Column], absent: Sequence[bool], chosen: Any) -> bytes:
    """The chosen rows, all NULL in the same columns, as one packed structured array."""
    layout: list[Any] = [("fields", ">i2")]
    for number, (column, null) in enumerate(zip(columns, absent, strict=True)):
        layout.append((f"length{number}", ">i4"))
        if not null:
            shape = _LAYOUT[column.type]
            layout.append((f"value{number}", *shape) if isinstance(shape, tuple) else (f"value{number}", shape))
    packed = np.empty(len(chosen), dtype=layout)
    packed["fields"] = len(columns)
    for number, (column, null) in enumerate(zip(columns, absent, strict=True)):
        if null:
            packed[f"length{number}"] = -1
            continue
        packed[f"length{number}"] = packed.dtype[f"value{number}"].itemsize
        values = column.values[chosen]
        packed[f"value{number}"] = values - _SHIFT[column.type] if column.type in _SHIFT else values
    return packed.tobytes()


def _numeric(values: Any) -> Any:
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
    return fields


def _pico(fraction: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """decimal128(31,12) fractions as int64 counts of 10^-12: the low word of each 16-byte value."""
    array = fraction.combine_chunks() if isinstance(fraction, pa.ChunkedArray) else fraction
    words = np.frombuffer(array.buffers()[1], dtype="<i8", count=2 * (array.offset + len(array)))
    return words[2 * array.offset :: 2]
