"""The page Accuracy: the last backtest by level of the hierarchy, and what forecasts in force at closes said beside what came."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from allocation.scope import Scope, scope_of
from allocation.selectors import CostQuery
from allocation.statement_selectors import snapshot
from finops.periods import Period
from forecasting import backtests, forecasts
from forecasting.calc.backtest import SCORES
from forecasting.calc.baseline import NAIVE
from forecasting.forecast_closes import BANDS, Kept, kept
from forecasting.forecast_selectors import CENTRE
from forecasting.models import Backtest
from web import bridge_words, bridging, formats
from web.downloads import csv_file, xlsx_file
from web.forecast_words import level_name, scored
from web.pages.forecast_state import parse

LEVELS = ("level", "method", "series", "cells", *SCORES)
CLOSES = (
    "month", "cost_centre", "closed_month", "months_ahead", "forecast", "low_80", "high_80", "actual", "difference", "share",
    "band", "inside_80", "state", "currency",
)  # fmt: skip
EXPLAINED = 6  # months whose movement is put in words
_STALE = timedelta(days=21)
_TOLERATED = {"80": (0.77, 0.86), "95": (0.92, 0.98)}  # of what an interval promises


_YES = {True: "yes", False: "no", None: ""}


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Both."""
    scope, currency = scope_of(request.user), _currency(request)
    with snapshot():
        found, rows = backtests.newest(currency), kept(scope, currency)
        search = f"?{urlencode({'currency': currency})}" if currency != settings.REPORT_CURRENCY else ""
        names = ("accuracy-csv", "closes-csv", "accuracy-xlsx")
        context: dict[str, Any] = {
            "tab": "accuracy", "backtest": found, "levels": _levels(found) if found else [], "currency": currency,
            "closes": _closes(scope, rows, currency), "bands": BANDS, "everything": scope.everything,
            "files": {name: f"{reverse(f'forecast-{name}')}{search}" for name in names},
            "api": f"/api/v1/forecasts/accuracy{search}", "closes_api": f"/api/v1/forecasts/closes{search}",
            "inside": _inside(rows),
            "stale": found is not None and timezone.now() - found.made_at > _STALE,
            "forecast": forecasts.in_force(currency),
        }  # fmt: skip
    return render(request, "web/forecast_accuracy.html", context)


@require_safe
def as_csv(request: HttpRequest) -> HttpResponse:
    """Every score of the backtest."""
    found = backtests.newest(_currency(request))
    return csv_file(f"backtest_{found.until if found else 'empty'}", LEVELS, _score_rows(found))


@require_safe
def closes_csv(request: HttpRequest) -> HttpResponse:
    """Every month, exact."""
    currency = _currency(request)
    return csv_file("forecast_closes", CLOSES, _close_rows(kept(scope_of(request.user), currency), currency))


@require_safe
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """Both as a workbook."""
    currency = _currency(request)
    with snapshot():
        found, rows = backtests.newest(currency), kept(scope_of(request.user), currency)
    sheets = {"Backtest": (LEVELS, _score_rows(found)), "Closes": (CLOSES, _close_rows(rows, currency))}
    return xlsx_file("forecast_accuracy", sheets)


def _currency(request: HttpRequest) -> str:
    return parse(request.META.get("QUERY_STRING", "")).currency or str(settings.REPORT_CURRENCY)


def _levels(found: Backtest) -> list[dict[str, Any]]:
    """A row a level: the served method, and beside its errors those of seasonal naive."""
    naive = {tuple(row["level"]): row for row in found.scores if row["method"] == NAIVE}
    rows = []
    for row in found.scores:
        if row["method"] == NAIVE:
            continue
        other = naive[tuple(row["level"])]
        rows.append(
            {
                "name": level_name(row["level"]).capitalize(), "series": row["series"], "cells": row["cells"],
                "mase": scored(row["MASE"]), "naive_mase": scored(other["MASE"]),
                "better": None not in (row["MASE"], other["MASE"]) and row["MASE"] <= other["MASE"],
                "wape": scored(row["WAPE"], share=True), "naive_wape": scored(other["WAPE"], share=True),
                "wql": scored(row["WQL"], share=True), "naive_wql": scored(other["WQL"], share=True),
                "bias": scored(row["Bias"], share=True),
                "held": [
                    (scored(row[f"Coverage{name}"], share=True), _outside(row[f"Coverage{name}"], name))
                    for name in _TOLERATED
                ],
            }
        )  # fmt: skip
    return rows


def _outside(share: float | None, name: str) -> bool:
    low, high = _TOLERATED[name]
    return share is not None and not low <= share <= high


def _closes(scope: Scope, rows: list[Kept], currency: str) -> list[dict[str, Any]]:
    """The table; of the newest months what moved them, once a month."""
    explained: set[tuple[Any, str]] = set()
    found = []
    for row in rows:
        place = (row.month, row.owner)
        first = place not in explained
        explained.add(place)
        month = Period.month_of(row.month)
        share = row.found.share
        found.append(
            {
                "row": row, "first": first, "month": row.month, "bridge": _bridge_link(month, row.owner),
                "share": formats.NONE if share is None else scored(share, share=True),
                "why": _why(scope, month, row, currency) if first and len(explained) <= EXPLAINED else [],
            }
        )  # fmt: skip
    return found


def _bridge_link(month: Period, owner: str) -> str:
    pairs = [("month", f"{month}"), *([("cost_centre", owner)] if owner else [])]
    return f"{reverse('explore')}?{urlencode(pairs)}"


def _why(scope: Scope, month: Period, row: Kept, currency: str) -> list[bridge_words.Part]:
    filters = {CENTRE: (row.owner,)} if row.owner else {}
    before, after = (CostQuery(period, (), filters, currency) for period in (month.previous(), month))
    return bridge_words.sentence(bridging.bridged(scope, before, after, "EffectiveCost"), currency)


def _score_rows(found: Backtest | None) -> list[list[Any]]:
    rows = found.scores if found else []
    return [
        [level_name(row["level"]), row["method"], row["series"], row["cells"], *(row[name] for name in SCORES)]
        for row in rows
    ]


def _close_rows(rows: list[Kept], currency: str) -> list[list[Any]]:
    return [
        [f"{row.month:%Y-%m}", row.owner, f"{row.closes:%Y-%m}", row.ahead, row.found.forecast, row.low, row.high,
         row.found.actual, row.found.difference, None if row.found.share is None else Decimal(f"{row.found.share:.6f}"),
         row.found.band, _YES[row.inside], row.state, currency]
        for row in rows
    ]  # fmt: skip


def _inside(rows: list[Kept]) -> tuple[int, int]:
    """How many intervals held what came, of how many that were stated."""
    stated = [row.inside for row in rows if row.inside is not None]
    return sum(stated), len(stated)
