"""Drawings of scenarios: fans by month, medians beside each other, tornado bars. Figures in, places in a box 1000 wide out."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from web import formats
from web.pages.charts import BOX, Axes, Label, Tick, amounts

_YEAR, _TICKS, _NEAR = 12, 8, 8.0


class Fan(NamedTuple):
    """Bands (5 to 95 %, 25 to 75 %), median and budget as paths; ``start``: place of month 0 from the top, per cent."""

    wide: str
    band: str
    median: str
    budget: str
    start: float
    across: list[Tick]
    up: list[Tick]
    labels: list[Label]


class Medians(NamedTuple):
    """Medians of several scenarios as paths, the band of the first, and their names at the right end."""

    band: str
    paths: list[str]
    across: list[Tick]
    up: list[Tick]
    labels: list[Label]


class Swing(NamedTuple):
    """A bar of a tornado: from the low to the high percentile; places in the box, ``middle`` that of the median."""

    left: float
    width: float
    low_left: bool  # the parameter's low end is the cheaper one


def fan(fans: Sequence[Mapping[str, Any]], budgets: Sequence[str | None], currency: str) -> Fan:
    """The fan of one tier over its months, month 0 first. ``budgets``: by month; empty: none is drawn."""
    rows = [[float(value) for value in one["quantiles"]] for one in fans]
    limits = [None if one is None else float(one) for one in budgets]
    axis = _axis([value for row in rows for value in row] + [limit for limit in limits if limit is not None], currency)
    months = [date.fromisoformat(one["month"]) for one in fans]
    places = _places(len(rows))
    budget = _line(
        [(place, None if limit is None else axis.up(limit)) for place, limit in zip(places, limits, strict=False)]
    )
    labels = [Label(name, axis.up(rows[-1][at])) for name, at in (("95 %", 4), ("median", 2), ("5 %", 0))]
    return Fan(
        _band(places, rows, axis, 0, 4), _band(places, rows, axis, 1, 3),
        _line([(place, axis.up(row[2])) for place, row in zip(places, rows, strict=True)]), budget, axis.up(rows[0][2]),
        _across(months), axis.ticks, _apart(labels),
    )  # fmt: skip


def medians(totals: Sequence[tuple[str, Sequence[Any]]], currency: str) -> Medians:
    """(name, fans of all tiers) of scenarios beside each other; of the first also where half of its draws lie."""
    rows = [(name, [[float(value) for value in one.quantiles] for one in fans]) for name, fans in totals]
    first = rows[0][1]
    axis = _axis([row[at] for _, each in rows for row in each for at in (1, 2, 3)], currency)
    places = _places(len(first))
    paths = [_line([(place, axis.up(row[2])) for place, row in zip(places, each, strict=True)]) for _, each in rows]
    labels = [Label(name, axis.up(each[-1][2])) for name, each in rows]
    months = [one.month for one in totals[0][1]]
    return Medians(_band(places, first, axis, 1, 3), paths, _across(months), axis.ticks, _apart(labels))


def spark(fans: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Band of 5 to 95 % and median as small paths, from zero up."""
    rows = [[float(value) for value in one["quantiles"]] for one in fans]
    axis, places = amounts([row[4] for row in rows]), _places(len(rows))
    return _band(places, rows, axis, 0, 4), _line(
        [(place, axis.up(row[2])) for place, row in zip(places, rows, strict=True)]
    )


def swings(rows: Sequence[tuple[Decimal, Decimal]], median: Decimal) -> tuple[list[Swing], float]:
    """Bars of (cost at the 10th, at the 90th percentile), and the place of the median, on one axis."""
    ends = [float(end) for row in rows for end in row] + [float(median)]
    low, span = min(ends), (max(ends) - min(ends)) or 1.0

    def place(value: Decimal) -> float:
        return round((float(value) - low) / span * BOX, 1)

    found = [
        Swing(place(min(row)), max(round(place(max(row)) - place(min(row)), 1), 2.0), row[0] <= row[1]) for row in rows
    ]
    return found, place(median)


def _axis(values: Sequence[float], currency: str) -> Axes:
    return amounts(values, lambda value: formats.money_short(Decimal(f"{value:.6g}"), currency))


def _places(count: int) -> list[float]:
    return [number / max(count - 1, 1) * BOX for number in range(count)]


def _line(points: Sequence[tuple[float, float | None]]) -> str:
    path, drawn = "", False
    for across, up in points:
        if up is not None:
            path += f"{'L' if drawn else 'M'}{across:.1f} {up:.2f}"
        drawn = up is not None
    return path


def _band(places: Sequence[float], rows: Sequence[Sequence[float]], axis: Axes, low: int, high: int) -> str:
    pairs = list(zip(places, rows, strict=True))
    over = [f"{place:.1f} {axis.up(row[high]):.2f}" for place, row in pairs]
    under = [f"{place:.1f} {axis.up(row[low]):.2f}" for place, row in reversed(pairs)]
    return f"M{'L'.join((*over, *under))}Z"


def _across(months: Sequence[date]) -> list[Tick]:
    every = next(step for step in (1, 2, 3, 6, 12) if len(months) / step <= _TICKS or step == _YEAR)
    return [
        Tick(f"{month:%b %Y}", round(number / max(len(months) - 1, 1) * 100, 2))
        for number, month in enumerate(months)
        if number % every == 0
    ]


def _apart(labels: Sequence[Label]) -> list[Label]:
    """Labels from the top down, so far apart that they can be read."""
    found: list[Label] = []
    for label in sorted(labels, key=lambda one: one.at):
        lowest = found[-1].at + _NEAR if found else label.at
        found.append(Label(label.name, max(label.at, lowest)))
    return found
