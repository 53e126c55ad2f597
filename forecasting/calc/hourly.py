"""A forecast of the next hours: points and intervals of the whole and of levels, as calc.daily has them of days."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from forecasting.calc import hierarchy
from forecasting.calc.daily import Laid
from forecasting.calc.intervals import Coverage, coverage, marginals
from forecasting.calc.series import AT, COST, Key
from forecasting.calc.stated import Band, band, stated_of


class Hour(NamedTuple):
    """Cost of the hour that begins ``at``: point and intervals, as a day has them."""

    at: datetime
    point: Decimal
    band: Band


class HourSeries(NamedTuple):
    """One series. ``method`` '': refused, without hours; ``history``: hours; ``skill`` None: not measured (sums are not)."""

    level: tuple[str, ...]
    key: Key
    method: str
    refusal: str
    history: int
    skill: float | None
    coverage: Coverage
    hours: tuple[Hour, ...]


def hours(laid: Laid, levels: Sequence[tuple[str, ...]]) -> list[HourSeries]:
    """Series by level and key; points add up, as those of days."""
    base, found = laid.base, list[HourSeries]()
    leaves = hierarchy.costs(base, laid.points * laid.ahead)
    instants = [base.panel.at(base.panel.cells + cell) for cell in range(base.horizon)]
    for level in levels:
        finest = level == base.panel.dimensions
        own = base if finest else hierarchy.aggregate(base, level)
        scaled = laid.ahead if finest else hierarchy.blended(base, level, laid.ahead)
        likely, held = marginals(own), coverage(own)[1]
        quantiles = likely.quantiles() * scaled[:, :, None]
        points: dict[tuple[Key, datetime], Decimal] = {}
        rolled = hierarchy.rolled_up(leaves, base.panel.dimensions, [level])
        for *texts, at, cost in rolled[[*level, AT, COST]].itertuples(index=False, name=None):
            points[tuple(map(str, texts)), at.to_pydatetime()] = cost
        for row, key in enumerate(own.panel.keys):
            skill, served = float(own.skill[row]), bool(own.methods[row])
            mine = [(at, points[key, at]) for at in instants] if served else []
            stated = stated_of(likely, row)
            found.append(
                HourSeries(
                    level, key, own.methods[row], own.refusals[row], own.history[row], None if np.isnan(skill) else skill,
                    held[row],
                    tuple(
                        Hour(at, point, band(point, quantiles[row, cell], stated)) for cell, (at, point) in enumerate(mine)
                    ),
                )
            )  # fmt: skip
    return found
