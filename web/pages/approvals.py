"""What waits for another person's approval, in all pages about money the same: who asked, for what, and the decision."""

import re
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from allocation import reconciliation_invoices
from allocation.costing import other_charges
from finops.approvals import ApprovalError
from finops.models import Approval
from ingest import price_approvals, price_versions
from web import approving
from web.pages.access import for_finance, for_those_who_see_everything, is_finance
from web.pages.paging import before_of, page_of

SHOWN, PARTS, REASON = 50, 12, 2_000
KINDS = {
    price_versions.KIND: "Held price", price_approvals.ENTRIES: "Proposed prices", approving.AGREEMENTS: "Agreements",
    reconciliation_invoices.KIND: "Invoice", other_charges.APPROVAL: "Other charge",
}  # fmt: skip
HAPPENS = {
    price_versions.KIND: "in force; usage is priced again", price_approvals.ENTRIES: "in force; usage is priced again",
    approving.AGREEMENTS: "in force; usage is charged again", reconciliation_invoices.KIND: "entered",
    other_charges.APPROVAL: "charged from its first day on",
}  # fmt: skip


@require_safe
@for_those_who_see_everything
def listing(request: HttpRequest) -> HttpResponse:
    """All that waits, and what was decided, newest first."""
    before = before_of(request)
    decided = Approval.objects.exclude(state=Approval.State.PROPOSED).order_by("-pk")
    decided = decided.filter(pk__lt=before) if before is not None else decided
    found = list(decided[: SHOWN + 1])
    context = {
        "waiting": [] if before else asked_for(request, None), "decided": [_described(each) for each in found[:SHOWN]],
        "tab": "approvals", **deciding(request), **page_of(request, found, SHOWN),
    }  # fmt: skip
    return render(request, "web/approvals.html", context)


@require_POST
@for_finance
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """Accept or reject; what was accepted is carried out."""
    if number >= 2**63:
        raise Http404
    asked = get_object_or_404(Approval, pk=number)
    decision, reason = request.POST.get("decision", ""), request.POST.get("reason", "").replace("\x00", "")
    if decision not in ("accept", "reject") or len(reason) > REASON:
        messages.error(
            request, f"Nothing was decided: choose accept or reject, with a reason of at most {REASON} characters."
        )
        return back(request, "approvals")
    try:
        approving.decide(asked, by=request.user.get_username(), accept=decision == "accept", reason=reason)
    except ApprovalError as wrong:
        messages.error(request, f"Nothing was decided: {wrong}.")
    except ValueError as wrong:
        messages.error(request, f"It cannot be carried out any more, and stays open: {wrong}.")
    else:
        told = HAPPENS.get(asked.kind, "accepted") if decision == "accept" else "rejected; nothing changes"
        messages.success(request, f"{asked.subject}: {told}.")
    return back(request, "approvals")


def asked_for(request: HttpRequest, kinds: Collection[str] | None) -> list[dict[str, Any]]:
    """What waits of some kinds (None: all), the oldest first; ``own``: the reader prepared it and may not accept it."""
    found: QuerySet[Approval] = Approval.objects.filter(state=Approval.State.PROPOSED).order_by("pk")
    found = found.filter(kind__in=kinds) if kinds is not None else found
    mine = request.user.get_username()
    return [
        _described(each) | {"own": each.prepared_by == mine and not settings.SELF_APPROVAL} for each in found[:SHOWN]
    ]


def deciding(request: HttpRequest) -> dict[str, Any]:
    """What the template of a list of approvals needs beside it."""
    return {"finance": is_finance(request), "here": request.get_full_path(), "longest_reason": REASON}


def back(request: HttpRequest, otherwise: str) -> HttpResponse:
    """To the page the form stood on, if it is one of ours."""
    here = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(here, allowed_hosts=None):
        return redirect(here)
    return redirect(otherwise)


def _described(asked: Approval) -> dict[str, Any]:
    parts = _PARTS[asked.kind](asked.details) if asked.kind in _PARTS else []
    return {
        "asked": asked, "kind": KINDS.get(asked.kind, asked.kind.replace("_", " ")), "parts": parts[:PARTS],
        "more": max(len(parts) - PARTS, 0),
    }  # fmt: skip


def _of_prices(details: dict[str, Any]) -> list[str]:
    return [
        f"{price['model']} {price['class'].replace('_', ' ')}{' ' + price['conditions'] if price['conditions'] else ''}: "
        f"{price['former'] or 'no price'} → {price['rate'] or 'none'} {price['currency']} from {price['from'][:10]}"
        + (f" ({price['reason']})" if price["reason"] else "")
        for price in details.get("prices", [])
    ]


def _of_agreements(details: dict[str, Any]) -> list[str]:
    return [_entry(entry) for entry in details.get("entries", [])]


def _of_charge(details: dict[str, Any]) -> list[str]:
    return [_entry(details["entry"])] if "entry" in details else []


def _of_invoice(details: dict[str, Any]) -> list[str]:
    invoice = details.get("invoice", {})
    told = [f"{invoice.get('issuer')} {invoice.get('number')}, {invoice.get('billing_period')}: "
            f"{_plain(invoice.get('total'))} {invoice.get('currency')}"]  # fmt: skip
    return told + [
        f"{line.get('description') or line.get('category')}: {_plain(line.get('amount'))}"
        for line in invoice.get("lines", [])
    ]


def _entry(entry: dict[str, Any]) -> str:
    rest = ", ".join(
        f"{name.replace('_', ' ')} {_value(value)}" for name, value in entry.items() if name not in ("code", "note")
    )
    return f"{entry.get('code', '')}: {rest}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name.replace('_', ' ')} {_value(each)}" for name, each in value.items())
    return "; ".join(_value(each) for each in value) if isinstance(value, list) else _plain(value)


def _plain(value: Any) -> str:
    """A text, without the zeros of a number's scale."""
    text = str(value)
    return text.rstrip("0").rstrip(".") if re.fullmatch(r"-?[0-9]+[.][0-9]+", text) else text


_PARTS = {
    price_versions.KIND: _of_prices, price_approvals.ENTRIES: _of_prices, approving.AGREEMENTS: _of_agreements,
    reconciliation_invoices.KIND: _of_invoice, other_charges.APPROVAL: _of_charge,
}  # fmt: skip
