"""Shares of charges that a question about cost means, and what each is for: usage, or cost that no usage explains."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from django.db.models import Case, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Coalesce, NullIf

from allocation import rulebook, selectors
from allocation.calc.daily import NOT_USED
from allocation.models import AllocatedCost
from allocation.scope import Scope
from allocation.selectors import CostQuery
from ingest.models import UsageKey
from ingest.selectors import key_dimensions

_OF_KEY = {"ServiceProviderName": "provider", "x_Model": "model"}
_SHOWN = {"x_Environment": "environment", "x_Feature": "feature"}  # of a usage key, unless a mapping says otherwise
_OF_CHARGE = {
    "x_CostCentre": "cost_centre__code", "x_Team": "team__code", "x_QueryTier": "charge__tier",
    "x_Provenance": "charge__provenance",
}  # fmt: skip
_MODEL = Coalesce(NullIf("model_served", Value("")), "model_requested", output_field=TextField())
USAGE, DIRECT = "usage", "direct"
# Effect of a charge that no usage explains -> on what basis it is borne (allocation.calc.daily).
_BASES = {USAGE: DIRECT, "other": DIRECT, "idle": "idle", "corrections": "correction", "shared": "adjustment"}
_EFFECT = Case(
    When(charge__corrects_date__isnull=False, then=Value("corrections")),
    When(charge__provenance="allocated", then=Value("shared")),
    When(charge__commitment_status__in=NOT_USED, then=Value("idle")),
    When(charge__tier="", then=Value("other")),
    default=Value(USAGE),
)


def shares(scope: Scope, query: CostQuery) -> QuerySet[AllocatedCost]:
    """What is borne of the charges of a question's days, filters and currency, as it was charged; ``effect``: what it is for."""
    period, keys, narrowed = query.period, UsageKey.objects.annotate(model=_MODEL), False
    rows = scope.of(AllocatedCost.objects.of_days(period))
    rows = rows.filter(charge__billing_currency=query.currency).annotate(effect=_EFFECT)
    rows = _as_shown(rows, query)
    for name, values in query.filters.items():
        if name in _SHOWN:
            continue
        if name in _OF_KEY:
            keys, narrowed = keys.filter(_any(_OF_KEY[name], values)), True
        elif name == "x_Basis":
            rows = rows.filter(Q(effect__in=[effect for effect, basis in _BASES.items() if _fits(basis, values)]))
        else:
            rows = rows.filter(_any(_OF_CHARGE[name], values))
    return rows.filter(charge__usage_key_id__in=keys.values("id")) if narrowed else rows


def _as_shown(rows: QuerySet[AllocatedCost], query: CostQuery) -> QuerySet[AllocatedCost]:
    """Of the environments and features that a question names, as the mappings of each day show them: as cost_daily does."""
    wanted = {field: query.filters[name] for name, field in _SHOWN.items() if query.filters.get(name)}
    if not wanted:
        return rows
    found, stretches = Q(), rulebook.stretches(query.period)
    stated: dict[int, dict[str, Any]] = {}
    if any(stretch.mappings for stretch in stretches):
        keys = rows.order_by().values_list("charge__usage_key_id", flat=True).distinct()
        stated = key_dimensions(key for key in keys if key is not None)
    for stretch in stretches:
        if stretch.mappings:
            shown = stretch.shown(stated).items()
            kept: Any = [key for key, of in shown if all(_fits(of[field], wanted[field]) for field in wanted)]
        else:
            kept = UsageKey.objects.filter(*(_any(field, wanted[field]) for field in wanted)).values("id")
        start, end = stretch.period.start, stretch.period.end
        found |= Q(charge_date__gte=start, charge_date__lt=end, charge__usage_key_id__in=kept)
    return rows.filter(found)


def _any(column: str, values: Iterable[str]) -> Q:
    wanted = Q()
    for value in values:
        wanted |= selectors.matches(column, value)
    return wanted


def _fits(text: str, values: Iterable[str]) -> bool:
    return any(fnmatchcase(text, value.replace("[", "[[]")) for value in values)
