"""Rate slots: the conditions of a request that prices depend on and that its usage key does not carry.

Within a slot every price is constant, so quantities of one usage key, day and slot may be summed before rating.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from ingest.calc.price_excess import MOST_THRESHOLDS, Inputs, crossings
from ingest.calc.price_index import PriceIndex
from ingest.calc.prices import PriceError

DAY_US = 86_400_000_000
MINUTE_US = 60_000_000
MINUTES = 1440


class Slots(NamedTuple):
    """One array per condition, in the order of the requests.

    context_over: int64, the highest threshold of the model that the context exceeds, 0 = base band. window_start,
    window_end: int64 minutes of the UTC day, [start, end), -1 = in no window. segment_from: int64 us UTC, the last
    price change at or before the request if the price differs from that at 00:00Z of the charge date, else 0.
    crossing: int64, the input class in which each threshold of an excess band is crossed (price_excess), 0 = above none.
    """

    context_over: Any
    window_start: Any
    window_end: Any
    segment_from: Any
    crossing: Any


class _Conditions(NamedTuple):
    banded: Any  # per model: has thresholds
    thresholds: Any  # sorted composite model x threshold
    windowed: Any  # per model: number of its window table, 0 = none
    windows: Any  # window table x minute x (start, end)
    dated: Any  # per model: changes at another time than midnight
    changes: dict[int, Any]  # model -> instants of change
    graduated: dict[int, Any]  # model -> thresholds of its excess bands, of the few that have any


def slots(
    book: PriceIndex,
    model: Any,
    occurred_at: Any,
    context_tokens: Any,
    *,
    charge_date: Any = None,
    inputs: Inputs | None = None,
) -> Slots:
    """The slot of every request, vectorised.

    In: model int (index from ``book.resolve``, -1 = unknown: base slot), occurred_at int64 us UTC, context_tokens int64
    (all input classes of the request; of a bucket of calls one inside the band that its provider states, else 0),
    charge_date int64 days since 1970 where the issuer's day is not the UTC day. A band holds when context_tokens >
    threshold (strictly). inputs: rows -> (int64 sums by class in price_excess.FILL_ORDER, int64 requests), asked only for
    requests above the threshold of an excess band. Out: ``Slots``. Raises PriceError where it is asked and missing.
    """
    model, occurred_at, context = (np.asarray(values) for values in (model, occurred_at, context_tokens))
    known, size = _conditions(book), len(model)
    result = Slots(*(np.full(size, blank, dtype=np.int64) for blank in (0, -1, -1, 0, 0)))
    rows = np.flatnonzero(known.banded[model])
    if len(rows):
        result.context_over[rows] = _band(known.thresholds, model[rows], context[rows].astype(np.int64))
    rows = np.flatnonzero(known.windowed[model])
    if len(rows):
        minute = occurred_at[rows] // MINUTE_US % MINUTES
        window = known.windows[known.windowed[model[rows]], minute]
        result.window_start[rows], result.window_end[rows] = window[:, 0], window[:, 1]
    days = None if charge_date is None else np.asarray(charge_date, dtype=np.int64)
    rows = np.flatnonzero(known.dated[model]) if days is None else np.flatnonzero(model >= 0)
    if len(rows):
        at = occurred_at[rows]
        day = at // DAY_US if days is None else days[rows]
        result.segment_from[rows] = _segment(known.changes, model[rows], at, day * DAY_US)
    for one, thresholds in known.graduated.items():
        rows = np.flatnonzero((model == one) & (result.context_over >= thresholds[0]))
        if len(rows):
            if inputs is None:
                raise PriceError("a band that prices only the excess needs the input classes of each request")
            result.crossing[rows] = crossings(thresholds, *inputs(rows))
    return result


def conditional(book: PriceIndex) -> Any:
    """Per model of the book whether its requests need a slot of their own: context bands, windows or changes in a day."""
    known = _conditions(book)
    return (known.banded > 0) | (known.windowed > 0) | (known.dated > 0)


_SPAN = 1 << 41  # more than any context; thresholds of one model stay below it


def _band(thresholds: Any, model: Any, tokens: Any) -> Any:
    key = model.astype(np.int64) * _SPAN + np.minimum(tokens, _SPAN - 1)
    # side="left" counts thresholds strictly below the context; each model's list begins with -1 for the base band.
    found = thresholds[np.searchsorted(thresholds, key, side="left") - 1]
    return np.maximum(found % _SPAN, 0) * (found % _SPAN != _SPAN - 1)


def _segment(changes: dict[int, Any], model: Any, at: Any, midnight: Any) -> Any:
    result = np.zeros(len(model), dtype=np.int64)
    for one in np.unique(model):
        rows = np.flatnonzero(model == one)
        edges = changes[int(one)]
        segment = np.searchsorted(edges, at[rows], side="right")
        moved = segment != np.searchsorted(edges, midnight[rows], side="right")
        # 0 says "as at midnight", so the beginning of all time has to be another number.
        since = np.maximum(np.where(segment > 0, edges[segment - 1], 0), 1)
        result[rows[moved]] = since[moved]
    return result


def _conditions(book: PriceIndex) -> _Conditions:
    count = len(book.model_owners)
    memo: dict[Any, Any] = book.memo
    if ("slots", count) in memo:
        found: _Conditions = memo["slots", count]
        return found
    banded, windowed, dated = (np.zeros(count + 1, dtype=kind) for kind in (bool, np.int64, bool))
    thresholds, tables, changes, graduated = [], {(): 0}, {}, {}
    for model in range(count):
        prices = book.prices_of(model)
        banded[model] = bool(prices["thresholds"])
        thresholds += [model * _SPAN - 1, *(model * _SPAN + over for over in prices["thresholds"])]
        if excess := prices["excess"]:
            if len(excess) > MOST_THRESHOLDS:
                raise PriceError(
                    f"a model has {len(excess)} bands that price only the excess, {MOST_THRESHOLDS} can be rated"
                )
            graduated[model] = np.array(excess, dtype=np.int64)
        windowed[model] = tables.setdefault(tuple(prices["windows"]), len(tables))
        changes[model] = np.array(prices["changes"], dtype=np.int64)
        dated[model] = bool((changes[model] % DAY_US).any())
    windows = np.stack([_window_table(key) for key in tables])
    edges = np.array(thresholds, dtype=np.int64)
    memo["slots", count] = _Conditions(banded, edges, windowed, windows, dated, changes, graduated)
    return _conditions(book)


def _window_table(windows: tuple[tuple[int, int], ...]) -> Any:
    """(start, end) per minute of the day: the longest stretch around it that is inside the same windows; -1 in none."""
    minutes = np.arange(MINUTES)[:, None]
    start, end = np.array(windows or [(0, 0)]).T
    inside = np.where(start < end, (minutes >= start) & (minutes < end), (minutes >= start) | (minutes < end))
    cover = inside if windows else np.zeros((MINUTES, 1), dtype=bool)
    table = np.full((MINUTES, 2), -1, dtype=np.int64)
    edges = [0, *(np.flatnonzero((cover[1:] != cover[:-1]).any(axis=1)) + 1).tolist(), MINUTES]
    for first, last in itertools.pairwise(edges):
        if cover[first].any():
            table[first:last] = first, last
    return table
