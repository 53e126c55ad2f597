"""Runs: what was read, by whom it was delivered, and what of it was not taken."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from finops.tokens import TOKEN_CLASSES
from ingest import health_selectors, selectors
from ingest.models import IngestRun
from ingest.totals import COSTS
from web.pages.access import for_those_who_see_everything
from web.pages.paging import before_of, page_of
from web.pages.reasons import MEANING

SHOWN, PLACES = 50, 100


@require_safe
@for_those_who_see_everything
def listing(request: HttpRequest) -> HttpResponse:
    """Runs of all sources, newest first; ?state= and ?connection= choose."""
    state, name = request.GET.get("state", ""), request.GET.get("connection", "")
    chosen: dict[str, Any] = {"state": state} if state else {}
    chosen |= {"connection__name": name} if name else {}
    found = health_selectors.runs_of(before=before_of(request), limit=SHOWN + 1, **chosen)
    context = {
        "runs": found[:SHOWN], "state": state, "connection": name, "states": IngestRun.State.choices,
        **page_of(request, found, SHOWN, state=state, connection=name),
    }  # fmt: skip
    return render(request, "web/runs.html", context)


@require_safe
@for_those_who_see_everything
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """One run: its counts, its totals, and the places of what it did not take."""
    if number >= 2**63:
        raise Http404
    run = get_object_or_404(IngestRun.objects.select_related("connection"), pk=number)
    found = health_selectors.quarantine_places(before=before_of(request), limit=PLACES + 1, run_id=run.pk)
    reasons = selectors.quarantine_counts(run.pk)
    totals = [(name, run.totals[name]) for name in ("requests", *TOKEN_CLASSES) if run.totals.get(name, "0") != "0"]
    context = {
        "run": run, "places": found[:PLACES], "totals": totals,
        "costs": _costs(run.totals),
        "reasons": [(reason, count, MEANING.get(reason, "")) for reason, count in reasons.items()],
        "skipped": sum(run.skipped.values()), "notes": _notes(run), **page_of(request, found, PLACES),
    }  # fmt: skip
    return render(request, "web/run.html", context)


def _costs(totals: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(name, amount, currency) of what a run cost."""
    apart: dict[str, Any] = totals.get("by_currency") or {totals.get("currency", ""): totals}
    return [(name, of[name], code) for name in COSTS for code, of in apart.items() if name in of]


def _notes(run: IngestRun) -> list[tuple[str, str]]:
    found = []
    for name, value in sorted(run.notes.items()):
        told = (
            ", ".join(f"{key} ({count:,})" for key, count in value.items()) if isinstance(value, dict) else str(value)
        )
        found.append((name, told))
    return found
