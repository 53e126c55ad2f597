"""The pages Queries (the dearest of a day) and Query: how one number was made, step by step. Their state is their URL."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from allocation import selectors
from allocation.calc.query_rows import Place
from allocation.models import QueryCostDaily
from allocation.scope import Scope, scope_of
from allocation.selectors import CostQuery
from allocation.statement_selectors import snapshot
from allocation.value import one_query, query_rows, unknowns
from allocation.value.query_rows import Asked
from finops.periods import Period, PeriodError
from web import queried
from web.downloads import csv_file, xlsx_file
from web.pages import queries_shown as shown
from web.pages.explore_state import Explored, parse
from web.pages.months import month_of_cost, told_month

FILE_ROWS = 1_000
PLACE = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,60})?)~([0-9]{1,18})", re.ASCII)


class View(NamedTuple):
    """One view: the month, the day of it that is listed, bins of cost (``without``: queries without a cost), and its filters.

    ``days``: (day, queries, their list cost) of the month under the same filters, oldest first.
    """

    scope: Scope
    state: Explored
    months: list[str]
    month: Period
    day: date | None
    bins: str
    days: list[tuple[date, int, Decimal]]

    @property
    def asked(self) -> Asked:
        """Its question; it has a day."""
        assert self.day is not None
        bins = None if self.bins in ("", "none") else queried.bins_of(self.bins)
        return Asked(
            self.day, {name: found for name, found in self.state.filters.items() if found}, bins, self.bins == "none"
        )

    def address(self, day: date | None = None, *, bins: str | None = None, after: str = "", **changes: Any) -> str:
        """The query string of this view, or of one that differs so."""
        pairs = [("day", f"{day or self.day}")] if day or self.day else []
        pairs += [("bin", self.bins if bins is None else bins)] if (self.bins if bins is None else bins) else []
        pairs += [("after", after)] if after else []
        search = self.state.search(**changes).lstrip("?")
        return "?" + "&".join(filter(None, (search, urlencode(pairs))))


def _view(request: HttpRequest) -> View | None:
    """The view that the address asks for; None where this reader has no month with any cost. Raises PeriodError."""
    scope, state = scope_of(request.user), parse(request.META.get("QUERY_STRING", ""))
    state = Explored(month=state.month, filters=state.filters)
    months, day, bins = selectors.months(scope), _day(request.GET.get("day", "")), request.GET.get("bin", "")
    if not months:
        return None
    month = month_of_cost(f"{day:%Y-%m}" if day else request.GET.get("month", ""), months)
    bins = bins if bins == "none" or queried.bins_of(bins) else ""
    days = _days(scope, state, month, bins)
    if day is None:
        dearest = max(days, key=lambda each: (each[2], each[1]), default=None)
        kept = [dearest[0]] if dearest else query_rows.days(month)
        day = kept[0] if kept else None
    return View(scope, state, months, month, day, bins, days)


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        if re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise PeriodError(f"the day {text[:20]!r} is none; write YYYY-MM-DD")


def _days(scope: Scope, state: Explored, month: Period, bins: str) -> list[tuple[date, int, Decimal]]:
    query = CostQuery(month, filters={name: found for name, found in state.filters.items() if found})
    rows: QuerySet[Any] = selectors.filtered(scope, QueryCostDaily.objects.all(), query).order_by()
    if bins == "none":
        rows = rows.filter(bin=None)
    elif found := queried.bins_of(bins):
        rows = rows.filter(bin__range=found)
    sums = rows.values_list("charge_date").annotate(Sum("queries"), Sum("cost"))
    return sorted((day, count, cost) for day, count, cost in sums)


@require_safe
@told_month("queries")
def listing(request: HttpRequest) -> HttpResponse:
    """The dearest queries of the view's day; ``?trace=`` leads to the query that has it."""
    if trace := request.GET.get("trace", "").strip():
        return _traced(request, trace)
    with snapshot():
        view = _view(request)
        if view is None or view.day is None:
            return render(request, "web/queries.html", {"view": None})
        found = query_rows.listed(view.scope, view.asked, after=_after(request))
        one_day = Period(view.day, date.fromordinal(view.day.toordinal() + 1))
        context = {
            "view": view, "period": view.month, "day": view.day, **shown.listed(view, found),
            "notes": unknowns.of_filters(view.scope, one_day, view.asked.filters),
            "files": {name: f"{reverse(f'queries-{name}')}{view.address()}" for name in ("csv", "xlsx")},
            "api": shown.api(view),
        }  # fmt: skip
    return render(request, "web/queries.html", context)


def _traced(request: HttpRequest, trace: str) -> HttpResponse:
    """To the last query of a trace that this reader may see; else the list, which says that there is none."""
    scope = scope_of(request.user)
    if "\0" not in trace and len(trace) <= 200:
        found: dict[int, date | None] = {**one_query.numbers_of_trace(trace)}
        if (number := queried.number_of(trace)) is not None:
            found.setdefault(number, None)
        for number, day in sorted(found.items(), key=lambda each: str(each[1]), reverse=True):
            if one := one_query.one(scope, number, day):
                return redirect(f"{reverse('query', args=[str(number)])}?day={one.day}")
    return render(request, "web/queries.html", {"view": None, "trace": trace[:80]}, status=404)


def _after(request: HttpRequest) -> Place | None:
    found = PLACE.fullmatch(request.GET.get("after", ""))
    return Place(Decimal(found[1]), int(found[2])) if found else None


@require_safe
@told_month("queries")
def as_csv(request: HttpRequest) -> HttpResponse:
    """The dearest FILE_ROWS queries of the view, exact."""
    name, rows = _file(request)
    return csv_file(name, queried.COLUMNS, rows)


@require_safe
@told_month("queries")
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """The same as a workbook, and the days of the month."""
    name, rows = _file(request)
    view = _view(request)
    days = [[day, count, cost] for day, count, cost in (view.days if view else ())]
    return xlsx_file(name, {"Queries": (queried.COLUMNS, rows), "Days": (("day", "Queries", "ListCost"), days)})


def _file(request: HttpRequest) -> tuple[str, Sequence[list[Any]]]:
    with snapshot():
        view = _view(request)
        if view is None or view.day is None:
            return "queries_empty", []
        found = query_rows.listed(view.scope, view.asked, limit=FILE_ROWS)
    return f"queries_{view.day}", [queried.file_row(row, view.day) for row in found.rows]


@require_safe
@told_month("queries")
def detail(request: HttpRequest, number: str) -> HttpResponse:
    """How the cost of one query was made; ?day= of a trace that was used several times."""
    found = _one(request, number)
    return render(request, "web/query.html", shown.whole(scope_of(request.user), found))


@require_safe
@told_month("queries")
def calls_csv(request: HttpRequest, number: str) -> HttpResponse:
    """Every call of a query, exact."""
    found = _one(request, number)
    return csv_file(f"query_{found.number}", shown.CALL_COLUMNS, shown.call_rows(found))


def _one(request: HttpRequest, number: str) -> one_query.Query:
    day, query = _day(request.GET.get("day", "")), queried.number_of(number)
    with snapshot():
        found = one_query.one(scope_of(request.user), query, day) if query is not None else None
    if found is None:
        raise Http404
    return found
