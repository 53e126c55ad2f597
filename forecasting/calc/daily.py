"""A forecast of daily cost, all of it: points, intervals and month totals of every level, with how they were come by."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from finops.money import total_by
from finops.periods import Period
from forecasting.calc import hierarchy, paths
from forecasting.calc.baseline import CHECKED, Baseline, forecast
from forecasting.calc.events import Event, coming, factors, of_dimensions, usual
from forecasting.calc.fitted import fitted
from forecasting.calc.intervals import ENOUGH, LEVELS, Coverage, coverage, marginals
from forecasting.calc.price_index import PriceIndex
from forecasting.calc.series import AT, COST, SPENT, Floats, Key, Panel
from forecasting.calc.stated import Band, band, move, percentiles, stated_of

MEMORY = 364  # days of history that a model sees, and its errors with them
_ZERO = Decimal(0)


class Asked(NamedTuple):
    """What is forecast: days ahead, which levels (dimensions that tell their series apart), with what seed of the paths."""

    horizon: int
    levels: tuple[tuple[str, ...], ...]
    seed: int = 0


class Known(NamedTuple):
    """What it is made of. ``costs``: rows as series.panel takes them; ``panel`` of them; prices; events past and ahead."""

    costs: pd.DataFrame
    panel: Panel
    prices: PriceIndex
    events: Sequence[Event] = ()


class Day(NamedTuple):
    """Cost of a day: point, and the bounds of its intervals."""

    day: date
    point: Decimal
    band: Band


class Month(NamedTuple):
    """Cost of a month: what its days before the forecast cost, with that its point and PERCENTS; ``whole``: to its end.

    Without percentiles where no interval is stated.
    """

    month: date
    whole: bool
    actual: Decimal
    point: Decimal
    percentiles: tuple[Decimal, ...]


class Series(NamedTuple):
    """One series. ``method`` '': refused, and then it has no days and months; ``skill`` None: not measured.

    ``stated``: the LEVELS of which it has intervals.
    """

    level: tuple[str, ...]
    key: Key
    method: str
    refusal: str
    history: int
    checked: int
    skill: float | None
    basis: str
    coverage: Coverage
    stated: tuple[int, ...]
    days: tuple[Day, ...]
    months: tuple[Month, ...]


class Mark(NamedTuple):
    """What a forecast knows of a day ahead. ``event``: of the calendar, on the days ``first`` to ``last``, with its factor.

    Without ``event``: list prices change from ``first`` on, by ``factor``. ``where``: dimension -> values it concerns.
    """

    first: date
    last: date
    event: str
    where: dict[str, list[str]]
    factor: float


class Made(NamedTuple):
    """A forecast. ``coverage``: of all its finest series together."""

    series: list[Series]
    coverage: Coverage
    notes: list[str]
    marks: list[Mark]


class Laid(NamedTuple):
    """What all levels of a forecast are made of: the finest series at constant prices, and what each cell is multiplied with.

    ``points``: (series, horizon), as they are stated (calc.fitted); those of ``base`` are the models'.
    """

    base: Baseline
    points: Floats
    ahead: Floats
    marks: list[Mark]
    untold: list[str]


def made(known: Known, asked: Asked) -> Made:
    """The forecast of the days after the panel, at the prices of their time. Raises ForecastError.

    Invariants: a point lies inside its intervals, and that of 80 % inside that of 95 %; points and months' actuals of every
    level add up to those of the level above, and days to their month, exactly.
    """
    laid = lay(known, asked.horizon)
    base, ahead = laid.base, laid.ahead
    points = hierarchy.rolled_up(hierarchy.costs(base, laid.points * ahead), known.panel.dimensions, asked.levels)
    found = [
        each
        for number, level in enumerate(asked.levels)
        for each in _level(known, base, level, ahead, points[points["level"] == number], asked.seed)
    ]
    return Made(found, coverage(base)[0], [*_notes(known), *laid.untold], laid.marks)


def lay(known: Known, horizon: int) -> Laid:
    """The finest series of a forecast, history without its prices and events. Raises ForecastError."""
    panel = known.panel
    events, untold = of_dimensions(known.events, panel.dimensions)
    base_at = panel.at(panel.cells - 1)
    plain = usual(panel, events)
    constant = replace(panel, cost=plain.cost / known.prices.factors(panel, base_at, 0, panel.cells))
    base = forecast(constant, horizon)
    by_event, without = factors(panel, events, horizon)
    priced = known.prices.factors(panel, base_at, panel.cells, horizon)
    points = fitted(base, marginals(base))
    return Laid(base, points, priced * by_event, _marks(known, events, horizon), [*untold, *without])


def drawn(laid: Laid, level: tuple[str, ...], key: Key, seed: int) -> Floats:
    """Cost of the days ahead on every sample path of one series, (draws, horizon). Raises LookupError where it is refused.

    The paths whose month totals ``made`` has, around the stated points as these.
    """
    own = laid.base if level == laid.base.panel.dimensions else hierarchy.aggregate(laid.base, level)
    scaled = laid.ahead if level == laid.base.panel.dimensions else hierarchy.blended(laid.base, level, laid.ahead)
    row = own.panel.keys.index(key) if key in own.panel.keys else -1
    if row not in own.served:
        raise LookupError(f"{' / '.join(filter(None, key)) or 'all'} has no forecast")
    points = hierarchy.summed(laid.base.panel, level, laid.points * laid.ahead)[row]
    _, windows = _windows(_days(own))
    for number, mine in paths.paths(marginals(own), seed):
        if number == row:
            found = np.asarray(mine * scaled[row])
            for window in windows:
                moved = move(found[:, window].sum(axis=1), float(points[window].sum()))
                found[:, window] = found[:, window] * moved.factor + moved.added / (window.stop - window.start)
            return found
    raise AssertionError("a served row has paths")


def _days(own: Baseline) -> list[date]:
    return [own.panel.at(own.panel.cells + cell).date() for cell in range(own.horizon)]


def _marks(known: Known, events: Sequence[Event], horizon: int) -> list[Mark]:
    """Events and price steps ahead, by day."""
    panel = known.panel
    first, after = panel.end.date(), panel.at(panel.cells + horizon).date()
    found = [
        Mark(max(event.start.date(), first), min((event.end - panel.grain.length).date(), after - panel.grain.length),
             event.name, {name: list(values) for name, values in event.where.items()}, factor)
        for event, factor in coming(panel, events, horizon) if factor is not None
    ]  # fmt: skip
    places = [panel.dimensions.index(name) for name in known.prices.dimensions]
    for key in sorted({tuple(key[place] for place in places) for key in panel.keys}):
        steps = known.prices.steps.get(key)
        pairs = list(zip(steps.starts, steps.levels, strict=True)) if steps else []
        for (_, before), (at, level) in pairwise(pairs):
            if first <= at.date() < after and before and level != before:
                where = {name: [value] for name, value in zip(known.prices.dimensions, key, strict=True)}
                found.append(Mark(at.date(), at.date(), "", where, float(level / before)))
    return sorted(found, key=lambda mark: (mark.first, mark.event, sorted(mark.where.items())))


def reach(panel: Panel) -> int:
    """How many cells ahead history can judge; may be below 1.

    So far that of the whole alone enough past forecasts are known for its interval, and that two of them do not overlap: of
    the one it is then measured whether intervals made of the other hold.
    """
    season = panel.grain.season
    judged = panel.cells - int(panel.begins.min(initial=panel.cells)) - CHECKED * season
    return min(judged - (ENOUGH[LEVELS[0]] - 1) * season, judged // 2 // season * season)


def _notes(known: Known) -> list[str]:
    panel = known.panel
    named = [
        f"{' / '.join(filter(None, key)) or 'all'}: {note}" for key, notes in panel.notes.items() for note in notes
    ]
    without = known.prices.unpriced(panel)
    if without:
        some = ", ".join(" / ".join(filter(None, key)) for key in without[:3])
        named.append(f"{len(without)} series have no price and are forecast at the prices paid: {some}")
    return named


def _level(
    known: Known, base: Baseline, level: tuple[str, ...], ahead: Floats, points: pd.DataFrame, seed: int
) -> Iterator[Series]:
    finest = level == base.panel.dimensions
    own = base if finest else hierarchy.aggregate(base, level)
    scaled = ahead if finest else hierarchy.blended(base, level, ahead)
    likely = marginals(own)
    quantiles = likely.quantiles() * scaled[:, :, None]
    days = _days(own)
    months, windows = _windows(days)
    sums = paths.totals(likely, windows, seed, factors=scaled)
    point_of = _by_key(points, level)
    actual = _actuals(known.costs, level, months)
    each = coverage(own)[1]
    for row, key in enumerate(own.panel.keys):
        method = own.methods[row]
        skill = float(own.skill[row])
        at = point_of.get(key, {}) if method else {}
        stated = stated_of(likely, row) if method else ()
        mine = tuple(
            Day(day, at[day], band(at[day], quantiles[row, cell], stated)) for cell, day in enumerate(days) if method
        )
        yield Series(
            level, key, method, own.refusals[row], own.history[row], int(own.checked[row]),
            None if np.isnan(skill) else skill, likely.basis[row], each[row], stated, mine,
            tuple(
                _month(period, days[-1], actual.get((key, period.start), _ZERO), mine[window],
                       sums[key][:, number] if stated else None, float(likely.least[row]), float(likely.most[row]))
                for number, (period, window) in enumerate(zip(months, windows, strict=True))
            ) if method else (),
        )  # fmt: skip


def _windows(days: Sequence[date]) -> tuple[list[Period], list[slice]]:
    """The calendar months of the days ahead, and where their days lie."""
    months = [Period.month(text) for text in sorted({f"{day:%Y-%m}" for day in days})]
    found = []
    for period in months:
        inside = [number for number, day in enumerate(days) if day in period]
        found.append(slice(inside[0], inside[-1] + 1))
    return months, found


def _by_key(points: pd.DataFrame, level: Sequence[str]) -> dict[Key, dict[date, Decimal]]:
    found: dict[Key, dict[date, Decimal]] = {}
    names = [*level, AT, COST]
    for *key, at, cost in points[names].itertuples(index=False, name=None):
        found.setdefault(tuple(map(str, key)), {})[at.date()] = cost
    return found


def _actuals(costs: pd.DataFrame, level: Sequence[str], months: Sequence[Period]) -> dict[tuple[Key, date], Decimal]:
    """What the days of the first month that came already cost, exactly."""
    first = months[0]
    rows = costs[pd.to_datetime(costs[AT], utc=True) >= pd.Timestamp(first.start, tz="UTC")]
    rows = rows.assign(**{name: rows[name].fillna("") for name in level})
    if not len(rows):
        return {}
    spent = SPENT if SPENT in rows else COST
    sums = total_by(rows.assign(whole=""), [*level, "whole"], [spent])
    return {
        (tuple(map(str, key)), first.start): _ZERO if pd.isna(cost) else cost
        for *key, cost in sums[[*level, spent]].itertuples(index=False, name=None)
    }


def _month(
    period: Period, last: date, actual: Decimal, days: Sequence[Day], sums: Floats | None, least: float, most: float
) -> Month:
    """``sums``: of its days ahead on the sample paths, within ``least`` and ``most``; None where nothing is stated."""
    ahead = sum((day.point for day in days), _ZERO)
    spread = () if sums is None else tuple(actual + one for one in percentiles(sums, ahead, least, most))
    return Month(period.start, last >= max(period.days()), actual, actual + ahead, spread)
