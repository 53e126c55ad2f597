"""What is borne of the charges that a question about cost means, by class of price."""

from django.db.models import Case, F, QuerySet, Value, When

from allocation import selectors
from allocation.models import ClassDaily
from allocation.scope import Scope
from allocation.selectors import CostQuery

USAGE, DIRECT = "usage", "direct"
_EFFECT = Case(
    When(basis="correction", then=Value("corrections")),
    When(basis="adjustment", then=Value("shared")),
    When(basis=DIRECT, tier="", then=Value("other")),
    When(basis=DIRECT, then=Value(USAGE)),
    default=F("basis"),
)


def shares(scope: Scope, query: CostQuery) -> QuerySet[ClassDaily]:
    """By class of price what is borne of a question's days, filters and currency, as it was charged.

    ``effect``: what it is for, usage or cost that no usage explains.
    """
    rows: QuerySet[ClassDaily] = selectors.filtered(scope, ClassDaily.objects.order_by(), query)
    return rows.filter(billing_currency=query.currency).annotate(effect=_EFFECT)


def of_usage(scope: Scope, query: CostQuery) -> QuerySet[ClassDaily]:
    """Those that usage explains: the cost of tiers."""
    return shares(scope, query).filter(basis=DIRECT).exclude(tier="")
