"""The page ROI & outcomes: what a month's spend returned, beside what nobody knows of; cohorts, upgrades, efforts, benefits."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from allocation.calc.roi import MINIMUM, Line, Report
from allocation.calc.roi_rows import SEVERAL, ZERO
from allocation.models import BenchmarkRun, Benefit, Grant, Outcome
from allocation.scope import roles_of, scope_of
from allocation.statement_selectors import snapshot
from allocation.value import roi, roi_benefits, roi_claims
from finops.periods import Period
from web.downloads import csv_file, xlsx_file
from web.pages import roi_evidence
from web.pages.access import sees_everything
from web.pages.approvals import asked_for, deciding
from web.pages.months import Chosen, of_month

BY = {"cost_centre": "Cost centre", "feature": "Feature", "team": "Team"}
_API = {"cost_centre": "x_CostCentre", "feature": "x_Feature", "team": "x_Team"}
SHOWN, COHORTS, BENEFITS = 9, 12, 50
_SUMS = ("loaded", "direct", "cash", "blind", "named")  # of the lines that are not shown
FILE = (
    "loaded", "direct", "effective", "failed", "idle", "shared", "other", "correction", "cash", "cash_open", "roi",
    "roi_direct", "blind", "blind_share", "named", "named_share", "covered", "tasks", "resolved", "attempts", "unproven",
    "value", "fallback", "cost_per_resolved", "cost_per_resolved_with_people", "cost_per_task",
    "quality", "scored", "cost_per_quality", "value_per_money",
)  # fmt: skip


@require_safe
@of_month("roi", costed=True)
def page(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """Of one month by one dimension, and of the year up to it by cohort."""
    return _shown(request, chosen)


@require_safe
@of_month("roi", costed=True)
def as_csv(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """All lines of the very view, exact."""
    by, period = _by(request), _period(chosen)
    return csv_file(f"roi_{period}_{by}", (by, *FILE), _rows(_report(request, period, by)))


@require_safe
@of_month("roi", costed=True)
def as_xlsx(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """The same as a workbook."""
    by, period = _by(request), _period(chosen)
    rows = _rows(_report(request, period, by))
    return xlsx_file(f"roi_{period}_{by}", {f"ROI {period}": ((by, *FILE), rows)})


@require_POST
def attest(request: HttpRequest, number: int) -> HttpResponse:
    """The owner answers for a benefit; finance is asked to accept it."""
    if number >= 2**63 or not roi_claims.listed(scope_of(request.user)).filter(pk=number).exists():
        raise Http404
    try:
        held = roi_benefits.attest(number, request.user)
    except roi_benefits.NotYours:
        raise PermissionDenied from None
    except roi_benefits.BenefitError as wrong:
        messages.error(request, f"{wrong}.")
    else:
        messages.success(request, f"{held} is attested: another person of finance accepts it.")
    return redirect(f"{reverse('roi')}#benefits")


def _shown(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    scope, by = scope_of(request.user), _by(request)
    period, currency = _period(chosen), str(settings.REPORT_CURRENCY)
    everything = sees_everything(request)
    with snapshot():
        found = _report(request, period, by)
        cohorts = roi.cohorts(scope, roi.RoiQuery(_back(period, COHORTS), period), timezone.now().date())
        evidence = roi_evidence.of(scope, period, currency)
        benefits = [_benefit(request, row) for row in roi_claims.listed(scope)[:BENEFITS]]
        known = bool(benefits) or Outcome.objects.exists() or BenchmarkRun.objects.exists()
    most = max(
        [line.loaded for line in (each.line for each in cohorts)] + [each.line.cash for each in cohorts], default=ZERO
    )
    search = urlencode({"month": str(period), "by": by})
    context = {
        "period": period, "months": chosen.months, "currency": currency, "by": by, "dimensions": BY, "total": found.total,
        "parted": any(line.parted for line in (found.total, *(line for _, line in found.lines))),
        "lines": _lines(found), "count": len(found.lines), "elsewhere": found.elsewhere, "minimum": MINIMUM,
        "cohorts": [(each, _part(each.line.loaded, most), _part(each.line.cash, most)) for each in cohorts],
        "benefits": benefits, "known": known, "has_cost": bool(chosen.months), "evidence": evidence,
        "units": sorted(found.total.other_units.items()), "notes": roi.notes(scope, roi.RoiQuery(period, period, (by,))),
        "writes": bool(roles_of(request.user) & {Grant.Role.ANALYST, Grant.Role.FINANCE}),
        "csv": f"{reverse('roi-csv')}?{search}", "xlsx": f"{reverse('roi-xlsx')}?{search}",
        "api": f"/api/v1/roi?last={period}&group_by={_API[by]}", "site": request.build_absolute_uri("/api/v1/outcomes"),
        "waiting": asked_for(request, {roi_benefits.KIND}) if everything else [], **deciding(request),
    }  # fmt: skip
    return render(request, "web/roi.html", context)


def _report(request: HttpRequest, period: Period, by: str) -> Report:
    return roi.report(scope_of(request.user), roi.RoiQuery(period, period, (by,)))


def _rows(found: Report) -> list[list[Any]]:
    lines = [(_name(key[0]), line) for key, line in found.lines]
    return [[name, *(getattr(line, each) for each in FILE)] for name, line in [*lines, ("Total", found.total)]]


def _lines(found: Report) -> list[dict[str, Any]]:
    """The largest, what belongs to several of them, and the sum of all others: a rest has sums alone, no ratio."""
    whole = [(key, line) for key, line in found.lines if key[0] == SEVERAL]
    apart = [(key, line) for key, line in found.lines if key[0] != SEVERAL]
    named = [{"name": _name(key[0]), "line": line} for key, line in apart[:SHOWN]]
    rest = [line for _, line in apart[SHOWN:]]
    if rest:
        sums = {name: sum((getattr(line, name) for line in rest), ZERO) for name in _SUMS}
        shares = Line(other=sums["loaded"], blind=sums["blind"], named=sums["named"])
        named.append(
            {
                "name": f"Other ({len(rest)})",
                "rest": sums | {"blind_share": shares.blind_share, "named_share": shares.named_share},
            }
        )
    return named + [{"name": _name(key[0]), "line": line} for key, line in whole]


def _benefit(request: HttpRequest, row: Benefit) -> dict[str, Any]:
    user: Any = request.user
    owns = Grant.objects.filter(user=user, role=Grant.Role.OWNER, cost_centre=row.cost_centre_id).exists()
    state = roi_benefits.standing(row)
    may = state == Benefit.State.CLAIMED and (owns or Grant.Role.FINANCE in roles_of(user))
    amount = None if row.basis != "stated" else roi_benefits.amount_of(row)
    return {"row": row, "state": state, "may_attest": may, "amount": amount}


def _name(value: str | None) -> str:
    return {None: "(none)", "": "(none)", SEVERAL: "Several together"}.get(value, str(value))


def _part(amount: Decimal, most: Decimal) -> Decimal | None:
    return amount / most if most > 0 and amount > 0 else None


def _by(request: HttpRequest) -> str:
    by = request.GET.get("by", "")
    return by if by in BY else "cost_centre"


def _period(chosen: Chosen) -> Period:
    return chosen.period or Period.month_of(timezone.now().date())


def _back(period: Period, months: int) -> Period:
    start = period.start
    for _ in range(months - 1):
        start = (start - timedelta(days=1)).replace(day=1)
    return Period.month_of(start)
