"""What a use case's own simple query is: learnt from the calls of the last weeks when a policy with relative rules is loaded.

The baselines are kept with the version, so that a query is judged the same whenever it comes; a new version learns anew.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow.compute as pc

from allocation import day_calls
from allocation.calc.query_costs import KEY_BITS, firsts
from allocation.calc.tier_relative import Relative, baselines, equivalents, parse_relative
from allocation.models import DayCalls, TierRule
from finops.tokens import TOKEN_CLASSES
from ingest.selectors import KnownKeys

DAYS = 28  # up to the last day with calls
SIMPLE = "simple"


def learnt(data: Mapping[str, Any]) -> dict[str, Any]:
    """A policy as it is kept: with the baselines of its use cases, where it compares with them and names none itself."""
    relative = parse_relative(data)
    if relative is None or relative.baselines:
        return dict(data)
    found = {
        name: f"{each.median / relative.scale:.6f}"
        for name, each in _baselines(relative).items()
        if each.median is not None
    }
    return {**data, "relative": {**data["relative"], "baselines": found}}


def _baselines(relative: Relative) -> dict[str, Any]:
    last = DayCalls.objects.order_by("-charge_date").values_list("charge_date", flat=True).first()
    if last is None:
        return {}
    simple = list(TierRule.objects.filter(tier=SIMPLE, estimated=False).values_list("pk", flat=True))
    days = DayCalls.objects.filter(charge_date__gt=last - timedelta(days=DAYS)).order_by("charge_date")
    known, of = KnownKeys(), defaultdict[str, list[Any]](list)
    for day in days.values_list("charge_date", flat=True).distinct():
        for calls in day_calls.begun(day):
            for name, units in _simple_queries(calls, simple, relative, known):
                of[name].append(units)
    names = [name for name, parts in of.items() for part in parts for _ in part]
    units = np.concatenate([part for parts in of.values() for part in parts]) if of else np.array([], dtype=np.int64)
    return dict(baselines(names, np.ones(len(units), dtype=bool), units, relative))


def _simple_queries(calls: Any, simple: list[int], relative: Relative, known: KnownKeys) -> list[tuple[str, Any]]:
    """(use case, units of each of its queries that a rule calls simple) of the queries that begin on a day."""
    traced = pc.is_valid(calls["query"]).to_numpy(zero_copy_only=False)
    first = firsts(pc.fill_null(calls["query"], 0).to_numpy(), traced)
    if not len(first):
        return []
    tokens = {name: calls[name].to_numpy().astype(np.int64) for name in TOKEN_CLASSES if name in calls.column_names}
    units = np.add.reduceat(equivalents(tokens, relative), first) if tokens else np.zeros(len(first), dtype=np.int64)
    cell = calls["cell"].combine_chunks()
    keys = np.array(cell.dictionary.to_pylist(), dtype=np.int64)[cell.indices.to_numpy()][first] >> KEY_BITS
    wanted = np.isin(calls["rule"].to_numpy()[first], simple)
    distinct, place = np.unique(keys, return_inverse=True)
    features = {key: found["feature"] for key, found in known.of(distinct.tolist()).items()}
    of = np.array([features.get(int(key), "") for key in distinct], dtype=object)[place]
    return [(str(name), units[wanted & (of == name)]) for name in sorted(set(of.tolist())) if name]
