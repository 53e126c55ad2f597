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

from allocation import closing, fx_changes, policy_changes, reconciliation_invoices, rule_changes
from allocation.attribution import adjustments
from allocation.close import policy, waivers
from allocation.costing import other_charges, proposals
from allocation.models import Grant
from allocation.scope import roles_of
from allocation.value import roi_benefits
from finops.approvals import ApprovalError
from finops.models import Approval
from forecasting import budgets
from ingest import health_selectors, price_approvals, price_versions
from web import approving
from web.pages.access import for_finance, for_those_who_see_everything, is_finance
from web.pages.paging import before_of, page_of
from web.pages.wrong import posted

SHOWN, PARTS, REASON = 50, 12, 2_000
_AMOUNTS = ("amount", "face", "price", "unit_price", "rent", "staff", "overhead")  # of agreements
KINDS = {
    price_versions.KIND: "Held price", price_approvals.ENTRIES: "Proposed prices", approving.AGREEMENTS: "Agreements",
    reconciliation_invoices.KIND: "Invoice", other_charges.APPROVAL: "Other charge",
    budgets.KIND: "Budget",
    rule_changes.KIND: "Rules", rule_changes.DOCUMENT: "What rules look at",
    closing.REOPEN: "Reopening", waivers.KIND: "Waiver", policy.APPROVAL: "Close policy",
    adjustments.KIND: "Adjustment", fx_changes.KIND: "Exchange rates", roi_benefits.KIND: "Benefit",
    policy_changes.KIND: "Tier policy",
    **{kind: document.name.capitalize() for kind, document in approving.DOCUMENTS.items()},
}  # fmt: skip
HAPPENS = {
    price_versions.KIND: "in force; usage is priced again", price_approvals.ENTRIES: "in force; usage is priced again",
    approving.AGREEMENTS: "in force; usage is charged again", reconciliation_invoices.KIND: "entered",
    other_charges.APPROVAL: "charged from its first day on",
    rule_changes.KIND: "in force; open months are allocated again",
    rule_changes.DOCUMENT: "in force; open months are allocated again",
    budgets.KIND: "in force", policy.APPROVAL: "in force", closing.REOPEN: "open again", waivers.KIND: "waived",
    adjustments.KIND: "posted; its day is charged again", roi_benefits.KIND: "counted",
    **dict.fromkeys(approving.DOCUMENTS, "in force"), policy_changes.KIND: "in force for the usage that comes from now on",
    fx_changes.KIND: "in force; what is charged in other currencies is converted again",
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
    decision, reason = (posted(request).get(field, "") for field in ("decision", "reason"))
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
        days = health_selectors.behind().days if decision == "accept" else 0
        waits = f" {days} day{'s wait' if days > 1 else ' waits'} to be recomputed." if days else ""
        messages.success(request, f"{asked.subject}: {told}.{waits}")
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
    weighs = bool(roles_of(request.user) & {Grant.Role.ANALYST, Grant.Role.FINANCE})
    return {"finance": is_finance(request), "weighs": weighs, "here": request.get_full_path(), "longest_reason": REASON}


def back(request: HttpRequest, otherwise: str) -> HttpResponse:
    """To the page the form stood on, if it is one of ours."""
    here = posted(request).get("next", "")
    if url_has_allowed_host_and_scheme(here, allowed_hosts=None):
        return redirect(here)
    return redirect(otherwise)


def _described(asked: Approval) -> dict[str, Any]:
    parts = _PARTS[asked.kind](asked.details) if asked.kind in _PARTS else []
    return {
        "asked": asked, "kind": KINDS.get(asked.kind, asked.kind.replace("_", " ")), "parts": parts[:PARTS],
        "more": max(len(parts) - PARTS, 0), "moves": asked.kind in (rule_changes.KIND, rule_changes.DOCUMENT),
    }  # fmt: skip


def _of_prices(details: dict[str, Any]) -> list[str]:
    return [
        f"{price['model']} {price['class'].replace('_', ' ')}{' ' + price['conditions'] if price['conditions'] else ''}: "
        f"{price['former'] or 'no price'} → {price['rate'] or 'none'} {price['currency']} from {price['from'][:10]}"
        + (f" ({price['reason']})" if price["reason"] else "")
        for price in details.get("prices", [])
    ]


def _of_agreements(details: dict[str, Any]) -> list[str]:
    told = [f"Against what is in force: {words}"] if (words := proposals.in_words(details)) else []
    return told + [_entry(entry) for entry in details.get("entries", [])]


def _of_document(details: dict[str, Any]) -> list[str]:
    entries = details.get("entries", [])
    named = entries.items() if isinstance(entries, dict) else None
    return [f"{name}: {_value(value)}" for name, value in named] if named else [_value(each) for each in entries]


def _of_rates(details: dict[str, Any]) -> list[str]:
    return [str(rate) for rate in details.get("rates", [])]


def _of_charge(details: dict[str, Any]) -> list[str]:
    return [_entry(details["entry"])] if "entry" in details else []


def _of_invoice(details: dict[str, Any]) -> list[str]:
    if "withdraw" in details:
        return [f"Because: {details.get('reason', '')}"]
    invoice = details.get("invoice", {})
    told = [f"{invoice.get('issuer')} {invoice.get('number')}, {invoice.get('billing_period')}: "
            f"{_plain(invoice.get('total'))} {invoice.get('currency')}"]  # fmt: skip
    told += [f"Note: {note}" for note in details.get("notes", [])]
    return told + [
        f"{line.get('description') or line.get('category') or line.get('model') or 'Usage'}: {_plain(line.get('amount'))} "
        f"{invoice.get('currency')}"
        for line in invoice.get("lines") or []
    ]


def _of_adjustment(details: dict[str, Any]) -> list[str]:
    asked = details.get("adjustment", {})
    proof = asked.get("evidence", {})
    told = [f"{asked.get('reason')} ({proof.get('text')}, {proof.get('link') or proof.get('sha256')})"]
    for part in asked.get("parts", []):
        whose = " ".join(filter(None, (part.get("cost_centre"), part.get("team"))))
        told.append(f"{whose}: {_plain(part.get('amount'))} {asked.get('currency')}")
    return told + ([f"the pool {asked['pool']} bears the opposite"] if asked.get("pool") else [])


def _of_month(details: dict[str, Any]) -> list[str]:
    return [f"Because: {details.get('reason', '')}"]


def _entry(entry: dict[str, Any]) -> str:
    rest = ", ".join(
        f"{name.replace('_', ' ')} {_value(value)}{_unit(name, value, entry)}"
        for name, value in entry.items() if name not in ("code", "note", "currency")
    )  # fmt: skip
    return f"{entry.get('code', '')}: {rest}"


def _unit(name: str, value: Any, entry: dict[str, Any]) -> str:
    """Amounts have their currency beside them."""
    return f" {entry.get('currency') or 'USD'}" if name in _AMOUNTS and isinstance(value, (str, int)) else ""


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
    rule_changes.KIND: rule_changes.described, rule_changes.DOCUMENT: rule_changes.described,
    closing.REOPEN: _of_month, waivers.KIND: _of_month, policy.APPROVAL: _of_agreements,
    adjustments.KIND: _of_adjustment, fx_changes.KIND: _of_rates, **dict.fromkeys(approving.DOCUMENTS, _of_document),
    policy_changes.KIND: _of_document,
}  # fmt: skip
