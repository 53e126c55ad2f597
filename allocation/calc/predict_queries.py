"""Queries as predictions learn from them: from the single calls of some days, with what each call cost."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from allocation.calc.predict_history import COLUMNS, TEXTS
from finops.tokens import ALL_INPUT_CLASSES, ALL_OUTPUT_CLASSES, TOKEN_CLASSES

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Rates = Mapping[tuple[int, int], Mapping[str, float | None]]  # (usage key, rate slot) -> class -> cost of a token
MEDIA = tuple(name for name in ALL_INPUT_CLASSES if name.endswith(("audio", "image", "video")))
QUERIES = ("query", "at", "requested", *COLUMNS)


class Kind(NamedTuple):
    """What a usage key says of the queries that begin with it. ``tiers``: those of which other layers count all queries."""

    cost_centre: str
    feature: str
    effort: str
    model: str
    requested: str
    elsewhere: frozenset[str] = frozenset()


class Day(NamedTuple):
    """One day: its number, its calls (ingest.facts.samples), rates of its cells and what its usage keys say."""

    number: int
    calls: Mapping[str, Ints]
    rates: Rates
    kinds: Mapping[int, Kind]


def queries(days: Sequence[Day], tiers: Mapping[int, str], look_back: int, last: int | None = None) -> pd.DataFrame:
    """QUERIES, a row per query that begins in ``days`` (up to ``last``): its hash (0: no trace), begin, model asked for, COLUMNS.

    ``tiers``: tier rule -> tier, of those that are known and not estimated; queries of others are left out. A trace whose calls
    lie more than ``look_back`` days apart is several queries. ``cost`` is NaN where any part of it has no price. A query whose
    beginning lies before the first day is left out, and so is one that another layer counts.
    """
    parts = [_of_day(day) for day in days if len(day.calls["query"])]
    if not parts:
        return pd.DataFrame({name: [] for name in QUERIES})
    calls = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    traced = calls["traced"] == 1
    order = np.lexsort((calls["at"], calls["day"], calls["query"], traced))
    calls = {name: values[order] for name, values in calls.items()}
    traced = traced[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = ~traced[1:] | ~traced[:-1] | (np.diff(calls["query"]) != 0) | (np.diff(calls["day"]) > look_back)
    start = np.flatnonzero(begins)
    group = np.cumsum(begins) - 1
    first = np.full(len(start), len(order), dtype=np.int64)  # where the issuer's clocks differ, not the first by day
    opening = np.flatnonzero(calls["begins"] == 1)
    np.minimum.at(first, group[opening], opening)
    sums = {name: np.add.reduceat(calls[name], start) for name in ("output_tokens", "cost", "tool_calls")}
    counts = np.diff(np.append(start, len(order)))
    whole = first < len(order)
    first, at = first[whole], calls["day"]
    kinds = {(day.number, key): kind for day in days for key, kind in day.kinds.items()}
    found = [kinds[number, key] for number, key in zip(at[first].tolist(), calls["key"][first].tolist(), strict=True)]
    frame = pd.DataFrame(
        {
            "query": np.where(traced[first], calls["query"][first], 0), "at": calls["at"][first], "day": at[first],
            **{name: [getattr(kind, name) for kind in found] for name in ("requested", *TEXTS)},
            "prompt_tokens": calls["prompt_tokens"][first], "attachments": calls["media"][first] > 0,
            "tools": sums["tool_calls"][whole] > 0,
            "tier": [tiers.get(rule) for rule in calls["rule"][first].tolist()],
            "output_tokens": sums["output_tokens"][whole], "calls": counts[whole], "cost": sums["cost"][whole],
        }
    )  # fmt: skip
    counted = [tier is not None and tier not in kind.elsewhere for tier, kind in zip(frame["tier"], found, strict=True)]
    within = np.array(counted, dtype=bool) & (frame["day"] <= (last if last is not None else at.max())).to_numpy()
    return frame[within].reset_index(drop=True)


def _of_day(day: Day) -> dict[str, Any]:
    calls = day.calls
    cells = calls["key"] << 16 | calls["slot"]
    known, at = np.unique(cells, return_inverse=True)
    of_cells = [day.rates.get((cell >> 16, cell & 0xFFFF), {}) for cell in known.tolist()]
    cost: Floats = np.zeros(len(cells))
    for name in TOKEN_CLASSES:
        if not calls[name].any():
            continue
        rate = np.array([np.nan if (price := of.get(name)) is None else price for of in of_cells])[at]
        cost += np.where(calls[name] > 0, calls[name] * rate, 0.0)
    sums = {
        "prompt_tokens": ALL_INPUT_CLASSES, "output_tokens": ALL_OUTPUT_CLASSES, "media": MEDIA,
    }  # fmt: skip
    plain = ("query", "traced", "key", "rule", "begins", "tool_calls", "at")
    return {
        **{name: calls[name] for name in plain}, "day": np.full(len(cells), day.number), "cost": cost,
        **{name: np.sum([calls[each] for each in of], axis=0) for name, of in sums.items()},
    }  # fmt: skip
