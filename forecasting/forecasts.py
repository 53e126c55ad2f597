"""Forecasts of daily cost: made once a night, or when somebody asks; kept where a month was closed on them."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any, NamedTuple

import pandas as pd
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from allocation.calc.closing import FROZEN
from allocation.models import BillingPeriod, CostCentre
from finops.copying import copy_rows
from finops.periods import Period
from forecasting import calendar, history
from forecasting.calc.baseline import ForecastError
from forecasting.calc.daily import Asked, Known, Made, Mark, Series, made, reach
from forecasting.calc.events import Event
from forecasting.calc.intervals import LEVELS, Coverage
from forecasting.calc.scenario_origin import digest_of
from forecasting.calc.series import SPENT, Panel
from forecasting.models import Forecast, ForecastDay, ForecastMonth, ForecastSeries
from ingest.models import PriceBookVersion

DIMENSIONS = ("x_CostCentre", "ServiceProviderName", "x_Model", "x_QueryTier")
POSSIBLE = (*DIMENSIONS, "x_Feature", "x_Team", "x_Environment")
HORIZON, MOST = 92, 400  # days
KEPT = timedelta(days=35)  # forecasts on which no month was closed
_MOST_SERIES = 5_000


class Gathered(NamedTuple):
    """What a forecast is asked of, and the history it is made of. ``digest``: two that agree in it make the same forecast."""

    days: Period
    names: list[str]
    horizon: int
    currency: str
    costs: pd.DataFrame
    panel: Panel
    events: list[Event]
    books: dict[str, int]
    digest: str

    def known(self) -> Known:
        """With prices."""
        prices = history.prices(self.days, self.days.end + timedelta(days=self.horizon), self.names)
        return Known(self.costs, self.panel, prices, self.events)


def make(
    *, by: str, horizon: int | None = None, dimensions: Sequence[str] = DIMENSIONS, currency: str = "",
    before: date | None = None,
) -> Forecast:  # fmt: skip
    """Forecast the days after those that are known ``before`` a day (default: today) and store it; a same one is returned.

    ``horizon``: by default HORIZON days, or as many as history can judge; ``dimensions``: of the finest series. Raises
    ForecastError.
    """
    asked = gathered(dimensions, horizon, currency, before)
    known = Forecast.objects.filter(digest=asked.digest).first()
    if known is not None:
        return known
    found = made(asked.known(), Asked(asked.horizon, levels(asked.names)))
    row = Forecast(
        made_by=by[:150], history_from=asked.days.start, starts_on=asked.days.end, horizon=asked.horizon,
        currency=asked.currency, dimensions=asked.names, prices=asked.books, notes=found.notes,
        coverage=_shares(found.coverage), checked=found.coverage.cells, digest=asked.digest,
        marks=[_mark(mark) for mark in found.marks],
    )  # fmt: skip
    return _store(row, found)


def gathered(dimensions: Sequence[str], horizon: int | None, currency: str, before: date | None) -> Gathered:
    """The history of a forecast as it is known now. Raises ForecastError."""
    names = _checked(dimensions, HORIZON if horizon is None else horizon)
    currency = currency or settings.REPORT_CURRENCY
    days = history.recorded(currency, before or timezone.now().date())
    if days is None:
        raise ForecastError(f"nothing was spent in {currency} before today: there is no history to forecast from")
    costs, panel = history.daily(days, names, currency, signed=True)
    if len(panel.keys) > _MOST_SERIES:
        raise ForecastError(f"{len(panel.keys):,} series are more than {_MOST_SERIES:,}: forecast by fewer dimensions")
    if horizon is None:
        horizon = min(HORIZON, max(reach(panel), panel.grain.season))
    events = calendar.known()
    books = {row.book: row.pk for row in PriceBookVersion.objects.filter(live=True)}
    asked = [str(days), horizon, names, currency]
    spent = [str(value) for value in costs[SPENT]]
    held = [panel.keys, panel.cost.tobytes().hex(), spent, sorted(panel.notes.items()), books]
    told = [[e.name, str(e.start), str(e.end), repr(e.factor), sorted(e.where.items())] for e in events]
    digest = digest_of([*asked, *held, *([told] if told else [])])
    return Gathered(days, names, horizon, currency, costs, panel, events, books, digest)


def levels(dimensions: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The whole, each dimension alone, cost centres with each other one, and the finest series."""
    pairs = [pair for pair in combinations(dimensions, 2) if "x_CostCentre" in pair]
    found = [(), *((name,) for name in dimensions), *pairs, tuple(dimensions)]
    return tuple(dict.fromkeys(found))


def keep_at_closes() -> None:
    """Mark, for every frozen month, the forecast that was in force when it was frozen. Idempotent."""
    held = set(Forecast.objects.filter(closes__isnull=False).values_list("closes", flat=True))
    for period in BillingPeriod.objects.filter(state__in=FROZEN, soft_closed_at__isnull=False).order_by("month"):
        if period.month not in held:
            then = Forecast.objects.filter(
                made_at__lte=period.soft_closed_at, currency=settings.REPORT_CURRENCY, closes=None
            )
            if newest := then.order_by("-made_at").first():
                Forecast.objects.filter(pk=newest.pk).update(closes=period.month)


def prune() -> int:
    """Delete forecasts that are old, of which none was in force at a close and none is the newest of its currency."""
    newest = Forecast.objects.order_by("currency", "-made_at").distinct("currency").values_list("pk", flat=True)
    old = Forecast.objects.filter(closes=None, made_at__lt=timezone.now() - KEPT).exclude(pk__in=list(newest))
    return old.delete()[1].get("forecasting.Forecast", 0)


def _checked(dimensions: Sequence[str], horizon: int) -> list[str]:
    wrong = [name for name in dimensions if name not in POSSIBLE]
    if wrong or not dimensions or len(set(dimensions)) < len(dimensions):
        named = f"{wrong[0]!r} is none of them" if wrong else "each at most once, and at least one"
        raise ForecastError(f"a forecast is by some of {', '.join(POSSIBLE)}: {named}")
    if not 1 <= horizon <= MOST:
        raise ForecastError(f"a forecast reaches 1 to {MOST} days, not {horizon}")
    return [name for name in POSSIBLE if name in dimensions]


@transaction.atomic
def _store(row: Forecast, found: Made) -> Forecast:
    """Write all of it. Whoever stored the same one meanwhile wins."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [row.digest])
    known = Forecast.objects.filter(digest=row.digest).first()
    if known is not None:
        return known
    row.save()
    centres = dict(CostCentre.objects.values_list("code", "id"))
    made_ = ForecastSeries.objects.bulk_create(_series(row, each, centres) for each in found.series)
    pairs = list(zip(made_, found.series, strict=True))
    copy_rows(
        ForecastDay._meta.db_table, ("series_id", "day", "point", "low_95", "low_80", "high_80", "high_95"),
        ((held.pk, day.day, day.point, *(day.point if bound is None else bound for bound in day.band))
         for held, each in pairs for day in each.days),
    )  # fmt: skip
    copy_rows(
        ForecastMonth._meta.db_table, ("series_id", "month", "whole", "actual", "point", "percentiles"),
        ((held.pk, *month[:4], list(month.percentiles)) for held, each in pairs for month in each.months),
    )  # fmt: skip
    return row


def _series(row: Forecast, each: Series, centres: dict[str, int]) -> ForecastSeries:
    code = each.key[each.level.index("x_CostCentre")] if "x_CostCentre" in each.level else ""
    return ForecastSeries(
        forecast=row, level=list(each.level), key=list(each.key), cost_centre_id=centres.get(code), method=each.method,
        refusal=each.refusal, history=each.history, checked=each.checked, basis=each.basis,
        skill=None if each.skill is None else Decimal(repr(round(each.skill, 6))),
        coverage=_shares(each.coverage, each.stated),
    )  # fmt: skip


def _mark(mark: Mark) -> dict[str, Any]:
    return {**mark._asdict(), "first": mark.first.isoformat(), "last": mark.last.isoformat()}


def _shares(found: Coverage, stated: Sequence[int] = LEVELS) -> dict[str, Any]:
    """By interval that is stated, and by no other (forecast_selectors.band), the share of past cells inside it."""
    shares = zip(LEVELS, found.shares, strict=True)
    return {str(level): share if found.cells else None for level, share in shares if level in stated}


def in_force(currency: str = "") -> Forecast | None:
    """The newest forecast in a currency (default: the site's) by the usual dimensions."""
    rows = Forecast.objects.filter(currency=currency or settings.REPORT_CURRENCY, dimensions=list(DIMENSIONS))
    return rows.order_by("-made_at", "-pk").first()
