"""The page Reconciliation: from what was computed to what was invoiced, why they differ, and who clears up what is left."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from allocation import reconciliation, reconciliation_invoices
from allocation.models import Reconciliation, ReconciliationLine
from allocation.reconciliation_evidence import MissingRate
from finops.periods import Period, PeriodError
from web import reconciled
from web.downloads import csv_file
from web.pages import charts, reconciliation_owed
from web.pages.access import for_finance, for_those_who_see_everything, is_finance, sees_books
from web.pages.approvals import asked_for, back, deciding
from web.pages.months import Chosen, of_month, wrong_month
from web.pages.paging import before_of
from web.pages.wrong import WrongParameter, posted
from web.reconciled import CAUSES, LEVELS, UNEXPLAINED, Account, Filter
from web.templatetags.charging import STATES as STATE_NAMES

SHOWN, OPEN = 100, 8
_CSV = (
    "provider", "billing_account", "model", "price_class", "charge_date", "charge_category", "currency", "state", *LEVELS,
    *CAUSES, UNEXPLAINED, "owner", "note",
)  # fmt: skip


@require_safe
@for_those_who_see_everything
@of_month("reconciliation")
def page(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """A month's last run; ?currency= chooses the waterfall's."""
    run = reconciliation.latest(str(chosen.period)) if chosen.period else None
    context: dict[str, Any] = {
        "months": chosen.months, "period": chosen.period, "run": run, "finance": is_finance(request),
        "invoices": reconciliation_invoices.in_force(chosen.period) if chosen.period else [],
        "waiting": asked_for(request, {reconciliation_invoices.KIND}), **deciding(request),
        **reconciliation_owed.shown(chosen.period), "sees_books": sees_books(request),
    }  # fmt: skip
    if run is not None:
        context |= _of_run(request, run, chosen)
    return render(request, "web/reconciliation.html", context)


def _of_run(request: HttpRequest, run: Reconciliation, chosen: Chosen) -> dict[str, Any]:
    found = reconciled.read(run)
    totals = sorted(run.totals, key=lambda total: -abs(Decimal(total["stated"])))
    currencies = [total["currency"] for total in totals]
    currency = request.GET.get("currency", "") or (currencies[0] if currencies else "")
    if currency and currency not in currencies:
        raise WrongParameter("currency", f"the month has no amounts in {currency}")
    rungs = reconciled.waterfall(found, currency) if currency else []
    shown = sorted((one for one in found.accounts if not one.is_empty), key=lambda one: currencies.index(one.currency))
    return {
        "currencies": currencies, "currency": currency, "total": _total(totals, currency), "others": [
            _total(totals, other) for other in currencies if other != currency
        ],
        "bars": charts.waterfall([charts.Step(*rung) for rung in rungs]),
        "accounts": shown, "empty_accounts": len(found.accounts) - len(shown), "sums": _sums(shown),
        "goes_on": _goes_on(found.accounts, currency), "lines_address": _lines_address(chosen.period, Filter()),
        "csv": f"{reverse('reconciliation-csv')}?month={chosen.period}", "api": f"/api/v1/reconciliations/{run.pk}",
        "open": _unexplained(run),
    }  # fmt: skip


def _total(totals: list[dict[str, Any]], currency: str) -> dict[str, Any]:
    """A currency's totals with money as Decimal."""
    total = next(row for row in totals if row["currency"] == currency)
    return {
        "currency": currency, "computed": Decimal(total["computed"]), "stated": Decimal(total["stated"]),
        "difference": Decimal(total["stated"]) - Decimal(total["computed"]), "explained": Decimal(total["explained"]),
        "unexplained": Decimal(total[UNEXPLAINED]), "lines": sum(total["states"].values()),
        "missing": total["states"].get("missing", 0),
        "agree": sum(total["states"].get(state, 0) for state in ("matched", "within_tolerance")),
    }  # fmt: skip


def _goes_on(accounts: list[Account], currency: str) -> list[tuple[str, int]]:
    """Levels of the waterfall that do not speak of all accounts, and of how many the level below goes on."""
    mine = [one for one in accounts if one.currency == currency and not one.is_empty]
    found = [(level, sum(getattr(one, level) is None for one in mine)) for level in LEVELS[1:]]
    return [(level, silent) for level, silent in found if 0 < silent < len(mine)]


def _sums(accounts: list[Account]) -> list[dict[str, Any]]:
    rows = []
    for currency in dict.fromkeys(one.currency for one in accounts):
        mine = [one for one in accounts if one.currency == currency]
        names = ("computed", "stated", "difference", UNEXPLAINED)
        sums = {name: sum((getattr(one, name) for one in mine), Decimal(0)) for name in names}
        spoken = {
            level: [amount for one in mine if (amount := getattr(one, level)) is not None] for level in LEVELS[1:]
        }
        rows.append(
            {"currency": currency} | sums
            | {level: sum(amounts, Decimal(0)) if amounts else None for level, amounts in spoken.items()}
        )  # fmt: skip
    return rows


def _unexplained(run: Reconciliation) -> list[dict[str, Any]]:
    """What is unexplained by account and model, the most first, and who looks after it."""
    found: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    names = ("provider", "billing_account", "model", "currency", "charge_category", UNEXPLAINED, "owner", "note")
    for provider, account, model, currency, category, amount, owner, note in (
        run.lines.exclude(unexplained=0).order_by("pk").values_list(*names)
    ):
        row = found.setdefault(
            (provider, account, model or category, currency),
            {"amount": Decimal(0), "lines": 0, "owners": set(), "note": ""},
        )
        row["amount"] += amount
        row["lines"] += 1
        row["owners"] |= {owner} - {""}
        row["note"] = row["note"] or note
    rows = [
        {"provider": place[0], "account": place[1], "name": place[2], "currency": place[3], **row}
        for place, row in found.items()
    ]
    return sorted(rows, key=lambda row: (-abs(row["amount"]), row["provider"], row["name"]))[:OPEN]


@require_safe
@for_those_who_see_everything
@of_month("reconciliation-lines")
def lines(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """Lines by model, class and day; what is asked for stands in the address."""
    run = reconciliation.latest(str(chosen.period)) if chosen.period else None
    if run is None:
        return redirect("reconciliation")
    wanted, after = _filter(request), before_of(request)
    rows = reconciled.lines(run, wanted)
    found = list((rows.filter(pk__gt=after) if after else rows)[: SHOWN + 1])
    address = _lines_address(chosen.period, wanted)
    context = {
        "run": run, "months": chosen.months, "period": chosen.period, "lines": [_line(line) for line in found[:SHOWN]],
        "wanted": wanted, "sums": reconciled.sums(rows), "count": rows.count(), "states": STATE_NAMES,
        "causes": (*CAUSES, UNEXPLAINED),
        "providers": sorted(set(run.lines.order_by("provider").values_list("provider", flat=True).distinct())),
        "accounts": sorted(set(run.lines.order_by("billing_account").values_list("billing_account", flat=True).distinct())),
        "older": f"{address}&before={found[SHOWN - 1].pk}" if len(found) > SHOWN else "", "newest": address if after else "",
        "finance": is_finance(request), "here": request.get_full_path(), "longest": reconciliation.LONGEST,
        "csv": address.replace("/lines/?", "/lines.csv?"), "api": _api(run, wanted),
    }  # fmt: skip
    return render(request, "web/reconciliation_lines.html", context)


def _line(line: ReconciliationLine) -> dict[str, Any]:
    stated = next((amount for name in reversed(LEVELS) if (amount := getattr(line, name)) is not None), line.computed)
    causes = [(cause, Decimal(line.causes[cause])) for cause in CAUSES if cause in line.causes]
    return {
        "line": line, "stated": stated, "difference": stated - line.computed, "causes": causes,
        "word": STATE_NAMES[line.state],
        "by": next((name for name in reversed(LEVELS[1:]) if getattr(line, name) is not None), ""),
    }  # fmt: skip


@require_safe
@for_those_who_see_everything
@of_month("reconciliation")
def as_csv(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """Every line of the very view, exact amounts."""
    run = reconciliation.latest(str(chosen.period)) if chosen.period else None
    lines = reconciled.lines(run, _filter(request)).iterator(2_000) if run else ()
    return csv_file(f"reconciliation_{chosen.period or 'empty'}", _CSV, map(_csv_row, lines))


def _csv_row(line: ReconciliationLine) -> list[Any]:
    causes = {cause: Decimal(amount) for cause, amount in line.causes.items()}
    return [causes.get(name, getattr(line, name, None)) for name in _CSV]


@require_POST
@for_finance
def run_again(request: HttpRequest) -> HttpResponse:
    """Reconcile the month as things stand; the same inputs are the run that was."""
    month = posted(request).get("month", "")
    try:
        before = reconciliation.latest(month)
        made = reconciliation.reconcile(month, request.user.get_username())
    except PeriodError as wrong:
        return wrong_month(request, wrong, "reconciliation")
    except MissingRate as wrong:
        messages.error(request, f"Nothing was reconciled: {wrong}.")
    else:
        same = before is not None and before.pk == made.pk
        told = f"nothing has changed since run {made.number}" if same else f"this is run {made.number}"
        messages.success(request, f"{Period.month(month).start:%B %Y} is reconciled: {told}.")
    return redirect(f"{reverse('reconciliation')}?{urlencode({'month': month})}")


@require_POST
@for_finance
def note(request: HttpRequest, number: int) -> HttpResponse:
    """Set who clears a line up, and what is to be said of it."""
    if number >= 2**63:
        raise Http404
    line = get_object_or_404(ReconciliationLine.objects.select_related("reconciliation"), pk=number)
    sent = posted(request)
    given = {name: sent.get(name, "").strip() for name in reconciliation.LONGEST if name in sent}
    try:
        reconciliation.annotate(line, given, actor=request.user.get_username())
    except ValueError as wrong:
        messages.error(request, f"Nothing was noted: {wrong}.")
    else:
        messages.success(request, "Noted. It goes over to the next run of the month.")
    return back(request, "reconciliation")


def _filter(request: HttpRequest) -> Filter:
    provider, state, cause, currency = (
        request.GET.get(name, "") for name in ("provider", "state", "cause", "currency")
    )
    account = request.GET.get("account")
    return Filter(provider, account, state, cause, currency)


def _lines_address(period: Period | None, wanted: Filter) -> str:
    chosen = {
        name: value for name, value in wanted._asdict().items() if value or (name == "account" and value is not None)
    }
    return f"{reverse('reconciliation-lines')}?{urlencode({'month': str(period), **chosen})}"


def _api(run: Reconciliation, wanted: Filter) -> str:
    given = {name: getattr(wanted, name) for name in ("provider", "state") if getattr(wanted, name)}
    return f"/api/v1/reconciliations/{run.pk}?{urlencode(given)}".removesuffix("?")
