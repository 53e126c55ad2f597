"""The page Agents, below Tiers & agents: what tasks of agents do and cost, which ran away, what outcomes cost with failures."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from allocation import selectors
from allocation.models import AgentTask, Runaway
from allocation.scope import Scope, roles_of, scope_of
from allocation.selectors import CostQuery
from allocation.statement_selectors import snapshot
from allocation.value import agent_runaways, agents, unknowns
from finops.periods import Period
from web.downloads import csv_file, xlsx_file
from web.pages import agents_shown
from web.pages.explore_state import Explored, parse
from web.pages.months import month_of_cost, told_month
from web.pages.wrong import posted

RUNAWAYS = 50  # shown; the file has all


class View(NamedTuple):
    """One view: the month, its filters and its currency."""

    scope: Scope
    state: Explored
    months: list[str]
    month: Period
    currency: str

    @property
    def query(self) -> CostQuery:
        """Its question."""
        return self.state.query(self.month, self.currency)


def _view(request: HttpRequest) -> View | None:
    """The view that the address asks for; None where this reader has no month with any cost."""
    scope, state = scope_of(request.user), parse(request.META.get("QUERY_STRING", ""))
    state = replace(state, filters={name: found for name, found in state.filters.items() if name in agents.FILTERS})
    months = selectors.months(scope)
    if not months:
        return None
    month = month_of_cost(request.GET.get("month", ""), months)
    return View(scope, state, months, month, state.currency or str(settings.REPORT_CURRENCY))


@require_safe
@told_month("tiers-agents")
def page(request: HttpRequest) -> HttpResponse:
    """The view of the address."""
    with snapshot():
        view = _view(request)
        if view is None or not AgentTask.objects.exists():
            return render(request, "web/agents.html", {"view": None, "tab": "agents"})
        found, query = agents.report(view.scope, view.query), view.query
        rows = agent_runaways.listed(view.scope, query)
        context = {
            **_frame(view), **agents_shown.report(found, view.currency),
            "outcomes": agents.outcome_costs(view.scope, query),
            "runaways": [agents_shown.runaway(row) for row in rows[:RUNAWAYS]],
            "summary": agent_runaways.summary(view.scope, query), "more": max(rows.count() - RUNAWAYS, 0),
            "decides": bool(roles_of(request.user) & agent_runaways.DECIDERS),
        }  # fmt: skip
    return render(request, "web/agents.html", context)


def _frame(view: View) -> dict[str, Any]:
    """The head: menus, and the addresses of the same figures."""
    state, search = view.state, view.state.search()
    found = {
        "view": view, "tab": "agents", "period": view.month, "currency": view.currency, "search": search,
        "month_links": [(each, state.search(month=each)) for each in view.months], "clear": state.search(filters={}),
        "filtered": any(state.filters.values()), "filters": agents_shown.menus(view.scope, state, view.month),
        "csv": f"{reverse('tiers-agents-csv')}{search}", "xlsx": f"{reverse('tiers-agents-xlsx')}{search}",
        "runaways_csv": f"{reverse('tiers-agents-runaways-csv')}{search}", "notes": unknowns.notes(view.scope, view.query),
    }  # fmt: skip
    for name in ("workflows", "outcomes", "runaways"):
        found[f"{name}_api"] = agents_shown.api(state, f"agents/{name}", view.month, view.currency)
    return found


@require_safe
@told_month("tiers-agents")
def as_csv(request: HttpRequest) -> HttpResponse:
    """All workflows of the view, exact, with their total."""
    with snapshot():
        view = _view(request)
        rows = agents_shown.rows(agents.report(view.scope, view.query)) if view else []
    return csv_file(_name("agents", view), agents_shown.HEADER, rows)


@require_safe
@told_month("tiers-agents")
def runaways_csv(request: HttpRequest) -> HttpResponse:
    """All runaways of the view."""
    with snapshot():
        view = _view(request)
        rows = agents_shown.runaway_rows(agent_runaways.listed(view.scope, view.query)) if view else []
    return csv_file(_name("agents_runaways", view), agents_shown.RUNAWAY_HEADER, rows)


@require_safe
@told_month("tiers-agents")
def as_xlsx(request: HttpRequest) -> HttpResponse:
    """Workflows, tasks by their calls, outcomes and runaways as a workbook."""
    with snapshot():
        view = _view(request)
        sheets: dict[str, tuple[Sequence[str], list[list[Any]]]] = agents_shown.sheets(
            view and view.scope, view and view.query
        )
    return xlsx_file(_name("agents", view), sheets)


@require_POST
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """A person's word on a runaway."""
    if not roles_of(request.user) & agent_runaways.DECIDERS:
        raise PermissionDenied
    user: Any = request.user
    sent = posted(request)
    try:
        row = agent_runaways.decide(
            scope_of(user), number, sent.get("decision", ""), by=user.get_username(), note=sent.get("note", "")
        )  # fmt: skip
    except (Runaway.DoesNotExist, OverflowError):
        raise Http404 from None
    except agent_runaways.RunawayError as wrong:
        messages.error(request, f"{wrong}.")
    else:
        messages.success(request, f"The runaway of {row.charge_date:%d %b} is {row.state}.")
    back = parse(sent.get("back", "")).search()
    return redirect(f"{reverse('tiers-agents')}{back}#runaways")


def _name(what: str, view: View | None) -> str:
    return f"{what}_{view.month if view else 'empty'}"
