"""The page Anomalies, below Budgets: days that cost far more or less than was forecast, why, and what people say of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from allocation.scope import Scope, scope_of
from allocation.statement_selectors import snapshot
from finops.periods import Period, PeriodError
from forecasting import anomalies, anomalies_gate
from forecasting import anomalies_selectors as selectors
from forecasting.anomalies_selectors import Asked
from forecasting.models import Anomaly
from web import anomaly_rows, formats
from web.downloads import csv_file, xlsx_file
from web.pages import anomalies_shown
from web.pages.explore_menus import Menu
from web.pages.wrong import posted

DRAWN, LISTED = 4, 50  # the largest by money: drawn, and in each table; the files have all
IMPACTS = (Decimal(100), Decimal(1_000), Decimal(10_000))
_TAG = "anomalies"


@dataclass(frozen=True)
class View:
    """One view: days (None: all that were judged), the least impact, and one anomaly to look at."""

    month: Period | None = None
    least: Decimal | None = None
    of: int | None = None

    def search(self, **changes: Any) -> str:
        """The query string of this view, or of the one that differs from it so."""
        state = replace(self, **changes)
        pairs = [("month", str(state.month))] if state.month else []
        pairs += [("impact", f"{state.least:f}")] if state.least is not None else []
        pairs += [("of", str(state.of))] if state.of else []
        return f"?{urlencode(pairs)}" if pairs else "?"

    @property
    def asked(self) -> Asked:
        """Its question."""
        days = self.month
        since, until = (days.start, days.end - timedelta(days=1)) if days else (None, None)
        return Asked(str(settings.REPORT_CURRENCY), since=since, until=until, least=self.least)

    @property
    def api(self) -> str:
        """The address of the same anomalies in the REST API."""
        asked = self.asked
        pairs = [("from", asked.since), ("to", asked.until), ("min_impact", asked.least), ("currency", asked.currency)]
        return f"/api/v1/anomalies?{urlencode([(name, value) for name, value in pairs if value is not None])}"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The view of the address."""
    scope, view = scope_of(request.user), _view(request.META.get("QUERY_STRING", ""))
    with snapshot():
        context = {**_frame(scope, view), **_lists(request, scope, view)}
    return render(request, "web/anomalies.html", context)


def _frame(scope: Scope, view: View) -> dict[str, Any]:
    """The head: what was judged, the gate, menus, and the addresses of the same figures."""
    asked, same = view.asked, view.search(of=None)
    gate = anomalies_gate.gate(asked.currency)
    return {
        "tab": _TAG, "view": view, "currency": asked.currency, "judged": anomalies.JUDGED, "gate": gate,
        "run": anomalies_shown.run(anomalies.last_run(asked.currency)), **anomalies_shown.precision(gate),
        "summary": selectors.summary(scope, asked), "menus": _menus(scope, view), "verdicts": anomaly_rows.VERDICTS,
        "search": view.search(), "back": same, "csv": f"{reverse('anomalies-csv')}{same}", "api": view.api,
        "xlsx": f"{reverse('anomalies-xlsx')}{same}", "clear": View().search(),
        "filtered": view.month or view.least is not None,
    }  # fmt: skip


def _lists(request: HttpRequest, scope: Scope, view: View) -> dict[str, Any]:
    """The anomalies: those that are open and told with their days, the others as lines."""
    user: Any = request.user
    rows, told_field = selectors.listed(scope, view.asked), selectors.told_field(scope)
    still_open, closed = (rows.filter(state=state) for state in (Anomaly.State.OPEN, Anomaly.State.CLOSED))
    told = _by_money(still_open.filter(**{told_field: True}))
    drawn, others = told[:DRAWN], told[DRAWN:]
    chosen = _chosen(scope, view, drawn)
    days = selectors.days([*([chosen] if chosen else []), *drawn])
    tables = {"others": others, "quiet": _by_money(still_open.filter(**{told_field: False})), "closed": list(closed)}
    return {
        "chosen": chosen and anomalies_shown.full(scope, chosen, days.get(chosen.pk, []), user),
        "told": [anomalies_shown.full(scope, row, days.get(row.pk, []), user) for row in drawn],
        "told_count": len(told), "others_count": len(others),
        **{f"{name}_more": max(len(those) - LISTED, 0) for name, those in tables.items()},
        **{
            name: [anomalies_shown.line(row, view.search(of=row.pk)) for row in those[:LISTED]]
            for name, those in tables.items()
        },
    }  # fmt: skip


def _by_money(rows: Iterable[Anomaly]) -> list[Anomaly]:
    return sorted(rows, key=lambda row: -abs(row.impact))


@require_safe
def as_csv(request: HttpRequest) -> HttpResponse:
    """All anomalies of the view, exact."""
    view = _view(request.META.get("QUERY_STRING", ""))
    with snapshot():
        rows = [anomaly_rows.file_row(row) for row in selectors.listed(scope_of(request.user), view.asked)]
    return csv_file(_name(view), anomaly_rows.HEADER, rows)


@require_safe
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """Anomalies, their days and what people said of them as a workbook."""
    view = _view(request.META.get("QUERY_STRING", ""))
    with snapshot():
        rows = list(selectors.listed(scope_of(request.user), view.asked))
        days = selectors.days(rows)
    sheets = {
        "Anomalies": (anomaly_rows.HEADER, [anomaly_rows.file_row(row) for row in rows]),
        "Days": (anomaly_rows.DAYS_HEADER, [
            [row.pk, each.day, each.actual, each.expected, each.low, each.high, "yes" if each.inside else "no"]
            for row in rows for each in days.get(row.pk, [])
        ]),
        "Feedback": (anomaly_rows.FEEDBACK_HEADER, [
            [row.pk, each.verdict, each.note, each.said_by, each.said_at.isoformat()]
            for row in rows for each in anomaly_rows.words(row)
        ]),
    }  # fmt: skip
    return xlsx_file(_name(view), sheets)


@require_POST
def say(request: HttpRequest, number: int) -> HttpResponse:
    """A person's word on an anomaly."""
    user: Any = request.user
    sent = posted(request)
    try:
        row = anomalies_gate.say(scope_of(user), number, sent.get("verdict", ""), by=user, note=sent.get("note", ""))
    except (Anomaly.DoesNotExist, OverflowError):
        raise Http404 from None
    except PermissionError:
        raise PermissionDenied from None
    except anomalies_gate.FeedbackError as wrong:
        messages.error(request, f"{wrong}.")
    else:
        gate = anomalies_gate.gate(row.currency)
        least = "any amount" if gate.least is None else formats.money(gate.least, row.currency)
        messages.success(
            request, f"Noted: {anomaly_rows.node(row)}, {anomaly_rows.days(row)}. Anomalies are told from {least} on."
        )
    return redirect(f"{reverse('anomalies')}{_view(posted(request).get('back', '')).search(of=None)}")


def _chosen(scope: Scope, view: View, told: list[Anomaly]) -> Anomaly | None:
    """The anomaly of the address, unless it is drawn anyway. Raises Http404."""
    if view.of is None or view.of in {row.pk for row in told}:
        return None
    try:
        return selectors.one(scope, view.of)
    except (Anomaly.DoesNotExist, OverflowError):
        raise Http404 from None


def _menus(scope: Scope, view: View) -> list[Menu]:
    days = selectors.listed(scope, replace(view.asked, since=None, until=None, least=None))
    months = sorted({Period.month_of(day) for day in days.values_list("last_day", flat=True)}, reverse=True)
    currency = view.asked.currency
    amounts = [(formats.money_short(least, currency), least) for least in IMPACTS]
    return [
        Menu("Days", formats.month_name(view.month.start) if view.month else "all judged", [
            ("all judged", view.search(month=None, of=None), view.month is None),
            *((formats.month_name(each.start), view.search(month=each, of=None), each == view.month) for each in months),
        ], view.month is not None),
        Menu("Impact", f"from {formats.money_short(view.least, currency)}" if view.least is not None else "any", [
            ("any", view.search(least=None, of=None), view.least is None),
            *((f"from {text}", view.search(least=least, of=None), least == view.least) for text, least in amounts),
        ], view.least is not None),
    ]  # fmt: skip


def _view(text: str) -> View:
    """The view that a query string asks for; what makes no sense in it is left out."""
    try:
        given = dict(parse_qsl(text.lstrip("?"), max_num_fields=20))
    except ValueError:
        given = {}
    try:
        month = Period.month(given["month"]) if "month" in given else None
    except PeriodError:
        month = None
    least = next((each for each in IMPACTS if f"{each:f}" == given.get("impact")), None)
    number = given.get("of", "")
    return View(month, least, int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None)


def _name(view: View) -> str:
    return f"anomalies_{view.month or 'all'}"
