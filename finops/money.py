"""Exact money on Arrow-backed columns: every product, share, sum of sums and difference goes through here.

Money is ``decimal128(30, 12)``. pandas and pyarrow widen it on a sum, refuse it in a product and turn it into objects
or floats elsewhere; the functions below return ``decimal128(30, 12)`` again or raise ``MoneyError``. Columns are pandas
Series with an ArrowDtype, or pyarrow arrays; the result has the form (and the index) of the first column given.
NULL means "not priced": it stays NULL in ``add``, ``subtract`` and ``multiply`` and is skipped by totals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

SCALE = 12
LIMIT = 10**30  # exclusive bound of the unscaled value
MONEY = pa.decimal128(30, SCALE)
RATE = pa.decimal128(24, SCALE)
MONEY_DTYPE = pd.ArrowDtype(MONEY)

# ISO 4217: currencies whose smallest unit is not a hundredth.
_NO_MINOR = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF")
_MILS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
MINOR_UNITS = dict.fromkeys((*_NO_MINOR, "XOF", "XPF"), 0) | dict.fromkeys(_MILS, 3) | {"CLF": 4, "UYW": 4}

Column = Any  # pd.Series with ArrowDtype, pa.Array or pa.ChunkedArray; Any because the stubs of both disagree

_STEP = Decimal(1).scaleb(-SCALE)
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, Inexact])
_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_SAFE_PRODUCT = 9.0e18  # below 2**63 by more than the error of a float product


class MoneyError(ValueError):
    """A money column has the wrong type, a value has no exact place in (30, 12), or a share has no basis."""


def money(values: Iterable[str | int | Decimal | None], *, round: bool = False) -> pa.Array[Any]:
    """Build a money array from strings, Decimals or ints (units of currency); None becomes NULL.

    Floats, NaN and infinities are refused, and so is a thirteenth decimal unless ``round``, which rounds half-even.
    Raises MoneyError.
    """
    return pa.array([None if value is None else _exact(value, rounding=round) for value in values], MONEY)


def total(column: Column) -> Decimal:
    """Sum of a money column in units of currency, NULLs skipped; 0 for no values. Raises MoneyError on overflow."""
    return _exact(pc.sum(_money_array(column)).as_py() or Decimal(0))


def total_by(frame: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Sum money ``columns`` per distinct ``keys`` (NULL is a key of its own), sorted by the keys.

    Out: keys as they were, columns as money. A group that holds only NULLs stays NULL: nothing in it was priced.
    Invariant: the totals add up to ``total`` of each column. Raises MoneyError on overflow or on a column not money.
    """
    require_money(frame, columns)
    if not keys:
        return pd.DataFrame({name: _like(frame[name], money([total(frame[name])]), index=False) for name in columns})
    grouped = frame.groupby(list(keys), dropna=False, observed=True, sort=True)[list(columns)].sum(min_count=1)
    return grouped.assign(
        **{name: _like(grouped[name], _narrow(_array(grouped[name]))) for name in columns}
    ).reset_index()


def add(a: Column, b: Column | Decimal) -> Column:
    """Row-wise a + b of money columns of one length and index (or one Decimal). NULL + x is NULL."""
    return _like(a, _narrow(pc.add(_money_array(a), _operand(a, b))))


def subtract(a: Column, b: Column | Decimal) -> Column:
    """Row-wise a - b of money columns of one length and index (or one Decimal). NULL - x is NULL."""
    return _like(a, _narrow(pc.subtract(_money_array(a), _operand(a, b))))


def multiply(quantity: Column, rate: Column | Decimal, per: Any = 1_000_000) -> Column:
    """Row-wise quantity x rate / per as money, rounded half-even once at 12 decimals.

    In: quantity int64 or decimal128, rate decimal128 with 12 decimals per ``per`` units (or one Decimal), per positive,
    int or an int64 array. NULL in either gives NULL. Raises MoneyError on overflow and on floats or objects.
    """
    amounts: Any = _array(quantity)
    rates = _operand(quantity, rate, exact_type=False)
    if isinstance(rates, pa.Scalar):
        rates = pa.array([rates.as_py()] * len(amounts), rates.type)
    if not (pa.types.is_integer(amounts.type) or pa.types.is_decimal(amounts.type)):
        raise MoneyError(f"quantity is {amounts.type}, expected int64 or decimal128")
    if not pa.types.is_decimal(rates.type) or rates.type.scale != SCALE:
        raise MoneyError(f"rate is {rates.type}, expected decimal128 with {SCALE} decimals")
    if len(amounts) != len(rates):
        raise MoneyError(f"{len(amounts)} quantities but {len(rates)} rates")
    shift = amounts.type.scale if pa.types.is_decimal(amounts.type) else 0
    valid = _valid(amounts) & _valid(rates)
    low_q, fits_q, low_r, fits_r = *_words(amounts), *_words(rates)
    divisor = np.broadcast_to(np.asarray(per, dtype=np.int64), valid.shape) * 10**shift
    if (divisor <= 0).any():
        raise MoneyError("per must be positive")
    words = np.zeros((len(valid), 2), dtype=np.int64)
    fast = valid & fits_q & fits_r
    fast &= product_into(words, fast, low_q, low_r, divisor)
    for row in np.flatnonzero(valid & ~fast):
        product = _unscaled(amounts[row].as_py(), shift) * _unscaled(rates[row].as_py(), SCALE)
        words[row] = _split(_half_even(product, int(divisor[row])))
    return _like(quantity, from_words(words, valid))


def product_into(words: Any, rows: Any, quantity: Any, rate: Any, divisor: Any) -> Any:
    """Write quantity x rate / divisor, half-even, into the 128-bit ``words`` of those ``rows`` where int64 suffices.

    All int64 arrays of one length (``words`` of shape (n, 2), low word first); returns which rows fitted and are done.
    """
    reduced, rest = np.divmod(rate, divisor)
    whole = rest == 0
    factor = np.where(whole, reduced, rate)
    rows = rows & (np.abs(quantity.astype(np.float64)) * np.abs(factor.astype(np.float64)) < _SAFE_PRODUCT)
    with np.errstate(over="ignore"):  # rows that do not fit are computed too and thrown away
        result = quantity * factor
    split = np.flatnonzero(rows & ~whole)
    if len(split):
        unit = divisor[split]
        floor, rest = np.divmod(result[split], unit)
        twice = rest - (unit - rest)
        result[split] = floor + ((twice > 0) | ((twice == 0) & (floor % 2 == 1)))
    words[rows, 0], words[rows, 1] = result[rows], result[rows] >> 63
    return rows


def from_words(words: Any, valid: Any = None, kind: Any = MONEY) -> pa.Array[Any]:
    """12-decimal array over int64 ``words`` of shape (n, 2), low word first; NULL where ``valid`` is False."""
    data: Any = np.ascontiguousarray(words)
    bits: Any = None if valid is None or valid.all() else np.packbits(valid, bitorder="little")
    return pa.Array.from_buffers(kind, len(words), [None if bits is None else pa.py_buffer(bits), pa.py_buffer(data)])


def share(cost: Decimal, weights: Column | Sequence[int | Decimal]) -> Column:
    """Split one cost over weights by largest remainder at 12 decimals; ties go to the earlier row.

    In: cost in units of currency, may be negative; weights ints or decimals, not negative, not NULL. Out: money, in the
    order of the weights. Invariant: the parts add up to ``cost`` exactly. All-zero (or no) weights raise MoneyError.
    """
    basis = _weights(weights)
    units = _unscaled(_exact(cost), SCALE)
    if (whole := sum(basis)) == 0:
        raise MoneyError("cannot share by weights that are all zero")
    parts = [divmod(abs(units) * weight, whole) for weight in basis]
    counts = _largest_remainder([part for part, _ in parts], [rest for _, rest in parts], abs(units))
    words = [_split(-count if units < 0 else count) for count in counts]
    return _like(weights, from_words(np.array(words, dtype=np.int64).reshape(-1, 2)))


def round_to_minor(amounts: Column, currency: str) -> Column:
    """Round money to the currency's minor unit (JPY 0, KWD 3, else mostly 2) so that the parts still add up.

    The total is rounded half-even; the parts are rounded down and the rest goes to the largest remainders, ties to the
    earlier row. NULL stays NULL. Invariants: sum = rounded total; every part moves by less than one minor unit.
    """
    array, step = _money_array(amounts), 10 ** (SCALE - minor_digits(currency))
    values = [_unscaled(value, SCALE) for value in array.to_pylist() if value is not None]
    floors = [divmod(value, step) for value in values]
    goal = _half_even(sum(values), step)
    counts = iter(_largest_remainder([floor for floor, _ in floors], [rest for _, rest in floors], goal))
    valid = _valid(array)
    words = np.array([_split(next(counts) * step) if ok else (0, 0) for ok in valid], dtype=np.int64).reshape(-1, 2)
    return _like(amounts, from_words(words, valid))


def minor_digits(currency: str) -> int:
    """Decimals of a currency's minor unit (ISO 4217). Raises MoneyError on anything that is not a three-letter code."""
    if len(currency) != 3 or not currency.isascii() or not currency.isupper() or not currency.isalpha():
        raise MoneyError(f"{currency!r} is not an ISO 4217 currency code")
    return MINOR_UNITS.get(currency, 2)


def require_money(frame: pd.DataFrame | pa.Table, columns: Sequence[str]) -> None:
    """Raise MoneyError naming every column that is missing or not ``decimal128(30, 12)``."""
    for name in columns:
        if name not in (frame.column_names if isinstance(frame, pa.Table) else frame.columns):
            raise MoneyError(f"column {name} is missing")
        kind = frame.schema.field(name).type if isinstance(frame, pa.Table) else frame[name].dtype
        if kind not in (MONEY, MONEY_DTYPE):
            raise MoneyError(f"column {name} is {kind}, expected {MONEY}")


def _exact(value: object, *, rounding: bool = False) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise MoneyError(f"{value!r} ({type(value).__name__}) is not exact money")
    try:
        number = Decimal(value)
        if not number.is_finite():
            raise MoneyError(f"{value!r} is not a finite amount")
        number = (_ROUNDING if rounding else _EXACT).quantize(number, _STEP)
    except Inexact:
        raise MoneyError(f"{value!r} has more than {SCALE} decimals") from None
    except InvalidOperation:
        raise MoneyError(f"{value!r} is not an amount that fits {MONEY}") from None
    if abs(_unscaled(number, SCALE)) >= LIMIT:
        raise MoneyError(f"{value!r} does not fit {MONEY}")
    return number


def _unscaled(value: int | Decimal, scale: int) -> int:
    return value * 10**scale if isinstance(value, int) else int(value.scaleb(scale, _EXACT))


def _half_even(value: int, divisor: int) -> int:
    floor, rest = divmod(value, divisor)
    return floor + (2 * rest > divisor or (2 * rest == divisor and floor % 2 == 1))


def _split(value: int) -> tuple[int, int]:
    if abs(value) >= LIMIT:
        raise MoneyError(f"{Decimal(value).scaleb(-SCALE)} does not fit {MONEY}")
    low = value & (2**64 - 1)
    return (low - 2**64 if low >= 2**63 else low), value >> 64


def _largest_remainder(floors: list[int], remainders: list[int], goal: int) -> list[int]:
    order = sorted(range(len(floors)), key=lambda row: -remainders[row])
    for row in order[: goal - sum(floors)]:
        floors[row] += 1
    return floors


def _weights(weights: Column | Sequence[int | Decimal]) -> list[int]:
    column = isinstance(weights, (pd.Series, pa.Array, pa.ChunkedArray))
    values: list[Any] = _array(weights).to_pylist() if column else list(weights)
    for value in values:
        number = Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else Decimal("nan")
        if not number.is_finite() or number < 0:
            raise MoneyError(f"weight {value!r} is negative, or no int and no finite Decimal")
    scale = max((-int(value.as_tuple().exponent) for value in values if isinstance(value, Decimal)), default=0)
    return [int(Decimal(value).scaleb(max(scale, 0), Context(prec=200))) for value in values]


def _array(column: Column) -> pa.Array[Any]:
    if isinstance(column, pd.Series):
        if not isinstance(column.dtype, pd.ArrowDtype):
            raise MoneyError(f"column {column.name} is {column.dtype}, expected an Arrow-backed type")
        column = pa.array(column, from_pandas=False)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.Array):
        return column
    raise MoneyError(f"{type(column).__name__} is not a column")


def _money_array(column: Column) -> pa.Array[Any]:
    if (array := _array(column)).type == MONEY:
        return array
    raise MoneyError(f"column is {array.type}, expected {MONEY}")


def _operand(first: Column, other: Column | Decimal, *, exact_type: bool = True) -> Any:
    if isinstance(other, Decimal):
        return pa.scalar(_exact(other), MONEY)
    if isinstance(first, pd.Series) and isinstance(other, pd.Series) and not first.index.equals(other.index):
        raise MoneyError("the two columns have different indexes")
    array = _money_array(other) if exact_type else _array(other)
    if len(array) != len(first):
        raise MoneyError(f"columns have {len(first)} and {len(array)} rows")
    return array


def _narrow(array: Any) -> pa.Array[Any]:
    try:
        return _array(array).cast(MONEY)
    except pa.ArrowInvalid as error:
        raise MoneyError(f"overflow: {error}") from error


def _valid(array: pa.Array[Any]) -> Any:
    return np.asarray(array.is_valid())


def _words(array: pa.Array[Any]) -> tuple[Any, Any]:
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


def _like(column: Column, array: pa.Array[Any], *, index: bool = True) -> Column:
    if isinstance(column, pd.Series):
        return pd.Series(pd.arrays.ArrowExtensionArray(array), index=column.index if index else None, name=column.name)
    return pa.chunked_array([array]) if isinstance(column, pa.ChunkedArray) else array
