"""The dearest queries of a day, of its calls as they are kept (allocation.day_calls): no look at the facts but for instants.

Costs are list prices, each query whole on the day it began, counted where query_cost_daily counts it: with the cost centre
that bears most of the usage key of its first call. Buckets of many calls are no single queries and are left out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Max, Sum

from allocation import day_calls, layer_changes, rulebook
from allocation.calc import assign as assigning
from allocation.calc.query_costs import KEY_BITS
from allocation.calc.query_rows import Dear, Place, Wanted
from allocation.calc.query_rows import dearest as dearest_of
from allocation.models import DayCalls, LayerDay, Rating, TierRule, UsageDaily
from allocation.query_costs import keys_of, later_calls, rates_of
from allocation.scope import Scope
from allocation.selectors import UNALLOCATED
from finops.periods import Period
from ingest.facts.samples import single_calls
from ingest.selectors import KnownKeys

PAGE = 50
FILTERS = (
    "x_CostCentre", "x_Team", "ServiceProviderName", "x_Model", "x_QueryTier", "x_Environment", "x_Feature",
)  # fmt: skip
_OF_KEY = ("x_CostCentre", "x_Team", "ServiceProviderName", "x_Model", "x_Environment", "x_Feature")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """Which queries: the day they began, filters (FOCUS column -> values, ``*`` and ``?`` as in file names), bins of cost
    (the first and the last; floor(20 log10(cost))), or ``without`` a cost: free, or part of it has no price."""

    day: date
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bins: tuple[int, int] | None = None
    without: bool = False


class Owner(NamedTuple):
    """Whose the usage of a key is, and what it is: the bearer of most of it, None: nobody."""

    cost_centre: str | None
    team: str | None
    provider: str
    model: str
    environment: str
    feature: str


class Row(NamedTuple):
    """One query of the list. ``begins_at``: None, where it has no trace by which its calls are found again."""

    found: Dear
    owner: Owner
    tier: str
    rule: str
    condition: str
    policy: int
    currency: str
    begins_at: datetime | None


class Listed(NamedTuple):
    """A page of the list. ``queries`` and ``cost``: of all that is asked for; ``after``: where the next page begins, None: it
    is the last; ``in_buckets``: queries of the day in providers' buckets, of everybody in scope; ``stale``: prices or facts of
    the day changed, the distribution follows within minutes."""

    rows: list[Row]
    after: Place | None
    queries: int
    cost: Decimal
    in_buckets: int
    stale: bool


def days(period: Period) -> list[date]:
    """Days of a period of which queries are kept, the newest first."""
    rows = DayCalls.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end)
    return sorted(set(rows.values_list("charge_date", flat=True)), reverse=True)


def newest() -> date | None:
    """The last day of which queries are kept."""
    found: date | None = DayCalls.objects.aggregate(day=Max("charge_date"))["day"]
    return found


def listed(scope: Scope, asked: Asked, *, after: Place | None = None, limit: int = PAGE) -> Listed:
    """The dearest queries that begin on a day, within a scope; a bounded number of reads, none of them of a day's facts."""
    parts, day = day_calls.begun(asked.day), asked.day
    book = rulebook.holding_on(day)
    owners = owners_of(book, book.on(day, KnownKeys().of(keys_of(parts))))
    theirs = {key: owner for key, owner in owners.items() if sees(scope, book, owner)}
    keys = {key for key, owner in theirs.items() if _fits(owner, asked.filters)}
    ways = {rule.pk: rule for rule in TierRule.objects.select_related("policy")}
    tiers = asked.filters.get("x_QueryTier", ())
    rules = {pk for pk, way in ways.items() if not way.estimated and (not tiers or matches(way.tier, tiers))}
    wanted = Wanted(keys, rules, counted_elsewhere(day, ways), asked.bins, asked.without)
    found = dearest_of(parts, rates_of(day, sorted(keys)), later_calls(day), wanted, after=after, limit=limit)
    began, currency = _instants(day, found.rows), currencies_of(day, {one.cell >> KEY_BITS for one in found.rows})
    rows = [
        Row(
            one, theirs[one.cell >> KEY_BITS], ways[one.rule].tier, ways[one.rule].rule, ways[one.rule].condition,
            ways[one.rule].policy.version, currency.get(one.cell, ""), began.get(one.query),
        )
        for one in found.rows
    ]  # fmt: skip
    buckets = UsageDaily.objects.filter(charge_date=day, tier_estimated=True, usage_key_id__in=theirs)
    return Listed(
        rows, found.rows[-1].place if found.more else None, found.queries, found.cost,
        buckets.aggregate(sum=Sum("queries"))["sum"] or 0, day_calls.are_stale(day),
    )  # fmt: skip


def owners_of(book: rulebook.Rulebook, seen: rulebook.OfDay) -> dict[int, Owner]:
    """Usage key -> whose it is said to be on a day."""
    found = {}
    for key, of in seen.dimensions.items():
        bearer = max(assigning.targets_of(seen.assignment[key]), key=lambda target: target.weight)
        known = bearer.cost_centre if bearer.cost_centre in book.cost_centres else None
        model = of["model_served"] or of["model_requested"]
        found[key] = Owner(known, bearer.team or None, of["provider"], model, of["environment"], of["feature"])
    return found


def sees(scope: Scope, book: rulebook.Rulebook, owner: Owner) -> bool:
    """Whether a scope holds who bears it."""
    return scope.everything or book.cost_centres.get(owner.cost_centre or "") in scope.cost_centres


def counted_elsewhere(day: date, ways: Mapping[int, TierRule]) -> set[tuple[int, int]]:
    """(usage key, tier rule) of queries that another layer counts."""
    if not LayerDay.objects.filter(charge_date=day).exists():
        return set()
    gone = {place for place, part in layer_changes.kept_queries(day).items() if part == 0}
    return {(key, pk) for key, tier in gone for pk, way in ways.items() if way.tier == tier}


def currencies_of(day: date, keys: Collection[int]) -> dict[int, str]:
    """Cell (usage key << KEY_BITS | slot) -> currency of its prices."""
    rows = Rating.objects.filter(charge_date=day, usage_key_id__in=keys, list_cost__isnull=False).order_by()
    found = rows.values_list("usage_key_id", "rate_slot_id", "currency").distinct()
    return {key << KEY_BITS | slot: currency for key, slot, currency in found}


def matches(value: str | None, patterns: Collection[str], absent: str = "") -> bool:
    """Whether a value is asked for, as selectors.matches would; ``absent``: how else than by '' one asks for none."""
    if value is None:
        return "" in patterns or absent in patterns
    return any(fnmatchcase(value, one.replace("[", "[[]")) for one in patterns)


def _fits(owner: Owner, filters: Mapping[str, tuple[str, ...]]) -> bool:
    values = dict(zip(_OF_KEY, owner, strict=True))
    return all(
        matches(value, filters[name], UNALLOCATED if name == "x_CostCentre" else "")
        for name, value in values.items()
        if filters.get(name)
    )


def _instants(day: date, rows: Collection[Dear]) -> dict[int | None, datetime]:
    """When queries begin: of those with a trace, by the index."""
    named = sorted({one.query for one in rows if one.query is not None})
    if not named:
        return {}
    calls: Any = single_calls(day, queries=named)
    found: dict[int | None, datetime] = {}
    for query, at in zip(calls["query"].tolist(), calls["at"].tolist(), strict=True):
        instant = _EPOCH + timedelta(microseconds=at)
        found[query] = min(found.get(query, instant), instant)
    return found


def lookback(day: date) -> list[date]:
    """The day and those after it on which its queries may go on."""
    return [day + timedelta(days=number) for number in range(settings.TRACE_LOOK_BACK_DAYS + 1)]
