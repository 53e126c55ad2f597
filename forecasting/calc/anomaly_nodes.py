"""Anomalies of every node of a hierarchy, in the money of their days: what they cost, exactly, and what was expected.

Detection is at constant prices (anomaly, price_index); what people read is at the prices of the days. A node is what its
series cost together. A cell of a series whose cost is not known counts as usual in the sums above it, so that it moves
nothing there, and is in no figure that is shown: neither in what was expected nor in what it cost.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd

from finops.money import total_by
from forecasting.calc.anomaly import NEW, POINT, Episode, Scores, episodes, explained, scored
from forecasting.calc.events import Event, usual
from forecasting.calc.hierarchy import groups
from forecasting.calc.price_index import PriceIndex
from forecasting.calc.series import AT, COST, Floats, Key, Panel, known

BEFORE, AFTER = 28, 7  # days shown around an episode
MOST_SCALES = 1_000_000
_STEP = Decimal(1).scaleb(-12)
_ZERO = Decimal(0)
_DAY = timedelta(days=1)


class Shown(NamedTuple):
    """A day of or around an episode. ``expected`` None: too young to be told, or not known; ``low``, ``high``: usual."""

    day: date
    actual: Decimal
    expected: Decimal | None
    low: Decimal | None
    high: Decimal | None
    inside: bool


class Found(NamedTuple):
    """An episode of a node. ``first``, ``last``: both included.

    ``score``: scales off, either way; None where nothing was usual, or so little that it is more than MOST_SCALES.
    ``history``: days of the node's life before it. ``unknown``: cells of its series (a series and day each) in the episode of
    which the cost is not known: they are in no figure. ``changes``: dated changes that lie in it, in words.
    """

    level: tuple[str, ...]
    key: Key
    kind: str
    first: date
    last: date
    score: Decimal | None
    history: int
    expected: Decimal
    actual: Decimal
    unknown: int
    days: tuple[Shown, ...]
    changes: tuple[str, ...]

    @property
    def impact(self) -> Decimal:
        """What it cost more than expected."""
        return self.actual - self.expected


class Ledger(NamedTuple):
    """What is judged: rows as series.panel takes them, the panel of them, prices, and events of the calendar."""

    costs: pd.DataFrame
    panel: Panel
    prices: PriceIndex
    events: Sequence[Event] = ()


class _Node(NamedTuple):
    """A level at constant prices: by node and cell what it is judged by, the price factor, what is filled in, and how many."""

    panel: Panel
    factor: Floats
    filled: Floats
    unknown: Floats


def found(ledger: Ledger, levels: Sequence[tuple[str, ...]], since: date) -> list[Found]:
    """Episodes of every node of the levels that reach to ``since`` or later, level by level.

    Invariant: ``actual`` is the sum of the rows' cost in the known cells of the episode's days, exactly.
    """
    panel = ledger.panel
    if not panel.keys:
        return []
    factors = ledger.prices.factors(panel, panel.at(panel.cells - 1), 0, panel.cells)
    constant = replace(panel, cost=usual(panel, ledger.events).cost / factors)
    told = np.nan_to_num(constant.cost) > 0
    factors = np.where(told, panel.cost / np.where(told, constant.cost, 1.0), factors)  # with those of events
    amounts = _amounts(ledger, panel)
    first = max((since - panel.start.date()).days, 0)
    return [one for level in levels for one in _of_level(ledger, constant, (factors, amounts), level, first)]


def _of_level(
    ledger: Ledger, constant: Panel, priced: tuple[Floats, Mapping[tuple[int, int], Decimal]], level: tuple[str, ...], since: int
) -> Iterator[Found]:  # fmt: skip
    factors, amounts = priced
    rows = groups(constant, level)
    node = _node(constant, factors, level, rows)
    scores = scored(node.panel)
    of_row = {row: place for place, mine in enumerate(rows.values()) for row in mine}
    actual: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for (row, cell), amount in amounts.items():
        if not np.isnan(constant.cost[row, cell]):
            actual[of_row[row], cell] += amount
    places = {key: place for place, key in enumerate(rows)}
    for episode in episodes(scores, since):
        yield _found(node, scores, actual, (level, places[episode.key]), episode, _changes(ledger, level, episode))


def _node(constant: Panel, factors: Floats, level: tuple[str, ...], rows: Mapping[Key, list[int]]) -> _Node:
    missing = np.isnan(constant.cost)
    alive = np.arange(constant.cells)[None] >= constant.begins[:, None]
    whole = known(constant.cost, constant.grain.season)
    filled = np.where(missing, whole, 0.0)
    groups_of = list(rows.values())

    def added(values: Floats) -> Floats:
        return np.array([values[mine].sum(axis=0) for mine in groups_of])

    cost = added(whole)
    nobody = np.array([missing[mine].all(axis=0) for mine in groups_of])
    factor = np.where(cost > 0, added(whole * factors) / np.where(cost > 0, cost, 1.0), 1.0)
    panel = Panel(constant.grain, constant.start, level, tuple(rows), np.where(nobody, np.nan, cost))
    return _Node(panel, factor, added(filled * factors), added((missing & alive).astype(float)))


def _found(
    node: _Node, scores: Scores, actual: Mapping[tuple[int, int], Decimal], at: tuple[tuple[str, ...], int], episode: Episode,
    changes: tuple[str, ...],
) -> Found:  # fmt: skip
    panel, (level, row) = node.panel, at
    low, high = ((instant - panel.start).days for instant in (episode.start, episode.end))
    days = tuple(
        _shown(node, scores, (row, cell), actual.get((row, cell), _ZERO), inside=low <= cell < high)
        for cell in range(max(low - BEFORE, 0), min(high + AFTER, panel.cells))
    )
    told = [each for each in days if each.inside and (episode.kind == NEW or each.expected is not None)]
    return Found(
        level, episode.key, episode.kind, panel.at(low).date(), panel.at(high - 1).date(),
        _score(episode.peak), low - min(int(panel.begins[row]), low),
        sum((each.expected or _ZERO for each in told if episode.kind != NEW), _ZERO), sum((each.actual for each in told), _ZERO),
        int(node.unknown[row, low:high].sum()), days, changes,
    )  # fmt: skip


def _shown(node: _Node, scores: Scores, at: tuple[int, int], actual: Decimal, *, inside: bool) -> Shown:
    """What was expected of what is known: filled-in cost is taken out of both."""
    day = node.panel.at(at[1]).date()
    expected, scale = float(scores.expected[at]) * float(node.factor[at]), float(scores.scale[at])
    if np.isnan(expected) or np.isnan(node.panel.cost[at]):
        return Shown(day, actual, None, None, None, inside)
    expected = max(expected - float(node.filled[at]), 0.0)
    if np.isnan(scale):
        return Shown(day, actual, _amount(expected), None, None, inside)
    width = POINT * scale * float(node.factor[at])
    return Shown(day, actual, _amount(expected), _amount(max(expected - width, 0.0)), _amount(expected + width), inside)


def _changes(ledger: Ledger, level: tuple[str, ...], episode: Episode) -> tuple[str, ...]:
    """The price steps of an episode's own provider and model; none for a node above them."""
    by = ledger.prices.dimensions
    if not by or any(name not in level for name in by):
        return ()
    places = [level.index(name) for name in by]
    key = tuple(episode.key[place] for place in places)
    steps = ledger.prices.steps.get(key)
    if steps is None:
        return ()
    pairs = zip(steps.starts[1:], steps.levels, steps.levels[1:], strict=False)
    dated = [
        (at, key, f"its list prices {'rose' if after > before else 'fell'} by {abs(after / before - 1):.1%} on {at:%Y-%m-%d}, "
         "which is expected")
        for at, before, after in pairs if abs(after / before - 1) * 1_000 >= 1
    ]  # fmt: skip
    return tuple(explained(episode, dated, places, 7 * _DAY))


def _amounts(ledger: Ledger, panel: Panel) -> dict[tuple[int, int], Decimal]:
    """(row, cell) -> its cost, exactly."""
    names = list(panel.dimensions)
    rows = ledger.costs.assign(**{name: ledger.costs[name].fillna("").astype(str) for name in names})
    sums = total_by(rows, [*names, AT], [COST])
    place = {key: row for row, key in enumerate(panel.keys)}
    start = pd.Timestamp(panel.start)
    return {
        (place[tuple(map(str, key))], (pd.Timestamp(at) - start).days): cost
        for *key, at, cost in sums[[*names, AT, COST]].itertuples(index=False, name=None)
        if not pd.isna(cost)
    }


def _score(peak: float) -> Decimal | None:
    return Decimal(repr(round(abs(peak), 6))) if abs(peak) <= MOST_SCALES else None


def _amount(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(_STEP)


def gated(key: Key, kind: str, days: tuple[date, date], sums: tuple[Decimal, Decimal]) -> Episode:
    """An episode as the gate takes it: of its first and last day, with what was expected and what it cost."""
    start, end = (datetime.combine(day, time(), UTC) for day in days)
    expected, actual = sums
    return Episode(key, kind, start, end + _DAY, 0.0, float(expected), float(actual), float(actual - expected))
