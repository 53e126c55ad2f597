"""The page Sources: what is connected and how it goes; an admin connects, tries, pulls and switches off here."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from finops.models import User
from ingest import connections, dismissals, folders, health_selectors
from ingest.connections import WrongConnection
from ingest.models import Connection
from ingest.pull import PullFailed
from ingest.source import Guide, Source
from ingest.source_status import OUTSIDE, Day, Status
from ingest.sources import UnknownKind, all_sources, get_source
from web import connecting, schedule
from web.pages.access import for_admins, for_those_who_see_everything, is_admin
from web.pages.connect_form import ConnectForm, KeyForm
from web.pages.wrong import posted

CALENDAR_DAYS, RUNS = 60, 12
ATTENTION = ("failing", "late")  # first in the list
LAYERS = ("invoice", "cost_report", "provider_usage", "gateway", "trace", "meter")


def guide_of(source: Source) -> Guide:
    """How a kind is connected, also of one that does not say."""
    return getattr(source, "guide", None) or Guide(source.kind, "", "", "", "")


@require_safe
@for_those_who_see_everything
def listing(request: HttpRequest) -> HttpResponse:
    """All connections, and accounts whose records came without one."""
    now = timezone.now()
    rows = sorted(
        (_row(status) for status in health_selectors.statuses(now)),
        key=lambda row: row["status"].state not in ATTENTION,
    )
    connected = [row for row in rows if row["status"].connection]
    context = {
        "connected": connected, "delivered": [row for row in rows if not row["status"].connection],
        "wanting": sum(row["status"].state in ATTENTION for row in connected), "admin": is_admin(request),
        "schedule": schedule.missed(now, _waiting_since([row["status"] for row in connected])),
    }  # fmt: skip
    return render(request, "web/sources.html", context)


def _waiting_since(found: Iterable[Status]) -> datetime | None:
    """Since when a connection waits for the scheduler."""
    return min((item.created_at for status in found if (item := status.connection) and item.enabled), default=None)


def _row(status: Status) -> dict[str, Any]:
    source = all_sources().get(status.kind)
    complete, days = status.complete_days()
    where = {"kind": status.kind, "account": status.account}
    return {
        "status": status, "item": status.connection, "title": guide_of(source).title if source else status.kind,
        "layer": source.layer if source else "", "complete": complete, "days": days,
        "address": f"/sources/{status.name}/" if status.name else f"/imported/?{urlencode(where)}",
    }  # fmt: skip


@require_safe
@for_those_who_see_everything
def detail(request: HttpRequest, name: str) -> HttpResponse:
    """One connection."""
    found = health_selectors.statuses(timezone.now(), name)
    if not found:
        raise Http404
    return _detail(request, found[0], KeyForm(), connection=found[0].connection)


@require_safe
@for_those_who_see_everything
def imported(request: HttpRequest) -> HttpResponse:
    """One account of a kind whose records came by file or were pushed."""
    kind, account = request.GET.get("kind", ""), request.GET.get("account", "")
    found = health_selectors.statuses(timezone.now())
    status = next(
        (each for each in found if not each.connection and (each.kind, each.account) == (kind, account)), None
    )
    if status is None:
        raise Http404
    return _detail(request, status, None, connection=None, source=kind, account=account)


def _detail(request: HttpRequest, status: Status, key_form: KeyForm | None, **chosen: Any) -> HttpResponse:
    recent = health_selectors.runs_of(before=None, limit=health_selectors.NOTED_RUNS, **chosen)
    names, known = health_selectors.names_of(status.kind, status.account)
    source = all_sources().get(status.kind)
    context = {
        **_row(status), "gaps": health_selectors.gaps(status), "calendar": _calendar(status), "runs": recent[:RUNS],
        "unknown_fields": health_selectors.noted(recent, "unknown_fields"),
        "dropped_tags": health_selectors.noted(recent, "dropped_tags"),
        "folded": sum(run.notes.get("folded_keys", 0) for run in recent), "noted_runs": len(recent),
        "names": names, "known_names": known, "guide": guide_of(source) if source else None, "source": source,
        "refused": health_selectors.refused_files(status.connection) if status.connection else [],
        "key_form": key_form, "admin": is_admin(request) and status.connection is not None,
        "may_dismiss": is_admin(request) and status.connection is None and status.state == "failing",
    }  # fmt: skip
    return render(request, "web/source.html", context)


def _calendar(status: Status) -> dict[str, Any] | None:
    """Days of each stream, by months."""
    if not status.streams:
        return None
    end = status.now.date() + timedelta(days=1)
    start = max(status.begins_on or date.min, end - timedelta(days=CALENDAR_DAYS))
    if start >= end:
        return None
    rows = [(name, status.days(start, end, [name])) for name in status.streams]
    return {
        "months": _months(rows[0][1]),
        "rows": [(name, _marked(days)) for name, days in rows],
        "days": len(rows[0][1]),
    }


def _months(days: list[Day]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for day in days:
        name = f"{day.day:%b}"
        found[name] = found.get(name, 0) + 1
    return list(found.items())


def _marked(days: list[Day]) -> dict[str, Any]:
    inside = [day for day in days[:-1] if day.state != OUTSIDE]  # today cannot be complete
    return {"days": days, "complete": sum(day.state == "complete" for day in inside), "of": len(inside)}


@require_safe
@for_admins
def choose(request: HttpRequest) -> HttpResponse:
    """Every kind there is, by layer."""
    kinds: list[dict[str, Any]] = [
        {"kind": kind, "source": source, "guide": guide_of(source)} for kind, source in sorted(all_sources().items())
    ]
    layers = [(layer, [each for each in kinds if each["source"].layer == layer]) for layer in LAYERS]
    return render(request, "web/connect.html", {"layers": [(layer, found) for layer, found in layers if found]})


@sensitive_post_parameters("secret")
@sensitive_variables("secret")
@for_admins
def connect(request: HttpRequest, kind: str) -> HttpResponse:
    """The form of one kind; saves after the source has answered, or unseen where that is chosen."""
    try:
        source = get_source(kind)
    except UnknownKind:
        raise Http404 from None
    context: dict[str, Any] = {"source": source, "guide": guide_of(source), "kind": kind}
    if not source.pulled:
        return render(request, "web/connect_kind.html", context)
    form = ConnectForm(source, request.POST if request.method == "POST" else None)
    context["form"] = form
    if request.method == "POST" and form.is_valid():
        settings, secret = form.settings()
        untried = request.POST.get("how") == "untried"
        try:
            made, trial = connecting.connect_tried(settings, secret, by=_user(request), untried=untried)
        except connecting.NotTried as failed:
            context["failed"] = str(failed)
        except (WrongConnection, PullFailed) as wrong:
            form.say(_sentence(wrong), getattr(wrong, "field", ""))
        else:
            said = f"{_sentence(trial.said)} " if trial else ""
            messages.success(request, f"{made.name} is connected. {said}Its first sync begins with the next tick.")
            return redirect("source", name=made.name)
    return render(request, "web/connect_kind.html", context, status=200 if request.method == "GET" else 422)


@require_POST
@for_admins
def sync(request: HttpRequest, name: str) -> HttpResponse:
    """Make it due."""
    try:
        connecting.ask_for_sync(get_object_or_404(Connection, name=name), by=_user(request))
    except connecting.CannotSync as cannot:
        messages.error(request, _sentence(cannot))
    else:
        messages.success(request, f"{name} is due now. A worker takes it within half a minute; reload to see its runs.")
    return redirect("source", name=name)


@require_POST
@for_admins
def switch(request: HttpRequest, name: str) -> HttpResponse:
    """Enable or disable."""
    enabled = request.POST.get("enabled") == "yes"
    connections.set_enabled(get_object_or_404(Connection, name=name), enabled=enabled, by=_user(request))
    told = "is pulled again." if enabled else "is no longer pulled. What it delivered stays."
    messages.success(request, f"{name} {told}")
    return redirect("source", name=name)


@require_POST
@for_admins
def accept(request: HttpRequest, name: str) -> HttpResponse:
    """Take what can be read of a file that was refused."""
    path = posted(request).get("path", "")
    try:
        folders.accept(get_object_or_404(Connection, name=name), path, by=_user(request))
    except folders.NoFolder as cannot:
        messages.error(request, _sentence(cannot))
    else:
        messages.success(request, f"What can be read of {path} is taken with the next sync, which is due now.")
    return redirect("source", name=name)


@require_POST
@for_admins
def dismiss(request: HttpRequest) -> HttpResponse:
    """Take an account whose runs all failed off the list."""
    kind, account = (posted(request).get(name, "") for name in ("kind", "account"))
    try:
        dismissals.dismiss(kind, account, by=_user(request))
    except dismissals.CannotDismiss as cannot:
        messages.error(request, _sentence(cannot))
    else:
        messages.success(
            request, f"{kind}, account {account}, is dismissed; its runs stay, and the next one shows it again."
        )
    return redirect("sources")


@sensitive_post_parameters("secret")
@require_POST
@for_admins
def replace_key(request: HttpRequest, name: str) -> HttpResponse:
    """Put another key in place of the stored one."""
    item, form = get_object_or_404(Connection, name=name), KeyForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The key was not replaced: enter one.")
        return redirect("source", name=name)
    try:
        connections.replace_secret(item, form.cleaned_data["secret"], by=_user(request))
    except (WrongConnection, PullFailed) as wrong:
        messages.error(request, f"The key was not replaced: {wrong}.")
    else:
        messages.success(request, f"The key of {name} is replaced; it is tried with the next sync, which is due now.")
    return redirect("source", name=name)


def _user(request: HttpRequest) -> User:
    user = request.user
    if not isinstance(user, User):  # the guards let nobody else through
        raise Http404
    return user


def _sentence(text: object) -> str:
    said = str(text)
    return f"{said[:1].upper()}{said[1:]}{'' if said.endswith('.') else '.'}"
