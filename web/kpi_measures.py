"""Measures of key figures, read once per question: sums that add up over periods and cost centres (web/kpis.yaml)."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum

from allocation import selectors
from allocation.close import accruals
from allocation.costing import capacity_selectors, commitments_selectors
from allocation.models import AgentTask, BillingPeriod, CostCentre, CostDaily, Reconciliation
from allocation.scope import Scope
from allocation.selectors import CostQuery
from allocation.value import roi
from allocation.value.shares import shares
from finops.periods import Period
from finops.tokens import ALL_INPUT_CLASSES, ALL_OUTPUT_CLASSES, TOKEN_CLASSES
from forecasting.selectors import WHOLE, budgets

Found = Mapping[str, Decimal | None]
_TIERS = ("simple", "moderate", "complex", "research")
_ZERO = Decimal(0)


def measures(scope: Scope, query: CostQuery) -> dict[str, Decimal | None]:
    """Every measure of a period's days in one currency; None: not for this scope, or nobody knows."""
    found: dict[str, Decimal | None] = {}
    for part in _PARTS:
        found |= part(scope, query)
    return found


def _daily(scope: Scope, query: CostQuery) -> Found:
    """Of what pages read."""
    rows = selectors.filtered(scope, CostDaily.objects.filter(billing_currency=query.currency), query)
    cost, tiered = "effective_cost", ~Q(tier="")
    sums = {
        "effective_cost": Sum(cost), "list_cost": Sum("list_cost"), "query_cost": Sum(cost, filter=tiered),
        "estimated_cost": Sum(cost, filter=Q(tier_estimated=True)),
        "allocated_cost": Sum(cost, filter=Q(cost_centre__isnull=False)),
        "idle_cost": Sum(cost, filter=Q(basis="idle")), "correction_cost": Sum(cost, filter=Q(basis="correction")),
        "unpriced_estimate": Sum("unpriced_estimate"), "queries": Sum("queries"), "requests": Sum("requests"),
        **{f"{tier}_cost": Sum(cost, filter=Q(tier=tier)) for tier in _TIERS},
        **{f"{tier}_queries": Sum("queries", filter=Q(tier=tier)) for tier in _TIERS},
    }  # fmt: skip
    found = rows.aggregate(**{f"sum_{name}": sum_ for name, sum_ in sums.items()})
    return {name: Decimal(found[f"sum_{name}"] or 0) for name in sums} | _only_all(scope, "allocated_cost")


def _only_all(scope: Scope, *names: str) -> dict[str, None]:
    """Measures that mean nothing to who sees a part."""
    return {} if scope.everything else dict.fromkeys(names)


def _tokens(scope: Scope, query: CostQuery) -> Found:
    """Of charges of tokens, by their class."""
    of_tokens = shares(scope, query).filter(charge_category="Usage", price_class__in=TOKEN_CLASSES)
    classes = of_tokens.values_list("price_class").annotate(Sum("quantity"), Sum("effective_cost"))
    found = {name: (Decimal(quantity or 0), Decimal(cost or 0)) for name, quantity, cost in classes}

    def tokens(names: Any) -> Decimal:
        return sum((found[name][0] for name in names if name in found), _ZERO)

    return {
        "token_cost": sum((cost for _, cost in found.values()), _ZERO), "charged_tokens": tokens(TOKEN_CLASSES),
        "input_tokens": tokens(ALL_INPUT_CLASSES), "output_tokens": tokens(ALL_OUTPUT_CLASSES),
        "cache_read_tokens": tokens([name for name in ALL_INPUT_CLASSES if name.startswith("cache_read")]),
        "reasoning_tokens": tokens(["output_reasoning"]),
    }  # fmt: skip


def _commitments(scope: Scope, query: CostQuery) -> Found:
    uses = [use for use in commitments_selectors.uses(scope, query.period) if use.currency == query.currency]

    def of(value: Callable[[Any], Decimal]) -> Decimal:
        return sum((value(use) for use in uses), _ZERO)

    return {
        "commitment_used": of(lambda use: use.used),
        "commitment_unused": of(lambda use: use.unused),
        "commitment_covered": of(lambda use: use.covered), "commitment_open": of(lambda use: use.uncovered),
    }  # fmt: skip


def _fleets(scope: Scope, query: CostQuery) -> Found:
    if not scope.everything:
        return _only_all(scope, "gpu_hours", "gpu_idle_hours")
    had, idle = capacity_selectors.gpu_hours(query.period)
    return {"gpu_hours": had, "gpu_idle_hours": idle}


def _invoices(scope: Scope, query: CostQuery) -> Found:
    """Of the newest reconciliation of each month, and of accruals whose invoice has come."""
    if not scope.everything:
        return _only_all(scope, "unexplained", "invoiced", "accrual_error", "accrued_invoices")
    unexplained = invoiced = error = accrued = _ZERO
    for month in _months(query.period):
        run = Reconciliation.objects.filter(month=month.start).order_by("-number").first()
        accounts: dict[tuple[str, str], Decimal] = {}
        for line in run.lines.exclude(invoice=None).filter(currency=query.currency) if run else ():
            place = (line.provider, line.billing_account)
            accounts[place] = accounts.get(place, _ZERO) + line.unexplained
            invoiced += line.invoice or _ZERO
        unexplained += sum(map(abs, accounts.values()), _ZERO)
        for row in accruals.accuracies(month):
            if row.place is not None and row.place.currency == query.currency:
                error, accrued = error + abs(row.invoiced - row.accrued), accrued + abs(row.invoiced)
    return {
        "unexplained": unexplained, "invoiced": invoiced, "accrual_error": error, "accrued_invoices": accrued,
    }  # fmt: skip


def _closes(scope: Scope, query: CostQuery) -> Found:
    if not scope.everything:
        return _only_all(scope, "close_days", "closed_months")
    starts = [month.start for month in _months(query.period)]
    closed = BillingPeriod.objects.filter(state=BillingPeriod.State.CLOSED, month__in=starts)
    days = [
        (held.closed_at.date() - Period.month_of(held.month).end + timedelta(days=1)).days
        for held in closed
        if held.closed_at
    ]
    return {"close_days": Decimal(sum(days)), "closed_months": Decimal(len(days))}


def _budgets(scope: Scope, query: CostQuery) -> Found:
    """Of the whole for those who see everything, else of their cost centres that have a budget."""
    stated = budgets(query.period, currency=query.currency)
    if scope.everything:
        found = selectors.costs(scope, CostQuery(query.period, currency=query.currency))
        cost = Decimal(found["EffectiveCost"].iloc[0]) if WHOLE in stated else _ZERO
        return {"budget": stated.get(WHOLE, _ZERO), "budgeted_cost": cost}
    codes = set(scope.of(CostCentre.objects.all(), "id").values_list("code", flat=True)) & set(stated)
    frame = selectors.costs(scope, CostQuery(query.period, ("x_CostCentre",), currency=query.currency))
    costs = dict(zip(frame["x_CostCentre"], frame["EffectiveCost"], strict=True))
    return {
        "budget": sum((stated[code] for code in codes), _ZERO),
        "budgeted_cost": sum((Decimal(costs.get(code, 0)) for code in codes), _ZERO),
    }


def _agents(scope: Scope, query: CostQuery) -> Found:
    rows = scope.of(AgentTask.objects.filter(**_days(query), currency=query.currency))
    found = rows.aggregate(all=Sum("cost"), failed=Sum("cost", filter=Q(broken=True)))
    return {"task_cost": found["all"] or _ZERO, "failed_task_cost": found["failed"] or _ZERO}


def _roi(scope: Scope, query: CostQuery) -> Found:
    months = _months(query.period)
    line = roi.report(scope, roi.RoiQuery(months[0], months[-1], currency=query.currency)).total
    return {
        "loaded_cost": line.loaded, "blind_cost": line.blind, "cash_benefit": line.cash if line.cash else None,
        "covered_cost": None if line.parted else line.covered, "resolved_tasks": Decimal(line.resolved),
    }  # fmt: skip


def _months(period: Period) -> list[Period]:
    """The months that a period touches."""
    return [Period.month_of(day) for day in sorted({day.replace(day=1) for day in period.days()})]


def _days(query: CostQuery) -> dict[str, Any]:
    return {"charge_date__gte": query.period.start, "charge_date__lt": query.period.end}


_PARTS: tuple[Callable[[Scope, CostQuery], Found], ...] = (
    _daily, _tokens, _commitments, _fleets, _invoices, _closes, _budgets, _agents, _roi,
)  # fmt: skip
