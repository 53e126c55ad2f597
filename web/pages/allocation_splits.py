"""The page Splits: what each pool of shared cost was, by what measure it was given away, and who bears it now."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from allocation.attribution import adjustments, rate_cards, splits
from allocation.attribution.split_selectors import Told, told
from allocation.calc.rate_cards import Card
from allocation.calc.splits import Pool, Source
from allocation.models import Adjustment, Basis, StaleMonth, TermsVersion
from finops.focus import TIERS
from finops.periods import Period
from web import approving
from web.downloads import csv_file
from web.pages.access import for_those_who_see_everything
from web.pages.approvals import asked_for, deciding
from web.pages.months import Chosen, of_month

SHOWN = 20
_CSV = ("step", "pool", "basis", "currency", "cost_centre", "weight", "effective_cost", "note")
_KINDS = {
    "idle": "own capacity that nobody used", "unused": "what commitments left unused",
    "unexplained": "what bills state and nothing explains", "unallocated": "what no rule gives to anybody",
}  # fmt: skip
_METHODS = {"even": "in equal parts", "fixed": "by fixed shares"}
_UNITS = {"query": "a query", "tokens": "a million tokens", "gpu_hour": "a GPU-hour", "seat": "a seat and month"}


@require_safe
@for_those_who_see_everything
@of_month("allocation-splits")
def page(request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """The month's pools, rate cards and adjustments."""
    context = {
        "months": chosen.months, "period": chosen.period, "splits": section(chosen.period) if chosen.period else None,
        "waiting": asked_for(request, {adjustments.KIND}) + _cards_asked_for(request), **deciding(request),
    }  # fmt: skip
    return render(request, "web/allocation_splits.html", context)


@require_safe
@for_those_who_see_everything
@of_month("allocation-splits")
def as_csv(_request: HttpRequest, chosen: Chosen) -> HttpResponse:
    """What every pool and card gave to whom: exact amounts, one row for each cost centre, no total."""
    rows: list[tuple[Any, ...]] = []
    for basis in Basis if chosen.period else ():
        for one in told(chosen.period, basis) if chosen.period else ():
            at = one.outcome
            rows += [
                (at.step, at.code, basis.value, at.currency, each.cost_centre, each.weight, each.amount, at.note)
                for each in one.borne
            ]
    return csv_file(f"splits_{chosen.period or 'empty'}", _CSV, rows)


def section(period: Period) -> dict[str, Any]:
    """What the template part money/splits.html shows of a month."""
    pools = {pool.code: pool for pool in splits.in_force(period)}
    cards = {card.code: card for card in rate_cards.in_force(period)}
    shared, variance = told(period, Basis.SHARED), told(period, Basis.VARIANCE)
    return {
        "period": period, "pools": [_pool(one, pools.get(one.outcome.code)) for one in shared],
        "cards": [_card(one, cards.get(one.outcome.code)) for one in variance if one.outcome.found or one.borne],
        "totals": _totals(shared), "recovery": _totals(variance), "adjustments": _adjusted(period),
        "stale": StaleMonth.objects.filter(month=period.start).exists(),
        "versions": list(TermsVersion.objects.filter(live=True, kind__in=(splits.KIND, rate_cards.KIND)).order_by("kind")),
        "csv": f"/allocation/splits.csv?month={period}", "api": f"/api/v1/splits?month={period}",
    }  # fmt: skip


def _pool(one: Told, pool: Pool | None) -> dict[str, Any]:
    """A pool in plain words; of one that is no longer in force only what it moved."""
    most = max((each.amount for each in one.got), default=Decimal(0))
    return {
        "told": one, "at": one.outcome, "what": _what(pool.source) if pool else "", "how": _how(pool) if pool else "",
        "got": [{"who": each, "part": each.amount / most if most else None} for each in one.got],
    }  # fmt: skip


def _what(source: Source) -> str:
    what = _KINDS.get(source.kind, "all")
    if source.cost_centres:
        what += (" that " if not source.kind else ", of what ") + _and(source.cost_centres)
        what += " bears" if len(source.cost_centres) == 1 else " bear"
    narrowed = [f"{name} {' or '.join(patterns)}" for name, patterns in source.match.wanted]
    narrowed += [f"tier {' or '.join(source.tiers)}"] if source.tiers else []
    return what + (f" ({', '.join(narrowed)})" if narrowed else "")


def _how(pool: Pool) -> str:
    if pool.method == "proportional":
        return f"by {pool.driver.replace('_', ' ')}" + (f" of {pool.tier} queries" if pool.tier else "")
    if pool.method == "tier_weight":
        weights = sorted(pool.weights, key=lambda pair: TIERS.index(pair[0]))
        return "by queries, " + ", ".join(f"a {tier} one counts {weight.normalize():f}" for tier, weight in weights)
    return _METHODS[pool.method]


def _card(one: Told, card: Card | None) -> dict[str, Any]:
    standard = one.outcome.found - one.outcome.moved
    tiers = f" ({' or '.join(card.tiers)})" if card and card.tiers else ""
    return {
        "told": one, "at": one.outcome, "card": card, "standard": standard,
        "rate": f"{card.rate.normalize():f} {card.currency} {_UNITS[card.unit]}{tiers}" if card else "",
    }  # fmt: skip


def _totals(found: Iterable[Told]) -> list[dict[str, Any]]:
    """Sums by currency."""
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for one in found:
        sums[one.outcome.currency][0] += one.outcome.moved
        sums[one.outcome.currency][1] += one.stays
    return [{"currency": currency, "moved": both[0], "stays": both[1]} for currency, both in sorted(sums.items())]


def _adjusted(period: Period) -> list[dict[str, Any]]:
    """The adjustments that are about a month or are charged in it, the newest first."""
    about = Q(month=period.start) | Q(charge_date__gte=period.start, charge_date__lt=period.end)
    return [
        {"posted": posted, "parts": [{**part, "amount": Decimal(part["amount"])} for part in posted.parts]}
        for posted in Adjustment.objects.filter(about).order_by("-pk")[:SHOWN]
    ]


def _cards_asked_for(request: HttpRequest) -> list[dict[str, Any]]:
    kinds = (splits.KIND, rate_cards.KIND)
    asked = asked_for(request, {approving.AGREEMENTS})
    return [each for each in asked if each["asked"].details.get("agreements") in kinds]


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
