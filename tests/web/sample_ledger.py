"""A realistic ledger written straight into the derived tables: eight cost centres, four tiers, this month and the last.

Everything follows from ``today`` and a fixed seed.
"""

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

from allocation.models import CostCentre, CostDaily, Grant, QueryCostDaily
from finops.models import User
from finops.periods import Period

CENTRES = (
    ("CC-210", "Customer support", 30), ("CC-310", "Code assistant", 27), ("CC-220", "Search & RAG", 15),
    ("CC-410", "Risk research", 13), ("CC-120", "Marketing content", 6), ("CC-510", "Data platform", 4),
    ("CC-330", "Developer tools", 3), ("CC-610", "Legal review", 2), (None, "", 2),
)  # fmt: skip
# provider, model, tier, weight of cost, mean cost of a query, growth on last month
MODELS = (
    ("openai", "gpt-5", "complex", 22, 0.21, 1.31), ("openai", "gpt-5-mini", "moderate", 12, 0.014, 0.86),
    ("openai", "gpt-5-nano", "simple", 5, 0.0019, 0.71), ("openai", "o4-deep-research", "research", 10, 1.9, 1.22),
    ("anthropic", "claude-opus-4-5", "complex", 19, 0.32, 1.52),
    ("anthropic", "claude-sonnet-4-5", "moderate", 11, 0.021, 1.09),
    ("anthropic", "claude-haiku-4-5", "simple", 4, 0.0024, 1.04), ("google", "gemini-3-pro", "complex", 7, 0.16, 1.12),
    ("google", "gemini-3-flash", "simple", 3, 0.0013, 0.9), ("google", "deep-research-pro", "research", 4, 1.6, 1.17),
    ("selfhosted", "llama-4-70b", "moderate", 2, 0.004, 1.02),
    ("mistral", "mistral-large-3", "moderate", 1, 0.008, 0.94),
)  # fmt: skip


@dataclass(frozen=True)
class People:
    """Who logs in."""

    finance: User
    viewer: User
    nobody: User
    centre: CostCentre


def people(password: str = "correct horse battery") -> People:
    """One who sees everything, one viewer of CC-210, one without a grant."""
    centre, _ = CostCentre.objects.get_or_create(code="CC-210", defaults={"name": "Customer support"})
    users = [User.objects.create_user(name, password=password) for name in ("finance", "viewer", "nobody")]
    Grant.objects.create(user=users[0], role=Grant.Role.FINANCE)
    Grant.objects.create(user=users[1], role=Grant.Role.VIEWER, cost_centre=centre)
    return People(*users, centre)


def write(today: date, *, monthly: int = 520_000) -> None:
    """Fill the running month up to ``today`` and the whole month before."""
    random = Random(7)
    centres = {
        code: CostCentre.objects.get_or_create(code=code, defaults={"name": name})[0]
        for code, name, _ in CENTRES
        if code
    }
    month = Period.month_of(today)
    days = [*month.previous().days(), *(day for day in month.days() if day <= today)]
    costs: list[CostDaily] = []
    queries: list[QueryCostDaily] = []
    for day in days:
        now = day in month
        for code, _, weight in CENTRES:
            for model in MODELS:
                part = monthly / 30 * weight / 102 * model[3] / 100 * (0.62 if day.weekday() > 4 else 1.15)
                drift = random.uniform(0.85, 1.15) * (model[5] if now else 1) * _appetite(code, model[2], now=now)
                _cell(costs, queries, (day, centres.get(code), model, part * drift), random)
    CostDaily.objects.bulk_create(costs, batch_size=2000)
    QueryCostDaily.objects.bulk_create(_merged(queries), batch_size=5000)


def remove() -> None:
    """Take away what ``people`` and ``write`` wrote, for tests that cannot roll back."""
    for model in (CostDaily, QueryCostDaily, Grant, User, CostCentre):
        model.objects.all().delete()


def cost_row(day: date, centre: CostCentre | None, cost: str, **changes: Any) -> CostDaily:
    """One row of cost with plain values."""
    amount = Decimal(cost)
    values: dict[str, Any] = {
        "team": None, "provider": "openai", "model": "gpt-5", "tier": "complex", "tier_estimated": False,
        "environment": "production", "feature": "", "provenance": "computed", "billing_currency": "USD",
        "list_cost": amount, "contracted_cost": amount, "effective_cost": amount, "billed_cost": amount,
        "requests": 20, "queries": 10, "tokens": 1000, "unpriced_tokens": 0, "unpriced_estimate": Decimal(0),
    }  # fmt: skip
    return CostDaily(charge_date=day, cost_centre=centre, **{**values, **changes})


def _appetite(code: str | None, tier: str, *, now: bool) -> float:
    if not now:
        return 1.0
    own = {"CC-310": 1.22, "CC-220": 0.78, "CC-120": 0.91, "CC-610": 1.6, None: 0.9}.get(code, 1.0)
    return own * (0.9 if tier == "simple" else 1.0)


def _cell(costs: list[CostDaily], queries: list[QueryCostDaily], cell: tuple[Any, ...], random: Random) -> None:
    day, centre, (provider, model, tier, _, mean, _), cost = cell
    amount = Decimal(f"{cost:.12f}")
    number = max(1, round(cost / mean))
    calls = {"simple": 1, "moderate": 2, "complex": 6, "research": 31}[tier]
    unpriced = 0 if model != "mistral-large-3" else round(number * 90)
    costs.append(
        cost_row(
            day, centre, "0", provider=provider, model=model, tier=tier, tier_estimated=provider == "selfhosted",
            list_cost=amount, contracted_cost=amount, effective_cost=amount, billed_cost=amount,
            environment="production" if random.random() < 0.8 else "staging",
            requests=number * calls, queries=number, tokens=number * 1500 * calls, unpriced_tokens=unpriced,
            unpriced_estimate=Decimal(unpriced) * Decimal("0.000004"),
        )
    )  # fmt: skip
    middle, spread = 20 * math.log10(mean) - 3, 6.5 if tier in ("simple", "moderate") else 5
    left = number
    places = range(round(middle) - 20, round(middle) + 21)
    weights = [(place, math.exp(-(((place - middle) / spread) ** 2) / 2)) for place in places]
    whole = sum(weight for _, weight in weights)
    for place, weight in weights:
        here = min(left, round(number * weight / whole))
        if here:
            left -= here
            price = Decimal(f"{10 ** ((place + 0.5) / 20):.12f}")
            row = {"provider": provider, "model": model, "tier": tier, "environment": "production", "bin": place}
            queries.append(QueryCostDaily(charge_date=day, cost_centre=centre, queries=here, cost=price * here, **row))


def _merged(rows: list[QueryCostDaily]) -> list[QueryCostDaily]:
    """One row per week is enough for a distribution, and far fewer to write."""
    found: dict[tuple[Any, ...], QueryCostDaily] = {}
    for row in rows:
        day = row.charge_date.replace(day=1 + (row.charge_date.day - 1) // 7 * 7)
        key = (day, row.cost_centre_id, row.model, row.bin)
        if key in found:
            found[key].queries += row.queries
            found[key].cost += row.cost
        else:
            row.charge_date = day
            found[key] = row
    return list(found.values())
