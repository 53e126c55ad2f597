"""Calendar events: holidays, load tests, migrations. What is known of the calendar is kept out of what is taken as usual.

History loses the cells of an event (they are no news of a usual day) or, where its factor is stated, is divided by it; the
forecast is multiplied by the factor of the events ahead: the stated one, else what the event did at its past dates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from forecasting.calc.series import Floats, Panel, known


@dataclass(frozen=True)
class Event:
    """One date of an event, half-open. ``factor``: usage during it over usual, None: measured at its past dates.

    ``where``: dimension -> values it concerns; a dimension that is not named, any.
    """

    name: str
    start: datetime
    end: datetime
    factor: float | None = None
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)


def usual(panel: Panel, events: Sequence[Event]) -> Panel:
    """The panel as it would have been: cells of events with a factor divided by it, of others (and factor 0) unknown."""
    cost = panel.cost.copy()
    for event in events:
        low, high = _cells(panel, event, panel.cells)
        for row in _rows(panel, event):
            cost[row, low:high] = cost[row, low:high] / event.factor if event.factor else np.nan
    return replace(panel, cost=cost)


def factors(panel: Panel, events: Sequence[Event], horizon: int) -> tuple[Floats, list[str]]:
    """What the forecast of ``horizon`` cells is multiplied with, (series, horizon), and what could not be told, in words.

    In: the panel as it was. Factors of events that meet multiply.
    """
    found, untold = np.ones((len(panel.keys), horizon)), list[str]()
    for event, factor in coming(panel, events, horizon):
        if factor is None:
            untold.append(
                f"{event.name} on {event.start:%Y-%m-%d} has no factor and no past date to measure it: left out"
            )
            continue
        low, high = (max(cell - panel.cells, 0) for cell in _cells(panel, event, panel.cells + horizon))
        for row in _rows(panel, event):
            found[row, low:high] *= factor
    return found, untold


def coming(panel: Panel, events: Sequence[Event], horizon: int) -> list[tuple[Event, float | None]]:
    """The events within the ``horizon`` cells after the panel, each with its factor; None: nothing tells it.

    What concerns no series is none of them.
    """
    measured = _measured(panel, events)
    return [
        (event, event.factor if event.factor is not None else measured.get(event.name))
        for event in events
        if event.end > panel.end and event.start < panel.at(panel.cells + horizon) and _rows(panel, event)
    ]


def of_dimensions(events: Sequence[Event], dimensions: Sequence[str]) -> tuple[list[Event], list[str]]:
    """The events that a panel by these dimensions can tell apart, and in words those that it cannot."""
    found, untold = list[Event](), dict[str, None]()
    for event in events:
        if lacking := [name for name in event.where if name not in dimensions]:
            untold[f"{event.name} is about some of {lacking[0]}, by which nothing is forecast: left out"] = None
        else:
            found.append(event)
    return found, list(untold)


def _measured(panel: Panel, events: Sequence[Event]) -> dict[str, float]:
    """By name, the cost of past dates over that of the same cells a season before and after, all series together."""
    plain = usual(panel, [replace(event, factor=None) for event in events])
    filled = known(plain.cost, panel.grain.season)
    sums: dict[str, tuple[float, float]] = {}
    for event in events:
        low, high = _cells(panel, event, panel.cells)
        rows = _rows(panel, event)
        if low >= high or not rows:
            continue
        told = ~np.isnan(panel.cost[rows, low:high])
        actual, usually = sums.get(event.name, (0.0, 0.0))
        sums[event.name] = (
            actual + float(panel.cost[rows, low:high][told].sum()),
            usually + float(filled[rows, low:high][told].sum()),
        )
    return {name: actual / usually for name, (actual, usually) in sums.items() if usually > 0}


def _cells(panel: Panel, event: Event, until: int) -> tuple[int, int]:
    """The cells, from 0 up to ``until``, that an event touches."""
    low = (event.start - panel.start) // panel.grain.length
    high = -((panel.start - event.end) // panel.grain.length)
    return min(max(low, 0), until), min(max(high, 0), until)


def _rows(panel: Panel, event: Event) -> list[int]:
    places = [(panel.dimensions.index(name), set(values)) for name, values in event.where.items()]
    return [row for row, key in enumerate(panel.keys) if all(key[place] in values for place, values in places)]
