"""What a month is forecast to close at, of one series: by the forecast in force, or by the one kept at the close before."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from allocation.scope import Scope
from allocation.selectors import UNALLOCATED
from forecasting import forecasts
from forecasting.calc.stated import share_above
from forecasting.forecast_selectors import CENTRE
from forecasting.models import ForecastMonth

Place = tuple[tuple[str, ...], tuple[str, ...]]  # level, key


class AtClose(NamedTuple):
    """Of one month: the expected total and 80 % of its futures (None: no interval is stated), and since when it is forecast.

    ``kept``: first day of the month at whose close it was in force; None: it is the forecast in force.
    """

    point: Decimal
    low_80: Decimal | None
    high_80: Decimal | None
    percentiles: Sequence[Decimal]
    starts_on: date
    kept: date | None

    def over(self, budget: Decimal) -> float | None:
        """The probability that a budget is exceeded; None: too little is known to tell."""
        return share_above(self.percentiles, budget) if self.percentiles else None


def place(filters: Mapping[str, Sequence[str]]) -> Place | None:
    """The series of these filters (column -> values); None: forecasts are not kept of such a choice."""
    chosen = {column: values for column, values in filters.items() if values}
    if any(len(values) > 1 or "*" in values[0] or "?" in values[0] for values in chosen.values()):
        return None
    level = tuple(name for name in forecasts.DIMENSIONS if name in chosen)
    if len(level) < len(chosen) or level not in forecasts.levels(forecasts.DIMENSIONS):
        return None
    return level, tuple("" if chosen[name][0] == UNALLOCATED else chosen[name][0] for name in level)


def of(scope: Scope, month: date, at: Place, currency: str) -> AtClose | None:
    """What is said of a month; None: nothing. At most three queries."""
    level, key = at
    if not scope.everything and CENTRE not in level:
        return None
    rows = scope.of(
        ForecastMonth.objects.filter(
            month=month,
            whole=True,
            series__level=list(level),
            series__key=list(key),
            series__forecast__currency=currency,
        ).exclude(series__method=""),
        "series__cost_centre",
    ).select_related("series__forecast")
    made = forecasts.in_force(currency)
    row = rows.filter(series__forecast=made).first() if made is not None else None
    if row is None:
        row = rows.filter(series__forecast__closes__lt=month).order_by("-series__forecast__closes").first()
    if row is None:
        return None
    found = row.series.forecast
    kept = None if made is not None and found.pk == made.pk else found.closes
    spread = row.percentiles
    low, high = (spread[9], spread[89]) if spread else (None, None)
    return AtClose(row.point, low, high, spread, found.starts_on, kept)
