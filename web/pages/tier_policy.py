"""The page Tier policy: which rules hold, what they decided, how much of the spend they know, and how steady tiers are."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from allocation import selectors
from allocation.calc.tier_changes import ESTIMATED, NONE, OBSERVED, STEADY, Covered, Step
from allocation.calc.tier_rules import parse_policy
from allocation.models import TierDiff, TierPolicy
from allocation.scope import EVERYTHING
from allocation.selectors import CostQuery
from allocation.value import tier_estimates, tier_ledger
from finops.focus import TIERS
from finops.periods import Period
from web.downloads import csv_file, xlsx_file
from web.pages.access import for_those_who_see_everything
from web.pages.months import Chosen, of_month

COLUMNS = ("Policy version", "Rule", "Condition", "x_QueryTier", "Queries", "Of buckets")
_WHY = {
    OBSERVED: "single calls, judged one by one", ESTIMATED: "buckets of many calls, parted over tiers",
    NONE: "idle, shared, corrections and bills beyond usage",
}  # fmt: skip
_DIFFS = 3


@require_safe
@for_those_who_see_everything
@of_month("tiers-policy", costed=True)
def page(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """The month's figures under the policy in force."""
    live = tier_ledger.in_force()
    context: dict[str, Any] = {"tab": "policy", "period": chosen.period, "months": chosen.months, "live": live}
    if chosen.period is not None:
        context |= _month(chosen.period)
    if live is not None:
        context |= {"policy": _policy(live), "diffs": [_diff(row) for row in _diffs()]}
    return render(request, "web/tier_policy.html", context)


@require_safe
@for_those_who_see_everything
@of_month("tiers-policy", costed=True)
def as_csv(_: HttpRequest, chosen: Chosen) -> HttpResponse:
    """The rules that decided, as CSV."""
    return csv_file(f"tier_rules_{chosen.period or 'none'}", COLUMNS, _rows(chosen))


@require_safe
@for_those_who_see_everything
@of_month("tiers-policy", costed=True)
def as_xlsx(_: HttpRequest, chosen: Chosen) -> HttpResponse:
    """The same as a workbook."""
    return xlsx_file(f"tier_rules_{chosen.period or 'none'}", {"Rules": (COLUMNS, _rows(chosen))})


def _rows(chosen: Chosen) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in tier_ledger.fired(chosen.period)] if chosen.period else []


def _month(period: Period) -> dict[str, Any]:
    known = selectors.currencies(EVERYTHING, period)
    currency = known[0] if known else str(settings.REPORT_CURRENCY)
    query = CostQuery(period, currency=currency)
    fired, covered = tier_ledger.fired(period), tier_ledger.covered(EVERYTHING, query)
    steps = tier_ledger.steps(EVERYTHING, query, period.end)
    queries = sum(row.queries for row in fired)
    most = max((row.queries for row in fired), default=1)
    estimates = tier_estimates.estimates(EVERYTHING, query)
    errors = tier_estimates.measured()
    address = f"month={period}"
    return {
        "currency": currency, "queries": queries, "steady": STEADY,
        "fired": [{"row": row, "share": Decimal(row.queries) / queries, "part": Decimal(row.queries) / most} for row in fired],
        "covered": [{"row": row, "why": _WHY[row.basis], "share": _decimal(row)} for row in covered if row.cost or row.queries],
        "shares": {
            "observed": _decimal(covered[0]), "queries": covered[0].queries, "estimated": _decimal(covered[1]),
        }, "estimates": estimates,
        "bounds": [{"row": row, "error": errors.get(row.tier)} for row in estimates.rows],
        "errors": errors, "weeks": _weeks(steps), "tiers": TIERS, "loud": [step for step in steps if not step.steady],
        "largest": max(steps, key=lambda step: (not step.steady, abs(step.points)), default=None),
        "files": {name: f"{reverse(f'tiers-policy-{name}')}?{address}" for name in ("csv", "xlsx")},
        "api": f"/api/v1/tiers/ledger?{address}&currency={currency}",
    }  # fmt: skip


def _decimal(row: Covered) -> Decimal | None:
    return None if row.share is None else Decimal(row.share.numerator) / row.share.denominator


def _weeks(steps: Sequence[Step]) -> list[tuple[Any, list[Step]]]:
    """(week, steps in the order of TIERS), the newest first."""
    weeks = sorted({step.week for step in steps}, reverse=True)
    return [(week, [step for step in steps if step.week == week]) for week in weeks]


def _policy(live: TierPolicy) -> dict[str, Any]:
    """The rules in the order in which they are asked."""
    policy = parse_policy(live.policy)
    first = [
        *(("a router's label", f"says {label}", tier) for label, tier in sorted(policy.labels.items())),
        *(("operation", name, tier) for name, tier in sorted(policy.operations.items())),
    ]
    relative = policy.relative
    return {
        "first": first, "relative": relative.ways() if relative else [],
        "baselines": [(name, Decimal(units) / relative.scale) for name, units in sorted(relative.baselines.items())]
        if relative else [],
        "rules": [
            {"name": rule.name, "tier": rule.tier, "any": [each.text for each in rule.conditions] or ["every other query"]}
            for rule in policy.rules
        ],
        "classes": sorted(policy.model_classes.items()),
    }  # fmt: skip


def _diffs() -> list[TierDiff]:
    return list(TierDiff.objects.select_related("policy").order_by("-made_at")[:_DIFFS])


def _diff(row: TierDiff) -> dict[str, Any]:
    result, period = row.result, Period(row.start, row.end)
    tiers = [
        {"tier": each["tier"], "before": Decimal(each["before"]), "after": Decimal(each["after"]),
         "queries": (each["queries_before"], each["queries_after"]), "currency": each["currency"]}
        for each in result["tiers"]
    ]  # fmt: skip
    return {
        "of": row, "period": period, "last": max(period.days()), "result": result, "tiers": tiers,
        "share": Decimal(result["moved_queries"]) / result["queries"] if result["queries"] else None,
        "matrix": [each | {"cost": Decimal(each["cost"])} for each in result["matrix"]],
    }  # fmt: skip
