"""What the page Forecast shows of a view: cards, sentence, rows of tables, and the same as rows of files."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from finops.periods import Period
from forecasting.forecast_selectors import Month, band
from forecasting.models import Forecast, ForecastSeries
from web import formats
from web.dimensions import called
from web.forecast_words import LEVEL_NAMES, key_name, scored
from web.pages import forecast_charts
from web.pages.forecast_charts import Fan, Point

MONTHS = (
    "month", "whole", "actual", "point", "low_80", "high_80", "budget", "probability_over_budget", "currency",
)  # fmt: skip
DAYS = ("day", "actual", "point", "low_95", "low_80", "high_80", "high_95", "currency")
SERIES = (
    "series", "method", "refusal", "history_days", "checked", "skill", "coverage_80", "coverage_95", "basis", "month",
    "point", "low_80", "high_80", "currency",
)  # fmt: skip
MOST = 40  # rows of the table of series
_ONE = Decimal(1)


def probability(share: float | None) -> str:
    """``87 %``; the ends of what a hundred quantiles can tell are ``<1 %`` and ``>99 %``."""
    if share is None:
        return formats.NONE
    if share < 0.01:
        return f"<1{formats.THIN}%"
    return f">99{formats.THIN}%" if share > 0.99 else f"{share * 100:.0f}{formats.THIN}%"


def headline(months: Sequence[Month], found: Forecast) -> dict[str, Any]:
    """The running month's cards and the sentence; {} without months."""
    first = next((month for month in months if month.row.whole), None)
    if first is None:
        return {}
    row, currency = first.row, found.currency
    gap = None if first.budget is None else row.point - first.budget
    days = (found.starts_on - row.month).days
    parts = [
        (f"{formats.month_name(row.month)} is forecast to close at ", ""), (formats.money_short(row.point, currency), "strong"),
    ]  # fmt: skip
    if first.low_80 is not None and first.high_80 is not None:
        parts.append((
            f", with 80{formats.THIN}% between {formats.money_short(first.low_80, currency)} and "
            f"{formats.money_short(first.high_80, currency)}", "",
        ))  # fmt: skip
    if gap is not None and first.budget is not None:
        side = "over" if gap > 0 else "under"
        parts += [
            (", ", ""), (f"{formats.money_short(abs(gap), currency)} {side}", "up" if gap > 0 else "down"),
            (f" its budget of {formats.money_short(first.budget, currency)}", ""),
        ]  # fmt: skip
        if first.over is not None:
            parts += [("; it is passed with a probability of ", ""), (probability(first.over), "strong")]
    return {
        "month": first, "gap": gap, "over": probability(first.over), "sentence": [*parts, (".", "")],
        "days": max(days, 0), "of_days": len(Period.month_of(row.month)), "dearer": gap is not None and gap > 0,
        "until": found.starts_on - timedelta(days=1) if days > 0 else None,
    }  # fmt: skip


def month_rows(months: Sequence[Month]) -> list[dict[str, Any]]:
    """The table of months."""
    return [
        {
            "month": month, "row": month.row, "over": probability(month.over), "tone": _tone(month.over),
            "gap": None if month.budget is None or not month.row.whole else month.row.point - month.budget,
        }
        for month in months
    ]  # fmt: skip


def _tone(over: float | None) -> str:
    if over is None:
        return ""
    return "up" if over >= 0.5 else "down" if over < 0.2 else ""


def months_file(months: Sequence[Month], found: Forecast) -> list[list[Any]]:
    """Exact."""
    return [
        [f"{each.row.month:%Y-%m}", "yes" if each.row.whole else "no", each.row.actual, each.row.point, each.low_80,
         each.high_80, each.budget, each.over, found.currency]
        for each in months
    ]  # fmt: skip


def points(row: ForecastSeries) -> list[Point]:
    """The days of a series."""
    return [Point(each.day, each.point, *band(row, each)) for each in row.days.order_by("day")]


def days_file(was: Mapping[date, Decimal | None], ahead: Sequence[Point], currency: str) -> list[list[Any]]:
    """Days that were, then days ahead, exact."""
    return [
        *([day, cost, None, None, None, None, None, currency] for day, cost in was.items()),
        *([each.day, None, *each[1:], currency] for each in ahead),
    ]


def series_rows(rows: Sequence[ForecastSeries], months: Mapping[int, Sequence[Month]]) -> list[dict[str, Any]]:
    """The table of series, dearest first, refused last."""
    found = []
    for row in rows:
        mine = months.get(row.pk, ())
        first = next((month for month in mine if month.row.whole), mine[0] if mine else None)
        found.append(
            {
                "row": row, "name": key_name(row.level, row.key), "month": first,
                "skill": formats.NONE if row.skill is None else f"{scored(float(row.skill))}{formats.TIMES}",
                "coverage": [scored(row.coverage.get(name), share=True) for name in ("80", "95")],
                "worse": row.skill is not None and row.skill >= _ONE,
            }
        )  # fmt: skip
    return sorted(found, key=lambda each: (each["month"] is None, -(each["month"].row.point if each["month"] else 0)))


def series_file(
    rows: Sequence[ForecastSeries], months: Mapping[int, Sequence[Month]], currency: str
) -> list[list[Any]]:
    """All of the level, exact."""
    found = []
    for each in series_rows(rows, months):
        row, month = each["row"], each["month"]
        sums = (
            ["", None, None, None]
            if month is None
            else [f"{month.row.month:%Y-%m}", month.row.point, month.low_80, month.high_80]
        )
        found.append(
            [each["name"], row.method, row.refusal, row.history, row.checked, row.skill, row.coverage.get("80"),
             row.coverage.get("95"), row.basis, *sums, currency]
        )  # fmt: skip
    return found


def marks(found: Sequence[Mapping[str, Any]], chosen: Mapping[str, str]) -> list[tuple[date, date, str, str]]:
    """What the drawn series knows of days ahead: (first, last, kind, words)."""
    steps: dict[date, list[str]] = {}
    told = []
    for mark in found:
        if any(name in chosen and chosen[name] not in values for name, values in mark["where"].items()):
            continue
        first, last = date.fromisoformat(mark["first"]), date.fromisoformat(mark["last"])
        if mark["event"]:
            told.append((first, last, "event", f"{mark['event']} {formats.TIMES}{mark['factor']:.2f}"))
            continue
        name = " ".join(called(column, value) for column, (value, *_) in list(mark["where"].items())[-1:])
        change = formats.percent(Decimal(f"{abs(mark['factor'] - 1):.6f}"))
        steps.setdefault(first, []).append(f"{name} price {'+' if mark['factor'] > 1 else formats.MINUS}{change}")
    for day, names in steps.items():
        told.append((day, day, "price", names[0] if len(names) == 1 else f"{len(names)} prices: {'; '.join(names)}"))
    return sorted(told)


def fan(
    was: Mapping[date, Decimal | None],
    ahead: Sequence[Point],
    told: Sequence[tuple[date, date, str, str]],
    currency: str,
) -> Fan | None:
    """The chart; ``told``: as ``marks`` says them."""
    return forecast_charts.fan(list(was.items()), ahead, told, currency)


def level_menu_name(level: Sequence[str]) -> str:
    """Dimensions as a reader sees them, with a sign between."""
    return f" {formats.TIMES} ".join(LEVEL_NAMES[name] for name in level).capitalize()
