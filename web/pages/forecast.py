"""The page Forecast: what the running month will cost and how sure that is, days and months ahead, and how it was forecast."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from allocation import selectors as costs
from allocation.scope import Scope, scope_of
from allocation.statement_selectors import snapshot
from finops.periods import Period
from forecasting import calendar, forecasts
from forecasting import forecast_selectors as selectors
from forecasting.forecast_selectors import CENTRE, Month
from forecasting.models import Forecast, ForecastSeries
from web.dimensions import called, tier_rank
from web.downloads import csv_file, xlsx_file
from web.forecast_words import IN_URL, LEVEL_NAMES, key_name
from web.pages import forecast_shown as shown
from web.pages.explore_menus import Menu
from web.pages.forecast_state import Level, State, Stored, level_of, parse
from web.pages.wrong import WrongParameter

_STALE = timedelta(days=2)
_BEFORE = 62  # days of history beside the forecast


class View(NamedTuple):
    """One view: the series that is drawn (None: there is none such), its months, and the level of the table."""

    scope: Scope
    state: State
    found: Forecast
    chosen: dict[str, str]
    drawn: ForecastSeries | None
    months: list[Month]
    by: Level

    def table(self) -> list[ForecastSeries]:
        """The series of the level, of those that are chosen."""
        return [
            row
            for row in selectors.series(self.scope, self.found, self.by).select_related("forecast")
            if all(self.chosen.get(name, value) == value for name, value in zip(row.level, row.key, strict=True))
        ]

    def was(self) -> dict[date, Decimal | None]:
        """What the days before cost."""
        if self.drawn is None:
            return {}
        start = max(self.found.history_from, self.found.starts_on - timedelta(days=_BEFORE))
        return selectors.actuals(self.scope, self.drawn, Period(start, self.found.starts_on))


def _view(request: HttpRequest) -> View | None:
    """The view that the address asks for; None where there is no forecast. Raises WrongParameter."""
    scope, state = scope_of(request.user), parse(request.META.get("QUERY_STRING", ""))
    found = forecasts.in_force(state.currency)
    if found is None:
        return None
    dimensions = found.dimensions
    for name in state.chosen:
        if name not in dimensions:
            told = ", ".join(IN_URL[each] for each in dimensions)
            raise WrongParameter(IN_URL[name], f"the forecast does not tell it apart; it knows {told}")
    chosen = {name: state.chosen[name] for name in dimensions if name in state.chosen}
    if not scope.everything and CENTRE not in chosen:
        first = selectors.series(scope, found, (CENTRE,)).first()
        chosen = {CENTRE: first.key[0]} | chosen if first else chosen
    level = level_of(chosen, dimensions)
    key = [chosen[name] for name in level]
    rows = selectors.series(scope, found, level).filter(key=key) if level in forecasts.levels(dimensions) else None
    drawn = rows.select_related("forecast").first() if rows is not None else None
    months = selectors.months(found, [drawn]).get(drawn.pk, []) if drawn else []
    return View(scope, state, found, chosen, drawn, months, _by(state, scope, chosen, dimensions))


def _by(state: State, scope: Scope, chosen: dict[str, str], dimensions: list[str]) -> Level:
    known = [level for level in forecasts.levels(dimensions) if level and (scope.everything or CENTRE in level)]
    if state.by:
        asked = tuple(name for name in dimensions if name in state.by)
        if asked not in known or len(asked) < len(state.by):
            told = "; ".join(",".join(IN_URL[name] for name in level) for level in known)
            raise WrongParameter("by", f"the forecast has no such level for you; it has {told}")
        return asked
    if CENTRE not in dimensions:
        return known[0]
    if not chosen:
        return (CENTRE,)
    others = [name for name in chosen if name != CENTRE] or [name for name in dimensions if name == "x_Model"]
    wanted = tuple(name for name in dimensions if name in (CENTRE, *others))
    return tuple(dimensions) if set(chosen) == set(wanted) or wanted not in known else wanted


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The view of the address."""
    with snapshot():
        view = _view(request)
        if view is None:
            return render(request, "web/forecast.html", _without(request))
        ahead = shown.points(view.drawn) if view.drawn else []
        rows = view.table()
        months = selectors.months(view.found, rows)
        table = shown.series_rows(rows, months)
        told = shown.marks(selectors.marks(view.scope, view.found), view.chosen)
        context = {
            **_frame(view), "notes": selectors.notes(view.scope, view.found), "rows": shown.month_rows(view.months),
            "head": shown.headline(view.months, view.found),
            "fan": shown.fan(view.was(), ahead, told, view.found.currency), "series": table[: shown.MOST],
            "more": max(len(table) - shown.MOST, 0), "refused": sum(not row.method for row in rows),
            "marks": told, "unstated": selectors.unstated(view.drawn) if view.drawn else "",
        }  # fmt: skip
    return render(request, "web/forecast.html", context)


def _without(request: HttpRequest) -> dict[str, Any]:
    """What the empty page says is missing."""
    currency = parse(request.META.get("QUERY_STRING", "")).currency or settings.REPORT_CURRENCY
    known = costs.months(scope_of(request.user))
    return {"view": None, "tab": "forecast", "currency": currency, "months_known": len(known)}


def _frame(view: View) -> dict[str, Any]:
    """The head: menus, and the addresses of the same figures."""
    found, state, search = view.found, view.state, view.state.search()
    currency = [("currency", found.currency)] if state.currency else []
    filters = [(f"filter[{name}]", value) for name, value in view.chosen.items()]

    def api(level: Level, *more: tuple[str, str]) -> str:
        pairs = [("group_by", ",".join(level)), *more, ("forecast", str(found.pk)), *currency]
        wanted = [pair for pair in filters if pair[0][7:-1] in level]
        return f"/api/v1/forecasts?{urlencode([*pairs, *wanted], safe='[],')}"

    level = level_of(view.chosen, found.dimensions)
    names = ("csv", "xlsx", "days-csv", "series-csv")
    return {
        "view": view, "tab": "forecast", "found": found, "currency": found.currency, "state": state,
        "title": key_name(level, [view.chosen[name] for name in level]), "filters": _filters(view), "level_menu": _levels(view),
        "filtered": bool(state.chosen), "clear": state.search(chosen={}, by=None),
        "untold": "" if level in forecasts.levels(found.dimensions) else "; ".join(each[0] for each in _levels(view).options),
        "stale": timezone.now() - found.made_at > _STALE,
        "files": {name: f"{reverse(f'forecast-{name}')}{search}" for name in names},
        "api": api(level), "days_api": api(level, ("granularity", "day")), "series_api": api(view.by),
        "by_name": shown.level_menu_name(view.by), "calendar": calendar.version(),
        "coverage": [(name, found.coverage.get(name)) for name in ("80", "95")],
    }  # fmt: skip


def _filters(view: View) -> list[Menu]:
    """One menu per dimension; a choice that meets no stored series of the others takes their place."""
    names, found = costs.cost_centre_names(), []
    rows = view.found.series.all() if view.scope.everything else view.scope.of(view.found.series.all())
    pairs = rows.values_list("level", "key")
    stored = Stored(view.found.dimensions, frozenset((tuple(level), tuple(key)) for level, key in pairs))
    state = replace(view.state, chosen=view.chosen)
    for column in view.found.dimensions:
        values = stored.values(column)
        if column == "x_QueryTier":
            values.sort(key=tier_rank)
        chosen = view.chosen.get(column)

        def address(value: str | None, column: str = column) -> str:
            return state.with_value(stored, column, value)

        options = [("All", address(None), chosen is None)] if view.scope.everything or column != CENTRE else []
        options += [(_shown(column, value, names), address(value), value == chosen) for value in values]
        text = "All" if chosen is None else _shown(column, chosen, {})
        found.append(Menu(LEVEL_NAMES[column].capitalize(), text, options, column in view.state.chosen))
    return found


def _levels(view: View) -> Menu:
    """By what the table tells series apart."""
    options = [
        (shown.level_menu_name(level), f"{view.state.search(by=level)}#series", level == view.by)
        for level in forecasts.levels(view.found.dimensions)
        if level and (view.scope.everything or CENTRE in level)
    ]
    return Menu("By", shown.level_menu_name(view.by), options)


def _shown(column: str, value: str, names: dict[str, str]) -> str:
    text = called(column, value or None)
    return f"{text} · {names[value]}" if column == CENTRE and names.get(value) else text


@require_safe
def as_csv(request: HttpRequest) -> HttpResponse:
    """The months of the drawn series, exact."""
    return _file(request, "forecast", shown.MONTHS, lambda view: shown.months_file(view.months, view.found))


@require_safe
def days_csv(request: HttpRequest) -> HttpResponse:
    """Its days."""
    return _file(request, "forecast_days", shown.DAYS, _days)


@require_safe
def series_csv(request: HttpRequest) -> HttpResponse:
    """The table of series, all of them."""
    return _file(request, "forecast_series", shown.SERIES, _series)


@require_safe
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """The three of them as a workbook."""
    with snapshot():
        view = _view(request)
        sheets = {
            "Months": (shown.MONTHS, shown.months_file(view.months, view.found) if view else []),
            "Days": (shown.DAYS, _days(view) if view else []),
            "Series": (shown.SERIES, _series(view) if view else []),
        }
    return xlsx_file(f"forecast_{view.found.starts_on if view else 'empty'}", sheets)


def _days(view: View) -> list[list[Any]]:
    return shown.days_file(view.was(), shown.points(view.drawn) if view.drawn else [], view.found.currency)


def _series(view: View) -> list[list[Any]]:
    rows = view.table()
    return shown.series_file(rows, selectors.months(view.found, rows), view.found.currency)


def _file(request: HttpRequest, name: str, header: tuple[str, ...], rows: Any) -> HttpResponse:
    with snapshot():
        view = _view(request)
        when = view.found.starts_on if view else "empty"
        return csv_file(f"{name}_{when}", header, rows(view) if view else [])
