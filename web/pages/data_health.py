"""The page Data health: how far the figures can be trusted, and what to do where they cannot."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from finops.periods import PeriodError
from ingest import health_selectors
from ingest.models import IngestRun
from web import data_health, schedule, verified
from web.pages.access import for_admins, for_those_who_see_everything, is_admin
from web.pages.paging import before_of, page_of
from web.pages.reasons import CHECKS, MEANING

MODELS, PLACES = 8, 100


@require_safe
@for_those_who_see_everything
def page(request: HttpRequest) -> HttpResponse:
    """Everything on one page; ?month= chooses the month of the money."""
    try:
        facts = data_health.read(timezone.now(), request.GET.get("month", ""))
    except PeriodError as wrong:
        return render(request, "400.html", {"wrong": f"month: {wrong}", "back": "data-health"}, status=400)
    connected = [status for status in facts.sources if status.connection and status.connection.enabled]
    waiting_since = min((status.connection.created_at for status in connected if status.connection), default=None)
    share = (facts.unallocated / facts.cost) if facts.cost else None
    context = {
        "facts": facts, "schedule": schedule.missed(facts.now, waiting_since),
        "admin": is_admin(request), "unallocated_share": share,
        "sources": [_source(status) for status in facts.sources],
        "connected": len(connected), "on_time": sum(status.state == "ok" for status in connected),
        "holding": len(facts.verified.checks) - len(facts.verified.failing),
        "checks": [check | {"meaning": CHECKS.get(check["id"], "")} for check in facts.verified.checks],
        "quarantined": [row | {"meaning": MEANING.get(row["reason"], "")} for row in facts.quarantined],
        "unpriced": facts.unpriced[:MODELS], "more_unpriced": facts.unpriced[MODELS:],
        "more_tokens": sum(row.tokens for row in facts.unpriced[MODELS:]),
        "more_estimate": sum((row.estimate for row in facts.unpriced[MODELS:]), start=facts.unallocated * 0),
        "overview": f"/overview/?{urlencode({'month': facts.month, 'cost_centre': '(unallocated)'})}",
        "run_days": _run_days(facts), "layers": facts.layers, "empty": not facts.sources and not facts.months,
    }  # fmt: skip
    return render(request, "web/data_health.html", context)


def _source(status: Any) -> dict[str, Any]:
    complete, days = status.complete_days()
    where = {"kind": status.kind, "account": status.account}
    return {
        "status": status, "complete": complete, "days": days,
        "address": f"/sources/{status.name}/" if status.name else f"/imported/?{urlencode(where)}",
    }  # fmt: skip


def _run_days(facts: data_health.Facts) -> list[dict[str, Any]]:
    """The last days, newest first, with runs by state; days without a run too."""
    today = facts.now.date()
    days = [today - timedelta(days=n) for n in range(data_health.RUN_DAYS)]
    states = IngestRun.State.values
    most = max((sum(found.values()) for found in facts.runs.values()), default=0)
    return [
        {"day": day, "all": sum(found.values()), **{state: found.get(state, 0) for state in states},
         "share": sum(found.values()) / most if most else 0}
        for day in days for found in [facts.runs.get(day, {})]
    ]  # fmt: skip


@require_POST
@for_admins
def check_now(request: HttpRequest) -> HttpResponse:
    """Have the invariants checked by the worker."""
    verified.ask(request.user.get_username())
    messages.success(
        request, "The worker checks the invariants within half a minute; reload to see what it finds. "
        "Without a worker: manage.py verify."
    )  # fmt: skip
    return redirect("data-health")


@require_safe
@for_those_who_see_everything
def quarantine(request: HttpRequest) -> HttpResponse:
    """Where records stood that were not taken: place, offset and hash, never what they held."""
    source, reason = request.GET.get("source", ""), request.GET.get("reason", "")
    chosen: dict[str, Any] = {"run__source": source} if source else {}
    chosen |= {"reason": reason} if reason else {}
    found = health_selectors.quarantine_places(before=before_of(request), limit=PLACES + 1, **chosen)
    context = {
        "places": found[:PLACES], "source": source, "reason": reason, "meaning": MEANING.get(reason, ""),
        **page_of(request, found, PLACES, source=source, reason=reason),
    }  # fmt: skip
    return render(request, "web/quarantine.html", context)
