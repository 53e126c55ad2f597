"""Cube rows x prices = cost: vectorised, exact, and never zero for want of a price.

Strings are looked up once per distinct condition, dates once per distinct condition and day; per row there remain a
gather and one multiplication in integer steps of 1e-12.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from finops.money import MONEY, RATE, SCALE, from_words, multiply, product_into
from finops.tokens import TOKEN_CLASSES, UNITS
from ingest.calc.price_excess import Excess, Part
from ingest.calc.price_index import PriceIndex, condition_of
from ingest.calc.prices import BOOKS, PRICE_CLASSES, PriceError
from ingest.calc.proxy import proxy_rows
from ingest.calc.slots import DAY_US

# price_id NULL = unpriced: then list_cost is NULL and proxy_cost an estimate in ``currency`` (NULL if there is none).
# list_rate is NULL too where several rates make up one cost: bands that price only the excess.
# assumed_standard: no price for that mode or tier, the standard price of the same book was taken.
_RATED: list[tuple[str, Any]] = [
    ("line", pa.int64()), ("price_class", pa.dictionary(pa.int8(), pa.string())), ("quantity", pa.int64()),
    ("price_id", pa.int64()), ("book", pa.dictionary(pa.int8(), pa.string())), ("list_rate", RATE),
    ("list_cost", MONEY), ("currency", pa.dictionary(pa.int8(), pa.string())), ("proxy_cost", MONEY),
    ("assumed_standard", pa.bool_()),
]  # fmt: skip
RATED_SCHEMA = pa.schema(_RATED)
# Columns of a line that decide its price; a missing column counts as NULL.
_KEY = ("provider", "model_served", "model_requested", "host")
_CONDITION = ("region", "mode", "service_tier_served", "service_tier_requested", "context_over", "window_start",
              "window_end")  # fmt: skip
_SAFE = 2**63 - 1
_EXACT = Context(prec=60)


class _Places(NamedTuple):
    """Per line its place = condition x epoch; between two changes of any price of the book lies one epoch."""

    of_line: Any  # condition number * len(instants) + epoch number
    instants: Any  # an instant of each epoch that occurs, us UTC
    conditions: list[tuple[int, str | None, Any]]  # (model index, provider id, Condition)


def rate(book: PriceIndex, lines: pa.Table) -> pa.Table:
    """Price the token classes of cube rows.

    In: charge_date date32, provider, model_served, model_requested, host, region, mode, service_tier_served,
    service_tier_requested (strings), context_over, window_start, window_end, segment_from, crossing (int64, as ``slots``
    gives them) and the token classes (int64, nullable); columns that are missing count as NULL. Where a ``requests`` column
    exists and the model has a price per request, that is charged too (class ``request``).
    Out: RATED_SCHEMA, one row per line and class with quantity > 0, by class, then line. List cost in ``currency`` =
    quantity x rate / unit, half-even once at 12 decimals. Invariant: a class without a price has cost NULL, never 0.
    Raises PriceError on a negative quantity or a missing charge_date.
    """
    places = _places(book, lines)
    blocks = [
        _block(book, places, name, _quantity(lines, name), of=lines)
        for name in TOKEN_CLASSES
        if name in lines.column_names
    ]
    if "requests" in lines.column_names:
        block = _block(book, places, "request", _quantity(lines, "requests"))
        blocks.append(block.filter(block["price_id"].is_valid()))
    blocks = [block for block in blocks if block.num_rows]
    return pa.concat_tables(blocks) if blocks else RATED_SCHEMA.empty_table()


def rate_units(book: PriceIndex, lines: pa.Table) -> pa.Table:
    """Price usage that is not tokens: lines as in ``rate`` with ``unit`` and ``quantity`` (int64 or decimal128).

    Out: RATED_SCHEMA (quantity in the type it came in), one row per line with quantity > 0, by unit, then line.
    """
    places = _places(book, lines)
    quantity: Any = lines["quantity"].combine_chunks()
    units = [str(unit) for unit in lines["unit"].to_pylist()]
    if unknown := set(units) - set(UNITS):
        raise PriceError(f"unknown unit {min(unknown)!r}")
    blocks = []
    for unit in sorted(set(units)):
        rows = np.flatnonzero(np.array([name == unit for name in units]))
        blocks.append(_block(book, places, unit, quantity.take(pa.array(rows)), rows))
    schema = RATED_SCHEMA.set(2, pa.field("quantity", quantity.type))
    blocks = [block for block in blocks if block.num_rows]
    return pa.concat_tables(blocks) if blocks else schema.empty_table()


def _places(book: PriceIndex, lines: pa.Table) -> _Places:
    if "charge_date" not in lines.column_names or lines["charge_date"].null_count:
        raise PriceError("charge_date is missing")
    condition, distinct = _distinct(lines, (*_KEY, *_CONDITION))
    epoch, instants = _epochs(book, lines)
    return _Places(condition * len(instants) + epoch, instants, [_condition(book, *values) for values in distinct])


def _condition(book: PriceIndex, *values: Any) -> tuple[int, str | None, Any]:
    found: tuple[int, str | None, Any] | None = book.memo.get(values)
    if found is None:
        provider, served, requested, host, region, mode, tier_served, tier_requested, *slot = values
        tier = tier_requested if tier_served is None else tier_served
        condition = condition_of(mode, tier, region, *slot)
        found = book.memo[values] = (*book.resolve_one(provider, served, requested, host), condition)
    return found


def _epochs(book: PriceIndex, lines: pa.Table) -> tuple[Any, Any]:
    """Number of the epoch in which each line is priced, and the beginning (us UTC) of each."""
    date = lines["charge_date"].combine_chunks().cast(pa.int32()).to_numpy()
    if not len(date):
        return date.astype(np.int64), np.zeros(0, dtype=np.int64)
    first = int(date.min())
    days = np.arange(first, int(date.max()) + 1, dtype=np.int64) * DAY_US
    epoch = np.searchsorted(book.changes, days, side="right")[date - first]
    if "segment_from" in lines.column_names and lines["segment_from"].null_count < len(date):
        segment = lines["segment_from"].combine_chunks().fill_null(0).to_numpy()
        rows = np.flatnonzero(segment)
        epoch[rows] = np.searchsorted(book.changes, segment[rows], side="right")
    used = np.flatnonzero(np.bincount(epoch))
    number = np.zeros(len(book.changes) + 1, dtype=np.int64)
    number[used] = np.arange(len(used))
    return number[epoch], np.insert(book.changes, 0, 0)[used]


def _distinct(lines: pa.Table, names: tuple[str, ...]) -> tuple[Any, list[tuple[Any, ...]]]:
    """Code of each line's distinct combination of columns, and the combinations."""
    combined: Any = np.zeros(lines.num_rows, dtype=np.int64)
    combinations: list[tuple[Any, ...]] = [()]
    for name in names:
        column = lines[name].combine_chunks() if name in lines.column_names else None
        if column is None or column.null_count == len(column):
            combinations = [(*known, None) for known in combinations]
            continue
        codes, values = _codes(column)
        if len(values) == 1:
            combinations = [(*known, values[0]) for known in combinations]
            continue
        if len(combinations) == 1:
            combined, combinations = codes, [(*combinations[0], value) for value in values]
            continue
        combined, pairs = _codes(pa.array(combined * len(values) + codes))
        combinations = [(*combinations[pair // len(values)], values[pair % len(values)]) for pair in pairs]
    return combined, combinations


def _codes(column: Any) -> tuple[Any, list[Any]]:
    """Code (int64) of each value, and the distinct values; NULL is a value."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = column.dictionary.to_pylist()
    codes = column.indices
    if codes.null_count:
        codes, values = codes.fill_null(len(values)), [*values, None]
    return codes.to_numpy(zero_copy_only=False).astype(np.int64), values


def _quantity(lines: pa.Table, name: str) -> Any:
    column = lines[name].combine_chunks()
    return column.fill_null(0) if column.null_count else column


def _block(
    book: PriceIndex, places: _Places, name: str, quantity: Any, lines: Any = None, of: pa.Table | None = None
) -> pa.Table:
    """The rated rows of one class. ``lines`` are the line numbers of the quantities if they are not all lines.

    ``of``: the lines themselves, where the price may be that of an excess band.
    """
    if pa.types.is_integer(quantity.type):
        counts = quantity.to_numpy(zero_copy_only=False)
        if len(counts) and counts.min() < 0:
            raise PriceError(f"{name}: negative quantity")
        rows = np.flatnonzero(counts > 0)
        counts = counts[rows]
    else:
        rows = np.flatnonzero([value is not None and value > 0 for value in quantity.to_pylist()])
        counts = quantity.take(pa.array(rows))
    line = rows if lines is None else lines[rows]
    if not len(line):
        return RATED_SCHEMA.empty_table()
    place = places.of_line[line]
    price_of_place, assumed_of_place = _prices(book, places, PRICE_CLASSES.index(name))
    price, priced = price_of_place[place], None
    parts = {} if book.all_whole or of is None else _parts(book, places, name, (place, line, price), of)
    for row, part in parts.items():
        price[row] = part.price
    if (price_of_place < 0).any() or parts:
        priced = price >= 0
    unpriced = None if priced is None else ~priced
    proxy = proxy_rows(book, places, name, place, unpriced)
    shown = price if proxy is None else np.where(price < 0, proxy, price)
    rates, costs = _rate_column(book, price, priced), _cost(book, counts, price, priced)
    if parts:
        done = {row: part for row, part in parts.items() if part.price >= 0}
        rates = _with_parts(rates, {row: part.rate_steps for row, part in done.items()})
        costs = _with_parts(costs, {row: part.cost_steps for row, part in done.items()})
    columns = [
        pa.array(line), _constant(PRICE_CLASSES, PRICE_CLASSES.index(name), len(line)), pa.array(counts),
        pa.array(price.astype(np.int64), mask=unpriced), _coded(book, "book", price, BOOKS),
        rates, costs,
        _coded(book, "currency", shown, None),
        pa.nulls(len(line), MONEY) if proxy is None else _cost(book, counts, proxy, proxy >= 0),
        pa.array(assumed_of_place[place]),
    ]  # fmt: skip
    return pa.table(columns, names=RATED_SCHEMA.names)


def _parts(
    book: PriceIndex, places: _Places, name: str, rows: tuple[Any, Any, Any], lines: pa.Table
) -> dict[int, Part]:
    """What the rows cost whose price is a band of the excess kind. ``rows``: place, line and price row of each."""
    place, line, price = rows
    banded = np.flatnonzero((price >= 0) & ~book.whole[price])
    if not len(banded):
        return {}
    excess = Excess(book, lines, PRICE_CLASSES.index(name))
    found = {}
    for row in banded.tolist():
        condition, epoch = divmod(int(place[row]), len(places.instants))
        model, _, wanted = places.conditions[condition]
        found[row] = excess.part(int(line[row]), name, (model, wanted, int(places.instants[epoch])))
    return found


def _with_parts(column: Any, steps: dict[int, int | None]) -> Any:
    values = column.to_pylist()
    for row, value in steps.items():
        values[row] = None if value is None else Decimal(value).scaleb(-SCALE, _EXACT)
    return pa.array(values, column.type)


def _prices(book: PriceIndex, places: _Places, price_class: int) -> tuple[Any, Any]:
    """Price row (-1 = none) and whether it is an assumption, per place."""
    lines = [book.timeline(model, price_class, condition) for model, _, condition in places.conditions]
    sizes = [len(line.starts) for line in lines]
    starts = np.array([start for line in lines for start in line.starts], dtype=np.int64)
    # Instants become ranks, so that (condition, instant) is one sorted integer and one search answers all.
    owner, span = np.repeat(np.arange(len(lines)), sizes), len(book.changes) + 2
    key = owner * span + np.searchsorted(book.changes, starts, side="right")
    ranks = np.searchsorted(book.changes, places.instants, side="right")
    asked = np.arange(len(lines))[:, None] * span + ranks
    found = np.searchsorted(key, asked.ravel(), side="right") - 1
    rows = np.array([row for line in lines for row in line.rows], dtype=np.int32)[found]
    return rows, np.array([flag for line in lines for flag in line.assumed], dtype=bool)[found]


def _cost(book: PriceIndex, counts: Any, price: Any, valid: Any) -> Any:
    steps, per = book.rate_steps[price], book.per[price]
    if not isinstance(counts, np.ndarray):
        rates = pa.array(_decimals(steps), RATE) if valid is None else pa.array(_decimals(steps), RATE, mask=~valid)
        return multiply(counts, rates, per)
    words = np.empty((len(counts), 2), dtype=np.int64)
    reduced = book.steps_per_unit[price]
    if len(counts) and int(reduced.min()) >= 0 and int(counts.max()) * int(reduced.max()) <= _SAFE:
        np.multiply(counts, reduced, out=words[:, 0])
        words[:, 1] = 0
        return from_words(words, valid)
    words[:] = 0
    done = product_into(words, np.ones(len(counts), dtype=bool), counts, steps, per)
    left = np.flatnonzero(~done if valid is None else ~done & valid)
    result = from_words(words, valid)
    if len(left):
        exact = multiply(pa.array(counts[left]), pa.array(_decimals(steps[left]), RATE), per[left])
        values = result.to_pylist()
        for row, value in zip(left.tolist(), exact.to_pylist(), strict=True):
            values[row] = value
        result = pa.array(values, MONEY)
    return result


def _decimals(steps: Any) -> list[Any]:
    return list(from_words(np.stack([steps, steps >> 63], axis=1)).to_pylist())


def _rate_column(book: PriceIndex, price: Any, valid: Any) -> Any:
    words = np.empty((len(price), 2), dtype=np.int64)
    words[:, 0], words[:, 1] = book.rate_steps[price], 0
    return from_words(words, valid, RATE)


def _constant(values: tuple[str, ...], code: int, size: int) -> Any:
    codes: Any = pa.array(np.full(size, code, dtype=np.int8))
    return pa.DictionaryArray.from_arrays(codes, pa.array(values))


def _coded(book: PriceIndex, name: str, price: Any, values: tuple[str, ...] | None) -> Any:
    codes, known = book.codes(name, values)
    found = codes[price]
    missing = found < 0
    indices: Any = pa.array(found, mask=missing if missing.any() else None)
    return pa.DictionaryArray.from_arrays(indices, pa.array(known))
