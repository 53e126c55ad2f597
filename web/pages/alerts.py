"""The page Alerts, below Budgets: what is open, who answers, what is silent, what was told and to whom."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from allocation.scope import Scope, roles_of, scope_of
from allocation.statement_selectors import snapshot
from forecasting import watch_alerts
from forecasting.calc.watch_policy import SEVERITIES
from forecasting.models import Alert, AlertNotice, Silence
from forecasting.watch_alerts import ANSWERERS, ANY, AlertProblem
from web import watch_routes, watch_rows
from web.downloads import csv_file, xlsx_file
from web.models import Delivery
from web.pages.explore_menus import Menu
from web.pages.wrong import posted

HISTORY, TOLD = 50, 4
_HOURS = {1: "1 hour", 4: "4 hours", 24: "1 day", 72: "3 days", 168: "1 week"}
_KINDS = dict(Alert.Kind.choices)


@dataclass(frozen=True)
class View:
    """One view: alerts of one severity and of one kind; empty: all."""

    severity: str = ""
    kind: str = ""

    def search(self, **changes: str) -> str:
        """The query string of this view, or of the one that differs from it so."""
        pairs = [(name, value) for name, value in vars(replace(self, **changes)).items() if value]
        return f"?{urlencode(pairs)}" if pairs else "?"

    def of(self, scope: Scope) -> Any:
        """Its alerts."""
        rows = watch_alerts.listed(scope, severity=self.severity)
        return rows.filter(kind=self.kind) if self.kind else rows


def _view(search: str) -> View:
    said = dict(parse_qsl(search.removeprefix("?"), max_num_fields=20))
    severity, kind = said.get("severity", ""), said.get("kind", "")
    return View(severity if severity in SEVERITIES else "", kind if kind in _KINDS else "")


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The view of the address."""
    view, scope, now = _view(request.META.get("QUERY_STRING", "")), scope_of(request.user), timezone.now()
    with snapshot():
        rows = view.of(scope)
        still = watch_alerts.by_urgency(rows.filter(ended_at=None))
        over = rows.filter(ended_at__isnull=False).order_by("-ended_at", "-pk")
        silent = list(watch_alerts.silences(scope, now).order_by("ends"))
        context = {
            "tab": "alerts", "view": view, "open": _described(still, now), "over": over[:HISTORY],
            "more": max(over.count() - HISTORY, 0), "silences": [_silence(one) for one in silent], **_cards(still, silent),
            "menus": _menus(view), "filtered": view != View(), "clear": View().search(), "hours": _HOURS,
            "answers": bool(roles_of(request.user) & ANSWERERS), "sees_all": scope.everything, "any": ANY,
            "routes": len(watch_routes.in_force()), "currency": str(settings.REPORT_CURRENCY), "back": view.search(),
            "csv": f"{reverse('budgets-alerts-csv')}{view.search()}", "xlsx": f"{reverse('budgets-alerts-xlsx')}{view.search()}",
            "api": f"/api/v1/alerts{view.search(kind='')}".rstrip("?"),
        }  # fmt: skip
    return render(request, "web/alerts.html", context)


def _described(rows: list[Alert], now: datetime) -> list[dict[str, Any]]:
    """Open alerts with what was told of them."""
    notices: dict[int, list[AlertNotice]] = {}
    for notice in AlertNotice.objects.filter(alert__in=rows).order_by("-pk"):
        notices.setdefault(notice.alert_id, []).append(notice)
    occasions = {notice.occasion: notice.pk for each in notices.values() for notice in each[:TOLD]}
    sent: dict[int, list[Delivery]] = {}
    for delivery in Delivery.objects.filter(occasion__in=occasions).order_by("pk"):
        sent.setdefault(occasions[delivery.occasion], []).append(delivery)
    held, answers = watch_alerts.silencing(now), watch_alerts.answers(rows)
    return [
        {
            "row": row, "notices": [(one, sent.get(one.pk, [])) for one in notices.get(row.pk, [])[:TOLD]],
            "former": answers.get(row.pk, [])[bool(row.acknowledged_by) :],
            "silent": any(one.holds(row.subject, row.severity, now) for one in held),
        }
        for row in rows
    ]  # fmt: skip


def _silence(one: Silence) -> dict[str, Any]:
    label = Alert.objects.filter(subject=one.subject).order_by("-pk").values_list("label", flat=True).first()
    return {"row": one, "label": "Everything" if one.subject == ANY else label or one.subject}


def _cards(still: list[Alert], silent: list[Silence]) -> dict[str, Any]:
    """Counts, and the dearest alert: sums of what is at stake would count a loop once for every budget that it is part of."""
    dearest = max(still, key=lambda row: row.money, default=None)
    return {
        "by_severity": [(name, sum(row.severity == name for row in still)) for name in SEVERITIES[::-1]],
        "answered": sum(bool(row.acknowledged_by) for row in still), "silent_now": len(silent),
        "dearest": dearest if dearest and dearest.money else None, "untold": sum(row.told_at is None for row in still),
    }  # fmt: skip


def _menus(view: View) -> list[Menu]:
    severities = [("all", view.search(severity=""), not view.severity)]
    severities += [(name, view.search(severity=name), view.severity == name) for name in SEVERITIES[::-1]]
    kinds = [("all", view.search(kind=""), not view.kind)]
    kinds += [(str(text), view.search(kind=name), view.kind == name) for name, text in _KINDS.items()]
    return [
        Menu("Severity", view.severity or "all", severities, bool(view.severity)),
        Menu("About", str(_KINDS.get(view.kind, "all")), kinds, bool(view.kind)),
    ]


@require_safe
def as_csv(request: HttpRequest) -> HttpResponse:
    """All alerts of the view, the newest first."""
    return csv_file("alerts", watch_rows.ALERT_HEADER, map(watch_rows.alert_line, _rows(request)))


@require_safe
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """The same as a workbook."""
    return xlsx_file("alerts", {"Alerts": (watch_rows.ALERT_HEADER, list(map(watch_rows.alert_line, _rows(request))))})


def _rows(request: HttpRequest) -> Any:
    return _view(request.META.get("QUERY_STRING", "")).of(scope_of(request.user)).order_by("-pk")


def _answerer(request: HttpRequest) -> Scope:
    """Raises PermissionDenied."""
    if not roles_of(request.user) & ANSWERERS:
        raise PermissionDenied
    return scope_of(request.user)


def _back(request: HttpRequest, anchor: str = "") -> HttpResponse:
    return redirect(f"{reverse('budgets-alerts')}{_view(posted(request).get('back', '')).search()}{anchor}")


@require_POST
def acknowledge(request: HttpRequest, number: int) -> HttpResponse:
    """A person answers."""
    scope = _answerer(request)
    try:
        row = watch_alerts.acknowledge(
            scope, number, by=request.user.get_username(), now=timezone.now(), note=posted(request).get("note", "")
        )
    except (Alert.DoesNotExist, OverflowError):
        raise Http404 from None
    except AlertProblem as wrong:
        messages.error(request, f"{wrong}.")
    else:
        messages.success(request, f"{row.label}: you have it. Nothing more is told unless it grows worse.")
    return _back(request)


@require_POST
def silence(request: HttpRequest) -> HttpResponse:
    """Hold notices back for a while."""
    scope, now, sent = _answerer(request), timezone.now(), posted(request)
    hours = sent.get("hours", "")
    try:
        if not hours.isdigit() or int(hours[:4]) not in _HOURS:
            raise AlertProblem("choose for how long")
        row = watch_alerts.silence(
            scope, sent.get("subject", ""), ends=now + timedelta(hours=int(hours)), by=request.user.get_username(),
            now=now, reason=sent.get("reason", ""),
        )  # fmt: skip
    except AlertProblem as wrong:
        messages.error(request, f"{wrong}.")
    else:
        messages.success(request, f"Silent until {row.ends:%Y-%m-%d %H:%M} UTC. What is still so then is told then.")
    return _back(request)


@require_POST
def end_silence(request: HttpRequest, number: int) -> HttpResponse:
    """Let notices out again."""
    scope = _answerer(request)
    try:
        watch_alerts.end_silence(scope, number, by=request.user.get_username(), now=timezone.now())
    except (Silence.DoesNotExist, OverflowError):
        raise Http404 from None
    except AlertProblem as wrong:
        messages.error(request, f"{wrong}.")
    else:
        messages.success(request, "The silence has ended.")
    return _back(request, "#silences")
