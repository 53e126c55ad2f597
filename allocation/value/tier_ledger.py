"""Reads of the tier ledger: which rules decided, how much of the spend has a known tier, how steady tiers are."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
from django.db.models import Case, QuerySet, Sum, Value, When
from django.db.models.functions import TruncWeek

from allocation import selectors
from allocation.calc.tier_changes import Covered, Step, coverage, stability
from allocation.models import CostDaily, RuleDay, TierPolicy, TierRule
from allocation.scope import Scope
from allocation.selectors import CostQuery
from finops.focus import FIELDS
from finops.money import money
from finops.periods import Period

WEEKS = 9  # whole ones, of which the first has none before it


class Fired(NamedTuple):
    """Queries that one way of a policy to a tier decided. ``estimated``: buckets among them, judged by their averages."""

    version: int
    rule: str
    condition: str
    tier: str
    queries: int
    estimated: int


def fired(period: Period) -> list[Fired]:
    """By which rules the queries that begin in a period have their tier; ways that decided none are left out."""
    days = RuleDay.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end).order_by()
    counts = dict(days.values_list("tier_rule_id").annotate(n=Sum("queries")))
    found: dict[tuple[int, str, str, str], list[int]] = {}
    for rule in TierRule.objects.filter(pk__in=counts).select_related("policy"):
        place = (rule.policy.version, rule.rule, rule.condition, rule.tier)
        found.setdefault(place, [0, 0])[rule.estimated] += int(counts[rule.pk])
    rows = [Fired(*place, sum(both), both[1]) for place, both in found.items()]
    return sorted(rows, key=lambda row: (-row.version, -row.queries, row.rule, row.condition))


def covered(scope: Scope, query: CostQuery, column: str = "EffectiveCost") -> list[Covered]:
    """Cost by what its tier rests on: observed, bucket-estimated, no tier."""
    tier = Case(When(basis="correction", then=Value("")), default="tier")  # it corrects another month: beside the tiers
    rows = _rows(scope, query).annotate(kind=tier).values_list("kind", "tier_estimated")
    rows = rows.annotate(n=Sum("queries"), money=Sum(FIELDS[column]))
    return coverage(_table(("tier", "estimated"), list(rows), (pa.string(), pa.bool_())))


def steps(scope: Scope, query: CostQuery, last: date) -> list[Step]:
    """Week-on-week changes of tiers' shares of queries, of the whole weeks before and with a day; filters as asked."""
    end = last - timedelta(days=last.weekday())
    weeks = Period(end - timedelta(weeks=WEEKS), end)
    asked = CostQuery(weeks, (), query.filters, query.currency)
    rows = _rows(scope, asked).exclude(tier="").annotate(week=TruncWeek("charge_date"))
    found = rows.values_list("week", "tier").annotate(n=Sum("queries"), money=Sum("effective_cost"))
    return stability(_table(("week", "tier"), [row for row in found if row[2]], (pa.date32(), pa.string())))


def _rows(scope: Scope, query: CostQuery) -> QuerySet[CostDaily]:
    rows = selectors.filtered(scope, CostDaily.objects.all(), query)
    return rows.filter(billing_currency=query.currency).order_by()


def _table(names: tuple[str, str], rows: list[tuple[Any, ...]], types: tuple[pa.DataType, pa.DataType]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 4
    keys = {name: pa.array(values, kind) for name, values, kind in zip(names, columns, types, strict=False)}
    counts = pa.array([int(value or 0) for value in columns[2]], pa.int64())
    return pa.table({**keys, "queries": counts, "cost": money([value or Decimal(0) for value in columns[3]])})


def in_force() -> TierPolicy | None:
    """The policy that judges usage that comes now."""
    return TierPolicy.objects.filter(live=True).first()
