"""Exact money on Arrow-backed columns: every product, share, sum of sums and difference goes through here.

Money is ``decimal128(30, 12)``. pandas and pyarrow widen it on a sum, refuse it in a product and turn it into objects
or floats elsewhere; the functions below return ``decimal128(30, 12)`` again or raise ``MoneyError``. Columns are pandas
Series with an ArrowDtype, or pyarrow arrays; the result has the form (and the index) of the first column given.
NULL means "not priced": it stays NULL in ``add``, ``subtract`` and ``multiply`` and is skipped by totals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from finops.money_columns import (
    LIMIT,
    MONEY,
    MONEY_DTYPE,
    RATE,
    SCALE,
    Column,
    MoneyError,
    array_of,
    exact,
    like,
    money_array,
    narrow,
    operand,
    unscaled,
    valid_of,
    words_of,
)

__all__ = [
    "LIMIT", "MINOR_UNITS", "MONEY", "MONEY_DTYPE", "RATE", "SCALE", "Column", "MoneyError", "add", "from_words", "minor_digits",
    "money", "multiply", "product_into", "require_money", "round_to_minor", "share", "share_each", "share_units", "subtract",
    "total", "total_by",
]  # fmt: skip
# ISO 4217: currencies whose smallest unit is not a hundredth.
_NO_MINOR = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF")
_MILS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
MINOR_UNITS = dict.fromkeys((*_NO_MINOR, "XOF", "XPF"), 0) | dict.fromkeys(_MILS, 3) | {"CLF": 4, "UYW": 4}

_SAFE_PRODUCT = 9.0e18  # below 2**63 by more than the error of a float product


def money(values: Iterable[str | int | Decimal | None], *, round: bool = False) -> pa.Array[Any]:
    """Build a money array from strings, Decimals or ints (units of currency); None becomes NULL.

    Floats, NaN and infinities are refused, and so is a thirteenth decimal unless ``round``, which rounds half-even.
    Raises MoneyError.
    """
    return pa.array([None if value is None else exact(value, rounding=round) for value in values], MONEY)


def total(column: Column) -> Decimal:
    """Sum of a money column in units of currency, NULLs skipped; 0 for no values. Raises MoneyError on overflow."""
    return exact(pc.sum(money_array(column)).as_py() or Decimal(0))


def total_by(frame: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Sum money ``columns`` per distinct ``keys`` (NULL is a key of its own), sorted by the keys.

    Out: keys as they were, columns as money. A group that holds only NULLs stays NULL: nothing in it was priced.
    Invariant: the totals add up to ``total`` of each column. Raises MoneyError on overflow or on a column not money.
    """
    require_money(frame, columns)
    if not keys:
        return pd.DataFrame({name: like(frame[name], money([total(frame[name])]), index=False) for name in columns})
    grouped = frame.groupby(list(keys), dropna=False, observed=True, sort=True)[list(columns)].sum(min_count=1)
    return grouped.assign(
        **{name: like(grouped[name], narrow(array_of(grouped[name]))) for name in columns}
    ).reset_index()


def add(a: Column, b: Column | Decimal) -> Column:
    """Row-wise a + b of money columns of one length and index (or one Decimal). NULL + x is NULL."""
    return like(a, narrow(pc.add(money_array(a), operand(a, b))))


def subtract(a: Column, b: Column | Decimal) -> Column:
    """Row-wise a - b of money columns of one length and index (or one Decimal). NULL - x is NULL."""
    return like(a, narrow(pc.subtract(money_array(a), operand(a, b))))


def multiply(quantity: Column, rate: Column | Decimal, per: Any = 1_000_000) -> Column:
    """Row-wise quantity x rate / per as money, rounded half-even once at 12 decimals.

    In: quantity int64 or decimal128, rate decimal128 with 12 decimals per ``per`` units (or one Decimal), per positive,
    int or an int64 array. NULL in either gives NULL. Raises MoneyError on overflow and on floats or objects.
    """
    amounts: Any = array_of(quantity)
    rates = operand(quantity, rate, exact_type=False)
    if isinstance(rates, pa.Scalar):
        rates = pa.array([rates.as_py()] * len(amounts), rates.type)
    if not (pa.types.is_integer(amounts.type) or pa.types.is_decimal(amounts.type)):
        raise MoneyError(f"quantity is {amounts.type}, expected int64 or decimal128")
    if not pa.types.is_decimal(rates.type) or rates.type.scale != SCALE:
        raise MoneyError(f"rate is {rates.type}, expected decimal128 with {SCALE} decimals")
    if len(amounts) != len(rates):
        raise MoneyError(f"{len(amounts)} quantities but {len(rates)} rates")
    shift = amounts.type.scale if pa.types.is_decimal(amounts.type) else 0
    valid = valid_of(amounts) & valid_of(rates)
    low_q, fits_q, low_r, fits_r = *words_of(amounts), *words_of(rates)
    divisor = np.broadcast_to(np.asarray(per, dtype=np.int64), valid.shape) * 10**shift
    if (divisor <= 0).any():
        raise MoneyError("per must be positive")
    words = np.zeros((len(valid), 2), dtype=np.int64)
    fast = valid & fits_q & fits_r
    fast &= product_into(words, fast, low_q, low_r, divisor)
    for row in np.flatnonzero(valid & ~fast):
        product = unscaled(amounts[row].as_py(), shift) * unscaled(rates[row].as_py(), SCALE)
        words[row] = _split(_half_even(product, int(divisor[row])))
    return like(quantity, from_words(words, valid))


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
    units = np.array([unscaled(exact(cost), SCALE)], dtype=object)
    return like(weights, _of_units(share_units(units, weights)[0]))


def share_units(units: Any, weights: Column | Sequence[int | Decimal]) -> Any:
    """Split every one of many whole numbers over the same weights, as ``share`` does one cost: parts of shape (n, weights).

    In: an object array of ints, of any sign. Every row sums to its number. All-zero (or no) weights raise MoneyError.
    """
    basis = _weights(weights)
    if (whole := sum(basis)) == 0:
        raise MoneyError("cannot share by weights that are all zero")
    products = np.abs(units)[:, None] * np.array(basis, dtype=object)
    parts, rests = products // whole, products % whole
    left = np.abs(units) - parts.sum(axis=1)
    ranks = np.argsort(np.argsort(-rests, axis=1, kind="stable"), axis=1, kind="stable")
    return np.where(units < 0, -1, 1)[:, None] * (parts + (ranks < left[:, None]))


def share_each(costs: Column, weights: Sequence[int | Decimal]) -> list[pa.Array[Any]]:
    """Split every cost of a money column over the same weights, as ``share`` does one: a column for each weight, NULL stays."""
    array = money_array(costs)
    units = np.array([0 if value is None else unscaled(value, SCALE) for value in array.to_pylist()], dtype=object)
    return [_of_units(part, valid_of(array)) for part in share_units(units, weights).T]


def round_to_minor(amounts: Column, currency: str) -> Column:
    """Round money to the currency's minor unit (JPY 0, KWD 3, else mostly 2) so that the parts still add up.

    The total is rounded half-even; the parts are rounded down, the rest goes to the largest remainders, ties to the earlier
    row, and of a negative total to the opposite: f(-x) = -f(x). NULL stays NULL. sum = rounded total; parts move by < 1 unit.
    """
    array, step = money_array(amounts), 10 ** (SCALE - minor_digits(currency))
    values = [unscaled(value, SCALE) for value in array.to_pylist() if value is not None]
    sign = -1 if (sum(values) or next(filter(None, values), 0)) < 0 else 1
    floors, rests = zip(*(divmod(sign * value, step) for value in values), strict=True) if values else ((), ())
    counts = iter(_largest_remainder(list(floors), list(rests), _half_even(sign * sum(values), step)))
    valid, unit = valid_of(array), sign * step
    return like(amounts, _of_units([next(counts) * unit if ok else 0 for ok in valid], valid))


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


def _half_even(value: int, divisor: int) -> int:
    floor, rest = divmod(value, divisor)
    return floor + (2 * rest > divisor or (2 * rest == divisor and floor % 2 == 1))


def _of_units(units: Iterable[int], valid: Any = None) -> pa.Array[Any]:
    return from_words(np.array([_split(value) for value in units], dtype=np.int64).reshape(-1, 2), valid)


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
    values: list[Any] = array_of(weights).to_pylist() if column else list(weights)
    for value in values:
        number = Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else Decimal("nan")
        if not number.is_finite() or number < 0:
            raise MoneyError(f"weight {value!r} is negative, or no int and no finite Decimal")
    scale = max((-int(value.as_tuple().exponent) for value in values if isinstance(value, Decimal)), default=0)
    return [int(Decimal(value).scaleb(max(scale, 0), Context(prec=200))) for value in values]
