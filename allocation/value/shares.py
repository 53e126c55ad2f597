"""Shares of charges that a question about cost means, and what each is for: usage, or cost that no usage explains."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from django.db.models import Case, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Coalesce, NullIf

from allocation import selectors
from allocation.calc.daily import NOT_USED
from allocation.models import AllocatedCost
from allocation.scope import Scope
from allocation.selectors import CostQuery
from ingest.models import UsageKey

_OF_KEY = {
    "ServiceProviderName": "provider",
    "x_Model": "model",
    "x_Environment": "environment",
    "x_Feature": "feature",
}
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
    rows = scope.of(AllocatedCost.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end))
    rows = rows.filter(charge__billing_currency=query.currency).annotate(effect=_EFFECT)
    for name, values in query.filters.items():
        if name in _OF_KEY:
            keys, narrowed = keys.filter(_any(_OF_KEY[name], values)), True
        elif name == "x_Basis":
            rows = rows.filter(effect__in=[effect for effect, basis in _BASES.items() if _fits(basis, values)])
        else:
            rows = rows.filter(_any(_OF_CHARGE[name], values))
    return rows.filter(charge__usage_key_id__in=keys.values("id")) if narrowed else rows


def _any(column: str, values: Iterable[str]) -> Q:
    wanted = Q()
    for value in values:
        wanted |= selectors.matches(column, value)
    return wanted


def _fits(basis: str, values: Iterable[str]) -> bool:
    return any(fnmatchcase(basis, value.replace("[", "[[]")) for value in values)
