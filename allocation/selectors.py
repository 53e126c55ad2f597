"""Reads of allocation: cost by any dimensions, distributions, freshness. Reads the derived tables, never events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
from django.conf import settings
from django.db.models import Case, Max, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce, TruncMonth

from allocation import policies
from allocation.calc.tiers import Classifier, Way, parse_policy
from allocation.models import CostCentre, CostDaily, QueryCostDaily, TierRule
from allocation.scope import Scope
from finops.money import MONEY
from finops.periods import Period
from ingest import facts
from ingest.models import IngestRun

UNALLOCATED = "(unallocated)"
_DAY = Coalesce("corrects_date", "charge_date")
_FIELDS = {
    "ChargeDate": "charge_date",
    "x_CostCentre": "cost_centre__code",
    "x_Team": "team__code",
    "ServiceProviderName": "provider",
    "x_Model": "model",
    "x_QueryTier": "tier",
    "x_Environment": "environment",
    "x_Feature": "feature",
    "x_Provenance": "provenance",
    "x_Basis": "basis",
}
GROUPS = tuple(_FIELDS)
FILTERS = tuple(name for name in _FIELDS if name != "ChargeDate")
MEASURES = {
    "ListCost": "list_cost",
    "ContractedCost": "contracted_cost",
    "EffectiveCost": "effective_cost",
    "BilledCost": "billed_cost",
    "x_UnpricedEstimate": "unpriced_estimate",
    "Requests": "requests",
    "Queries": "queries",
    "x_Tokens": "tokens",
    "x_UnpricedTokens": "unpriced_tokens",
    "x_BillPricedTokens": "bill_priced_tokens",
}
_MONEY = ("ListCost", "ContractedCost", "EffectiveCost", "BilledCost", "x_UnpricedEstimate")


class QueryError(ValueError):
    """The question cannot be answered; the message names the part and what is possible."""


@dataclass(frozen=True)
class CostQuery:
    """Which cost: days, dimensions to group by, filters (FOCUS column -> values, ``*`` and ``?`` as in file names).

    Raises QueryError for a column that is no dimension. Totals never mix currencies: one currency is chosen. ``restated``:
    the days as they would be charged today, that is without what these days bear for frozen ones and with what later days
    bear for them; counts of calls stay those that were frozen.
    """

    period: Period
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    currency: str = "USD"
    restated: bool = False

    def __post_init__(self) -> None:
        for name in self.group_by:
            if name not in GROUPS:
                raise QueryError(f"cannot group by {name!r}; possible: {', '.join(GROUPS)}")
        for name in self.filters:
            if name not in FILTERS:
                raise QueryError(f"cannot filter on {name!r}; possible: {', '.join(FILTERS)}")


def costs(scope: Scope, query: CostQuery) -> pd.DataFrame:
    """Cost by the query's dimensions: group_by columns (unallocated x_CostCentre is None), MEASURES, x_EstimatedQueries.

    Money is decimal128(30,12), exact; rows are ordered by the group. Without group_by there is exactly one row.
    """
    rows = filtered(scope, CostDaily.objects.all(), query).filter(billing_currency=query.currency)
    names = [_FIELDS[name] for name in query.group_by]
    if query.restated:
        rows, names = rows.annotate(day=_DAY), ["day" if name == "charge_date" else name for name in names]
    sums = {f"sum_{column}": Sum(column) for column in MEASURES.values()}
    sums["sum_estimated"] = Sum(Case(When(tier_estimated=True, then="queries"), default=Value(0)))
    if names:
        found = list(rows.values(*names).annotate(**sums).order_by(*names).values_list(*names, *sums))
    else:
        found = [tuple(rows.aggregate(**sums).values())]
    columns = [*query.group_by, *MEASURES, "x_EstimatedQueries"]
    series = list(zip(*found, strict=True)) if found else [()] * len(columns)
    return pd.DataFrame({name: _typed(name, values) for name, values in zip(columns, series, strict=True)})


def _typed(name: str, values: tuple[Any, ...]) -> "pd.Series[Any]":
    if name in _MONEY:
        return pd.Series([value or 0 for value in values], dtype=pd.ArrowDtype(MONEY))
    if name in MEASURES or name == "x_EstimatedQueries":
        return pd.Series([int(value or 0) for value in values], dtype="int64")
    if name == "ChargeDate":
        return pd.Series(list(values), dtype=pd.ArrowDtype(pa.date32()))
    return pd.Series(list(values), dtype=object)


def filtered(scope: Scope, rows: QuerySet[Any], query: CostQuery) -> QuerySet[Any]:
    """The rows of a derived table that a question means; a dimension that the table lacks filters nothing."""
    rows, days = scope.of(rows), {"gte": query.period.start, "lt": query.period.end}
    fields = {model_field.name for model_field in rows.model._meta.get_fields()}
    kept = Q(**{f"charge_date__{way}": day for way, day in days.items()})
    if query.restated and "corrects_date" in fields:
        later = Q(**{f"corrects_date__{way}": day for way, day in days.items()})
        kept = kept & Q(corrects_date=None) | later
    rows = rows.filter(kept)
    for name, values in query.filters.items():
        column = _FIELDS[name]
        if column.split("__")[0] not in fields:
            continue  # the distribution has fewer dimensions; it says so where it is shown
        wanted = Q()
        for value in values:
            wanted |= matches(column, value)
        rows = rows.filter(wanted)
    return rows


def matches(column: str, value: str) -> Q:
    """Rows with this value of a column, '' those without one; ``*`` and ``?`` as in file names."""
    row, _, code = column.partition("__")
    if code and (not value or (value == UNALLOCATED and row == "cost_centre")):
        return Q(**{f"{row}__isnull": True})
    if "*" in value or "?" in value:
        pattern = "".join({"*": ".*", "?": "."}.get(char, _literal(char)) for char in value)
        return Q(**{f"{column}__regex": f"^{pattern}$"})
    return Q(**{column: value})


def _literal(char: str) -> str:
    return char if char.isalnum() or char in "-_/ " else f"\\{char}"


def distribution(scope: Scope, query: CostQuery) -> pd.DataFrame:
    """Queries by cost: x_QueryTier, Bin (floor(20 log10(cost)); None: free or unpriced), Queries, Cost.

    Each query counts on the day it began, with its first call's owner and model. Filters on dimensions that the
    distribution does not carry (team, feature, provenance) are not applied.
    """
    rows = filtered(scope, QueryCostDaily.objects.all(), query)
    found = rows.values("tier", "bin").annotate(q=Sum("queries"), c=Sum("cost")).order_by("tier", "bin")
    values = list(found.values_list("tier", "bin", "q", "c"))
    tier, number, queries, cost = zip(*values, strict=True) if values else ((),) * 4
    return pd.DataFrame(
        {
            "x_QueryTier": pd.Series(list(tier), dtype=object),
            "Bin": pd.Series(list(number), dtype="Int64"),
            "Queries": pd.Series([int(value) for value in queries], dtype="int64"),
            "Cost": pd.Series(list(cost), dtype=pd.ArrowDtype(MONEY)),
        }
    )


def choices(scope: Scope, period: Period) -> dict[str, list[str]]:
    """The values that occur in a period, per filter column; cost centres end with the unallocated if there is any."""
    rows = scope.of(CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end))
    found = {}
    for name in FILTERS:
        values = list(rows.order_by().values_list(_FIELDS[name], flat=True).distinct())
        found[name] = sorted(value for value in values if value)
        if name == "x_CostCentre" and None in values:
            found[name].append(UNALLOCATED)
    return found


def currencies(scope: Scope, period: Period) -> list[str]:
    """Currencies that occur in a period, the site's own first."""
    rows = scope.of(CostDaily.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end))
    found = set(rows.order_by().values_list("billing_currency", flat=True).distinct())
    return sorted(found, key=lambda code: (code != settings.REPORT_CURRENCY, code))


def months(scope: Scope) -> list[str]:
    """Months with cost, newest first, as YYYY-MM."""
    rows = scope.of(CostDaily.objects.all()).annotate(month=TruncMonth("charge_date")).order_by()
    return sorted({f"{day:%Y-%m}" for day in rows.values_list("month", flat=True).distinct()}, reverse=True)


class Freshness(NamedTuple):
    """Until when the figures know what was imported, and how many days wait to be recomputed."""

    as_of: datetime | None
    pending: int


def freshness() -> Freshness:
    """Time of the last finished import, and dirty days."""
    last = IngestRun.objects.filter(state=IngestRun.State.DONE).aggregate(at=Max("finished_at"))["at"]
    return Freshness(last, len(facts.dirty_days()))


def cost_centre_names() -> dict[str, str]:
    """Code -> name."""
    return dict(CostCentre.objects.values_list("code", "name"))


def cost_centre_owners(codes: Iterable[str]) -> dict[str, str]:
    """Code -> the user who answers for it; without those for which nobody is named."""
    rows = CostCentre.objects.filter(code__in=list(codes)).exclude(owner=None)
    return dict(rows.values_list("code", "owner__username"))


def current_classifier() -> Classifier:
    """The classifier of the policy in force (the default policy is put in force if there is none)."""
    policy = policies.load_default(actor="system")
    rules = TierRule.objects.filter(policy=policy).values_list("rule", "condition", "tier", "estimated", "id")
    ids = {Way(*row[:4]): row[4] for row in rules}
    return Classifier(parse_policy(policy.policy), ids, settings.TRACE_LOOK_BACK_DAYS)
