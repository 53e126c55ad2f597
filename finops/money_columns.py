"""What a column of money is: ``decimal128(30, 12)``, in a pandas Series with an ArrowDtype or a pyarrow array."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from finops.numbers import written

SCALE = 12
LIMIT = 10**30  # exclusive bound of the unscaled value
MONEY = pa.decimal128(30, SCALE)
RATE = pa.decimal128(24, SCALE)
MONEY_DTYPE = pd.ArrowDtype(MONEY)

Column = Any  # pd.Series with ArrowDtype, pa.Array or pa.ChunkedArray; Any because the stubs of both disagree

_STEP = Decimal(1).scaleb(-SCALE)
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, Inexact])
_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


class MoneyError(ValueError):
    """A money column has the wrong type, a value has no exact place in (30, 12), or a share has no basis."""


def exact(value: object, *, rounding: bool = False) -> Decimal:
    """A value as exact money: with at most SCALE decimals, or rounded half-even to them. Raises MoneyError."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise MoneyError(f"{value!r} ({type(value).__name__}) is not exact money")
    try:
        number = written(value) if isinstance(value, str) else Decimal(value)
        if not number.is_finite():
            raise MoneyError(f"{value!r} is not a finite amount")
        number = (_ROUNDING if rounding else _EXACT).quantize(number, _STEP)
    except Inexact:
        raise MoneyError(f"{value!r} has more than {SCALE} decimals") from None
    except InvalidOperation:
        raise MoneyError(f"{value!r} is not an amount that fits {MONEY}") from None
    if abs(unscaled(number, SCALE)) >= LIMIT:
        raise MoneyError(f"{value!r} does not fit {MONEY}")
    return number


def unscaled(value: int | Decimal, scale: int) -> int:
    """A number in units of 10**-scale."""
    return value * 10**scale if isinstance(value, int) else int(value.scaleb(scale, _EXACT))


def array_of(column: Column) -> pa.Array[Any]:
    """The Arrow array of a column. Raises MoneyError."""
    if isinstance(column, pd.Series):
        if not isinstance(column.dtype, pd.ArrowDtype):
            raise MoneyError(f"column {column.name} is {column.dtype}, expected an Arrow-backed type")
        column = pa.array(column, from_pandas=False)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.Array):
        return column
    raise MoneyError(f"{type(column).__name__} is not a column")


def money_array(column: Column) -> pa.Array[Any]:
    """The Arrow array of a column of money. Raises MoneyError."""
    if (array := array_of(column)).type == MONEY:
        return array
    raise MoneyError(f"column is {array.type}, expected {MONEY}")


def operand(first: Column, other: Column | Decimal, *, exact_type: bool = True) -> Any:
    """The other side of a sum or product, fit for the first. Raises MoneyError."""
    if isinstance(other, Decimal):
        return pa.scalar(exact(other), MONEY)
    if isinstance(first, pd.Series) and isinstance(other, pd.Series) and not first.index.equals(other.index):
        raise MoneyError("the two columns have different indexes")
    array = money_array(other) if exact_type else array_of(other)
    if len(array) != len(first):
        raise MoneyError(f"columns have {len(first)} and {len(array)} rows")
    return array


def narrow(array: Any) -> pa.Array[Any]:
    """A widened result as money again. Raises MoneyError where it does not fit."""
    try:
        return array_of(array).cast(MONEY)
    except pa.ArrowInvalid as error:
        raise MoneyError(f"overflow: {error}") from error


def valid_of(array: pa.Array[Any]) -> Any:
    """Which values are not NULL."""
    return np.asarray(array.is_valid())


def words_of(array: pa.Array[Any]) -> tuple[Any, Any]:
    """Low 64 bits of each value as int64, and whether they are the whole value."""
    if pa.types.is_integer(array.type):
        if array.type == pa.uint64():
            raise MoneyError("quantity is uint64, expected int64")
        integers: Any = array.cast(pa.int64())
        return integers.fill_null(0).to_numpy(zero_copy_only=False), np.True_
    if not pa.types.is_decimal128(array.type):
        raise MoneyError(f"{array.type} is not decimal128")
    if len(array) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    data: Any = array.buffers()[1]
    words = np.frombuffer(data, dtype=np.int64).reshape(-1, 2)[array.offset : array.offset + len(array)]
    return words[:, 0], words[:, 1] == words[:, 0] >> 63


def like(column: Column, array: pa.Array[Any], *, index: bool = True) -> Column:
    """An array in the form of a column."""
    if isinstance(column, pd.Series):
        return pd.Series(pd.arrays.ArrowExtensionArray(array), index=column.index if index else None, name=column.name)
    return pa.chunked_array([array]) if isinstance(column, pa.ChunkedArray) else array
