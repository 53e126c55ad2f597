"""Pages of Calculators: margins of customers, claims of the field, and the assumption register; each as CSV too."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from allocation import assumptions, selectors
from allocation.calc.assumptions import SHARE, difference, said
from allocation.calc.claims import rounded
from allocation.calc.claims_checked import EXTERNAL, VERDICTS, Claim
from allocation.calc.contracts_fields import AgreementError, exact
from allocation.calc.unit_economics_customers import Margins
from allocation.scope import scope_of
from allocation.value import claims as checked_claims
from allocation.value.unit_economics import BY, of_month
from finops.periods import Period, PeriodError
from web.downloads import csv_file
from web.pages.access import sees_everything
from web.pages.approvals import asked_for, deciding

_CUSTOMERS = ("customer", "queries", "cost", "margin", "margin_share", "cost_share")
_CLAIMS = ("id", "note", "claim", "verdict", "run", "stated", "ours", "values", "correction", "remark")
_REGISTER = ("code", "name", "group", "unit", "low", "base", "high", "dearer", "source", "as_of", "grade", "owner")
TOP = 9


class Asked(NamedTuple):
    """What the page of customers was asked for; ``wrong``: why it cannot be answered."""

    price: str
    fixed: str
    by: str
    month: str
    months: list[str]
    found: Margins | None
    unnamed: Decimal
    wrong: str


@require_safe
def customers(request: HttpRequest) -> HttpResponse:
    """Margins of a month's customers at a flat price."""
    asked = _asked(request)
    context: dict[str, Any] = {
        "tab": "customers", "asked": asked, "by": BY, "currency": settings.REPORT_CURRENCY,
        "query": urlencode({name: getattr(asked, name) for name in ("price", "fixed", "by", "month")}),
        "default": assumptions.in_force().get("subscription_price"),
    }  # fmt: skip
    if asked.found is not None:
        context |= {"rows": asked.found.rows[:TOP], "others": _others(asked.found)}
    return render(request, "web/calculators_customers.html", context, status=400 if asked.wrong else 200)


@require_safe
def customers_csv(request: HttpRequest) -> HttpResponse:
    """All customers of the very view, exact."""
    asked = _asked(request)
    if asked.wrong:
        return render(request, "400.html", {"wrong": asked.wrong, "back": "calculators"}, status=400)
    rows = asked.found.rows if asked.found else ()
    written = ((*row.customer, row.margin, _share(row.share), _share(row.cost_share)) for row in rows)
    return csv_file(f"customers_{asked.month or 'none'}", _CUSTOMERS, written)


@require_safe
def claims(request: HttpRequest) -> HttpResponse:
    """Claims, by what comes of their own figures."""
    found = checked_claims.checked()
    wanted = request.GET.get("verdict", "")
    shown = [one for one in found if one.verdict == wanted or (wanted not in VERDICTS and one.verdict != EXTERNAL)]
    counts = [(verdict, sum(one.verdict == verdict for one in found)) for verdict in VERDICTS]
    context = {"tab": "claims", "claims": shown, "counts": counts, "wanted": wanted, "all": len(found)}
    return render(request, "web/calculators_claims.html", context)


@require_safe
def claims_csv(_request: HttpRequest) -> HttpResponse:
    """Every run of every claim; a claim without runs is one row."""
    return csv_file("claims", _CLAIMS, (row for one in checked_claims.checked() for row in _runs(one)))


@require_safe
def register(request: HttpRequest) -> HttpResponse:
    """The assumption register in force, with what differs from the shipped one, and what is asked for."""
    found, shipped = assumptions.in_force(), assumptions.shipped()
    ordered = sorted(
        found.entries.values(),
        key=lambda one: list(dict.fromkeys(e.group for e in found.entries.values())).index(one.group),
    )
    context: dict[str, Any] = {
        "tab": "assumptions", "version": assumptions.version(), "count": len(found.entries),
        "groups": [(group, list(rows)) for group, rows in groupby(ordered, key=lambda one: one.group)],
        "own": {one.code for one in difference(shipped, found)},
        "waiting": asked_for(request, {assumptions.KIND}) if sees_everything(request) else [], **deciding(request),
    }  # fmt: skip
    return render(request, "web/calculators_assumptions.html", context)


@require_safe
def register_csv(_request: HttpRequest) -> HttpResponse:
    """All entries."""
    entries = assumptions.in_force().entries.values()
    return csv_file("assumptions", _REGISTER, ([said(getattr(one, name)) for name in _REGISTER] for one in entries))


def _asked(request: HttpRequest) -> Asked:
    scope = scope_of(request.user)
    months = selectors.months(scope)
    price = request.GET.get("price", "").strip() or said(assumptions.in_force().get("subscription_price").base)
    fixed, by = request.GET.get("fixed", "").strip() or "0", request.GET.get("by", "") or next(iter(BY))
    month = request.GET.get("month", "") or (months[0] if months else "")
    said_so = price, fixed, by, month, months
    try:
        if by not in BY:
            raise ValueError(f"by: must be one of {', '.join(BY)}")
        amounts = exact(price, "price"), exact(fixed, "fixed cost")
        if not month:
            return Asked(*said_so, None, Decimal(0), "")
        return Asked(*said_so, *of_month(scope, Period.month(month), by, *amounts), "")
    except PeriodError as wrong:
        return Asked(*said_so, None, Decimal(0), f"month: {wrong}")
    except (AgreementError, ValueError) as wrong:
        return Asked(*said_so, None, Decimal(0), str(wrong))


def _others(found: Margins) -> dict[str, Any] | None:
    rest = found.rows[TOP:]
    if not rest:
        return None
    return {
        "count": len(rest), "queries": sum(row.customer.queries for row in rest),
        "cost": sum((row.customer.cost for row in rest), Decimal(0)), "margin": sum((row.margin for row in rest), Decimal(0)),
    }  # fmt: skip


def _share(value: Fraction | None) -> Decimal | None:
    return None if value is None else rounded(value, SHARE)


def _runs(one: Claim) -> Iterable[tuple[Any, ...]]:
    same = one.number, one.note, one.text, one.verdict
    rest = "; ".join(one.values), one.correction, one.remark
    if not one.runs:
        return [(*same, "", "", "", *rest)]
    return [(*same, run.what, "" if run.stated is None else run.stated, said(run.ours), *rest) for run in one.runs]
