"""The page Tiers & agents: what a query of each tier costs and why that changed, month by month, and how dear queries are."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from allocation import selectors
from allocation.calc.tier_table import Point
from allocation.scope import Scope, scope_of
from allocation.statement_selectors import snapshot
from allocation.value import tiers, unknowns
from allocation.value.tiers import Distributions, Report
from finops.periods import Period
from web.downloads import csv_file, xlsx_file
from web.pages import explore_menus, tiers_shown
from web.pages.explore_bridge import compared
from web.pages.explore_state import Explored, parse
from web.pages.months import month_of_cost, told_month
from web.pages.tiers_shown import BINS, BY_MONTH, TABLE

MONTHS = 12  # of the lines


class View(NamedTuple):
    """One view: the month, and of it and its base the days that are compared."""

    scope: Scope
    state: Explored
    months: list[str]
    month: Period
    currency: str
    base: Period
    chosen: Period

    def report(self) -> Report:
        """The tier table."""
        one, two = (self.state.query(period, self.currency) for period in (self.base, self.chosen))
        return tiers.report(self.scope, one, two, self.state.column)

    def lines(self) -> dict[str, list[Point]]:
        """Cost per query of the last months."""
        return tiers.monthly(self.scope, self.state.query(self.span, self.currency), self.state.column)

    def distributions(self) -> Distributions:
        """How dear the queries of the chosen days were."""
        return tiers.distributions(self.scope, self.state.query(self.chosen, self.currency))

    @property
    def span(self) -> Period:
        """The months of the lines."""
        start = self.month.start
        for _ in range(MONTHS - 1):
            start = (start - timedelta(days=1)).replace(day=1)
        return Period(start, self.month.end)


def _view(request: HttpRequest) -> View | None:
    """The view that the address asks for; None where this reader has no month with any cost."""
    scope, state = scope_of(request.user), parse(request.META.get("QUERY_STRING", ""))
    months = selectors.months(scope)
    if not months:
        return None
    month = month_of_cost(request.GET.get("month", ""), months)
    known = selectors.currencies(scope, month)
    currency = state.currency or (known[0] if known else str(settings.REPORT_CURRENCY))
    return View(scope, state, months, month, currency, *compared(scope, state, month, currency))


@require_safe
@told_month("tiers")
def page(request: HttpRequest) -> HttpResponse:
    """The view of the address."""
    with snapshot():
        view = _view(request)
        if view is None:
            return render(request, "web/tiers.html", {"view": None, "tab": "tiers"})
        context = {
            **_frame(view), **tiers_shown.table(view.report(), view.currency, view.base, view.chosen),
            **tiers_shown.lines(view.lines(), view.currency), **tiers_shown.distribution(view.distributions()),
        }  # fmt: skip
    return render(request, "web/tiers.html", context)


def _frame(view: View) -> dict[str, Any]:
    """The head: menus, and the addresses of the same figures."""
    state, search = view.state, view.state.search()
    menus = explore_menus
    days = {"start": f"{view.chosen.start}", "end": f"{view.chosen.end}"}
    base = {"compare_start": f"{view.base.start}", "compare_end": f"{view.base.end}"}
    return {
        "view": view, "state": state, "tab": "tiers", "period": view.month, "currency": view.currency,
        "month_links": [(each, state.search(month=each)) for each in view.months], "clear": state.search(filters={}),
        "filtered": any(state.filters.values()), "filters": menus.filters(view.scope, state, view.month),
        "compare": [menus.compared_with(state, view.month, view.months)],
        "shown": menus.cost_and_currency(view.scope, state, view.month, view.currency),
        "files": {name: f"{reverse(f'tiers-{name}')}{search}" for name in ("csv", "xlsx", "months-csv", "distribution-csv")},
        "api": state.api("tiers", view.currency, **days, **base),
        "months_api": state.api("tiers/months", view.currency, start=f"{view.span.start}", end=f"{view.span.end}"),
        "distribution_api": _without_cost(state, days),
        "notes": unknowns.notes(view.scope, state.query(view.chosen, view.currency)),
    }  # fmt: skip


def _without_cost(state: Explored, days: dict[str, str]) -> str:
    """The distribution has one cost, that at list prices."""
    filters = [(f"filter[{column}]", ",".join(values)) for column, values in state.filters.items() if values]
    return f"/api/v1/tiers/distribution?{urlencode([*days.items(), *filters], safe='[],*()')}"


@require_safe
@told_month("tiers")
def as_csv(request: HttpRequest) -> HttpResponse:
    """The tier table of the view, exact, with its total."""
    return _file(request, "tiers", TABLE, lambda view: tiers_shown.table_rows(view.report()))


@require_safe
@told_month("tiers")
def months_csv(request: HttpRequest) -> HttpResponse:
    """The points of the lines."""
    return _file(request, "tier_months", BY_MONTH, lambda view: tiers_shown.month_rows(view.lines()))


@require_safe
@told_month("tiers")
def distribution_csv(request: HttpRequest) -> HttpResponse:
    """Every bin of the distribution, by tier."""
    return _file(request, "tier_distribution", BINS, lambda view: tiers_shown.bin_rows(view.distributions()))


@require_safe
@told_month("tiers")
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """The three of them as a workbook."""
    with snapshot():
        view = _view(request)
        sheets: dict[str, tuple[Sequence[str], list[list[Any]]]] = {
            "Tiers": (TABLE, tiers_shown.table_rows(view.report()) if view else []),
            "Months": (BY_MONTH, tiers_shown.month_rows(view.lines()) if view else []),
            "Distribution": (BINS, tiers_shown.bin_rows(view.distributions()) if view else []),
        }
    return xlsx_file(f"tiers_{view.month if view else 'empty'}", sheets)


def _file(request: HttpRequest, name: str, header: Sequence[str], rows: Any) -> HttpResponse:
    with snapshot():
        view = _view(request)
        return csv_file(f"{name}_{view.month if view else 'empty'}", header, rows(view) if view else [])
