"""How far estimated tiers may be off: intervals for the cost of each tier that comes from buckets, within a scope."""

from collections import defaultdict
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from allocation import bucket_tiers, selectors
from allocation.calc.bucket_errors import Measured, parse_errors, words
from allocation.calc.bucket_tiers import WHOLE
from allocation.calc.tier_estimates import Bounds, Group, bounds, deviations
from allocation.calc.tier_spread import OBSERVED, REFERENCE
from allocation.models import BucketSpread, CostDaily, QueryCostDaily, UsageDaily
from allocation.scope import Scope
from allocation.selectors import CostQuery, QueryError
from finops.focus import COST_COLUMNS, FIELDS
from finops.periods import Period
from ingest.models import UsageKey

ZERO = Decimal(0)
_PLACE = ("provider", "model")


class Estimates(NamedTuple):
    """What of a question's cost has an estimated tier. ``cost``: of all tiers; ``rows``: by tier, with bounds.

    ``by``: of the estimated cost, what rests on observed queries, on the reference, and on an operation that decides.
    """

    cost: Decimal
    estimated: Decimal
    by: dict[str, Decimal]
    rows: list[Bounds]


@cache
def measured() -> dict[str, Measured]:
    """The measured errors of the reference, by tier."""
    return parse_errors(bucket_tiers.reference()["errors"])


def told() -> str:
    """What stands beside figures whose tier is estimated: how far a tier's share of spend is off, as measured."""
    return f"share of spend {words(measured())}, in 80 of 100 buckets whose requests are known"


def estimates(scope: Scope, query: CostQuery, column: str = "EffectiveCost") -> Estimates:
    """Cost by tier that is estimated, and by how much it may be off, of the days and filters of a question.

    Five queries. Raises QueryError.
    """
    if column not in COST_COLUMNS:
        raise QueryError(f"no cost column {column!r}; possible: {', '.join(COST_COLUMNS)}")
    rows = selectors.filtered(scope, CostDaily.objects.all(), query).filter(billing_currency=query.currency)
    rows = rows.exclude(tier="").order_by()
    whole = rows.aggregate(sum=Sum(FIELDS[column]))["sum"] or ZERO
    costs: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
    found = rows.filter(tier_estimated=True).values_list(*_PLACE, "tier").annotate(sum=Sum(FIELDS[column]))
    for provider, model, tier, cost in found:
        costs[provider, model][tier] = cost or ZERO
    parts = _parts(query.period) if costs else {}
    groups, by = [], dict.fromkeys((OBSERVED, REFERENCE, WHOLE), ZERO)
    for place, of in sorted(costs.items()):
        part = parts.get(place, {REFERENCE: (Decimal(1), 0, 0)})
        for source, (share, *_) in part.items():
            by[source] += sum(of.values(), ZERO) * share
        share, seen, requests = part.get(OBSERVED, (ZERO, 0, 0))
        deviation = _deviations(query.period, place, seen, requests) if share else {}
        groups.append(Group(of, part.get(REFERENCE, (ZERO,))[0], share, deviation))
    return Estimates(
        whole, sum((sum(of.values(), ZERO) for of in costs.values()), ZERO), by, bounds(groups, measured())
    )


def _parts(period: Period) -> dict[tuple[str, str], dict[str, tuple[Decimal, int, int]]]:
    """(provider, model) -> source -> (part of the output of its buckets, queries seen, requests).

    By tokens of output and a quarter of input, about as their prices are.
    """
    keys = _named()
    spreads = BucketSpread.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    source_of = {row[:2]: row[2:] for row in spreads.values_list("charge_date", "usage_key_id", "source", "queries")}
    cube = UsageDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end, tier_estimated=True)
    sums = {"n": Sum("requests"), "size": Sum(Coalesce(F("output_visible"), 0) + Coalesce(F("input_uncached"), 0) / 4)}
    summed: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    for day, key, requests, size in cube.order_by().values_list("charge_date", "usage_key_id").annotate(**sums):
        source, queries = source_of.get((day, key), (REFERENCE, 0))
        for n, value in enumerate((int(size) + int(requests), queries, int(requests))):
            summed[keys[key]][source][n] += value
    return {
        place: {
            source: (Decimal(size) / sum(each[0] for each in of.values()), seen, requests)
            for source, (size, seen, requests) in of.items()
        }
        for place, of in summed.items()
    }


def _named() -> dict[int, tuple[str, str]]:
    rows = UsageKey.objects.values_list("pk", "provider", "model_served", "model_requested")
    return {pk: (provider, served or requested) for pk, provider, served, requested in rows}


def _deviations(period: Period, place: tuple[str, str], seen: int, requests: int) -> dict[str, float]:
    rows = QueryCostDaily.objects.filter(
        charge_date__gte=period.start, charge_date__lt=period.end, provider=place[0], model=place[1]
    )
    found = rows.order_by().values_list("tier", "bin").annotate(n=Sum("queries"), money=Sum("cost"))
    return deviations([(tier, number, int(n), money) for tier, number, n, money in found], seen, requests)
