"""The page Own GPUs & other charges: what is paid whether calls come or not, and what no call causes."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from allocation.costing import other_charge_selectors, other_charges
from allocation.costing.fx import MissingRate, missing_rates
from allocation.costing.other_charge_selectors import CostShare
from finops.periods import Period
from web import fleet_rows
from web.pages.access import for_those_who_see_everything
from web.pages.approvals import asked_for, deciding
from web.pages.months import Chosen, of_month

MISSING = 12


@require_safe
@for_those_who_see_everything
@of_month("capacity")
def page(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """Fleets, other charges, fixed and variable, training and inference, exchange rates: of a month."""
    period = chosen.period or Period.month_of(timezone.now().date())
    entries = fleet_rows.other_entries(period)
    missing = missing_rates()
    context = {
        "tab": "capacity", "months": chosen.months, "period": period, "fleets": fleet_rows.fleets(period), "entries": entries,
        "totals": _sums((currency, cost) for entry in entries for currency, cost in entry.costs),
        "shares": [_share(currency, found) for currency, found in _by_currency(period).items()],
        "missing": _pairs(missing), "missing_days": missing[:MISSING], "more_missing": max(len(missing) - MISSING, 0),
        "rates": fleet_rows.rates(), "site": settings.REPORT_CURRENCY, "method": settings.FX.replace("_", " "),
        "waiting": asked_for(request, {other_charges.APPROVAL}), "limit": settings.APPROVAL_LIMIT, **deciding(request),
    }  # fmt: skip
    return render(request, "web/capacity.html", context)


def _sums(pairs: Any) -> list[tuple[str, Decimal]]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for currency, cost in pairs:
        found[currency] += cost
    return sorted(found.items())


def _by_currency(period: Period) -> dict[str, list[CostShare]]:
    found: dict[str, list[CostShare]] = defaultdict(list)
    for row in other_charge_selectors.shares(period):
        found[row.currency].append(row)
    return dict(found)


def _share(currency: str, rows: list[CostShare]) -> dict[str, Any]:
    """Four cells that add up to all that is charged, with their shares of it."""
    total = sum((row.cost for row in rows), Decimal(0))
    parts = {(row.workload, row.behaviour): row.cost for row in rows}

    def of(workload: str, behaviour: str) -> Decimal:
        return parts.get((workload, behaviour), Decimal(0))

    lines: list[dict[str, Any]] = [
        {
            "name": workload, "fixed": of(workload, "fixed"), "variable": of(workload, "variable"),
            "all": of(workload, "fixed") + of(workload, "variable"),
        }
        for workload in ("inference", "training")
    ]  # fmt: skip
    fixed = sum((line["fixed"] for line in lines), Decimal(0))
    for line in lines:
        line["share"] = line["all"] / total if total else None
    return {
        "currency": currency, "lines": lines, "total": total, "fixed": fixed, "variable": total - fixed,
        "fixed_share": fixed / total if total else None,
    }  # fmt: skip


def _pairs(missing: list[MissingRate]) -> list[dict[str, Any]]:
    """By currency: on how many days a rate is missing, and the money that is in no total because of it."""
    found: dict[str, list[MissingRate]] = defaultdict(list)
    for row in missing:
        found[row.currency].append(row)
    return [
        {"currency": currency, "days": len(rows), "first": rows[0].day, "last": rows[-1].day,
         "cost": sum((row.cost for row in rows), Decimal(0))}
        for currency, rows in sorted(found.items())
    ]  # fmt: skip
