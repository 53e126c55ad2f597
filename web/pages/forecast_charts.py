"""Drawings of forecasts: a fan of days, and a curve of choices. Figures in, places in a box 1000 wide and 100 high out."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from web import formats
from web.pages.charts import BOX, Tick, amounts, dates

_NEAR = 9.0  # per cent of the width within which two labels would collide
_LEFTWARD = 60.0  # from here on a label stands left of its mark: on a phone the longest takes two fifths of the width


class Point(NamedTuple):
    """A day that is forecast: point and bounds from the outermost on; None: not stated."""

    day: date
    point: Decimal
    low_95: Decimal | None
    low_80: Decimal | None
    high_80: Decimal | None
    high_95: Decimal | None


class Mark(NamedTuple):
    """Something known of days ahead: place and width in the box, its words, its row of labels, and whether they stand left."""

    at: float
    width: float
    text: str
    kind: str
    row: int
    leftward: bool


class Fan(NamedTuple):
    """What was, and what is forecast: paths in the box ('': not stated), where the forecast begins, ticks and marks."""

    actual: str
    point: str
    band_80: str
    band_95: str
    begins: float
    across: list[Tick]
    up: list[Tick]
    marks: list[Mark]


def fan(
    was: Sequence[tuple[date, Decimal | None]], ahead: Sequence[Point], marks: Sequence[tuple[date, date, str, str]],
    currency: str,
) -> Fan | None:  # fmt: skip
    """The fan of days; None where there is none ahead. ``marks``: (first, last, kind, words)."""
    if not ahead:
        return None
    start = was[0][0] if was else ahead[0].day
    end = ahead[-1].day + timedelta(days=1)
    days = (end - start).days
    every = [0.0, *(float(cost) for _, cost in was if cost is not None)]
    every += [float(amount) for _, *each in ahead for amount in each if amount is not None]
    axis = amounts(every, lambda value: formats.money_short(Decimal(f"{value:.6g}"), currency))

    def across(day: date) -> float:
        return ((day - start).days + 0.5) / days * BOX

    def line(values: Sequence[tuple[date, Decimal | None]]) -> str:
        path, drawn = "", False
        for day, value in values:
            if value is not None:
                path += f"{'L' if drawn else 'M'}{across(day):.1f} {axis.up(float(value)):.2f}"
            drawn = value is not None
        return path

    def band(low: str, high: str) -> str:
        if getattr(ahead[0], low) is None:
            return ""
        over = [f"{across(point.day):.1f} {axis.up(float(getattr(point, high))):.2f}" for point in ahead]
        under = [f"{across(point.day):.1f} {axis.up(float(getattr(point, low))):.2f}" for point in reversed(ahead)]
        return f"M{'L'.join((*over, *under))}Z"

    begins = (ahead[0].day - start).days / days * BOX
    return Fan(
        line(was), line([(point.day, point.point) for point in ahead]), band("low_80", "high_80"), band("low_95", "high_95"),
        round(begins, 1), dates(start, end), axis.ticks, _marks(marks, start, days),
    )  # fmt: skip


def _marks(marks: Sequence[tuple[date, date, str, str]], start: date, days: int) -> list[Mark]:
    """Labels in two rows, so that neighbours can be read; one that would meet both has none and speaks on hover."""
    found: list[Mark] = []
    last = [-100.0, -100.0]
    for first, until, kind, text in sorted(marks):
        at = max((first - start).days, 0) / days * 100
        width = max(((until - first).days + 1) / days * BOX, 2.0)
        leftward, long = at > _LEFTWARD, min(len(text), 24) * 0.6
        free = [row for row in (0, 1) if at - (long if leftward else 0) - last[row] > _NEAR]
        row = free[0] if free else -1
        if free:
            last[row] = at + (0 if leftward else long)
        found.append(Mark(round(at * BOX / 100, 1), round(width, 1), text, kind, row, leftward))
    return found


class Curve(NamedTuple):
    """Amounts by size: paths by name, the chosen size's place, and ticks of both axes."""

    paths: list[tuple[str, str]]
    best: float
    across: list[Tick]
    up: list[Tick]


def curve(
    sizes: Sequence[Decimal], lines: Sequence[tuple[str, Sequence[Decimal]]], best: Decimal, currency: str, unit: str
) -> Curve | None:
    """Lines over sizes; None where there are not two sizes."""
    most = float(max(sizes, default=Decimal(0)))
    if len(sizes) < 2 or most <= 0:
        return None
    axis = amounts(
        [float(value) for _, values in lines for value in values],
        lambda value: formats.money_short(Decimal(f"{value:.6g}"), currency),
    )
    paths = [
        (
            name,
            "M" + "L".join(
                f"{float(size) / most * BOX:.1f} {axis.up(float(value)):.2f}"
                for size, value in zip(sizes, values, strict=True)
            ),
        )
        for name, values in lines
    ]  # fmt: skip
    across = [
        Tick(_size(Decimal(f"{tick / 4 * most:.6g}"), currency if unit == "money" else ""), tick * 25.0)
        for tick in range(5)
    ]
    return Curve(paths, round(float(best) / most * BOX, 1), across, axis.ticks)


def _size(size: Decimal, currency: str) -> str:
    return formats.money_short(size, currency) if currency else formats.whole(round(size))
