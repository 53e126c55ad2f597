"""What follows of a month once the cost of its days stands: splits, then rate cards."""

from typing import Any

from django.db import transaction
from django.db.models.functions import TruncMonth

from allocation.attribution import rate_cards, splits
from allocation.close.periods import is_frozen
from allocation.costing import steps, terms
from allocation.models import CostDaily, StaleMonth, TermsVersion
from finops import locks
from finops.periods import Period

OWN: dict[str, terms.Parse] = {splits.KIND: splits.parse, rate_cards.KIND: rate_cards.parse}
DOCUMENTS: dict[str, terms.Parse] = steps.AGREEMENTS | OWN  # all that people load by kind
NEED_APPROVAL = frozenset({rate_cards.KIND})  # nobody puts them in force alone


@transaction.atomic
def load(kind: str, document: Any, *, actor: str) -> TermsVersion:
    """Put a document in force. What hangs on it follows with the next refresh. Raises ValueError naming entry and field."""
    if kind not in OWN:
        return terms.load(kind, document, DOCUMENTS[kind], actor=actor)
    version = terms.load(kind, document, OWN[kind], actor=actor, charged=False)
    months = CostDaily.objects.order_by().annotate(month=TruncMonth("charge_date")).values_list("month", flat=True)
    StaleMonth.objects.bulk_create(
        [StaleMonth(month=month) for month in sorted(set(months.distinct()))], ignore_conflicts=True
    )
    return version


def settle() -> int:
    """Split the open months whose cost has changed since; returns how many. Safe to call at any time, by anyone."""
    months = sorted(StaleMonth.objects.values_list("month", flat=True))
    for month in months:
        with transaction.atomic():
            locks.hold(locks.REFRESHER)
            StaleMonth.objects.filter(month=month).delete()
            if not is_frozen(month):
                run(Period.month_of(month))
    return len(months)


@transaction.atomic
def run(period: Period) -> int:
    """Splits and rate cards of one month; returns the rows of split_cost. Raises attribution.moves.FrozenMonth."""
    return splits.run(period) + rate_cards.run(period)
