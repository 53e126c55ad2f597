"""Views. Dash, plotly and pandas are imported by the first request for a page, not by every command."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_safe

from allocation.scope import scope_of


@require_safe
def home(_: HttpRequest) -> HttpResponse:
    """The Overview is where everybody lands."""
    return redirect("overview")


def dashboard(request: HttpRequest, path: str = "") -> HttpResponse:
    """A page of figures, or one of the addresses its scripts call."""
    from web.dashboards.app import respond

    return respond(request, path)


@require_safe
def cost_centres_csv(request: HttpRequest) -> HttpResponse:
    """The cost-centre table of the very view in the query string: exact amounts, one row per cost centre, no total."""
    from web.dashboards import overview_facts, state
    from web.downloads import csv_file

    view = state.parse(request.META.get("QUERY_STRING", ""))
    facts = overview_facts.read(scope_of(request.user), view, timezone.now(), with_money=False)
    header = ("x_CostCentre", "Name", view.column, "Previous", "BillingCurrency", "Requests", "Queries")
    if facts is None:
        return csv_file("cost-centres_empty", header, ())
    rows = (
        (line.name or state.UNALLOCATED, facts.names.get(line.name or "", ""), line.cost, line.before, facts.currency,
         line.requests, line.queries)
        for line in facts.centres
    )  # fmt: skip
    return csv_file(f"cost-centres_{facts.month}", header, rows)
