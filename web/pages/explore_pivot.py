"""Cost by one or two dimensions and by time, as table and chart: the same figures, the largest nine and *Other*.

Pure: frames of allocation.selectors.costs in, rows out. Money is exact; floats begin where a bar gets its place.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd

from web.dimensions import OTHER, tier_rank

MOST, MOST_ACROSS = 9, 6
BOX, HEIGHT = 1000, 200  # of the drawing; text is HTML beside it
ZERO = Decimal(0)
Name = str | None  # None: unallocated, or nothing named


@dataclass(frozen=True)
class Figures:
    """Cost and counts of a cell."""

    cost: Decimal = ZERO
    queries: int = 0
    requests: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(self.cost + other.cost, self.queries + other.queries, self.requests + other.requests)

    @property
    def per_query(self) -> Decimal | None:
        """Mean cost of a query."""
        return self.cost / self.queries if self.queries else None


@dataclass(frozen=True)
class Head:
    """A row or column: ``names`` its values, or how many others it holds."""

    names: tuple[Name, ...]
    others: int = 0
    place: int = 0  # the colour


@dataclass(frozen=True)
class Bar:
    """A part of a bar in the drawing."""

    place: int
    at: float
    size: float
    text: str


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    head: Head
    cells: list[Figures]
    total: Figures
    bars: list[Bar] = field(default_factory=list)


@dataclass(frozen=True)
class Pivot:
    """A table of ``rows`` by ``across`` (none: one column) with its totals."""

    across: list[Head]
    rows: list[Row]
    sums: list[Figures]
    total: Figures


def pivot(
    frame: pd.DataFrame, rows: Sequence[str], across: Sequence[str], column: str, *, time: Sequence[str] = ()
) -> Pivot:
    """Sum a frame into rows and columns by the values of these columns of it.

    ``time``: the rows are these points in time, cost or not. Else the nine largest are kept and the rest is one *Other*, so
    that totals stay; likewise the columns, of which six are kept beside rows of another dimension.
    """
    cells: dict[tuple[tuple[Name, ...], tuple[Name, ...]], Figures] = defaultdict(Figures)
    for down, over, figures in _read(frame, rows, across, column):
        cells[down, over] += figures
    down = _sums(cells, 0)
    over = _sums(cells, 1) if across else {}
    heads = [Head((each,)) for each in time] if time else _heads(down, MOST, rows)
    tops = _heads(over, MOST if time else MOST_ACROSS, across)
    own, other = _placed(heads), _placed(tops)
    table: dict[tuple[int, int], Figures] = defaultdict(Figures)
    for (one, two), figures in cells.items():
        table[own.get(one, len(heads) - 1), other.get(two, len(tops) - 1)] += figures
    found = []
    for n, head in enumerate(heads):
        values = [table[n, m] for m in range(len(tops))] if across else []
        found.append(Row(head, values, sum(values, Figures()) if across else table[n, -1]))
    sums = [sum((row.cells[m] for row in found), Figures()) for m in range(len(tops))]
    return Pivot(tops, found, sums, sum((row.total for row in found), Figures()))


def drawn(table: Pivot, length: float, text: Callable[[Decimal], str]) -> Pivot:
    """The table with bars from zero, ``length`` at the longest: each row's cells end to end, what is negative left out."""
    longest = max((sum(max(float(f.cost), 0) for f in row.cells or [row.total]) for row in table.rows), default=0) or 1
    rows = []
    for row in table.rows:
        at, bars = 0.0, []
        for n, figures in enumerate(row.cells or [row.total]):
            size = max(float(figures.cost), 0) / longest * length
            place = table.across[n].place if row.cells else row.head.place
            if size:
                bars.append(Bar(place, round(at, 2), round(size, 2), text(figures.cost)))
            at += size
        rows.append(Row(row.head, row.cells, row.total, bars))
    return Pivot(table.across, rows, table.sums, table.total)


def _read(frame: pd.DataFrame, rows: Sequence[str], across: Sequence[str], column: str) -> list[tuple[Any, ...]]:
    values = {name: frame[name].to_list() for name in {*rows, *across, column, "Queries", "Requests"}}
    return [
        (
            tuple(values[name][n] for name in rows), tuple(values[name][n] for name in across),
            Figures(values[column][n], int(values["Queries"][n]), int(values["Requests"][n])),
        )
        for n in range(len(frame))
    ]  # fmt: skip


def _sums(cells: dict[Any, Figures], place: int) -> dict[tuple[Name, ...], Figures]:
    found: dict[tuple[Name, ...], Figures] = defaultdict(Figures)
    for key, figures in cells.items():
        found[key[place]] += figures
    return found


def _heads(sums: dict[tuple[Name, ...], Figures], most: int, columns: Sequence[str]) -> list[Head]:
    ranked = sorted(sums, key=lambda names: (-abs(sums[names].cost), -sums[names].queries, str(names)))
    kept = ranked if len(ranked) <= most + 1 else ranked[:most]
    if columns and columns[0] == "x_QueryTier":
        kept = sorted(kept, key=lambda names: (tier_rank(names[0]), str(names)))
    heads = [Head(names, place=n) for n, names in enumerate(kept)]
    return [*heads, Head((OTHER,), len(ranked) - len(kept), MOST)] if len(kept) < len(ranked) else heads


def _placed(heads: Sequence[Head]) -> dict[tuple[Name, ...], int]:
    return {head.names: n for n, head in enumerate(heads) if not head.others}
