"""Single queries of a day held against caps: from bins where these decide, from their calls where one bin does not.

The calls are those that the distribution of cost per query is made of (allocation.day_calls), never events.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings

from allocation import day_calls, layer_changes, rulebook
from allocation.calc import assign as assigning
from allocation.calc.distribution import bin_of
from allocation.calc.query_costs import KEY_BITS, call_costs, firsts
from allocation.models import LayerDay, TierRule
from allocation.query_costs import rates_of
from forecasting.calc.caps import Costs
from forecasting.models import QueryCap
from ingest.calc.price_transparency import Cell
from ingest.selectors import KnownKeys

_NOTHING = Decimal(0)


class Query(NamedTuple):
    """Queries of one cost: whose they are, as the day's distribution has it. ``each`` None: a part has no price.

    ``part``: the share of them that no other layer counts.
    """

    centre: str
    provider: str
    model: str
    feature: str
    tier: str
    queries: int
    each: Decimal | None
    part: Any = 1


def fits(cap: QueryCap, query: Query) -> bool:
    """Whether a cap is about it."""
    code = cap.cost_centre.code if cap.cost_centre else ""
    wanted = (
        (code, query.centre),
        (cap.tier, query.tier),
        (cap.feature, query.feature),
        (cap.provider, query.provider),
    )
    return all(one in ("", of) for one, of in (*wanted, (cap.model, query.model)))


def costs_of(found: Sequence[Query]) -> tuple[list[Cell], list[Costs]]:
    """The same queries as bins and as single costs."""
    cells: dict[int | None, list[Any]] = defaultdict(lambda: [0, _NOTHING])
    singles: dict[Decimal, int] = defaultdict(int)
    for one in found:
        free = one.each is None or one.each <= 0
        cell = cells[None if free or one.each is None else bin_of(one.each)]
        cell[0] += one.queries
        cell[1] += (one.each or _NOTHING) * one.queries
        if one.each is not None and not free:
            singles[one.each] += one.queries
    return [Cell(number, *both) for number, both in cells.items()], [Costs(*one) for one in singles.items()]


def queries_of(day: date, bins: frozenset[int] | None) -> list[Query]:
    """The queries that begin on a day; ``bins``: only those whose cost lies there or near (None: all).

    Six queries and those of the days that queries may go on into, whatever the number of calls.
    """
    parts = day_calls.begun(day)
    keys = {cell >> KEY_BITS for calls in parts for cell in _column(calls).dictionary.to_pylist()}
    seen = (book := rulebook.holding_on(day)).on(day, KnownKeys().of(keys))
    kept = layer_changes.kept_queries(day) if LayerDay.objects.filter(charge_date=day).exists() else {}
    rates, tiers = rates_of(day, sorted(keys)), dict(TierRule.objects.values_list("id", "tier"))
    later = _later(day)
    centres = set(book.cost_centres)
    found = []
    for calls in parts:
        for key, rule, queries, cost in _single(calls, call_costs(calls, rates).to_pylist(), later, bins):
            names, tier = seen.dimensions[key], tiers[rule]
            owner = max(assigning.targets_of(seen.assignment[key]), key=lambda target: target.weight).cost_centre
            model = names["model_served"] or names["model_requested"]
            whose = (owner if owner in centres else "", names["provider"], model, names["feature"], tier)
            found.append(Query(*whose, queries, cost, kept.get((key, tier), 1)))
    return found


def _single(
    calls: pa.Table, costs: list[Decimal | None], later: Mapping[int, list[Decimal | None]], bins: frozenset[int] | None
) -> list[tuple[int, int, int, Decimal | None]]:
    """(usage key, tier rule, queries, what each cost) of the queries of a part."""
    traced = pc.is_valid(calls["query"]).to_numpy(zero_copy_only=False)
    query = pc.fill_null(calls["query"], 0).to_numpy()
    first = firsts(query, traced)
    column = _column(calls)
    cells, at = column.dictionary.to_pylist(), column.indices.to_numpy()
    sizes, rules = calls["queries"].to_numpy(), calls["rule"].to_numpy()
    begins = np.flatnonzero(sizes > 0)
    of = np.searchsorted(first, begins, side="right") - 1
    ends = np.append(first, len(query))
    found = []
    for place, number in zip(begins.tolist(), of.tolist(), strict=True):
        parts = costs[first[number] : ends[number + 1]]
        if traced[place]:
            parts = [*parts, *later.get(int(query[place]), ())]
        known = [part for part in parts if part is not None]
        size = int(sizes[place])
        each = sum(known, _NOTHING) / size if len(known) == len(parts) else None
        if bins is None or (each is not None and each > 0 and bin_of(each) in bins):
            found.append((cells[at[place]] >> KEY_BITS, int(rules[place]), size, each))
    return found


def _later(day: date) -> dict[int, list[Decimal | None]]:
    """What queries cost on the days after that they go on into."""
    found: dict[int, list[Decimal | None]] = defaultdict(list)
    for number in range(1, settings.TRACE_LOOK_BACK_DAYS + 1):
        on = day + timedelta(days=number)
        for calls in day_calls.going_on(on):
            keys = sorted({cell >> KEY_BITS for cell in _column(calls).dictionary.to_pylist()})
            costs = call_costs(calls, rates_of(on, keys)).to_pylist()
            for query, cost in zip(calls["query"].to_pylist(), costs, strict=True):
                if query is not None:
                    found[query].append(cost)
    return found


def _column(calls: pa.Table) -> Any:
    return calls["cell"].combine_chunks()
