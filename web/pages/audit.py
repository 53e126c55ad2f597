"""The page Audit: who did what when, what was before and after, why, and in which request."""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from finops.models import AuditEvent
from web import audit_log
from web.pages.access import for_those_who_read_the_audit_trail
from web.pages.paging import before_of, page_of

SHOWN = 50
_HASH = re.compile(r"\b[0-9a-f]{64}\b")


@require_safe
@for_those_who_read_the_audit_trail
def listing(request: HttpRequest) -> HttpResponse:
    """The newest first; filters as the API has them."""
    asked = {name: request.GET.get(name, "").strip() for name in audit_log.FILTERS}
    try:
        found = list(audit_log.events(asked, before=before_of(request))[: SHOWN + 1])
    except audit_log.FilterError as wrong:
        return render(request, "400.html", {"wrong": f"{wrong.name}: {wrong}", "back": "audit"}, status=400)
    context = {
        "rows": [_row(event) for event in found[:SHOWN]], "asked": asked, "chosen": any(asked.values()),
        "actors": audit_log.actors(), "actions": _with_beginnings(audit_log.actions()), **page_of(request, found, SHOWN, **asked),
    }  # fmt: skip
    return render(request, "web/audit.html", context)


def _row(event: AuditEvent) -> dict[str, Any]:
    said = audit_log.told(event)
    others = [(name.replace("_", " "), audit_log.in_words(value)) for name, value in said.others.items()]
    return {
        "event": event, "reason": said.reason, "request": said.request, "others": others,
        "changed": "before" in event.details or "after" in event.details,
        "before": _short(audit_log.in_words(said.before)), "after": _short(audit_log.in_words(said.after)),
    }  # fmt: skip


def _short(text: str) -> str:
    """With hashes as their beginnings; Details have them whole."""
    return _HASH.sub(lambda found: f"{found[0][:12]}\N{HORIZONTAL ELLIPSIS}", text)


def _with_beginnings(actions: list[str]) -> list[str]:
    """Actions, and what several of them begin with: choosing that finds them all."""
    begin = [name.rpartition(".")[0] for name in actions]
    return sorted({*actions, *(name for name in begin if name and begin.count(name) > 1)})
