"""Queries that predictions learn from, and that they are compared with: read from the facts, at the prices that are paid."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pandas as pd
from django.conf import settings
from django.db.models import Max, Min, Sum

from allocation import layer_changes, rulebook
from allocation.calc import assign as assigning
from allocation.calc.predict_queries import Day, Kind, queries
from allocation.models import LayerDay, Rating, TierRule, UsageDaily
from finops import fx
from finops.tokens import TOKEN_CLASSES
from ingest.facts.samples import MOST_APART, single_calls
from ingest.selectors import KnownKeys

DAYS = 56  # four half-lives of what is learnt
MOST_QUERIES = 200_000  # that are looked at


class Sample(NamedTuple):
    """Queries (predict_queries.QUERIES) of the days ``since`` to ``through``; one of every ``every``."""

    since: date
    through: date
    every: int
    queries: pd.DataFrame


def sample(until: date) -> Sample | None:
    """Queries of the last DAYS that hold any, up to a day; None where there are none whose single calls are known."""
    cube = UsageDaily.objects.filter(tier_estimated=False, charge_date__lte=until)
    through = cube.aggregate(day=Max("charge_date"))["day"]
    if through is None:
        return None
    window = cube.filter(charge_date__gt=through - timedelta(days=DAYS))
    found = window.aggregate(first=Min("charge_date"), queries=Sum("queries"))
    every = 1
    while found["queries"] > MOST_QUERIES * every and every < MOST_APART:
        every *= 2
    return Sample(found["first"], through, every, _queries(found["first"], through, every))


def named(ids: Sequence[int], first: date, last: date) -> pd.DataFrame:
    """Queries (predict_queries.QUERIES) of these hashes that begin on the days ``first`` to ``last``."""
    return _queries(first, last, 1, ids)


def _queries(first: date, last: date, every: int, ids: Sequence[int] | None = None) -> pd.DataFrame:
    """Calls of the days after the last one that go on with queries count; those before the first one are not looked at."""
    known, ahead = KnownKeys(), timedelta(days=settings.TRACE_LOOK_BACK_DAYS)
    span = [first + timedelta(days=number) for number in range((last + ahead - first).days + 1)]
    held = set(UsageDaily.objects.filter(charge_date__in=span).values_list("charge_date", flat=True).distinct())
    days = [_day(day, known, every, ids) for day in span if day in held]
    tiers = {rule.pk: rule.tier for rule in TierRule.objects.filter(estimated=False)}
    return queries(days, tiers, settings.TRACE_LOOK_BACK_DAYS, last.toordinal())


def _day(day: date, known: KnownKeys, every: int, ids: Sequence[int] | None) -> Day:
    calls = single_calls(day, every=every, queries=ids)
    keys = sorted(set(calls["key"].tolist()))
    return Day(day.toordinal(), calls, _rates(day, keys), _kinds(day, known, keys))


def _kinds(day: date, known: KnownKeys, keys: Sequence[int]) -> dict[int, Kind]:
    if not keys:
        return {}
    seen = rulebook.holding_on(day).on(day, known.of(keys))
    elsewhere: dict[int, set[str]] = {}
    if LayerDay.objects.filter(charge_date=day).exists():
        for (key, tier), part in layer_changes.kept_queries(day).items():
            if not part:
                elsewhere.setdefault(key, set()).add(tier)
    return {
        key: Kind(
            max(assigning.targets_of(seen.assignment[key]), key=lambda target: target.weight).cost_centre, found["feature"],
            found["effort"], found["model_served"] or found["model_requested"], found["model_requested"],
            frozenset(elsewhere.get(key, ())),
        )
        for key, found in seen.dimensions.items()
    }  # fmt: skip


def _rates(day: date, keys: Collection[int]) -> dict[tuple[int, int], dict[str, float | None]]:
    """Cost of a token in the cells of a day: what contracts make of the list price, in the site's currency."""
    rows = Rating.objects.filter(charge_date=day, usage_key_id__in=keys, price_class__in=TOKEN_CLASSES).order_by()
    found: dict[tuple[int, int], dict[str, float | None]] = {}
    exchange: dict[str, Decimal | None] = {settings.REPORT_CURRENCY: Decimal(1)}
    names = ("usage_key_id", "rate_slot_id", "price_class", "currency")
    for key, slot, name, currency, cost, quantity in rows.values_list(*names).annotate(
        Sum("contracted_cost"), Sum("quantity")
    ):
        if currency not in exchange:
            rate = fx.rate_for(currency, settings.REPORT_CURRENCY, day)
            exchange[currency] = rate and rate.rate
        times = exchange[currency]
        price = None if cost is None or not quantity or times is None else float(cost * times / quantity)
        found.setdefault((key, slot), {})[name] = price
    return found
