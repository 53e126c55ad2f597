"""Month 0 of scenarios, read from the ledger: what a whole month cost by tier, who served it, and the shape of its queries.

Costs are EffectiveCost of the days of the month as they are known today, with what later months correct of them, in the site's
currency: tiers and what is fixed sum to it exactly. What no query causes (seats, what commitments leave unused, credits, bills
beyond usage, write-offs) is fixed. Own hardware costs what its fleets cost, idle hours too, shared over tiers by use: a GPU
that idles is paid for by those for whom it stands ready.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import F, Max, Min, Q, Sum
from django.db.models.functions import Greatest
from django.utils import timezone

from allocation.calc.closing import FROZEN
from allocation.calc.outcomes import PRODUCTION
from allocation.calc.roi import MINIMUM
from allocation.costing.capacity import ENERGY, SUBJECT, USED
from allocation.models import AgentTask, BillingPeriod, Charge, CostDaily, Evidence, Outcome, UsageDaily
from finops.focus import TIERS
from finops.money import share
from finops.periods import Period
from finops.tokens import ALL_INPUT_CLASSES, ALL_OUTPUT_CLASSES, TOKEN_CLASSES
from forecasting import scenarios_capacity as capacity
from forecasting.calc.scenario_origin import Origin, ScenarioError, TierOrigin

COMMITMENT = "commitment "  # begins how charges name one
_CACHED = tuple(name for name in TOKEN_CLASSES if name.startswith("cache_read"))
_ZERO = Decimal(0)


class NoMonth(ScenarioError):
    """There is no whole month to start from; the message says what is missing."""


class Month0(NamedTuple):
    """A month to start from; ``closed``: its figures are final. ``notes``: what is guessed or left out, a sentence each."""

    origin: Origin
    closed: bool
    notes: tuple[str, ...]


def whole_months(today: date | None = None) -> list[Period]:
    """Months that scenarios may start from, newest first: frozen ones, and those over whose first to last day is recorded.

    Queries tell that a day is recorded: agreements cost something every day, whatever is imported.
    """
    rows = CostDaily.objects.filter(billing_currency=settings.REPORT_CURRENCY, corrects_date=None, queries__gt=0)
    known = rows.aggregate(first=Min("charge_date"), last=Max("charge_date"))
    if known["first"] is None:
        return []
    frozen = set(BillingPeriod.objects.filter(state__in=FROZEN).values_list("month", flat=True))
    found, month = [], Period.month_of(known["last"])
    while month.end > known["first"]:
        ended = month.end <= (today or timezone.now().date())
        if month.start in frozen or (ended and known["first"] <= month.start and known["last"] >= max(month.days())):
            found.append(month)
        month = month.previous()
    return found


def month_0(month: Period | None = None, *, today: date | None = None) -> Month0:
    """The month asked for, or the newest whole one. Raises NoMonth with the reason, and ScenarioError."""
    whole = whole_months(today)
    if month is None and not whole:
        raise NoMonth(
            f"no whole month is recorded in {settings.REPORT_CURRENCY} yet: a scenario starts from a month that is closed, "
            "or over and recorded from its first to its last day"
        )
    if month is not None and month not in whole:
        kept = f"; whole are {', '.join(map(str, whole[:6]))}" if whole else "; none is"
        raise NoMonth(f"{month} is no whole month: it is not over, or its first or last day is not recorded{kept}")
    chosen = month or whole[0]
    return _read(chosen)


@dataclass
class _Tier:
    """Sums of one tier."""

    api: Decimal = _ZERO
    own: Decimal = _ZERO
    inputs: Decimal = _ZERO  # cost
    tokens: Decimal = _ZERO  # cost of all token classes
    read: Decimal = _ZERO  # tokens from cache
    given: Decimal = _ZERO  # tokens of input
    fields: dict[str, float] = field(default_factory=dict)


@dataclass
class _Costs:
    """Sums of a month. ``beside``: of fleets, without a tier."""

    tiers: dict[str, _Tier]
    fixed: Decimal = _ZERO
    beside: Decimal = _ZERO
    energy: Decimal = _ZERO
    committed: Decimal = _ZERO
    commitments: set[str] = field(default_factory=set)


def _read(month: Period) -> Month0:
    closed = BillingPeriod.objects.filter(month=month.start, state__in=FROZEN).exists()
    notes: list[str] = []
    found = _costs(month, notes)
    api, own = _queries(month)
    _settle(found, api, own, notes)
    if not found.tiers:
        raise NoMonth(
            f"in {month} no query costs anything, and a scenario grows what queries cause: choose another month"
        )
    _shapes(month, found.tiers, api, own, notes)
    rows = [
        TierOrigin(
            name, one.api, one.own, float(api.get(name, 0)), float(own.get(name, 0)),
            _part(one.inputs, one.tokens), _part(one.read, one.given), **one.fields,
        )
        for name, one in found.tiers.items()
    ]  # fmt: skip
    hardware = capacity.of(month, notes) if any(row.own_cost for row in rows) else capacity.Hardware()
    owned = sum((row.own_cost for row in rows), _ZERO)
    end = capacity.end_of_commitments(found.commitments, notes)
    origin = Origin(
        month.start, settings.REPORT_CURRENCY, tuple(rows), found.fixed, **hardware._asdict(),
        energy_share=_part(found.energy, owned), api_committed=max(found.committed, _ZERO), api_commitment_end=end,
    )  # fmt: skip
    return Month0(origin, closed, tuple(notes))


def _costs(month: Period, notes: list[str]) -> _Costs:
    days = (month.start, max(month.days()))
    rows = Charge.objects.as_is(*days).filter(billing_currency=settings.REPORT_CURRENCY).order_by()
    names = ("tier", "subject", "charge_category", "price_class")
    sums = {"cost": Sum("effective_cost"), "quantity": Sum("consumed_quantity", filter=Q(effective_cost__isnull=False))}
    found = _Costs({name: _Tier() for name in TIERS})
    for row in rows.values(*names).annotate(**sums):
        _add(found, row)
    unpriced = rows.filter(effective_cost=None, billed_cost=None).aggregate(at=Sum("proxy_cost"))["at"]
    if unpriced:
        notes.append(
            f"Usage without a price is in no figure; at proxy prices it is {unpriced:,.2f} {settings.REPORT_CURRENCY}."
        )
    others = Charge.objects.as_is(*days).exclude(billing_currency=settings.REPORT_CURRENCY)
    if named := sorted(set(others.order_by().values_list("billing_currency", flat=True).distinct())):
        notes.append(f"Charges in {', '.join(named)} are not in it: they have no rate of exchange.")
    return found


def _add(found: _Costs, row: dict[str, Any]) -> None:
    cost, quantity, kind = row["cost"] or _ZERO, row["quantity"] or _ZERO, row["price_class"]
    of_fleet = row["subject"].startswith(SUBJECT) and row["charge_category"] == "Usage"
    if row["tier"] not in found.tiers:
        if of_fleet:
            found.beside += cost
            found.energy += cost if kind == ENERGY else _ZERO
        else:
            found.fixed += cost
        return
    tier = found.tiers[row["tier"]]
    if of_fleet:
        tier.own += cost
        found.energy += cost if kind == ENERGY else _ZERO
    else:
        tier.api += cost
        if row["subject"].startswith(COMMITMENT):
            found.committed += cost
            found.commitments.add(row["subject"].removeprefix(COMMITMENT))
    if kind in ALL_INPUT_CLASSES:
        tier.inputs, tier.given = tier.inputs + cost, tier.given + quantity
    if kind in ALL_INPUT_CLASSES or kind in ALL_OUTPUT_CLASSES:
        tier.tokens += cost
    if kind in _CACHED:
        tier.read += quantity


def _queries(month: Period) -> tuple[dict[str, int], dict[str, int]]:
    """Queries by tier that API calls, and own hardware, answer."""
    within = Q(charge_date__gte=month.start, charge_date__lt=month.end)
    rows = CostDaily.objects.filter(within, corrects_date=None, billing_currency=settings.REPORT_CURRENCY).order_by()
    every = dict(rows.values_list("tier").annotate(n=Sum("queries")))
    served = Charge.objects.filter(within, subject__startswith=SUBJECT, commitment_status=USED).order_by()
    days: dict[int, list[date]] = defaultdict(list)
    for key, day in served.values_list("usage_key_id", "charge_date").distinct():
        if key is not None:
            days[key].append(day)
    own: dict[str, int] = defaultdict(int)
    cube = UsageDaily.objects.filter(within, usage_key_id__in=list(days)).order_by()
    for key, day, tier, queries in cube.values_list("usage_key_id", "charge_date", "tier").annotate(n=Sum("queries")):
        own[tier] += queries if day in days[key] else 0
    api = {tier: max(int(queries) - own.get(tier, 0), 0) for tier, queries in every.items()}
    return api, dict(own)


def _settle(found: _Costs, api: dict[str, int], own: dict[str, int], notes: list[str]) -> None:
    """Move to what is fixed what no query causes, share fleets' idle hours over tiers, and leave out empty tiers."""
    for name, tier in found.tiers.items():
        for route, queries in (("api", api), ("own", own)):
            cost = getattr(tier, route)
            if cost < 0 or (cost and not queries.get(name)):
                found.fixed += cost
                setattr(tier, route, _ZERO)
                why = "is a credit" if cost < 0 else "has no query behind it"
                notes.append(f"{cost:,.2f} {settings.REPORT_CURRENCY} of tier {name} {why} and stays fixed.")
    users = [tier for tier in found.tiers.values() if tier.own]
    if found.beside > 0 and users:
        for tier, part in zip(users, share(found.beside, [tier.own for tier in users]).to_pylist(), strict=True):
            tier.own += part
    else:
        found.fixed += found.beside
    found.tiers = {name: tier for name, tier in found.tiers.items() if tier.api or tier.own}


def _shapes(month: Period, tiers: dict[str, _Tier], api: dict[str, int], own: dict[str, int], notes: list[str]) -> None:
    """Reasoning, calls, agents and success of a query, by tier; what is not known stands as it would not matter."""
    within = Q(charge_date__gte=month.start, charge_date__lt=month.end)
    counts = CostDaily.objects.filter(within, corrects_date=None, billing_currency=settings.REPORT_CURRENCY).order_by()
    requests = dict(counts.values_list("tier").annotate(n=Sum("requests")))
    agents = dict(
        AgentTask.objects.filter(within).order_by().values_list("tier").annotate(n=Sum(Greatest(F("agents"), 1) - 1))
    )
    reasoning, resolved = _reasoning(within), _resolved(month)
    for name, tier in tiers.items():
        queries = api.get(name, 0) + own.get(name, 0)
        tier.fields = {
            "calls": max(requests.get(name, 0) / queries, 1.0), "agents": 1 + (agents.get(name) or 0) / queries,
            "resolved": resolved.get(name, 1.0),
        }  # fmt: skip
        if name in reasoning:
            tier.fields["reasoning_share"], tier.fields["reasoning_multiplier"] = reasoning[name]
    missing = sorted(set(tiers) - set(resolved), key=TIERS.index)
    if missing:
        notes.append(f"Tasks of {', '.join(missing)} count as resolved: fewer than {MINIMUM} outcomes name that tier.")
    if unsaid := sorted(set(tiers) - set(reasoning), key=TIERS.index):
        notes.append(
            f"No source says how much of {', '.join(unsaid)} is reasoning: growth of it counts for all output."
        )


def _reasoning(within: Q) -> dict[str, tuple[float, float]]:
    """Tier -> share of queries in cells of the cube that reason, and their output over what of it is visible."""
    said = UsageDaily.objects.filter(within, output_reasoning__isnull=False).order_by()
    thinks = Q(output_reasoning__gt=0)
    rows = said.values_list("tier").annotate(
        every=Sum("queries"), some=Sum("queries", filter=thinks), hidden=Sum("output_reasoning"),
        shown=Sum("output_visible", filter=thinks),
    )  # fmt: skip
    return {
        tier: ((some or 0) / every, 1 + float(hidden or 0) / float(shown) if shown else 1.0)
        for tier, every, some, hidden, shown in rows
        if every
    }


def _resolved(month: Period) -> dict[str, float]:
    """Tier -> share of tasks with an outcome that were resolved, by any of their attempts; only of enough tasks."""
    rows = Outcome.objects.filter(spend_month=month.start, setting=PRODUCTION).exclude(evidence=Evidence.NONE)
    tasks: dict[tuple[str, str], bool] = {}
    for tier, task, success in rows.exclude(tier="").order_by().values_list("tier", "task", "success"):
        tasks[tier, task] = success or tasks.get((tier, task), False)
    ended: dict[str, list[bool]] = defaultdict(list)
    for (tier, _), success in tasks.items():
        ended[tier].append(success)
    return {tier: sum(each) / len(each) for tier, each in ended.items() if len(each) >= MINIMUM}


def _part(part: Decimal, whole: Decimal) -> float:
    return min(max(float(part / whole), 0.0), 1.0) if whole > 0 else 0.0


__all__ = ["Month0", "NoMonth", "month_0", "whole_months"]
