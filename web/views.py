"""Views. Dash, plotly and pandas are imported by the first request for a page, not by every command."""

import csv

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from allocation.scope import scope_of


def home(_: HttpRequest) -> HttpResponse:
    """The Overview is where everybody lands."""
    return redirect("overview")


def dashboard(request: HttpRequest, path: str = "") -> HttpResponse:
    """A page of figures, or one of the addresses its scripts call."""
    from web.dashboards.app import respond

    return respond(request, path)


def cost_centres_csv(request: HttpRequest) -> HttpResponse:
    """The cost-centre table of the very view in the query string: exact amounts, one row per cost centre, no total."""
    from web.dashboards import overview_facts, state
    from web.exports.cells import csv_field

    view = state.parse(request.META.get("QUERY_STRING", ""))
    facts = overview_facts.read(scope_of(request.user), view, timezone.now())
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="cost-centres_{facts.month if facts else "empty"}.csv"'
    writer = csv.writer(response)
    writer.writerow(["x_CostCentre", "Name", view.column, "Previous", "BillingCurrency", "Requests", "Queries"])
    if facts is None:
        return response
    for line in facts.centres:
        owner = (line.name or state.UNALLOCATED, facts.names.get(line.name or "", ""))
        writer.writerow(map(csv_field, [*owner, line.cost, line.before, facts.currency, line.requests, line.queries]))
    return response
