"""The pages Statements (a month's, by state) and Statement: one sheet, and what its reader may answer to it."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from allocation.close import statement_views, statements
from allocation.close.statements import StatementError
from allocation.models import Statement
from finops.approvals import SelfApproval
from finops.periods import Period, PeriodError
from web import statement_sheet
from web.downloads import csv_file
from web.pages.access import is_finance
from web.pages.months import wrong_month
from web.pages.wrong import posted
from web.paper import statement as paper

WORDS = {
    "draft": "Draft", "issued": "Issued", "disputed": "Disputed", "accepted": "Accepted", "posted": "Posted",
}  # fmt: skip
_CSV = (
    "month", "cost_centre", "name", "version", "kind", "state", "currency", "amount", "charged", "charged_currency", "fx_rate",
    "dispute_until", "content_hash",
)  # fmt: skip


class Row(NamedTuple):
    """One statement in a list. ``name``: of the cost centre, as the statement has it; else its code."""

    statement: Statement
    name: str
    word: str
    address: str
    before: Decimal | None
    own: statement_views.Charged | None


class Step(NamedTuple):
    """One thing that happened to a statement."""

    words: str
    by: str
    at: datetime | None
    text: str = ""


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """A month's statements within the reader's scope, by default the newest month that has some; ?state= narrows."""
    scope, state = statement_views.scope_for(request.user), request.GET.get("state", "")
    months = [f"{month:%Y-%m}" for month in statement_views.months(scope)]
    text = request.GET.get("month", "") or (months[0] if months else "")
    try:
        period = Period.month(text) if text else None
    except PeriodError as wrong:
        return wrong_month(request, wrong, "statements")
    cards = [
        {"word": WORDS[each.state], **each._asdict()} for each in (statement_views.totals(period, scope) if period else ())
    ]  # fmt: skip
    context = {"months": months, "period": period, "state": state, "states": Statement.State.values, "cards": cards}
    return render(request, "web/statements.html", context | of_period(request, period, state))


def of_period(request: HttpRequest, period: Period | None, state: str = "") -> dict[str, Any]:
    """What web/money/period_statements.html needs: the month's statements within the reader's scope, with their sums."""
    found = statement_views.of(period, statement_views.scope_for(request.user)) if period else []
    rows = [
        Row(each, _name(each) or each.cost_centre.code, WORDS[each.state], address(each),
            Decimal(before) if (before := each.document["change"]["before"]) else None,
            told if (told := statement_views.charged(each)).rate else None)
        for each in found
        if not state or each.state == state
    ]  # fmt: skip
    wholes: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        wholes[row.statement.currency] += row.statement.amount
    return {"found": rows, "wholes": sorted(wholes.items()), "filtered": state}


@require_safe
def as_csv(request: HttpRequest) -> HttpResponse:
    """The list as a file: no total."""
    try:
        period = Period.month(request.GET.get("month", ""))
    except PeriodError as wrong:
        return wrong_month(request, wrong, "statements")
    rows = (
        (
            str(period), each.cost_centre.code, _name(each), each.version, each.kind, each.state, each.currency,
            statement_views.at_minor_unit(each.amount, each.currency), *statement_views.charged(each)[:3],
            each.dispute_until or "", each.content_hash,
        )
        for each in statement_views.of(period, statement_views.scope_for(request.user))
    )  # fmt: skip
    return csv_file(f"statements_{period}", _CSV, rows)


@require_safe
def page(request: HttpRequest, month: str, code: str) -> HttpResponse:
    """One cost centre's statement of a month: the newest version in the first currency, or those that are asked for."""
    statement, others = _asked_for(request, month, code)
    mine = request.user.get_username()
    disputes = statement.state == Statement.State.DISPUTED and statement.disputed_by == mine
    answers = statement_views.may_answer(request.user, statement) and (statement.state == "issued" or disputes)
    context = {
        "statement": statement, "sheet": statement_sheet.read(statement), "state_word": WORDS[statement.state],
        "steps": _steps(statement), "answers": answers, "longest": statements.LONGEST, "others": others,
        "resolves": statement.state == "disputed" and is_finance(request) and not disputes,
    }  # fmt: skip
    return render(request, "web/statement.html", context)


@require_safe
def as_pdf(request: HttpRequest, number: int) -> HttpResponse:
    """The same sheet on paper."""
    sheet = statement_sheet.read(_held(request, number))
    response = HttpResponse(paper.pdf(sheet), content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{sheet.file_name}.pdf"'
    return response


@require_POST
def answer(request: HttpRequest, number: int) -> HttpResponse:
    """Accept, dispute (an owner of the cost centre, or finance) or resolve (finance)."""
    statement = _held(request, number)
    said, by = posted(request).get("answer", ""), request.user.get_username()
    reason = posted(request).get("reason", "")
    if not (is_finance(request) if said == "resolve" else statement_views.may_answer(request.user, statement)):
        raise PermissionDenied
    try:
        if said == "accept":
            statements.accept(statement, by=by)
        elif said == "dispute":
            statements.dispute(statement, by=by, reason=reason)
        elif said == "resolve":
            statements.resolve(statement, by=by, resolution=reason, adjustment=_number(request))
        else:
            raise StatementError("choose accept, dispute or resolve")
    except (StatementError, SelfApproval) as wrong:
        messages.error(request, f"Nothing was changed: {wrong}.")
    else:
        told = {"accept": "accepted", "dispute": "disputed; finance answers", "resolve": "resolved"}
        messages.success(request, f"{statements.named(statement)}: {told[said]}.")
    return redirect(address(statement))


def address(statement: Statement) -> str:
    """Of its page."""
    path = reverse("statement", args=[f"{statement.month:%Y-%m}", statement.cost_centre.code])
    return f"{path}?version={statement.version}&currency={statement.currency}"


def _name(statement: Statement) -> str:
    return str(statement.document["cost_centre"]["name"])


def _number(request: HttpRequest) -> int | None:
    text = posted(request).get("adjustment", "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise StatementError("an adjustment is named by its number")
    return int(text) if text else None


def _held(request: HttpRequest, number: int) -> Statement:
    found = statement_views.one(statement_views.scope_for(request.user), number) if number < 2**63 else None
    if found is None:
        raise Http404
    return found


def _asked_for(request: HttpRequest, month: str, code: str) -> tuple[Statement, list[Statement]]:
    try:
        period = Period.month(month)
    except PeriodError:
        raise Http404 from None
    found = statement_views.found(statement_views.scope_for(request.user), period, code)
    version, currency = request.GET.get("version", ""), request.GET.get("currency", "")
    wanted = [
        each for each in found if version in ("", str(each.version)) and currency in ("", each.currency)
    ]  # fmt: skip
    if not wanted:
        raise Http404
    return wanted[0], [each for each in found if each.pk != wanted[0].pk]


def _steps(statement: Statement) -> list[Step]:
    silent = "Accepted: nobody disputed it in time"
    resolved = f"Resolved by adjustment {statement.adjustment_id}" if statement.adjustment_id else "Resolved"
    accepted = resolved if statement.resolution else "Accepted" if statement.accepted_by else silent
    steps = [
        Step("Drafted", "", statement.drafted_at), Step("Issued", statement.issued_by, statement.issued_at),
        Step("Disputed", statement.disputed_by, statement.disputed_at, statement.dispute_reason),
        Step(accepted, statement.accepted_by, statement.accepted_at, statement.resolution),
        Step("Posted to the books" + (" by who issued it" if statement.self_approved else ""), statement.posted_by,
             statement.posted_at),
    ]  # fmt: skip
    return [step for step in steps if step.at is not None]
