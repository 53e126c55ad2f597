"""Builds allocated cost row by row for tests of API and exports: charges, their shares and cost_daily agree."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from allocation import daily_store
from allocation.models import AllocatedCost, BillingPeriod, Charge, ClassDaily, CostCentre, CostDaily, Grant, Team
from finops.models import User
from ingest.models import UsageKey
from web.models import ApiToken

MONTH = date(2026, 9, 1)
_COSTS = ("list_cost", "contracted_cost", "effective_cost")


def centre(code: str, *teams: str, name: str = "", currency: str = "USD") -> CostCentre:
    found, _ = CostCentre.objects.get_or_create(code=code, defaults={"name": name, "currency": currency})
    for team in teams:
        Team.objects.get_or_create(cost_centre=found, code=team)
    return found


def person(name: str, role: str = "", code: str = "") -> User:
    user = User.objects.create_user(name, password="x")
    if role:
        Grant.objects.create(user=user, role=role, cost_centre=centre(code) if code else None)
    return user


def bearer(user: User, scope: str = "read", **changes: Any) -> dict[str, str]:
    """Headers with a fresh token of the user."""
    secret = ApiToken.new_secret()
    values = {"expires_at": timezone.now() + timedelta(days=1), **changes}
    ApiToken.objects.create(user=user, scope=scope, prefix=secret[:10], digest=ApiToken.digest_of(secret), **values)
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


@dataclass
class Usage:
    """What some usage of one day cost; ``cost`` None: unpriced."""

    cost: str | None
    owner: str | None = "CC-100"
    team: str | None = None
    day: date = MONTH
    model: str = "gpt-5"
    provider: str = "openai"
    tier: str = "simple"
    currency: str = "USD"
    tokens: int = 1_000
    queries: int = 10
    provenance: str = "computed"
    estimated: bool = False
    feature: str = ""
    environment: str = "prod"
    estimate: str = "0"
    price_class: str = "output_visible"


def load(*rows: Usage) -> None:
    """Write the rows: one charge with one share each, and cost_daily and class_daily as their sums."""
    keys = {pair: _key(*pair) for pair in {(row.provider, row.model, row.feature, row.environment) for row in rows}}
    owners = {row.owner: centre(row.owner) for row in rows if row.owner}
    teams = {(row.owner, row.team) for row in rows if row.owner and row.team}
    named = {pair: Team.objects.get_or_create(cost_centre=owners[pair[0]], code=pair[1])[0] for pair in teams}
    charges = Charge.objects.bulk_create(
        [_charge(row, keys[row.provider, row.model, row.feature, row.environment], n) for n, row in enumerate(rows)]
    )
    AllocatedCost.objects.bulk_create(
        [
            AllocatedCost(
                charge=charge, charge_date=row.day, part=0, cost_centre=owners.get(row.owner or ""),
                team=named.get((row.owner, row.team)), quantity=row.tokens, proxy_cost=charge.proxy_cost,
                **dict.fromkeys(_COSTS, charge.effective_cost),
            )
            for charge, row in zip(charges, rows, strict=True)
        ]
    )  # fmt: skip
    _daily(rows, owners, named)
    by_class({row.day for row in rows})


def by_class(days: Collection[date] = ()) -> None:
    """class_daily of these days (all of them) as their shares are now."""
    for day in sorted(days or set(AllocatedCost.objects.values_list("charge_date", flat=True))):
        ClassDaily.objects.filter(charge_date=day).delete()
        daily_store.fill(day)


def freeze(month: date = MONTH, state: str = "soft_closed") -> None:
    """What was loaded of the month stays as it is."""
    BillingPeriod.objects.update_or_create(month=month, defaults={"state": state})


def _key(provider: str, model: str, feature: str, environment: str) -> int:
    digest = f"{provider}{model}{feature}{environment}".encode()[-16:].rjust(16, b"0")
    found, _ = UsageKey.objects.get_or_create(
        key_hash=digest,
        defaults={
            "layer": "gateway", "source": "test", "provider": provider, "billing_account": "a", "model_served": model,
            "mode": "sync", "reported_currency": "USD", "feature": feature, "environment": environment,
        },
    )  # fmt: skip
    return found.pk


def _charge(row: Usage, key: int, number: int) -> Charge:
    cost = None if row.cost is None else Decimal(row.cost)
    return Charge(
        charge_date=row.day, billing_period=row.day.replace(day=1), usage_key_id=key, tier=row.tier,
        tier_estimated=row.estimated, charge_category="Usage", sku_id=f"{row.provider}/{row.model}/{row.price_class}",
        sku_price_id=f"price {number}", price_class=row.price_class, consumed_quantity=row.tokens, consumed_unit="tokens",
        list_unit_price=None if cost is None else Decimal("2.5"), pricing_unit=None if cost is None else 1_000_000,
        list_cost=cost, contracted_cost=cost, effective_cost=cost, proxy_cost=Decimal(row.estimate) if cost is None else None,
        billing_currency=row.currency, provenance=row.provenance,
    )  # fmt: skip


def _daily(rows: tuple[Usage, ...], owners: dict[Any, CostCentre], teams: dict[Any, Team]) -> None:
    sums: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), 0, 0, 0, 0])
    for row in rows:
        place = (
            row.day, row.owner, row.team, row.provider, row.model, row.tier, row.estimated, row.environment, row.feature,
            row.provenance, row.currency,
        )  # fmt: skip
        found = sums[place]
        found[0] += Decimal(row.cost or 0)
        found[1] += Decimal(row.estimate) if row.cost is None else 0
        found[2] += row.queries
        found[3] += row.queries
        found[4] += row.tokens
        found[5] += row.tokens if row.cost is None else 0
    CostDaily.objects.bulk_create(
        [
            CostDaily(
                charge_date=place[0], cost_centre=owners.get(place[1]), team=teams.get((place[1], place[2])),
                provider=place[3], model=place[4], tier=place[5], tier_estimated=place[6], environment=place[7],
                feature=place[8], provenance=place[9], billing_currency=place[10], billed_cost=0, unpriced_estimate=s[1],
                requests=s[2], queries=s[3], tokens=s[4], unpriced_tokens=s[5], **dict.fromkeys(_COSTS, s[0]),
            )
            for place, s in sums.items()
        ]
    )  # fmt: skip


def realistic_month(days: int = 30) -> list[Usage]:
    """Eight cost centres' usage of a month and the month before, with unallocated and unpriced; deterministic."""
    models = (
        ("openai", "gpt-5", 2), ("openai", "gpt-5-mini", 9), ("anthropic", "claude-opus-4-5", 3), ("google", "gemini-3-pro", 4),
        ("anthropic", "claude-haiku-4-5", 7), ("mistral", "mistral-large-2512", 5), ("openai", "o5-deep-research", 1),
        ("selfhosted", "llama-4-maverick-17b-128e-instruct", 6), ("deepseek", "deepseek-v4", 8), ("cohere", "command-a", 9),
        ("openai", "gpt-5-nano", 11),
    )  # fmt: skip
    rows = []
    for month, factor in ((date(2026, 8, 1), 83), (MONTH, 100)):
        for number, code in enumerate((f"CC-{n}00" for n in range(1, 9)), start=1):
            for offset in range(0, days, 3):
                for at, (provider, model, cheap) in enumerate(models):
                    if (number + at + offset) % 4 == 0:
                        continue
                    tier = ("simple", "moderate", "complex", "research")[(number * 7 + at + offset) % 4]
                    cost = Decimal(factor * (offset + 3) * (number**2 + 5) * (at + 7)) / Decimal(cheap * 97)
                    rows.append(
                        Usage(
                            f"{cost:.12f}", code, ("search", "chat", "ops")[(at + number) % 3], month + timedelta(days=offset),
                            model, provider, tier, tokens=int(cost * 3_000) + at, queries=1 + int(cost) % 400,
                            estimated=at == 9,
                        )
                    )  # fmt: skip
        rows += [
            Usage("812.505", None, day=month + timedelta(days=5)),
            Usage(
                None, "CC-300", "ops", month, "house-finetune-7b", "selfhosted", estimate="93.117", tokens=31_420_112
            ),
        ]
    return rows


NAMES = ("Search", "Customer support", "Research & development", "Legal", "Sales operations", "Finance",
         "Platform engineering", "Marketing, Europe, Middle East and Africa")  # fmt: skip
