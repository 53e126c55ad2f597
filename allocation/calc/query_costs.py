"""How dear queries were: from what their calls used and the rates in force, exactly and without a look at the facts."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finops.money_columns import MONEY
from finops.money_columns import exact as exact_money
from finops.tokens import TOKEN_CLASSES

Ints = np.ndarray[Any, np.dtype[np.int64]]
Rates = Mapping[int, Mapping[str, Decimal | None]]  # cell -> token class -> price of one token; None: it has none
KEY_BITS = 16  # a cell is usage key << KEY_BITS | rate slot
BINS_A_DECADE = 20
NO_BIN = 1 << 15
_DECIMALS = 30
_PRECISION = 60
_SAFE = 2.0**62
_WIDTHS = (np.int8, np.int16, np.int32, np.int64)


class Calls(NamedTuple):
    """The calls of one day, in whole queries, as tables of ``query`` (NULL: its own), ``cell``, ``rule``, ``queries``, classes.

    ``begun``: of the queries that begin that day, sorted by query. ``going_on``: of queries that began before.
    """

    begun: pa.Table
    going_on: pa.Table


class Whole(NamedTuple):
    """Queries with all of their calls, one value per query in the order of Calls.begun.

    ``first``: where each begins there. ``cost``: whole units of 10**-scale; ``missing``: part of it has no price. ``later``:
    the calls of days after that go on with them, and with which.
    """

    first: Ints
    cost: Any
    missing: Any
    scale: int
    later: list[tuple[pa.Table, Ints]]

    def at(self, calls: Ints) -> Ints:
        """Which query each of these positions in Calls.begun belongs to."""
        return (np.searchsorted(self.first, calls, side="right") - 1).astype(np.int64)


def calls_of(arrays: Mapping[str, Ints]) -> Calls:
    """Sort the calls of a day (ingest.facts.calls_of_day) into queries; what begins no query and belongs to none is left out."""
    traced = arrays["traced"] == 1
    alone, named = np.flatnonzero(~traced & (arrays["queries"] > 0)), np.flatnonzero(traced)
    order = np.concatenate([alone, named[np.argsort(arrays["query"][named])]])
    columns = {name: values[order] for name, values in arrays.items()}
    traced = columns.pop("traced") == 1
    first = firsts(columns["query"], traced)
    begins = np.logical_or.reduceat(columns["queries"] > 0, first) if len(first) else np.array([], dtype=bool)
    belongs = np.repeat(begins, np.diff(np.append(first, len(order))))
    columns["queries"] = np.where(traced, np.minimum(columns["queries"], 1), columns["queries"])
    table = pa.table({name: _narrow(values) for name, values in columns.items()})
    table = table.set_column(0, "query", pa.array(columns["query"], mask=~traced))
    return Calls(_encoded(table.filter(pa.array(belongs))), _encoded(table.filter(pa.array(~belongs))))


def _encoded(calls: pa.Table) -> pa.Table:
    """Calls with each of their cells, and no other, in a dictionary."""
    return calls.set_column(1, "cell", calls["cell"].combine_chunks().cast(pa.int64()).dictionary_encode())


def firsts(query: Ints, traced: Any) -> Ints:
    """Positions at which queries begin in an array sorted by them; what has no trace is a query each."""
    if not len(query):
        return np.array([], dtype=np.int64)
    return np.flatnonzero(np.concatenate([[True], (query[1:] != query[:-1]) | ~traced[1:] | ~traced[:-1]]))


def _narrow(values: Ints) -> pa.Array:
    """The same integers in as few bytes as hold them all."""
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    width = next(width for width in _WIDTHS if np.iinfo(width).min <= low and high <= np.iinfo(width).max)
    return pa.array(values.astype(width))


def by_rule(begun: pa.Table) -> dict[int, int]:
    """Tier rule -> queries that begin, of Calls.begun."""
    counts = begun.select(["rule", "queries"]).group_by("rule").aggregate([("queries", "sum")])
    return dict(zip(counts["rule"].to_pylist(), counts["queries_sum"].to_pylist(), strict=True))


def of_keys(begun: pa.Table, keys: Collection[int]) -> pa.Table:
    """Of Calls.begun the whole queries that begin with a call of one of these usage keys."""
    traced = pc.is_valid(begun["query"]).to_numpy(zero_copy_only=False)
    first = firsts(pc.fill_null(begun["query"], 0).to_numpy(), traced)
    if not len(first):
        return begun
    cells, at = cells_of(begun)
    theirs = np.array([cell >> KEY_BITS in keys for cell in cells], dtype=bool)[at]
    begins = theirs & (begun["queries"].to_numpy() > 0)
    wanted = np.repeat(np.logical_or.reduceat(begins, first), np.diff(np.append(first, len(begun))))
    return _encoded(begun.filter(pa.array(wanted)))


def query_costs(
    begun: pa.Table, rates: Rates, later: Sequence[tuple[pa.Table, Rates]], places: Mapping[int, int]
) -> list[tuple[int, int, int | None, int, Decimal]]:
    """(place, tier rule, bin, queries, cost) of the queries of a day; its cost is that of all of its calls.

    ``later``: calls of the days after that may go on with them, with the rates of their days. ``places``: of usage keys.
    The bin is NULL where the cost is zero or any part has no price, and without a price counts as nothing.
    """
    found = whole_queries(begun, rates, later)
    queries = begun["queries"].to_numpy().astype(np.int64)
    begins = np.flatnonzero(queries > 0)
    of_query = found.at(begins)
    return _binned(begun, begins, queries[begins], found.cost[of_query], found.missing[of_query], places, found.scale)


def whole_queries(begun: pa.Table, rates: Rates, later: Sequence[tuple[pa.Table, Rates]]) -> Whole:
    """The queries of a day with what all of their calls cost; ``later`` as of query_costs."""
    traced = pc.is_valid(begun["query"]).to_numpy(zero_copy_only=False)
    query = pc.fill_null(begun["query"], 0).to_numpy()
    first = firsts(query, traced)
    if not len(first):
        return Whole(first, first, np.array([], dtype=bool), 0, [])
    known = query[first]
    joining = [(table, of, _joined(table, known, traced[first])) for table, of in later]
    joining = [(table.filter(pa.array(at >= 0)), of, at[at >= 0]) for table, of, at in joining]
    scale, exact = _scale([(begun, rates), *((table, of) for table, of, _ in joining)])
    cost, missing = _costs(begun, rates, scale, exact)
    cost, missing = np.add.reduceat(cost, first), np.logical_or.reduceat(missing, first)
    for table, of, at in joining:
        more, lacking = _costs(table, of, scale, exact)
        np.add.at(cost, at, more)
        np.logical_or.at(missing, at, lacking)
    return Whole(first, cost, missing, scale, [(table, at) for table, _, at in joining])


def call_costs(calls: pa.Table, rates: Rates) -> pa.Array:
    """What every call costs (MONEY), rounded half-even to its decimals; NULL: part of what it used has no price."""
    scale, exact = _scale([(calls, rates)])
    cost, missing = _costs(calls, rates, scale, exact)
    with localcontext(prec=_PRECISION):
        costs = [exact_money(Decimal(one).scaleb(-scale), rounding=True) for one in cost.tolist()]
    return pa.array(costs, MONEY, mask=missing)


def bins_of(cost: Any, queries: Ints, missing: Any, scale: int) -> Ints:
    """The bin of each cost of so many queries; NO_BIN where it is zero or part of it has no price."""
    value = cost.astype(np.float64) / 10.0**scale / queries
    without = missing | (value <= 0)
    bins = np.full(len(value), NO_BIN, dtype=np.int64)
    bins[~without] = np.floor(BINS_A_DECADE * np.log10(value[~without])).astype(np.int64)
    return bins


def _binned(
    begun: pa.Table, begins: Ints, queries: Ints, cost: Any, missing: Any, places: Mapping[int, int], scale: int
) -> list[tuple[int, int, int | None, int, Decimal]]:
    bins = bins_of(cost, queries, missing, scale)
    cells, at = cells_of(begun)
    place = np.array([places[cell >> KEY_BITS] for cell in cells], dtype=np.int64)[at[begins]]
    rule = begun["rule"].to_numpy().astype(np.int64)[begins]
    codes = (place << 40) | (rule << 20) | (bins + NO_BIN)
    distinct, inverse = np.unique(codes, return_inverse=True)
    summed, counted = np.zeros(len(distinct), dtype=cost.dtype), np.zeros(len(distinct), dtype=np.int64)
    np.add.at(summed, inverse, cost)
    np.add.at(counted, inverse, queries)
    with localcontext(prec=200):
        return [
            (
                code >> 40, code >> 20 & 0xFFFFF, None if (bin_ := (code & 0xFFFFF) - NO_BIN) == NO_BIN else bin_, count,
                Decimal(total).scaleb(-scale),
            )
            for code, count, total in zip(distinct.tolist(), counted.tolist(), summed.tolist(), strict=True)
        ]  # fmt: skip


def _joined(table: pa.Table, known: Ints, traced: Any) -> Ints:
    """Which of the known queries (sorted, those without a trace first) each call goes on with; -1: none."""
    start = int(np.count_nonzero(~traced))
    query = table["query"].to_numpy() if len(table) else np.array([], dtype=np.int64)
    at = np.searchsorted(known[start:], query) + start
    inside = at < len(known)
    same = np.zeros(len(query), dtype=bool)
    same[inside] = known[at[inside]] == query[inside]
    return np.where(same, at, -1).astype(np.int64)


def cells_of(calls: pa.Table) -> tuple[list[int], Ints]:
    """The cells of calls, and which of them each call has."""
    column = calls["cell"].combine_chunks()
    return column.dictionary.to_pylist(), column.indices.to_numpy().astype(np.int64)


def _classes(calls: pa.Table) -> list[str]:
    return [name for name in TOKEN_CLASSES if name in calls.column_names]


def _scale(parts: Sequence[tuple[pa.Table, Rates]]) -> tuple[int, Any]:
    """By how many decimals rates become integers, and the kind of integers that no sum of costs outgrows."""
    used = [rate for _, rates in parts for of in rates.values() for rate in of.values() if rate]
    scale = min(max((-int(rate.normalize().as_tuple().exponent) for rate in set(used)), default=0), _DECIMALS)
    scale, bound = max(scale, 0), 0.0
    for calls, rates in parts:
        for name in _classes(calls):
            dearest = max((float(of[name] or 0) for of in rates.values() if name in of), default=0.0)
            bound += max(float(calls[name].to_numpy().sum(dtype=np.float64)), 1.0) * dearest * 10.0**scale
    return scale, np.int64 if bound < _SAFE else object


def _costs(calls: pa.Table, rates: Rates, scale: int, exact: Any) -> tuple[Any, Any]:
    """Cost of every call in units of 10**-scale, and whether any of it has no price."""
    cells, at = cells_of(calls)
    cost, missing = np.zeros(len(calls), dtype=exact), np.zeros(len(calls), dtype=bool)
    for name in _classes(calls):
        found = [rates.get(cell, {}).get(name) for cell in cells]
        with localcontext(prec=100):
            rate = np.array([round((price or Decimal(0)).scaleb(scale)) for price in found], dtype=exact)
        tokens = calls[name].to_numpy()
        cost += tokens.astype(exact) * rate[at]
        if None in found:
            missing |= np.array([price is None for price in found], dtype=bool)[at] & (tokens > 0)
    return cost, missing
