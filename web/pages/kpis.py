"""The page Key figures: what each figure means, what it is this month, and the words that need explaining."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from allocation import selectors
from allocation.calc.kpis import Kpi, Value
from allocation.scope import Scope, scope_of
from allocation.selectors import CostQuery
from allocation.statement_selectors import snapshot
from finops.periods import Period, PeriodError
from web import formats, kpis
from web.downloads import csv_file, xlsx_file
from web.pages.access import sees_books, sees_everything

_HEADER = (
    "code", "name", "value", "previous", "numerator", "denominator", "formula", "unit", "target", "met", "column",
    "owner", "source", "meaning",
)  # fmt: skip
_OPENS = {
    "periods": sees_books,
    **dict.fromkeys(
        ("allocation", "capacity", "commitments", "data-health", "prices", "reconciliation"), sees_everything
    ),
}
Rows = list[tuple[Value, Value]]


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Figures of a month beside the month before; ?month= and ?currency= choose."""
    scope = scope_of(request.user)
    try:
        month, currency, rows = _asked(request, scope)
    except PeriodError as wrong:
        return render(request, "400.html", {"wrong": f"month: {wrong}", "back": "kpis"}, status=400)
    registry = kpis.registry()
    context = {
        "rows": [shown(now, before, currency) | {"page": _page(request, now.kpi)} for now, before in rows],
        "month": month, "currency": currency,
        "months": selectors.months(scope), "currencies": selectors.currencies(scope, month),
        "measures": registry.measures, "glossary": registry.glossary,
        "query": urlencode({"month": month, "currency": currency}),
        "met": sum(now.met is True for now, _ in rows), "missed": sum(now.met is False for now, _ in rows),
    }  # fmt: skip
    return render(request, "web/kpis.html", context)


def _page(request: HttpRequest, kpi: Kpi) -> str:
    """Where the figure's parts are shown; empty: not to this reader."""
    opens = _OPENS.get(kpi.page)
    return reverse(kpi.page) if opens is None or opens(request) else ""


def _asked(request: HttpRequest, scope: Scope) -> tuple[Period, str, Rows]:
    known = selectors.months(scope)
    asked = request.GET.get("month") or (known[0] if known else "")
    month = Period.month(asked) if asked else Period.month_of(timezone.now().date())
    currency = request.GET.get("currency") or settings.REPORT_CURRENCY
    with snapshot():
        now, before = (kpis.values(scope, CostQuery(of, currency=currency)) for of in (month, month.previous()))
    return month, currency, list(zip(now, before, strict=True))


def shown(now: Value, before: Value, currency: str) -> dict[str, Any]:
    """One figure as the page shows it."""
    target = now.kpi.target
    return {
        "kpi": now.kpi, "value": written(now, currency), "previous": written(before, currency), "met": now.met,
        "target": target and written(now._replace(value=target.value), currency),
        "parts": _parts(now.kpi),
    }  # fmt: skip


def written(one: Value, currency: str) -> str:
    """A value in the unit of its figure."""
    if one.value is None:
        return formats.NONE
    match one.kpi.unit:
        case "share":
            return formats.percent(one.value)
        case "currency" | "per_million":
            return formats.unit_cost(one.value, currency)
        case "days":
            return f"{one.value:.1f} days"
    return f"{one.value:.2f}"


def _parts(kpi: Kpi) -> list[str]:
    """What the formula's measures are, in its order."""
    words = kpis.registry().measures
    return [f"{name}: {words[name]}" for _, name in dict.fromkeys((*kpi.numerator, *kpi.denominator))]


def _table(rows: Rows) -> list[tuple[Any, ...]]:
    return [
        (
            now.kpi.code, now.kpi.name, now.value, before.value, now.numerator, now.denominator, now.kpi.formula,
            now.kpi.unit, now.kpi.target and now.kpi.target.value, {True: "yes", False: "no", None: ""}[now.met],
            now.kpi.column, now.kpi.owner, now.kpi.source, now.kpi.words,
        )
        for now, before in rows
    ]  # fmt: skip


@require_safe
def as_csv(request: HttpRequest) -> HttpResponse:
    """The figures of the very view, exact."""
    return _file(request, xlsx=False)


@require_safe
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """The same as a workbook."""
    return _file(request, xlsx=True)


def _file(request: HttpRequest, *, xlsx: bool) -> HttpResponse:
    try:
        month, currency, rows = _asked(request, scope_of(request.user))
    except PeriodError as wrong:
        return render(request, "400.html", {"wrong": f"month: {wrong}", "back": "kpis"}, status=400)
    name, registry = f"key_figures_{month}_{currency}", kpis.registry()
    if not xlsx:
        return csv_file(name, _HEADER, _table(rows))
    return xlsx_file(
        name,
        {
            "Key figures": (_HEADER, _table(rows)), "Measures": (("measure", "meaning"), registry.measures.items()),
            "Glossary": (("word", "meaning"), registry.glossary.items()),
        },
    )  # fmt: skip
