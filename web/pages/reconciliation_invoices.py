"""Invoices: those in force of a month, one with its lines, and the form by which finance asks for another."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from allocation import reconciliation_invoices, reconciliation_selectors
from allocation.calc.reconcile_invoices import InvoiceError
from allocation.models import Grant, Invoice
from allocation.scope import roles_of
from finops.periods import Period
from ingest.calc.lines import CATEGORIES
from web.pages.access import for_those_who_see_everything
from web.pages.approvals import asked_for, deciding
from web.pages.months import Chosen, of_month

SHOWN, LINES = 100, 200
_NOT_STATED = ("", None)


class InvoiceForm(forms.Form):
    """An invoice as it is printed. What is wrong with it as a whole, allocation.calc.reconcile_invoices says."""

    issuer = forms.CharField(max_length=200, help_text="Who sent it, e.g. openai; also whose usage it bills.")
    number = forms.CharField(max_length=200, help_text="A known number is revised.")
    billing_account = forms.CharField(
        max_length=200, required=False, help_text="As the account is called in the usage."
    )
    billing_period = forms.RegexField("^[0-9]{4}-[0-9]{2}$", widget=forms.TextInput(attrs={"placeholder": "2026-09"}))
    issued_on = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    currency = forms.CharField(min_length=3, max_length=3, initial="USD")
    total = forms.CharField(
        max_length=40, help_text="With tax, e.g. 1234.56", widget=forms.TextInput(attrs={"inputmode": "decimal"})
    )
    tax = forms.CharField(max_length=40, required=False, widget=forms.TextInput(attrs={"inputmode": "decimal"}))
    exchange_rate = forms.CharField(
        max_length=40,
        required=False,
        help_text="Units of its currency for one of that in which usage is priced, if it says.",
    )
    lines = forms.CharField(
        required=False, max_length=200_000, widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=f"One a line: amount; category; description; model; day. Category: {', '.join(CATEGORIES)}. "
        "Without lines it is one line of usage.",
    )  # fmt: skip

    def document(self) -> dict[str, Any]:
        """As the file would say it. Raises InvoiceError."""
        said = {name: value for name, value in self.cleaned_data.items() if value not in _NOT_STATED}
        said["currency"] = said["currency"].upper()
        if "issued_on" in said:
            said["issued_on"] = said["issued_on"].isoformat()
        written = [text for text in said.pop("lines", "").splitlines() if text.strip()]
        return said | ({"lines": [_line(text, number) for number, text in enumerate(written, 1)]} if written else {})


def _line(text: str, number: int) -> dict[str, Any]:
    names = ("amount", "category", "description", "model", "day")
    parts = [part.strip() for part in text.split(";")]
    if len(parts) > len(names):
        raise InvoiceError(f"line {number}: has {len(parts)} parts; it is {'; '.join(names)}")
    return {name: part for name, part in zip(names, parts, strict=False) if part}


@require_http_methods(["GET", "HEAD", "POST"])
@for_those_who_see_everything
@of_month("invoices")
def listing(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """The invoices of a month; an analyst or finance asks for one here, another person of finance accepts it."""
    proposes = bool(roles_of(request.user) & {Grant.Role.ANALYST, Grant.Role.FINANCE})
    form = InvoiceForm(request.POST if request.method == "POST" else None, initial=_initial(chosen.period))
    if request.method == "POST":
        if not proposes:
            raise PermissionDenied
        if form.is_valid():
            try:
                asked = reconciliation_invoices.propose(form.document(), by=request.user.get_username())
            except InvoiceError as wrong:
                form.add_error(None, f"{wrong}.")
            else:
                messages.success(request, f"{asked.subject} waits for another person of finance to accept it.")
                return redirect(request.get_full_path())
    found = reconciliation_selectors.invoices(month=chosen.period, issuer="", before=None, limit=SHOWN)
    newest = {(each.issuer, each.number): max(each.revision, 1) for each in reversed(found)}
    context = {
        "months": chosen.months, "period": chosen.period, "form": form, "proposes": proposes,
        "invoices": [(each, newest[each.issuer, each.number] == each.revision) for each in found],
        "waiting": asked_for(request, {reconciliation_invoices.KIND}), "api": f"/api/v1/invoices?month={chosen.period}",
        **deciding(request),
    }  # fmt: skip
    return render(request, "web/invoices.html", context, status=422 if form.is_bound else 200)


def _initial(period: Period | None) -> dict[str, Any]:
    return {"billing_period": str(period)} if period else {}


@require_safe
@for_those_who_see_everything
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """One revision with its lines."""
    if number >= 2**63:
        raise Http404
    invoice = get_object_or_404(Invoice, pk=number)
    after = int(text) if (text := request.GET.get("after", "")).isascii() and text.isdigit() and len(text) < 10 else 0
    found = reconciliation_selectors.invoice_lines(invoice, after=after, limit=LINES + 1)
    revisions = Invoice.objects.filter(issuer=invoice.issuer, number=invoice.number).order_by("-revision")
    context = {
        "invoice": invoice, "lines": found[:LINES], "revisions": list(revisions), "api": f"/api/v1/invoices/{invoice.pk}",
        "older": f"?after={found[LINES - 1].position}" if len(found) > LINES else "", "newest": "?" if after else "",
        "count": invoice.lines.count(),
    }  # fmt: skip
    return render(request, "web/invoice.html", context)
