"""The dearest queries of a day: chosen of its calls as they are kept, at the rates in force, exactly as they are distributed."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from allocation.calc.query_costs import KEY_BITS, NO_BIN, Rates, Whole, bins_of, cells_of, whole_queries
from finops.tokens import TOKEN_CLASSES

_PART_BITS = 40  # a place is part << 40 | position
_PRECISION = 200
_MOST = 1 << 62  # no sum of costs is more, where they are 64-bit integers


class Wanted(NamedTuple):
    """Which queries are asked for, by how they begin: usage keys, tier rules, pairs of both that another layer counts.

    ``bins``: the first and the last bin of cost; None: any. ``without``: those alone that cost nothing or lack a price.
    """

    keys: Collection[int]
    rules: Collection[int]
    elsewhere: Collection[tuple[int, int]] = ()
    bins: tuple[int, int] | None = None
    without: bool = False


class Place(NamedTuple):
    """Where a query stands in the list: by cost, the dearest first, then by where its calls are kept."""

    cost: Decimal
    number: int


class Dear(NamedTuple):
    """One query. ``query``: None has no trace. ``cell`` and ``rule``: of the call that it begins with; ``tokens``: by class.

    ``bin``: None where it cost nothing or part of it has no price (``priced`` false), which then counts as nothing.
    """

    place: Place
    query: int | None
    cell: int
    rule: int
    calls: int
    tokens: dict[str, int]
    cost: Decimal
    priced: bool
    bin: int | None


class Found(NamedTuple):
    """A page of the list, and of all that is asked for: how many queries, and what they cost."""

    rows: list[Dear]
    more: bool
    queries: int
    cost: Decimal


def dearest(
    parts: Sequence[pa.Table], rates: Rates, later: Sequence[tuple[pa.Table, Rates]], wanted: Wanted, *,
    after: Place | None, limit: int,
) -> Found:  # fmt: skip
    """The dearest queries of a day that are asked for, after a place.

    ``parts``: Calls.begun of the day in whole queries, ``later`` as of query_costs. Costs are exact.
    """
    queries, cost, rows = 0, Decimal(0), list[tuple[Place, int]]()
    costed: list[_Costed] = []
    with localcontext(prec=_PRECISION):
        for number, begun in enumerate(parts):
            one = _Costed(number, begun, whole_queries(begun, rates, later))
            costed.append(one)
            chosen = one.chosen(wanted)
            queries += len(chosen)
            cost += one.sum_of(chosen)
            rows += one.first_of(chosen, after, limit + 1)
        rows.sort(key=lambda row: (-row[0].cost, row[0].number))
        found = [costed[place.number >> _PART_BITS].row(place, at) for place, at in rows[:limit]]
    return Found(found, len(rows) > limit, queries, cost)


class _Costed:
    """The queries of one part."""

    def __init__(self, number: int, begun: pa.Table, whole: Whole) -> None:
        self.number, self.begun, self.whole = number, begun, whole
        queries = begun["queries"].to_numpy().astype(np.int64)
        self.begins = np.flatnonzero(queries > 0)
        self.of_query = whole.at(self.begins)
        self.cost, self.missing = whole.cost[self.of_query], whole.missing[self.of_query]
        self.bins = bins_of(self.cost, queries[self.begins], self.missing, whole.scale)

    def chosen(self, wanted: Wanted) -> Any:
        """Numbers (of ``begins``) of the queries that are asked for."""
        cells, at = cells_of(self.begun)
        rules = self.begun["rule"].to_numpy().astype(np.int64)[self.begins]
        keys = np.array([cell >> KEY_BITS for cell in cells], dtype=np.int64)[at[self.begins]]
        kept = np.isin(keys, sorted(wanted.keys)) & np.isin(rules, sorted(wanted.rules))
        if wanted.elsewhere:
            gone = [key << KEY_BITS | rule for key, rule in wanted.elsewhere]
            kept &= ~np.isin(keys << KEY_BITS | rules, gone)
        if wanted.without:
            kept &= self.bins == NO_BIN
        elif wanted.bins is not None:
            kept &= (self.bins >= wanted.bins[0]) & (self.bins <= wanted.bins[1]) & (self.bins != NO_BIN)
        return np.flatnonzero(kept)

    def sum_of(self, chosen: Any) -> Decimal:
        """What these cost."""
        return Decimal(int(self.cost[chosen].sum()) if len(chosen) else 0).scaleb(-self.whole.scale)

    def first_of(self, chosen: Any, after: Place | None, most: int) -> list[tuple[Place, int]]:
        """The dearest of these after a place, and their numbers."""
        cost = self.cost[chosen]
        if after is not None:
            scaled = after.cost.scaleb(self.whole.scale)
            limit = min(int(scaled), _MOST)
            behind = self._place(chosen) > after.number if limit == scaled else np.ones(len(chosen), dtype=bool)
            chosen = chosen[(cost < limit) | ((cost == limit) & behind)]
            cost = self.cost[chosen]
        order = np.argsort(-cost, kind="stable")[:most]
        numbers = chosen[order].tolist()
        places = self._place(chosen[order]).tolist() if numbers else []
        amounts = [Decimal(int(one)).scaleb(-self.whole.scale) for one in cost[order].tolist()]
        return [(Place(amount, place), number) for amount, place, number in zip(amounts, places, numbers, strict=True)]

    def _place(self, numbers: Any) -> Any:
        return self.begins[numbers] | (self.number << _PART_BITS)

    def row(self, place: Place, number: int) -> Dear:
        """One query with all of its calls."""
        at, query = int(self.begins[number]), int(self.of_query[number])
        first, ends = self.whole.first, len(self.begun)
        end = int(first[query + 1]) if query + 1 < len(first) else ends
        own = self.begun.slice(int(first[query]), end - int(first[query]))
        tables = [own, *(table.filter(pa.array(of == query)) for table, of in self.whole.later)]
        bin_ = int(self.bins[number])
        return Dear(
            place, self.begun["query"][at].as_py(), self.begun["cell"][at].as_py(), self.begun["rule"][at].as_py(),
            sum(len(table) for table in tables), _tokens(tables), place.cost, not self.missing[number],
            None if bin_ == NO_BIN else bin_,
        )  # fmt: skip


def _tokens(tables: Sequence[pa.Table]) -> dict[str, int]:
    found: dict[str, int] = {}
    for table in tables:
        for name in TOKEN_CLASSES:
            if name in table.column_names and (some := int(table[name].to_numpy().sum(dtype=np.int64))):
                found[name] = found.get(name, 0) + some
    return {name: found[name] for name in TOKEN_CLASSES if name in found}


def evidence(calls: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """What rules of tiers look at (allocation.calc.tier_rules.FEATURES), of one query's calls: ``agent`` (0: none),
    ``tool_calls`` and TOKEN_CLASSES, one value per call."""
    return {
        "calls": len(calls["agent"]), "agents": len({agent for agent in calls["agent"] if agent}),
        "output_reasoning": sum(calls["output_reasoning"]),
        "output": sum(calls["output_visible"]) + sum(calls["output_reasoning"]),
        "input_uncached": sum(calls["input_uncached"]), "tool_calls": sum(calls["tool_calls"]),
    }  # fmt: skip
