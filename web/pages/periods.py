"""The pages Periods & statements: months with their states, and one checklist page per month from which it is closed."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from allocation import closing
from allocation.calc.closing import CLOSED, FROZEN, OPEN, ORDER, PRELIMINARY, SOFT_CLOSED, WORDS, following
from allocation.close import checklist, gates, manifest, states, waivers
from finops.periods import Period, PeriodError
from web import periods
from web.pages import period_accruals
from web.pages.access import for_finance, for_those_who_see_the_books, is_finance
from web.pages.approvals import asked_for, deciding
from web.pages.months import wrong_month
from web.pages.statements import of_period
from web.pages.wrong import posted

View = Callable[..., HttpResponse]
DOES = {
    PRELIMINARY: "Make preliminary", SOFT_CLOSED: "Freeze and issue statements", CLOSED: "Close and build the journal",
}  # fmt: skip
_STEPS = (
    (OPEN, "Open", "figures follow the facts", "", ""),
    (PRELIMINARY, "Preliminary", "splits and accruals", "prepared_by", "prepared_at"),
    (SOFT_CLOSED, "Soft-closed", "frozen, statements issued", "soft_closed_by", "soft_closed_at"),
    (CLOSED, "Closed", "journal built", "closed_by", "closed_at"),
)
_TABLES = tuple(manifest.TABLES)  # as they hang on each other; JSON keeps no order


def _of_month(view: View) -> View:
    """Call the view with the month of the address."""

    @wraps(view)
    def shown(request: HttpRequest, month: str) -> HttpResponse:
        try:
            return view(request, Period.month(month))
        except PeriodError as wrong:
            return wrong_month(request, wrong, "periods")

    return shown


@require_safe
@for_those_who_see_the_books
def listing(request: HttpRequest) -> HttpResponse:
    """Every month, the newest first."""
    rows = [
        {
            **row,
            "period": Period.month(row["month"]),
            "word": WORDS[row["state"]],
            "does": DOES.get(following(row["state"]) or ""),
        }
        for row in periods.listing()
    ]
    waiting = asked_for(request, {closing.REOPEN, waivers.KIND, "period.policy"})
    return render(request, "web/periods.html", {"rows": rows, "waiting": waiting, **deciding(request)})


@require_safe
@for_those_who_see_the_books
@_of_month
def page(request: HttpRequest, period: Period) -> HttpResponse:
    """One month: what holds it, who does what until when, what it was frozen with."""
    found = periods.detail(period)
    for gate in found["gates"]:
        gate["shown"], gate["against"] = (
            periods.figure(Decimal(gate[name]), gate["unit"]) for name in ("value", "limit")
        )
        gate["holds"] = gate["gate"] in found["held_by"]
        gate["bounded"] = gate["unit"] != "count" or Decimal(gate["limit"]) > 0
    mine = request.user.get_username() == found["prepared_by"] and not settings.SELF_APPROVAL
    context = {
        "found": found, "period": period, "word": WORDS[found["state"]], "frozen": found["state"] in FROZEN,
        "months": [row["month"] for row in periods.listing()], "steps": _steps(found), "does": DOES.get(found["next"]),
        "next_word": WORDS.get(found["next"], ""), "own": mine and found["next"] in FROZEN, "finance": is_finance(request),
        "holding": [gate for gate in found["gates"] if gate["holds"]], "today": timezone.now().date(),
        "checklist": [{**task, "late": _late(task, timezone.now().date())} for task in found["checklist"]],
        "open_tasks": sum(task["state"] in ("open", "blocked") for task in found["checklist"]),
        "waiting": [row for row in asked_for(request, None) if row["asked"].pk in found["waiting"]],
        "tables": _tables(found["manifest_detail"]), **deciding(request), **_statements(request, period),
        **period_accruals.of_period(period),
    }  # fmt: skip
    return render(request, "web/period.html", context)


def _statements(request: HttpRequest, period: Period) -> dict[str, Any]:
    stated = of_period(request, period)
    rows = stated.pop("found")
    return {**stated, "statement_rows": rows}


def _late(task: dict[str, Any], today: date) -> bool:
    return task["state"] in ("open", "blocked") and task["due"] < today


def _steps(found: dict[str, Any]) -> list[dict[str, Any]]:
    at = ORDER.index(found["state"])
    return [
        {
            "name": name, "note": note, "by": found.get(who, ""), "when": found.get(moment),
            "is": "now" if number == at else "done" if number < at else "ahead",
        }
        for number, (_, name, note, who, moment) in enumerate(_STEPS)
    ]  # fmt: skip


def _tables(kept: dict[str, Any] | None) -> list[dict[str, Any]]:
    tables = kept["document"]["tables"] if kept else {}
    return [
        {
            "name": name, "rows": table["rows"], "sha256": table["sha256"],
            "sums": [
                (currency, Decimal(sums["effective_cost"]))
                for currency, sums in sorted(table["sums"].items())
                if "effective_cost" in sums
            ],
        }
        for name, table in sorted(tables.items(), key=lambda item: _TABLES.index(item[0]))
    ]  # fmt: skip


def _doing(does: Callable[[HttpRequest, Period, str], str]) -> View:
    """A POST of finance about a month: what is refused is told on the page, and nothing was done."""

    @wraps(does)
    def done(request: HttpRequest, period: Period) -> HttpResponse:
        try:
            messages.success(request, does(request, period, request.user.get_username()))
        except ValueError as refused:
            messages.error(request, f"Nothing was done: {refused}.")
        return redirect(reverse("period", args=[str(period)]))

    return require_POST(for_finance(_of_month(done)))


def _text(request: HttpRequest, name: str) -> str:
    return posted(request).get(name, "").strip()


@_doing
def step(request: HttpRequest, period: Period, by: str) -> str:
    """The next step."""
    held = closing.close_step(
        period, _text(request, "to"), by=by, request=request.headers.get("X-Request-Id", "")[:100]
    )
    return f"{period} is {WORDS[held.state]}."


@_doing
def waive(request: HttpRequest, period: Period, by: str) -> str:
    """Ask that a gate be waived."""
    held, to = states.of(period), closing.next_of(period)
    found = {gate.code: gate for gate in gates.of(period, to or held.state, held.version)}
    gate = found.get(_text(request, "gate"))
    if gate is None:
        raise ValueError("choose a gate of this month")
    asked = waivers.propose(period, held.version, gate, _text(request, "reason"), by=by)
    return f"{asked.subject}: another person accepts it, below or on the page Approvals."


@_doing
def task(request: HttpRequest, period: Period, by: str) -> str:
    """Tick a task, or take the tick away."""
    done = _text(request, "done") != "no"
    marked = checklist.mark(period, _text(request, "task"), by=by, done=done)
    return f"{marked.title}: {'done' if done else 'not done after all'}."


@_doing
def reopen(request: HttpRequest, period: Period, by: str) -> str:
    """Ask to open the month again."""
    asked = closing.propose_reopen(period, _text(request, "reason"), by=by)
    return f"{asked.subject}: another person accepts it, below or on the page Approvals."
