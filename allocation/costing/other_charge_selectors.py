"""Which part of the cost stays when usage goes (fixed), and which is for making models, not for asking them (training)."""

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from allocation.costing import capacity, other_charges
from allocation.models import Charge, TermsVersion
from finops.periods import Period
from ingest.selectors import key_dimensions

_TRAINING = frozenset({"training", "fine_tuning"})
_FIXED_BY_AGREEMENT = ("commitment ", "fleet ")


class CostShare(NamedTuple):
    """EffectiveCost of a period of one kind. ``behaviour``: fixed or variable; ``workload``: training or inference."""

    currency: str
    workload: str
    behaviour: str
    cost: Decimal


def shares(period: Period) -> list[CostShare]:
    """Every currency's cost by workload and behaviour; they sum to all that is charged.

    Commitments and fleets are fixed but for the fleets' energy; of other charges people say it; all else varies with usage.
    """
    rows = Charge.objects.filter(
        charge_date__gte=period.start, charge_date__lt=period.end, effective_cost__isnull=False
    )
    names = ("billing_currency", "usage_key_id", "subject", "price_class")
    found = rows.order_by().values_list(*names).annotate(cost=Sum("effective_cost"))
    dimensions = key_dimensions({row[1] for row in found if row[1] is not None})
    stated = _stated_behaviour()
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for currency, key, subject, price_class, cost in found:
        operation = dimensions[key]["operation"] if key in dimensions else ""
        workload = "training" if operation in _TRAINING else "inference"
        sums[currency, workload, _behaviour(subject, price_class, stated)] += cost
    return [CostShare(*place, cost) for place, cost in sorted(sums.items()) if cost]


def _behaviour(subject: str, price_class: str, stated: dict[str, str]) -> str:
    if subject in stated:
        return stated[subject]
    fixed = subject.startswith(_FIXED_BY_AGREEMENT) and price_class != capacity.ENERGY
    return "fixed" if fixed else "variable"


def _stated_behaviour() -> dict[str, str]:
    """Subject of other charges -> what their newest version says; entries that are not in force any more included."""
    found: dict[str, str] = {}
    for version in TermsVersion.objects.filter(kind=other_charges.KIND).order_by("number"):
        found |= {other_charges.subject(each): each.behaviour for each in other_charges.parse(version.document).charges}
    return found
