"""Reads of the tier table, of its months and of how the cost of queries is distributed, within a scope.

A tier's cost is that of its usage, as it was charged. What no usage explains (idle, shared, corrections, bills) is of no tier and
stands beside, so that both sum to what ``selectors.costs`` says of the same question.
"""

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

import pandas as pd
from django.db.models import F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, NullIf, TruncMonth

from allocation import selectors
from allocation.calc.distribution import Distribution, of_bins
from allocation.calc.tier_estimates import Bounds
from allocation.calc.tier_levels import Count, Usage
from allocation.calc.tier_table import Point, Table, lines, tier_table
from allocation.models import ClassDaily, CostDaily
from allocation.scope import Scope
from allocation.selectors import CostQuery, QueryError
from allocation.value import tier_estimates, tiers_returns
from allocation.value.shares import DIRECT, of_usage
from allocation.value.tiers_returns import Return
from finops.focus import COST_COLUMNS, FIELDS, TIERS
from finops.money import total
from finops.tokens import ALL_OUTPUT_CLASSES
from ingest.calc.price_transparency import Cell

BASE, CHOSEN = "base", "chosen"
NOT_DISTRIBUTED = ("x_Team", "x_Feature", "x_Provenance", "x_Basis")  # filters that the distribution cannot apply
ZERO = Decimal(0)


class Whole(NamedTuple):
    """All that a question's days cost; ``beside``: the part of no tier."""

    cost: Decimal
    beside: Decimal
    unpriced_tokens: int
    unpriced_estimate: Decimal


class Report(NamedTuple):
    """The tier table of one question against another, all that each of them cost, and what a tier returns over the next.

    ``bounds``: between what the estimated cost of a tier lies in the chosen period, of tiers that have any.
    """

    table: Table
    base: Whole
    chosen: Whole
    returns: dict[str, Return]
    bounds: dict[str, Bounds]


class Distributions(NamedTuple):
    """How dear queries were at list prices: of all, and by tier; ``ignored``: filters that it could not apply.

    ``currencies``: of the prices of those days. Where there are several the ledger's distribution adds them as they stand.
    ``estimated``: of the queries, those of buckets, which stand at the average of their tier.
    """

    whole: Distribution
    tiers: dict[str, Distribution]
    ignored: tuple[str, ...]
    currencies: tuple[str, ...]
    estimated: int = 0


def report(scope: Scope, base: CostQuery, chosen: CostQuery, column: str = "EffectiveCost") -> Report:
    """Cost per query by tier in two periods and by which factors it changed. Raises QueryError.

    Seven queries, those of outcomes, where any tier is estimated those of estimates, and three more for each period whose
    environments or features are asked for.
    """
    if base.currency != chosen.currency:
        raise QueryError(f"cannot compare {base.currency} with {chosen.currency}: a tier table has one currency")
    _known(column)
    usage: list[Usage] = []
    counts: list[Count] = []
    for name, query in ((BASE, base), (CHOSEN, chosen)):
        usage += _usage(scope, query, column, name)
        counts += _counts(scope, query, name)
    returns = tiers_returns.of(scope, chosen)
    evidence = {tier: each.evidence for tier, each in returns.items() if each.evidence is not None}
    table = tier_table(usage, counts, BASE, CHOSEN, evidence)
    before, after = (_whole(scope, query, column, name, usage) for name, query in ((BASE, base), (CHOSEN, chosen)))
    guessed = tier_estimates.estimates(scope, chosen, column).rows if table.chosen.estimated_spend else []
    return Report(table, before, after, returns, {row.tier: row for row in guessed})


def monthly(scope: Scope, query: CostQuery, column: str = "EffectiveCost") -> dict[str, list[Point]]:
    """Tier -> cost per query by month of a period, months without any too. One query. Raises QueryError."""
    _known(column)
    rows = _of_tiers(scope, query).annotate(month=TruncMonth("charge_date"))
    names = ("month", "tier", "tier_estimated")
    sums = {"cost": Sum(FIELDS[column]), "n": Sum("queries"), "calls": Sum("requests"), "left": Sum("unpriced_tokens")}
    found = list(rows.values(*names).annotate(**_prefixed(sums)).values_list(*names, *_prefixed(sums)))
    usage = [Usage(f"{month:%Y-%m}", tier, guess, "", ZERO, cost) for month, tier, guess, cost, *_ in found]
    counts = [Count(f"{month:%Y-%m}", tier, guess, int(n), int(calls), int(left))
              for month, tier, guess, _, n, calls, left in found]  # fmt: skip
    months = sorted({f"{day:%Y-%m}" for day in query.period.days()})
    empty = [Count(month, tier, False, 0, 0) for month in months for tier in {count.tier for count in counts}]
    return lines(usage, [*counts, *empty])


def distributions(scope: Scope, query: CostQuery) -> Distributions:
    """Of the queries that began in a period: mean, quantiles, the dearest hundredth and modes. Three queries.

    At list prices, each query whole, on the day it began and with its first call's owner and model.
    """
    frame = selectors.distribution(scope, query)
    cells: dict[str, list[Cell]] = defaultdict(list)
    for tier, number, queries, cost in zip(*(frame[name] for name in frame), strict=True):
        cells[tier].append(Cell(None if pd.isna(number) else int(number), int(queries), cost))
    ordered = sorted(cells, key=lambda tier: (TIERS.index(tier) if tier in TIERS else len(TIERS), tier))
    whole = of_bins([cell for of in cells.values() for cell in of])
    ignored = tuple(name for name in NOT_DISTRIBUTED if query.filters.get(name))
    days = {"charge_date__gte": query.period.start, "charge_date__lt": query.period.end}
    priced = ClassDaily.objects.filter(**days, basis=DIRECT).exclude(tier="").order_by()
    listed = Coalesce(NullIf("original_currency", Value("")), "billing_currency")
    currencies = tuple(sorted(priced.values_list(listed, flat=True).distinct()))
    usage = selectors.filtered(scope, CostDaily.objects.filter(tier_estimated=True, basis="direct"), query).order_by()
    guessed = usage.filter(billing_currency=query.currency).aggregate(n=Sum("queries"))["n"] or 0
    by_tier = {tier: of_bins(cells[tier]) for tier in ordered}
    return Distributions(whole, by_tier, ignored, currencies, int(guessed))


def _known(column: str) -> None:
    if column not in COST_COLUMNS:
        raise QueryError(f"no cost column {column!r}; possible: {', '.join(COST_COLUMNS)}")


def _usage(scope: Scope, query: CostQuery, column: str, name: str) -> list[Usage]:
    """By tier and price class; of output apart what comes from usage keys whose source says nothing of reasoning."""
    names = ("tier", "tier_estimated", "price_class")
    untold = Q(told=False, price_class__in=ALL_OUTPUT_CLASSES)
    sums = {
        "n": Sum("priced_quantity"), "cost": Sum(F(FIELDS[column])), "untold": Sum("priced_quantity", filter=untold),
    }  # fmt: skip
    found = of_usage(scope, query).values(*names).annotate(**_prefixed(sums)).values_list(*names, *_prefixed(sums))
    return [
        Usage(name, tier, guess, kind, quantity or ZERO, cost or ZERO, unsplit or ZERO)
        for tier, guess, kind, quantity, cost, unsplit in found
    ]


def _counts(scope: Scope, query: CostQuery, name: str) -> list[Count]:
    names = ("tier", "tier_estimated")
    sums = {"n": Sum("queries"), "calls": Sum("requests"), "left": Sum("unpriced_tokens")}
    rows = _of_tiers(scope, query).values(*names).annotate(**_prefixed(sums)).values_list(*names, *_prefixed(sums))
    return [Count(name, tier, guess, int(n), int(calls), int(left)) for tier, guess, n, calls, left in rows]


def _of_tiers(scope: Scope, query: CostQuery) -> QuerySet[CostDaily]:
    rows = selectors.filtered(scope, CostDaily.objects.all(), query).filter(billing_currency=query.currency)
    return rows.filter(basis=DIRECT).exclude(tier="").order_by()


def _whole(scope: Scope, query: CostQuery, column: str, name: str, usage: list[Usage]) -> Whole:
    frame = selectors.costs(scope, CostQuery(query.period, (), query.filters, query.currency))
    cost = total(frame[column])
    of_tiers = sum((row.spend for row in usage if row.period == name), ZERO)
    return Whole(cost, cost - of_tiers, int(frame["x_UnpricedTokens"].sum()), total(frame["x_UnpricedEstimate"]))


def _prefixed(sums: dict[str, Sum]) -> dict[str, Sum]:
    """Under names that no field has."""
    return {f"sum_{name}": each for name, each in sums.items()}
