"""Cost over time as a rectangle of numbers: a row a series, a column an hour or a day.

Here money becomes float, once: a forecast is an estimate (invariant 2). NaN is a cell of which the cost is not known: a gap
of the recording, usage without a price, a correction. Zero is a cell that cost nothing. Below zero is what a series gives
away again and again, such as its share of a split: its net is what is forecast.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from finops.frames import FrameError, require_columns
from finops.money import require_money, total, total_by

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Key = tuple[str, ...]
RECURS, OFTEN = 3, 0.1  # cells below zero, and their share of all but zero, from which on they are a series' own
AT, COST = "ChargePeriodStart", "EffectiveCost"
SPENT = "x_Spent"  # of a day whose cost is not known, what is: usage with a price


@dataclass(frozen=True)
class Grain:
    """The width of a cell, and what follows from it; all but ``length`` are counted in cells.

    ``season``: after which usage repeats. ``average``: seasons in the seasonal average. ``memory``: the history a model sees.
    ``scale``: the recent history whose seasonal differences say what a usual error is. ``stride``: from one past forecast to
    the next, of which there are at most ``origins``. ``bucket``: neighbouring horizons whose errors are of one kind.
    """

    name: str
    length: timedelta
    season: int
    average: int
    memory: int
    scale: int
    stride: int
    origins: int
    bucket: int

    def said(self, cells: int) -> str:
        """A number of cells in words."""
        return f"{cells:,} {self.name}{'' if cells == 1 else 's'}"


HOUR = Grain("hour", timedelta(hours=1), 24, average=3, memory=672, scale=672, stride=24, origins=28, bucket=24)
DAY = Grain("day", timedelta(days=1), 7, average=4, memory=364, scale=56, stride=7, origins=52, bucket=7)
GRAINS = {grain.name: grain for grain in (HOUR, DAY)}


@dataclass(frozen=True)
class Panel:
    """Cost of series by cell: ``cost`` is (series, cells), NaN where it is not known; not negative unless ``signed``.

    ``start``: instant of the first cell, UTC. ``notes``: what was left out of a series' history, in words.
    """

    grain: Grain
    start: datetime
    dimensions: tuple[str, ...]
    keys: tuple[Key, ...]
    cost: Floats
    notes: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    signed: bool = False

    def __post_init__(self) -> None:
        if self.cost.ndim != 2 or len(self.cost) != len(self.keys):
            raise FrameError(f"{len(self.keys)} series but costs of shape {self.cost.shape}")
        if np.isinf(self.cost).any() or (not self.signed and (self.cost < 0).any()):
            raise FrameError("costs of a panel are finite and not negative; what is not known is NaN")

    @property
    def cells(self) -> int:
        """Its length."""
        return int(self.cost.shape[1])

    @property
    def end(self) -> datetime:
        """The instant after its last cell."""
        return self.at(self.cells)

    @property
    def begins(self) -> Ints:
        """By series, the first cell that cost something; ``cells`` where none did."""
        active = np.nan_to_num(self.cost) != 0
        return np.where(active.any(axis=1), active.argmax(axis=1), self.cells).astype(np.int64)

    def at(self, cell: int) -> datetime:
        """The instant at which a cell begins."""
        return self.start + cell * self.grain.length

    def until(self, cells: int) -> "Panel":
        """Its first cells: what was known then."""
        return replace(self, cost=self.cost[:, :cells])

    def of(self, rows: Sequence[int] | Ints) -> "Panel":
        """Some of its series."""
        return replace(self, keys=tuple(self.keys[row] for row in rows), cost=self.cost[list(rows)])


def panel(
    costs: pd.DataFrame,
    dimensions: Sequence[str],
    grain: Grain,
    start: datetime,
    end: datetime,
    gaps: Iterable[tuple[datetime, datetime]] = (),
    *,
    signed: bool = False,
) -> Panel:
    """The panel of costs from ``start`` up to ``end`` by the given dimensions.

    In: ChargePeriodStart (instants, UTC), the dimensions (texts; missing is ''), EffectiveCost (money of one currency; NULL:
    not priced), in any number of rows a cell. ``gaps``: half-open, in which nothing was recorded. A cell without rows cost
    nothing; one in a gap, with an unpriced row or below zero is NaN, the latter two said in the notes. ``signed``: cells below
    zero stay where they recur (RECURS of them at least, and OFTEN of those that are not zero). Series are sorted.
    Invariant: the known cells add up to the rows in them. Raises FrameError on rows outside, or bounds that are no cells.
    """
    names = list(dimensions)
    require_columns(costs, [AT, *names, COST], name="costs")
    require_money(costs, [COST])
    cells, rest = divmod(end - start, grain.length)
    if cells <= 0 or rest or start.tzinfo is None:
        raise FrameError(f"{start} to {end} is not a whole number of {grain.name}s in UTC")
    instants = pd.to_datetime(costs[AT], utc=True)
    outside = (instants < start) | (instants >= end)
    if outside.any():
        raise FrameError(
            f"{int(outside.sum())} rows lie outside {start} to {end}, the first at {instants[outside].iloc[0]}"
        )
    rows = pd.DataFrame({name: costs[name].fillna("").astype(str) for name in names})
    rows["cell"] = ((instants - pd.Timestamp(start)) // pd.Timedelta(grain.length)).astype("int64")
    rows[COST], rows["unpriced"] = costs[COST], costs[COST].isna()
    keys, row_of = _keys(rows, names)
    rows["series"] = row_of
    empty = Panel(
        grain, start.astimezone(UTC), tuple(names), keys, np.zeros((len(keys), cells)), signed=signed
    )  # fmt: skip
    return _filled(empty, rows, gaps)


def known(values: Floats, season: int) -> Floats:
    """Values with every NaN replaced by the season before, else the one after, else the row's mean (0 without any).

    In and out: (series, cells). The seasons are counted from the end.
    """
    filled = values.copy()
    size = filled.shape[1]
    for cell in range(season, size):
        column = filled[:, cell]
        np.copyto(column, filled[:, cell - season], where=np.isnan(column))
    for cell in range(size - season - 1, -1, -1):
        column = filled[:, cell]
        np.copyto(column, filled[:, cell + season], where=np.isnan(column))
    missing = np.isnan(filled)
    if missing.any():
        count = np.maximum((~missing).sum(axis=1), 1)
        filled = np.where(missing, (np.nansum(filled, axis=1) / count)[:, None], filled)
    return filled


def _keys(rows: pd.DataFrame, names: list[str]) -> tuple[tuple[Key, ...], Ints]:
    texts = list(zip(*(rows[name] for name in names), strict=True)) if names else [()] * len(rows)
    keys = tuple(sorted(set(texts)))
    place = {key: row for row, key in enumerate(keys)}
    return keys, np.array([place[key] for key in texts], dtype=np.int64)


def _filled(empty: Panel, rows: pd.DataFrame, gaps: Iterable[tuple[datetime, datetime]]) -> Panel:
    """The panel with its values and notes."""
    cells: Floats = np.zeros((len(empty.keys), empty.cells))
    notes: dict[Key, list[str]] = {}
    if len(rows):
        sums = total_by(rows, ["series", "cell"], [COST])
        unpriced = rows.groupby(["series", "cell"])["unpriced"].any().to_numpy()
        series, cell = sums["series"].to_numpy(), sums["cell"].to_numpy()
        amounts = pc.cast(pa.array(sums[COST]), pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        cells[series, cell] = np.where(unpriced | (amounts < 0), np.nan, amounts)
        for number, key in enumerate(empty.keys):
            mine = series == number
            below = mine & ~unpriced & (amounts < 0)
            if below.any():
                count, told = int(below.sum()), int((mine & ~unpriced & (amounts != 0)).sum())
                own = empty.signed and count >= max(RECURS, OFTEN * told)
                notes.setdefault(key, []).append(_below(empty.grain, total(sums[COST][below]), count, own=own))
                if own:
                    cells[number, cell[below]] = amounts[below]
            if (lacking := int((mine & unpriced).sum())) > 0:
                notes.setdefault(key, []).append(f"{empty.grain.said(lacking)} with unpriced usage: cost not known")
    for first, last in gaps:
        low = max(0, (first - empty.start) // empty.grain.length)
        high = max(0, -((empty.start - last) // empty.grain.length))
        cells[:, low:high] = np.nan
    return replace(empty, cost=cells, notes={key: tuple(found) for key, found in notes.items()})


def _below(grain: Grain, amount: Decimal, cells: int, *, own: bool) -> str:
    why = "they recur, so its net is forecast" if own else "corrections, left out of the history"
    return f"{grain.said(cells)} below zero ({amount.normalize():f} in all): {why}"
