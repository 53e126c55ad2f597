"""The page Watch, below Budgets: what stands of every budget now, and caps and bands on what queries cost."""

from dataclasses import dataclass, replace
from datetime import timedelta
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
from finops.focus import TIERS
from forecasting import watch, watch_policies, watch_selectors
from forecasting.calc.watch_policy import SEVERITIES
from forecasting.models import QueryCap
from forecasting.watch_alerts import CAPPERS, AlertProblem
from forecasting.watch_states import State
from web import watch_rows
from web.downloads import csv_file, xlsx_file
from web.pages import watch_shown
from web.pages.explore_menus import Menu
from web.pages.wrong import posted

_VERDICTS = {"stop": "exceeded", "warn": "to look at", "allow": "within"}
_FIELDS = ("most", "severity", "cost_centre", "tier", "feature", "provider", "model", "note")


@dataclass(frozen=True)
class View:
    """One view: budgets of one verdict and of one cost centre; empty: all."""

    verdict: str = ""
    cost_centre: str = ""

    def search(self, **changes: str) -> str:
        """The query string of this view, or of the one that differs from it so."""
        state = replace(self, **changes)
        pairs = [(name, value) for name, value in vars(state).items() if value]
        return f"?{urlencode(pairs)}" if pairs else "?"

    def shows(self, one: State) -> bool:
        """Whether a budget is in it."""
        return self.verdict in ("", one.verdict) and self.cost_centre in ("", one.running.subject.code or "")


def _view(search: str) -> View:
    said = dict(parse_qsl(search.removeprefix("?"), max_num_fields=20))
    verdict = said.get("verdict", "")
    return View(verdict if verdict in _VERDICTS else "", said.get("cost_centre", "")[:60])


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The view of the address."""
    return _shown(request, _view(request.META.get("QUERY_STRING", "")))


def _shown(
    request: HttpRequest, view: View, *, status: int = 200, given: dict[str, str] | None = None, wrong: str = ""
) -> HttpResponse:
    scope, now = scope_of(request.user), timezone.now()
    with snapshot():
        every = watch_selectors.states(scope, now)
        queries = watch_selectors.queries(scope, now)
        policy = watch_policies.number()
    found = watch_shown.by_urgency([one for one in every if view.shows(one)])
    currency = str(settings.REPORT_CURRENCY)
    period = every[0].running.period if every else None
    context: dict[str, Any] = {
        "tab": "watch", "view": view, "rows": [watch_shown.budget(one) for one in found], "every": every,
        "sentence": watch_shown.sentence(found) if found else [], "menus": _menus(view, every), "filtered": view != View(),
        "clear": View().search(), "currency": currency, "policy": policy, "period": period,
        "last": period and period.end - timedelta(days=1), "days": queries.days,
        "known_until": max((one.known_until for one in every if one.known_until), default=None),
        "caps": [watch_shown.cap(one) for one in queries.caps], **watch_shown.bands(queries.bands, currency),
        "may_cap": bool(roles_of(request.user) & CAPPERS), "tiers": TIERS, "severities": SEVERITIES[::-1],
        "given": given or {}, "wrong": wrong, "csv": f"{reverse('budgets-watch-csv')}{view.search()}",
        "xlsx": f"{reverse('budgets-watch-xlsx')}{view.search()}", "api": _api(view),
    }  # fmt: skip
    return render(request, "web/watch.html", context, status=status)


def _api(view: View) -> str:
    return f"/api/v1/watch?{urlencode({'cost_centre': view.cost_centre})}" if view.cost_centre else "/api/v1/watch"


def _menus(view: View, every: list[State]) -> list[Menu]:
    codes = sorted({one.running.subject.code for one in every if one.running.subject.code})
    verdicts = [("all", view.search(verdict=""), not view.verdict)]
    verdicts += [(text, view.search(verdict=name), view.verdict == name) for name, text in _VERDICTS.items()]
    centres = [("all", view.search(cost_centre=""), not view.cost_centre)]
    centres += [(code, view.search(cost_centre=code), view.cost_centre == code) for code in codes]
    return [
        Menu("Budgets", _VERDICTS.get(view.verdict, "all"), verdicts, bool(view.verdict)),
        Menu("Cost centre", view.cost_centre or "all", centres, bool(view.cost_centre)),
    ]


@require_safe
def as_csv(request: HttpRequest) -> HttpResponse:
    """The budgets of the view, exact."""
    return csv_file("watch", watch_rows.STATE_HEADER, map(watch_rows.state_line, _states(request)))


@require_safe
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """Budgets, caps and bands as a workbook."""
    found = _states(request)
    with snapshot():
        queries = watch_selectors.queries(scope_of(request.user), timezone.now())
    sheets = {
        "Budgets": (watch_rows.STATE_HEADER, [watch_rows.state_line(one) for one in found]),
        "Caps": (watch_rows.CAP_HEADER, [watch_rows.cap_line(one) for one in queries.caps]),
        "Bands": (watch_rows.BAND_HEADER, watch_rows.band_lines(queries.bands)),
    }
    return xlsx_file("watch", sheets)


def _states(request: HttpRequest) -> list[State]:
    view = _view(request.META.get("QUERY_STRING", ""))
    with snapshot():
        every = watch_selectors.states(scope_of(request.user), timezone.now())
    return watch_shown.by_urgency([one for one in every if view.shows(one)])


def _capper(request: HttpRequest) -> Scope:
    """Raises PermissionDenied."""
    if not roles_of(request.user) & CAPPERS:
        raise PermissionDenied
    return scope_of(request.user)


@require_POST
def create_cap(request: HttpRequest) -> HttpResponse:
    """Say what a query may cost."""
    scope = _capper(request)
    given = {name: posted(request).get(name, "").strip() for name in _FIELDS}
    try:
        made = watch.create_cap(scope, by=request.user.get_username(), **given)
    except AlertProblem as wrong:
        return _shown(request, View(), status=422, given=given, wrong=f"{wrong}.")
    messages.success(
        request, f"{made}: at most {made.most.normalize():f} a query. Counted with the next pass, within minutes."
    )
    return redirect(f"{reverse('budgets-watch')}#caps")


@require_POST
def end_cap(request: HttpRequest, number: int) -> HttpResponse:
    """Hold no query against it any more."""
    scope = _capper(request)
    try:
        row = watch.end_cap(scope, number, by=request.user.get_username(), now=timezone.now())
    except (QueryCap.DoesNotExist, OverflowError):
        raise Http404 from None
    except AlertProblem as wrong:
        messages.error(request, f"{wrong}.")
    else:
        messages.success(request, f"{row}: the cap has ended.")
    return redirect(f"{reverse('budgets-watch')}#caps")
