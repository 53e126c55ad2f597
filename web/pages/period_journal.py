"""The page Journal of a month: accruals, what invoices changed, the proof, and the lines on their way to the books."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from allocation.calc.journal import Line
from allocation.close import accruals, journal, proof
from allocation.close.accruals import AccrualError
from allocation.close.periods import state_of
from allocation.close.statement_views import at_minor_unit
from allocation.models import BillingPeriod, JournalEntry, TrueUp
from allocation.scope import EVERYTHING
from finops.periods import Period, PeriodError
from web.cells import csv_field
from web.journals import lines_as_csv, standing
from web.pages.access import for_finance, for_those_who_see_the_books, is_finance
from web.pages.months import wrong_month
from web.pages.wrong import posted

NEXT = {"built": "post", "posted": "export", "exported": "number"}
_WORDS = {
    "preview": "Preview", "built": "Built", "posted": "Posted", "exported": "Exported", "numbered": "In the books",
}  # fmt: skip


@require_safe
@for_those_who_see_the_books
def page(request: HttpRequest, month: str) -> HttpResponse:
    """One month."""
    try:
        period = Period.month(month)
    except PeriodError as wrong:
        return wrong_month(request, wrong, "periods")
    return render(request, "web/period_journal.html", of_period(request, period))


def of_period(request: HttpRequest, period: Period) -> dict[str, Any]:
    """What web/money/period_journal.html needs."""
    try:
        found = journal.lines(period, EVERYTHING)
        proved = proof.of(period, EVERYTHING)
    except AccrualError as wrong:
        return {"period": period, "unordered": str(wrong), "standing": "preview", "word": _WORDS["preview"]}
    rows, posted, state = accruals.of(period), accruals.true_ups(period), standing(found.entry)
    wait = [row for row in accruals.accuracies(period) if row.place is None]
    buildable = found.entry is None and state_of(period.start) == BillingPeriod.State.CLOSED
    return {
        "period": period, "month": str(period), "entry": found.entry, "standing": state, "word": _WORDS[state],
        "step": "build" if buildable else NEXT.get(state), "finance": is_finance(request),
        "own": found.entry is not None and state == "built" and found.entry.built_by == request.user.get_username(),
        "run": accruals.in_force(period), "accruals": rows, "true_ups": [_true_up(row) for row in posted],
        "cards": _cards(rows, posted), "accuracy": wait[0].accuracy if wait else None,
        "proof": proved, "proved": all(row.holds for row in proved), "suspense": sorted(found.suspense.items()),
        "accounts": _by_account(found.lines), "wholes": _wholes(found.lines), "lines": len(found.lines),
    }  # fmt: skip


@require_safe
@for_those_who_see_the_books
def as_csv(request: HttpRequest, month: str) -> HttpResponse:
    """The lines to look at, with their state; it does not count as the export."""
    try:
        period = Period.month(month)
    except PeriodError as wrong:
        return wrong_month(request, wrong, "periods")
    try:
        found = journal.lines(period, EVERYTHING)
    except AccrualError:
        return render(request, "web/period_journal.html", of_period(request, period), status=409)
    return lines_as_csv(period, standing(found.entry), found.lines)


@require_POST
@for_finance
def step(request: HttpRequest, month: str) -> HttpResponse:
    """Build, post, export (the answer is the file) or number; what is refused is told on the page."""
    try:
        period = Period.month(month)
    except PeriodError as wrong:
        return wrong_month(request, wrong, "periods")
    by, sent = request.user.get_username(), posted(request)
    wanted = sent.get("step", "")
    try:
        if wanted == "export":
            copy = sent.get("copy") == "yes"
            response = HttpResponse(journal.export(period, by, csv_field, copy=copy), content_type="text/csv")
            response["Content-Disposition"] = f'attachment; filename="journal_{period}.csv"'
            return response
        messages.success(request, f"{_taken(period, wanted, by, sent.get('number', ''))}.")
    except ValueError as refused:
        messages.error(request, f"Nothing was done: {refused}.")
    return redirect(reverse("period-journal", args=[str(period)]))


def _taken(period: Period, wanted: str, by: str, number: str) -> str:
    entry: JournalEntry
    if wanted == "build":
        entry = journal.build(period, by)
    elif wanted == "post":
        entry = journal.post(period, by)
    elif wanted == "number":
        entry = journal.number(period, number, by)
    else:
        raise ValueError("choose a step of the journal")
    return f"{entry} is {standing(entry)}"


def _true_up(row: TrueUp) -> dict[str, Any]:
    causes = [
        (cause.replace("_", " "), at_minor_unit(Decimal(amount), row.currency)) for cause, amount in row.causes.items()
    ]
    return {
        "row": row, "causes": sorted((pair for pair in causes if pair[1]), key=lambda pair: -abs(pair[1])),
        "numbers": ", ".join(row.numbers), "amount": at_minor_unit(row.amount, row.currency),
        "exact": f"{row.amount.normalize():f} {row.currency}",
    }  # fmt: skip


def _cards(rows: Iterable[Any], posted: Iterable[TrueUp]) -> list[dict[str, Any]]:
    """Sums by currency, at the minor unit as the journal posts them; ``small``: the true-up is something, and less than that."""
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        sums[row.currency]["accrued"] += row.amount
        sums[row.currency]["estimate"] += row.estimate
        sums[row.currency]["reversed"] += row.reversed
    for invoice in posted:
        sums[invoice.currency]["invoiced"] += invoice.invoiced
        sums[invoice.currency]["reversed"] += invoice.accrued
        sums[invoice.currency]["true_up"] += invoice.amount
    names = ("accrued", "estimate", "reversed", "invoiced", "true_up")
    return [
        {name: at_minor_unit(of.get(name, Decimal(0)), currency) for name in names}
        | {"currency": currency, "small": bool(of["true_up"]) and not at_minor_unit(of["true_up"], currency)}
        for currency, of in sorted(sums.items())
    ]


def _by_account(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Lines by legal entity, account, cost centre and currency: the whole of each."""
    sums: dict[tuple[str, str, str, str], list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), set()])
    for line in lines:
        held = sums[line.currency, line.legal_entity, line.account, line.cost_centre]
        held[0] += line.debit
        held[1] += line.credit
        held[2].add(line.event.replace("_", " "))
    names = ("currency", "legal_entity", "account", "cost_centre")
    return [
        dict(zip(names, at, strict=True)) | {"debit": debit, "credit": credit, "events": ", ".join(sorted(events))}
        for at, (debit, credit, events) in sorted(sums.items())
    ]


def _wholes(lines: Iterable[Line]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for line in lines:
        sums[line.currency, line.legal_entity][0] += line.debit
        sums[line.currency, line.legal_entity][1] += line.credit
    return [
        {"currency": currency, "legal_entity": entity, "debit": debit, "credit": credit}
        for (currency, entity), (debit, credit) in sorted(sums.items())
    ]
