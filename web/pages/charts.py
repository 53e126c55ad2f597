"""Geometry of the charts that pages draw themselves as SVG: figures in, places in per cent or in a box out.

Lines lie in a box 1000 wide and 100 high. Text is HTML beside them, so that it keeps its size at every width. Floats begin here.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

BOX = 1000
_ROOM = 0.06  # of the axis, free on both sides
_TICKS, _MARKS = 5, 8


class Step(NamedTuple):
    """A row of a waterfall: a level where ``level`` is true, else a change on the way to the next one."""

    name: str
    amount: Decimal
    level: bool
    note: str = ""


class Bar(NamedTuple):
    """A step with its place in a box 1000 wide. ``cut``: its bar begins left of the axis."""

    step: Step
    left: int
    width: int
    cut: bool
    link: int  # where the next bar's end meets this one's


def waterfall(steps: Sequence[Step]) -> list[Bar]:
    """Bars of levels and of the changes between them. The axis is cut where changes would be too small to see."""
    ends: list[tuple[Decimal, Decimal]] = []
    at = Decimal(0)
    for step in steps:
        low, high = (Decimal(0), step.amount) if step.level else sorted((at, at + step.amount))
        at = step.amount if step.level else at + step.amount
        ends.append((low, high))
    reached = [end for step, pair in zip(steps, ends, strict=True) for end in (pair if not step.level else pair[1:])]
    least, most = float(min(reached, default=Decimal(0))), float(max(reached, default=Decimal(1)))
    span = most - least or abs(most) or 1.0
    start = min(0.0 if least <= 0 or span > most * 0.3 else max(0.0, least - span * 0.5), least)
    scale = BOX / ((most - start) * (1 + _ROOM) or 1.0)

    def place(amount: Decimal) -> int:
        return round(max(0.0, float(amount) - start) * scale)

    found, at = [], Decimal(0)
    for step, (one, two) in zip(steps, ends, strict=True):
        at = step.amount if step.level else at + step.amount
        left = 0 if step.level else place(one)
        width = max(place(two) - left, 3 if step.amount else 0)
        found.append(Bar(step, left, width, step.level and start > 0, place(at)))
    return found


class Tick(NamedTuple):
    """A mark on an axis: its text, and its place in per cent from the left or the top."""

    text: str
    at: float


class Label(NamedTuple):
    """The name of a line at its right end; ``at`` in per cent from the top."""

    name: str
    at: float


class Lines(NamedTuple):
    """Lines in the box: (name, path), ticks of both axes, and a label of each line. ``dots``: a path of points for each."""

    paths: list[tuple[str, str]]
    across: list[Tick]
    up: list[Tick]
    labels: list[Label]
    dots: Sequence[tuple[str, str]] = ()


Series = Sequence[tuple[str, Sequence[tuple[date, Decimal | None]]]]


def stepped(series: Series, start: date, end: date, *, log: bool) -> Lines:
    """Lines that keep a value until the next day that states one; None: there is no value from then on."""
    values = [float(value) for _, points in series for _, value in points if value is not None]
    scale = _Scale(values, log=log)
    days = max((end - start).days, 1)

    def across(day: date) -> float:
        return min(max((day - start).days / days, 0.0), 1.0) * BOX

    paths, labels = [], []
    for name, points in series:
        path, last = "", None
        for day, value in points:
            here = across(day)
            if last is not None:
                path += f"H{here:.1f}"
            if value is not None:
                path += f"{'V' if last is not None else f'M{here:.1f} '}{scale.at(float(value)):.2f}"
            last = value
        if last is not None:
            path += f"H{BOX}"
            labels.append(Label(name, scale.at(float(last))))
        paths.append((name, path))
    return Lines(paths, _dates(start, end), scale.ticks(), _apart(labels))


def joined(
    series: Sequence[tuple[str, Sequence[Decimal | None]]],
    names: Sequence[str],
    text: Callable[[float], str] | None = None,
) -> Lines:
    """Lines on a log axis between points side by side, one per name; None and what is not positive leave a gap.

    ``text`` writes a tick of the axis.
    """
    values = [float(value) for _, points in series for value in points if value is not None and value > 0]
    scale, size = _Scale(values, log=True), len(names)
    paths, dots, labels = [], [], []
    for name, points in series:
        line = marks = ""
        last: float | None = None
        for number, value in enumerate(points):
            if value is None or value <= 0:
                last = None
                continue
            across, up = (number + 0.5) / size * BOX, scale.at(float(value))
            line += f"{'M' if last is None else 'L'}{across:.1f} {up:.2f}"
            marks += f"M{across:.1f} {up:.2f}h0"
            last = up
        if last is not None:
            labels.append(Label(name, last))
        paths.append((name, line))
        dots.append((name, marks))
    every = math.ceil(size / _MARKS)
    across_ticks = [
        Tick(name, round((number + 0.5) / size * 100, 2))
        for number, name in enumerate(names)
        if (size - 1 - number) % every == 0
    ]
    return Lines(paths, across_ticks, scale.ticks(text), _apart(labels), dots)


class Axes(NamedTuple):
    """An axis of amounts from zero up: ``up`` places one, in per cent from the top; and its ticks."""

    up: Callable[[float], float]
    ticks: list[Tick]


def amounts(values: Iterable[float], text: Callable[[float], str] | None = None) -> Axes:
    """The axis on which these amounts have room. ``text`` writes a tick."""
    scale = _Scale(values, log=False)
    return Axes(scale.at, scale.ticks(text))


def dates(start: date, end: date) -> list[Tick]:
    """Firsts of months (of quarters, of years) between two days."""
    return _dates(start, end)


class _Scale:
    """Values to per cent from the top."""

    def __init__(self, values: Iterable[float], *, log: bool) -> None:
        known = [value for value in values if value > 0 or not log]
        self.log = log
        low, high = min(known, default=0.0), max(known, default=1.0)
        if log:
            low, high = math.log10(low or 1), math.log10(high or 1)
            room = max((high - low) * 0.12, 0.12)
            self.low, self.high = low - room, high + room
        else:
            self.low, self.high = min(low, 0.0), high * 1.08 or 1.0

    def at(self, value: float) -> float:
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        return round((1 - (value - self.low) / (self.high - self.low)) * 100, 2)

    def ticks(self, text: Callable[[float], str] | None = None) -> list[Tick]:
        found: list[float]
        if self.log:
            found = [
                part * 10.0**power
                for power in range(math.floor(self.low), math.ceil(self.high) + 1)
                for part in (1, 2, 5)
                if self.low <= math.log10(part * 10.0**power) <= self.high
            ]
            if len(found) > _MARKS:
                found = [value for value in found if f"{value:e}"[0] == "1"]
        else:
            step = _nice(self.high / _TICKS)
            found = [step * number for number in range(int(self.high / step) + 1)]
        return [Tick((text or _short)(value), self.at(value)) for value in found]


def _nice(step: float) -> float:
    size = 10.0 ** math.floor(math.log10(step)) if step > 0 else 1.0
    return float(next(part * size for part in (1, 2, 2.5, 5, 10) if part * size >= step * 0.999))


def _short(value: float) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _dates(start: date, end: date) -> list[Tick]:
    """Firsts of months (of quarters, of years) between two days, at most seven of them."""
    months = (end.year - start.year) * 12 + end.month - start.month
    every = next(step for step in (1, 2, 3, 6, 12, 24, 60) if months / step <= 7 or step == 60)
    first = start.replace(day=1)
    found: list[Tick] = []
    for number in range(months + 1):
        year, month = divmod(first.year * 12 + first.month - 1 + number, 12)
        day = date(year, month + 1, 1)
        if (year * 12 + month) % every == 0 and start <= day <= end:
            text = f"{day:%b %Y}" if every >= 3 or not found or day.month == 1 else f"{day:%b}"
            found.append(Tick(text, round((day - start).days / max((end - start).days, 1) * 100, 2)))
    return found or [Tick(f"{start.day} {start:%b}", 0.0)]


def _apart(labels: list[Label]) -> list[Label]:
    """Labels moved so far apart that they can be read; those that mean the same place share one."""
    joined: dict[float, list[str]] = {}
    for label in labels:
        joined.setdefault(label.at, []).append(label.name)
    found: list[Label] = []
    for at in sorted(joined):
        lowest = found[-1].at + 8 if found else at
        found.append(Label(", ".join(joined[at]), max(at, lowest)))
    return found
