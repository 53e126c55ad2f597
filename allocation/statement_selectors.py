"""Reads for statements: the allocated cost lines of a month, who owns what, and the versions behind the figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pandas as pd
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Sum
from django.db.models.functions import Collate

from allocation.calc.closing import OPEN, ORDER
from allocation.models import AllocatedCost, BillingPeriod, CostCentre, RuleVersion, Team, TierPolicy
from allocation.scope import EVERYTHING, Scope
from allocation.selectors import CostQuery, costs
from finops.focus import TIERS
from finops.money import round_to_minor
from finops.periods import Period
from ingest.models import PriceBookVersion
from ingest.selectors import key_dimensions

LINE_GROUP = ("x_Team", "x_Model", "x_QueryTier")


class Line(NamedTuple):
    """One share of one charge and who bears it. Amounts None: unpriced."""

    charge_date: date
    cost_centre: str | None
    team: str | None
    provider: str
    sku_id: str
    model: str
    tier: str
    price_class: str
    charge_class: str
    quantity: Decimal
    unit: str
    list_unit_price: Decimal | None
    pricing_unit: int | None
    currency: str
    list_cost: Decimal | None
    contracted_cost: Decimal | None
    effective_cost: Decimal | None
    provenance: str
    cause: str
    rule: str | None
    unpriced_estimate: Decimal | None


class Versions(NamedTuple):
    """What the figures were computed with: (name, version, since when)."""

    prices: list[tuple[str, str, str]]
    rules: list[tuple[str, str, str]]
    tier_policy: list[tuple[str, str, str]]


@contextmanager
def snapshot() -> Iterator[None]:
    """Reads inside see one state of the database, so that sheets tie. Inside a transaction already: no change."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def state_of(period: Period) -> str:
    """open, preliminary, soft_closed or closed; of several months that of the one least far. From soft_closed on figures stay."""
    months = {day.replace(day=1) for day in period.days()}
    known = dict(BillingPeriod.objects.filter(month__in=months).values_list("month", "state"))
    return min((known.get(month, OPEN) for month in months), key=ORDER.index)


def cost_centres(scope: Scope) -> list[CostCentre]:
    """The cost centres that may be seen, by code."""
    return list(scope.of(CostCentre.objects.select_related("parent", "owner"), "id").order_by(Collate("code", "C")))


def teams(scope: Scope) -> list[Team]:
    """Teams of those cost centres, by cost centre and team."""
    rows = scope.of(Team.objects.select_related("cost_centre"))
    return list(rows.order_by(Collate("cost_centre__code", "C"), Collate("code", "C")))


def narrowed(scope: Scope, code: str) -> Scope:
    """The scope cut down to one cost centre; to nothing where it does not exist or may not be seen."""
    return Scope(
        cost_centres=frozenset(scope.of(CostCentre.objects.filter(code=code), "id").values_list("id", flat=True))
    )


def statement_currencies(scope: Scope, period: Period) -> list[str]:
    """Currencies of the month's allocated lines, the site's own first; that alone for a month without any."""
    found = set(_allocated(scope, period).order_by().values_list("charge__billing_currency", flat=True).distinct())
    return sorted(found, key=lambda code: (code != settings.REPORT_CURRENCY, code)) or [settings.REPORT_CURRENCY]


def owner_totals(scope: Scope, period: Period, currency: str) -> pd.DataFrame:
    """Cost per cost centre (None: unallocated, last): costs() columns and ``Charged``, EffectiveCost at the minor unit.

    Rounded over *all* cost centres before the scope cuts, so that a cost centre's amount is the same whoever looks.
    """
    frame = costs(EVERYTHING, CostQuery(period, ("x_CostCentre",), currency=currency))
    order = sorted(
        range(len(frame)), key=lambda row: (frame["x_CostCentre"][row] is None, frame["x_CostCentre"][row] or "")
    )
    frame = frame.iloc[order].reset_index(drop=True)
    frame["Charged"] = round_to_minor(frame["EffectiveCost"], currency)
    if scope.everything:
        return frame
    seen = set(scope.of(CostCentre.objects.all(), "id").values_list("code", flat=True))
    return frame[frame["x_CostCentre"].isin(seen)].reset_index(drop=True)


def owner_lines(scope: Scope, period: Period, currency: str) -> dict[str, pd.DataFrame]:
    """Cost centre -> its team x model x tier (costs() columns); names by their bytes, tiers in their order."""
    frame = costs(scope, CostQuery(period, ("x_CostCentre", *LINE_GROUP), currency=currency))
    keys = [_line_order(*names) for names in zip(*(frame[name] for name in LINE_GROUP), strict=True)]
    frame = frame.iloc[sorted(range(len(keys)), key=keys.__getitem__)]
    return {str(code): part.reset_index(drop=True) for code, part in frame.groupby("x_CostCentre", sort=True)}


def _line_order(team: str | None, model: str, tier: str) -> tuple[bool, str, str, int]:
    return team is None, team or "", model, TIERS.index(tier) if tier in TIERS else len(TIERS)


def lines(scope: Scope, period: Period) -> Iterator[Line]:
    """Every allocated line of the period in an order that depends on what the lines say and not on database ids."""
    used = _allocated(scope, period).order_by().values_list("charge__usage_key_id", flat=True).distinct()
    keys = key_dimensions(key for key in used if key is not None)
    ordered = [Collate(name, "C") for name in _TEXT_ORDER]
    rows = _allocated(scope, period).order_by("charge_date", *ordered, *_AMOUNT_ORDER)
    for row in rows.values_list(*_COLUMNS).iterator(chunk_size=5_000):
        day, owner, team, sku, key, *rest = row
        provider, model = _names(sku, keys.get(key))
        rest[-1] = rest[-1] if rest[_EFFECTIVE_COST] is None else None  # an estimate only stands in for a missing cost
        yield Line(day, owner, team, provider, sku, model, *rest)


def by_cause(scope: Scope, period: Period, currency: str) -> list[tuple[str, int, Decimal]]:
    """(cause, allocated lines, EffectiveCost) of charges that what other systems say does not explain, by cause."""
    rows = _allocated(scope, period).filter(charge__billing_currency=currency).exclude(charge__cause="")
    sums = rows.order_by().values_list("charge__cause").annotate(lines=Count("*"), cost=Sum("effective_cost"))
    return sorted((cause, lines, cost or Decimal(0)) for cause, lines, cost in sums)


def versions() -> Versions:
    """Prices, rules and tier policy in force."""
    books = PriceBookVersion.objects.filter(live=True).order_by("book")
    rules = RuleVersion.objects.order_by("-number").first()
    policy = TierPolicy.objects.filter(live=True).first()
    return Versions(
        [(f"Prices ({book.book})", book.content_hash[:16], f"{book.loaded_at:%Y-%m-%d %H:%M}") for book in books],
        [("Allocation rules", f"v{rules.number} {rules.content_hash[:16]}", f"{rules.loaded_at:%Y-%m-%d %H:%M}")]
        if rules
        else [],
        [("Tier policy", f"v{policy.version} {policy.content_hash[:16]}", f"{policy.loaded_at:%Y-%m-%d %H:%M}")]
        if policy
        else [],
    )


def _allocated(scope: Scope, period: Period) -> Any:
    return scope.of(AllocatedCost.objects.of_days(period))


def _names(sku: str, key: dict[str, Any] | None) -> tuple[str, str]:
    if key is not None:
        return key["provider"], key["model_served"] or key["model_requested"]
    provider, _, rest = sku.partition("/")
    return provider, rest.rpartition("/")[0]


_COLUMNS = (
    "charge_date", "cost_centre__code", "team__code", "charge__sku_id", "charge__usage_key_id", "charge__tier",
    "charge__price_class", "charge__charge_class", "quantity", "charge__consumed_unit", "charge__list_unit_price",
    "charge__pricing_unit", "charge__billing_currency", "list_cost", "contracted_cost", "effective_cost",
    "charge__provenance", "charge__cause", "rule__rule", "proxy_cost",
)  # fmt: skip
_EFFECTIVE_COST = _COLUMNS.index("effective_cost") - 5  # after the five columns that become names
_TEXT_ORDER = (
    "cost_centre__code", "team__code", "charge__sku_id", "charge__tier", "charge__price_class", "charge__charge_class",
    "charge__consumed_unit", "charge__billing_currency", "charge__provenance", "charge__cause", "rule__rule",
)  # fmt: skip
_AMOUNT_ORDER = (
    "charge__list_unit_price", "charge__pricing_unit", "quantity", "list_cost", "contracted_cost", "effective_cost",
    "proxy_cost",
)  # fmt: skip
