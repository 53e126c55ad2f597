"""Forecast daily cost from what was spent."""

from decimal import Decimal
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from forecasting import forecasts, hourly
from forecasting.calc.baseline import ForecastError
from forecasting.calc.hourly import HourSeries
from forecasting.forecast_selectors import unstated
from forecasting.models import Forecast, ForecastMonth, ForecastSeries
from web.management.base import LedgerCommand, RefusedHere, WrongUse, as_option

_MOST = 12


class Command(LedgerCommand):
    """``forecast [--hourly] [--horizon N] [--by DIMENSIONS]``: months or hours ahead, and what could not be forecast."""

    help = "Forecast daily cost with intervals, from what was spent until yesterday."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--horizon", type=int, help="days, default 92, or as many as history can judge")
        names = ",".join(forecasts.DIMENSIONS)
        parser.add_argument("--by", default=names, help=f"dimensions of the finest series, default {names}")
        parser.add_argument("--currency", default="", help="default: the site's")
        parser.add_argument(
            "--hourly", action="store_true", help=f"the next hours, default {hourly.HORIZON}; nothing is stored"
        )
        as_option(parser, help="who asks for it")

    def run(self, **options: Any) -> dict[str, Any]:
        if options["hourly"]:
            return self._hourly(options["horizon"], options["currency"].upper())
        names = [name.strip() for name in options["by"].split(",") if name.strip()]
        try:
            found = forecasts.make(
                by=options["user"], horizon=options["horizon"], dimensions=names, currency=options["currency"].upper()
            )
        except ForecastError as refused:
            wrong = WrongUse if "nothing was spent" not in str(refused) else RefusedHere
            raise wrong(refused) from None
        whole = found.series.get(level=[])
        months = list(whole.months.order_by("month"))
        self._told(found, whole, months)
        return {
            "forecast": found.pk, "starts_on": found.starts_on.isoformat(), "horizon": found.horizon,
            "currency": found.currency, "coverage": found.coverage, "checked": found.checked, "notes": found.notes,
            "series": found.series.exclude(method="").count(), "refused": found.series.filter(method="").count(),
            "months": [_month(month) for month in months],
        }  # fmt: skip

    def _hourly(self, horizon: int | None, currency: str) -> dict[str, Any]:
        try:
            found = hourly.make(
                timezone.now(), horizon=hourly.HORIZON if horizon is None else horizon, currency=currency
            )
        except ForecastError as refused:
            raise (WrongUse if "reaches" in str(refused) else RefusedHere)(refused) from None
        whole = next(each for each in found.series if not each.level)
        self.stdout.write(
            f"{found.currency}, hours from {found.starts:%Y-%m-%d %H:%M} UTC, of hours since {found.history_from:%Y-%m-%d}"
        )
        for hour in whole.hours:
            low, high = hour.band.low_80, hour.band.high_80
            spread = "" if low is None or high is None else f"   80 % {low:>14,.4f} to {high:>14,.4f}"
            self.stdout.write(f"  {hour.at:%Y-%m-%d %H:%M} {hour.point:>14,.4f}{spread}")
        if whole.refusal:
            self.stdout.write(f"  {whole.refusal}")
        if found.without:
            share = found.without / (found.without + found.known)
            self.stdout.write(f"  {share:.1%} of the cost of these days is known by the day alone and not in it")
        return {
            "starts": found.starts.isoformat(), "currency": found.currency, "without": f"{found.without:.12f}",
            "series": [_of_hours(each) for each in found.series],
        }  # fmt: skip

    def _told(self, found: Forecast, whole: ForecastSeries, months: list[ForecastMonth]) -> None:
        out = self.stdout
        out.write(
            f"{found.currency}, {found.horizon} days from {found.starts_on}, of {whole.history} days of history "
            f"by {', '.join(found.dimensions)}"
        )
        for month in months:
            part = "" if month.whole else "  (its first days)"
            spread = month.percentiles
            held = f"   80 % {spread[9]:>18,.2f} to {spread[89]:>18,.2f}" if spread else ""
            out.write(f"  {month.month:%Y-%m} {month.point:>18,.2f}{held}{part}")
        if why := unstated(whole):
            out.write(f"  no interval: {why}")
        if (share := found.coverage["80"]) is not None:
            out.write(f"  of {found.checked:,} past days {share:.1%} lay inside their interval of 80 %")
        refused = found.series.filter(level=found.dimensions, method="").order_by("key")
        for row in refused[:_MOST]:
            out.write(f"  not forecast: {' / '.join(filter(None, row.key)) or 'all'}: {row.refusal}")
        if (more := refused.count() - _MOST) > 0:
            out.write(f"  and {more} more")
        for note in found.notes[:_MOST]:
            out.write(f"  {note}")


def _month(month: ForecastMonth) -> dict[str, Any]:
    low, high = (month.percentiles[9], month.percentiles[89]) if month.percentiles else (None, None)
    return {
        "month": f"{month.month:%Y-%m}", "whole": month.whole, "actual": f"{month.actual:.12f}",
        "point": f"{month.point:.12f}", "low_80": _text(low), "high_80": _text(high),
    }  # fmt: skip


def _of_hours(each: HourSeries) -> dict[str, Any]:
    return {
        "key": dict(zip(each.level, each.key, strict=True)), "method": each.method, "refusal": each.refusal,
        "history": each.history,
        "hours": [
            {"hour": hour.at.isoformat(), "point": _text(hour.point),
             **{name: _text(bound) for name, bound in hour.band._asdict().items()}}
            for hour in each.hours
        ],
    }  # fmt: skip


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.12f}"
