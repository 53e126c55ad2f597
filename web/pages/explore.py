"""The page Explore: cost by any one or two dimensions and by time, and why it moved. Its state is its URL."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pandas as pd
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from allocation import selectors
from allocation.scope import Scope, scope_of
from allocation.selectors import UNALLOCATED
from allocation.statement_selectors import snapshot
from allocation.value import unknowns
from finops.money import total
from finops.periods import Period
from web import formats
from web.dimensions import called
from web.downloads import csv_file, xlsx_file
from web.pages import explore_bridge, explore_menus
from web.pages.explore_pivot import BOX, HEIGHT, Figures, Head, Pivot, drawn, pivot
from web.pages.explore_state import NAMES, Explored, parse
from web.pages.months import month_of_cost, told_month

_TIME = {"day": "ChargeDate", "month": "BillingPeriodStart"}
_FILE = ("Requests", "Queries", "x_Tokens", "x_UnpricedTokens")


class View(NamedTuple):
    """One view with what every part of it needs."""

    scope: Scope
    state: Explored
    months: list[str]
    month: Period
    period: Period  # as far back as the table goes
    currency: str


def _view(request: HttpRequest) -> View | None:
    """The view that the address asks for; None where this reader has no month with any cost."""
    scope, state = scope_of(request.user), parse(request.META.get("QUERY_STRING", ""))
    months = selectors.months(scope)
    if not months:
        return None
    month = month_of_cost(request.GET.get("month", ""), months)
    start = month.start
    for _ in range(state.span - 1):
        start = (start - timedelta(days=1)).replace(day=1)
    known = selectors.currencies(scope, month)
    currency = state.currency or (known[0] if known else settings.REPORT_CURRENCY)
    return View(scope, state, months, month, Period(start, month.end), currency)


@require_safe
@told_month("explore")
def page(request: HttpRequest) -> HttpResponse:
    """The view of the address."""
    view = _view(request)
    if view is None:
        return render(request, "web/explore.html", {"view": None})
    state, search = view.state, view.state.search()
    with snapshot():
        table, frame = _table(view)
        names = selectors.cost_centre_names()
        heads = [_named(head, state.columns) for head in table.across]
        context = {
            "view": view, "state": state, "period": view.month, "search": search, "table": table,
            "timed": state.granularity in _TIME,
            "heads": heads, "kinds": [head["kind"] for head in heads],
            "rows": [{"row": row, **_row(row.head, state, names), "share": _share(row.total, table.total)} for row in table.rows],
            "first_name": NAMES[state.by[0]], "clear": state.search(filters={}), "thin": formats.THIN,
            "filtered": any(state.filters.values()),
            "month_links": [(each, state.search(month=each)) for each in view.months],
            "columns_drawn": _columns(table), "box": BOX, "height": HEIGHT, "title": _title(state),
            "ticks": _ticks(table, view.currency),
            "menus": explore_menus.menus(view.scope, state, view.month, view.months, view.currency),
            "csv": f"{reverse('explore-csv')}{search}", "xlsx": f"{reverse('explore-xlsx')}{search}", "api": _api(view),
            "unpriced": _beside(frame) if len(frame) else None,
            "notes": unknowns.notes(view.scope, state.query(view.period, view.currency)),
            **explore_bridge.context(view.scope, state, view.month, view.currency),
        }  # fmt: skip
    return render(request, "web/explore.html", context)


@require_safe
@told_month("explore")
def as_csv(request: HttpRequest) -> HttpResponse:
    """Every row of the very view, exact; no row is folded into Other."""
    view = _view(request)
    if view is None:
        return csv_file("explore_empty", (), ())
    header, rows = _file(view)
    return csv_file(f"explore_{view.month}", header, rows)


@require_safe
@told_month("explore")
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """The same rows as a workbook with one sheet and a row of totals."""
    view = _view(request)
    header, rows = _file(view) if view else ((), [])
    total: list[tuple[Any, ...]] = []
    if rows:
        first = len(header) - len(_FILE) - 2
        sums = [sum((row[n] for row in rows), Decimal(0)) for n in range(len(header)) if n == first or n > first + 1]
        total = [("Total", *[""] * (first - 1), sums[0], "", *sums[1:])]
    return xlsx_file(f"explore_{view.month if view else 'empty'}", {"Explore": (header, [*rows, *total])})


def _frame(view: View) -> pd.DataFrame:
    """The figures of the view, by its dimensions and, where it has them, its points in time (as text)."""
    state = view.state
    day = ("ChargeDate",) if state.granularity in _TIME else ()
    frame = selectors.costs(view.scope, state.query(view.period, view.currency, *day, *state.columns))
    if not day:
        return frame
    texts = [f"{each:%Y-%m-%d}" if state.granularity == "day" else f"{each:%Y-%m}-01" for each in frame["ChargeDate"]]
    return frame.assign(**{_TIME[state.granularity]: pd.Series(texts, index=frame.index, dtype=object)})


def _table(view: View) -> tuple[Pivot, pd.DataFrame]:
    state, frame = view.state, _frame(view)
    if state.granularity in _TIME:
        points = sorted({_point(day, state.granularity) for day in view.period.days()})
        found = pivot(frame, [_TIME[state.granularity]], state.columns, state.column, time=points)
        return drawn(found, HEIGHT, lambda cost: formats.money(cost, view.currency)), frame
    found = pivot(frame, state.columns[:1], state.columns[1:], state.column)
    return drawn(found, BOX, lambda cost: formats.money(cost, view.currency)), frame


def _point(day: date, granularity: str) -> str:
    return f"{day:%Y-%m-%d}" if granularity == "day" else f"{day:%Y-%m}-01"


def _file(view: View) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    frame, state = _frame(view), view.state
    keys = ((_TIME[state.granularity],) if state.granularity in _TIME else ()) + state.columns
    header = (*keys, state.column, "BillingCurrency", *_FILE)
    sums: dict[tuple[Any, ...], list[Any]] = {}
    for row in zip(*(frame[name] for name in (*keys, state.column, *_FILE)), strict=True):
        place, values = row[: len(keys)], row[len(keys) :]
        before = sums.get(place)
        sums[place] = list(values) if before is None else [a + b for a, b in zip(before, values, strict=True)]
    named = (
        (*(UNALLOCATED if name == "x_CostCentre" and value is None else value for name, value in zip(keys, place, strict=True)),
         values[0], view.currency, *values[1:])
        for place, values in sorted(sums.items(), key=lambda item: [str(value or "") for value in item[0]])
    )  # fmt: skip
    return header, list(named)


def _api(view: View) -> str:
    state, period = view.state, view.period
    when = {"month": f"{view.month}"} if period == view.month else {"start": f"{period.start}", "end": f"{period.end}"}
    granularity = state.granularity if state.granularity in _TIME else ""
    return state.api("costs", view.currency, **when, group_by=",".join(state.columns), granularity=granularity)


def _title(state: Explored) -> str:
    names = " and ".join(NAMES[name].lower() for name in state.by)
    return f"Spend by {names}{'' if state.granularity == 'total' else f', {state.granularity} by {state.granularity}'}"


def _named(head: Head, columns: Sequence[str]) -> dict[str, Any]:
    """A row or column for people: what it is called, and its colour."""
    if head.others:
        return {"name": f"{head.others} others", "kind": "other", "tier": None}
    pairs = list(zip(columns[-len(head.names) :], head.names, strict=True))
    tier = next((value for name, value in pairs if name == "x_QueryTier"), None) if len(pairs) == 1 else None
    return {"name": " · ".join(called(*pair) for pair in pairs), "kind": tier or f"s{head.place}", "tier": tier}


def _row(head: Head, state: Explored, names: Mapping[str, str]) -> dict[str, Any]:
    """A row's name and the address that narrows the view to it."""
    if state.granularity in _TIME:
        (text,) = head.names
        day = date.fromisoformat(str(text))
        return {"name": f"{day.day} {day:%b %Y}" if state.granularity == "day" else f"{day:%B %Y}", "link": ""}
    named, value = _named(head, state.columns[:1]), head.names[0]
    if not named["tier"]:
        named["kind"] = "one"
    column = state.columns[0]
    value = UNALLOCATED if column == "x_CostCentre" and value is None else value
    narrowed = value and not head.others and value not in state.filters.get(column, ())
    about = names.get(value or "", "") if column == "x_CostCentre" else ""
    return {**named, "about": about, "link": state.toggled(column, value) if narrowed and value else ""}


def _beside(frame: pd.DataFrame) -> dict[str, Any]:
    """What stands in no total, or on an estimate."""
    names = {"unpriced_tokens": "x_UnpricedTokens", "estimated_queries": "x_EstimatedQueries", "queries": "Queries"}
    counts = {name: int(frame[column].sum()) for name, column in names.items()}
    return {**counts, "unpriced_estimate": total(frame["x_UnpricedEstimate"])}


def _share(part: Figures, whole: Figures) -> Decimal | None:
    return part.cost / whole.cost if whole.cost > 0 else None


def _columns(table: Pivot) -> list[dict[str, Any]]:
    """Bars of points in time, side by side."""
    step = BOX / max(len(table.rows), 1)
    return [
        {"at": round(n * step + step * 0.1, 2), "width": round(step * 0.8, 2), "row": row}
        for n, row in enumerate(table.rows)
    ]


def _ticks(table: Pivot, currency: str) -> list[dict[str, str]]:
    """The top of the axis and its middle."""
    longest = max(
        (sum((max(f.cost, Decimal(0)) for f in row.cells or [row.total]), Decimal(0)) for row in table.rows),
        default=Decimal(0),
    )
    return [{"text": formats.money_short(longest / part, currency), "at": f"{100 - 100 // part}"} for part in (1, 2)]
