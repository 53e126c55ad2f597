"""Dated price indices: what the usage of a series costs at the prices of a day, against those of the day it is forecast from.

A series is forecast at constant prices, because traffic repeats and prices do not: history is divided by the index of its
time, the forecast multiplied by that of its own, announced prices included. The index of a series is the cost of its recent
usage (tokens by class) at the prices of each time.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd

from finops.frames import require_columns
from forecasting.calc.series import Floats, Key, Panel

CLASS, FROM, RATE, QUANTITY = "price_class", "valid_from", "rate", "quantity"


class Steps(NamedTuple):
    """The cost of one usage by time: ``levels[n]`` from ``starts[n]`` on, before the first start as from it. ``why``: notes."""

    starts: tuple[datetime, ...]
    levels: tuple[Decimal, ...]
    why: str = ""


class PriceIndex(NamedTuple):
    """Steps by key, in the ``dimensions`` that prices depend on (such as provider and model)."""

    dimensions: tuple[str, ...]
    steps: Mapping[Key, Steps]

    def factors(self, panel: Panel, base: datetime, first: int, cells: int) -> Floats:
        """Prices of ``cells`` cells from the panel's ``first`` on (beyond its end too) over those at ``base``: (series, cells).

        A cell in which prices change has the mean over its time. A series whose key has no price has 1 throughout.
        """
        found = np.ones((len(panel.keys), cells))
        places = [panel.dimensions.index(name) for name in self.dimensions]
        edges = np.array([_seconds(panel.at(first + cell)) for cell in range(cells + 1)])
        of_key: dict[Key, Floats] = {}
        for row, key in enumerate(panel.keys):
            part = tuple(key[place] for place in places)
            if part in self.steps:
                if part not in of_key:
                    of_key[part] = _means(self.steps[part], edges) / float(_level(self.steps[part], base))
                found[row] = of_key[part]
        return found

    def unpriced(self, panel: Panel) -> list[Key]:
        """Keys of the panel for which no price is known: they are forecast at the prices that were paid."""
        places = [panel.dimensions.index(name) for name in self.dimensions]
        return [key for key in panel.keys if tuple(key[place] for place in places) not in self.steps]


def price_index(prices: pd.DataFrame, mix: pd.DataFrame, dimensions: Sequence[str]) -> PriceIndex:
    """The index of every key of a usage mix.

    In: prices: dimensions, price_class, valid_from (instants, UTC), rate (Decimal per any one unit, the same for all of a
    class); mix: dimensions, price_class, quantity (whole numbers, recent usage). A class counts at its first price before
    that is valid, and not at all without one, which ``why`` says; a key without any price, or whose usage is free, has no
    steps. Exact: levels are Decimals.
    """
    names = list(dimensions)
    require_columns(prices, [*names, CLASS, FROM, RATE], name="prices")
    require_columns(mix, [*names, CLASS, QUANTITY], name="mix")
    rates: dict[tuple[str, ...], list[tuple[datetime, Decimal]]] = defaultdict(list)
    for *key, at, rate in prices[[*names, CLASS, FROM, RATE]].itertuples(index=False, name=None):
        rates[tuple(map(str, key))].append((pd.Timestamp(at).to_pydatetime(), rate))
    usage: dict[Key, list[tuple[str, int]]] = defaultdict(list)
    for *key, price_class, quantity in mix[[*names, CLASS, QUANTITY]].itertuples(index=False, name=None):
        usage[tuple(map(str, key))].append((str(price_class), int(quantity)))
    found = {}
    for part, classes in usage.items():
        dated = {name: sorted(rates[(*part, name)]) for name, _ in classes if (*part, name) in rates}
        steps = _steps(classes, dated)
        if steps.levels and min(steps.levels) > 0:
            found[part] = steps
    return PriceIndex(tuple(names), found)


def _steps(classes: Sequence[tuple[str, int]], dated: Mapping[str, list[tuple[datetime, Decimal]]]) -> Steps:
    starts = sorted({at for each in dated.values() for at, _ in each})
    levels = [
        sum((quantity * _at(dated[name], start) for name, quantity in classes if name in dated), Decimal(0))
        for start in starts
    ]
    without = sorted({name for name, quantity in classes if quantity and name not in dated})
    return Steps(tuple(starts), tuple(levels), f"no price of {', '.join(without)}" if without else "")


def _at(dated: list[tuple[datetime, Decimal]], at: datetime) -> Decimal:
    valid = [rate for start, rate in dated if start <= at]
    return valid[-1] if valid else dated[0][1]


def _level(steps: Steps, at: datetime) -> Decimal:
    valid = [level for start, level in zip(steps.starts, steps.levels, strict=True) if start <= at]
    return valid[-1] if valid else steps.levels[0]


def _means(steps: Steps, edges: Floats) -> Floats:
    """By cell between edges (seconds), the mean level over its time."""
    starts = np.array([_seconds(start) for start in steps.starts])
    levels = np.array([float(level) for level in steps.levels])
    cuts = np.unique(np.concatenate([edges, starts[(starts > edges[0]) & (starts < edges[-1])]]))
    level = levels[np.maximum(np.searchsorted(starts, cuts[:-1], side="right") - 1, 0)]
    cell = np.searchsorted(edges, cuts[:-1], side="right") - 1
    weighed = np.bincount(cell, weights=level * np.diff(cuts), minlength=len(edges) - 1)
    found: Floats = weighed / np.diff(edges)
    return found


def _seconds(at: datetime) -> float:
    return at.timestamp()
