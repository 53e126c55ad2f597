"""What the forecasts in force at closes said of the months after, beside what these cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.conf import settings

from allocation.models import BillingPeriod
from allocation.scope import Scope
from allocation.selectors import CostQuery, costs
from finops.periods import Period
from forecasting.calc.backtest import Variance, variance
from forecasting.calc.intervals import LEVELS
from forecasting.forecast_selectors import CENTRE
from forecasting.models import ForecastMonth

BANDS = (("run", 0.12), ("crawl", 0.2))  # FinOps Framework, forecasting: variance of spend by maturity
_INSIDE = LEVELS[0]
_BOUNDS = (100 - _INSIDE) // 2, (100 + _INSIDE) // 2  # its percentiles


@dataclass(frozen=True)
class Kept:
    """One month: the forecast that was in force when ``closes`` was frozen, and what came. ``owner`` '': the whole.

    ``low`` and ``high`` None: the forecast stated no interval.
    """

    closes: date
    month: date
    owner: str
    low: Decimal | None
    high: Decimal | None
    found: Variance
    state: str

    @property
    def inside(self) -> bool | None:
        """Whether the 80 % interval held what came; None: there was none."""
        return self.found.inside.get(_INSIDE)

    @property
    def ahead(self) -> int:
        """How many months lie between the close and it: 1 is the next one."""
        return (self.month.year - self.closes.year) * 12 + self.month.month - self.closes.month


def kept(scope: Scope, currency: str = "") -> list[Kept]:
    """Months that are over, newest first; the whole, and for those who see only cost centres of theirs, each of these."""
    currency = currency or settings.REPORT_CURRENCY
    level = [] if scope.everything else [CENTRE]
    rows = ForecastMonth.objects.filter(
        series__forecast__closes__isnull=False, series__level=level, series__forecast__currency=currency, whole=True
    )
    rows = scope.of(rows, "series__cost_centre")
    states = dict(BillingPeriod.objects.exclude(state="open").values_list("month", "state"))
    actual: dict[date, Mapping[str, Decimal]] = {}
    found = []
    for row in rows.select_related("series__forecast").order_by("-month", "-series__forecast__closes", "series__key"):
        closes = row.series.forecast.closes
        if closes is None or row.month <= closes or row.month not in states:
            continue
        if row.month not in actual:
            actual[row.month] = _actual(scope, row.month, currency)
        owner = row.series.key[0] if level else ""
        low, high = (row.percentiles[at - 1] for at in _BOUNDS) if row.percentiles else (None, None)
        came = actual[row.month].get(owner, Decimal(0))
        judged = variance(row.point, came, BANDS, {} if low is None or high is None else {_INSIDE: (low, high)})
        found.append(Kept(closes, row.month, owner, low, high, judged, states[row.month]))
    return found


def _actual(scope: Scope, month: date, currency: str) -> dict[str, Decimal]:
    by = () if scope.everything else (CENTRE,)
    query = CostQuery(Period.month_of(month), by, currency=currency, restated=True)
    frame = costs(scope, query)
    owners = frame[CENTRE] if by else [""]
    return {owner or "": cost or Decimal(0) for owner, cost in zip(owners, frame["EffectiveCost"], strict=True)}
