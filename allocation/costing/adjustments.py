"""Adjustments that were approved, as charges of the day they were posted on (allocation.attribution.adjustments)."""

from decimal import Decimal

from allocation.costing.work import Entry, Owner, Work
from allocation.models import Adjustment

LAYER, PROVENANCE, CATEGORY = "other", "allocated", "Adjustment"
SUBJECT = "adjustment "  # begins how charges name one


def subject(adjustment: Adjustment) -> str:
    """How charges name an adjustment."""
    return f"{SUBJECT}{adjustment.pk}"


def apply(work: Work) -> Work:
    """The day with its adjustments: all costs of each are equal, as of every adjustment, and sum to zero."""
    entries = [
        _entry(adjustment, Decimal(part["amount"]), Owner(part["cost_centre"], part["team"]))
        for adjustment in Adjustment.objects.filter(charge_date=work.day).order_by("pk")
        for part in adjustment.parts
    ]
    return work.having(work.usage, entries) if entries else work


def _entry(adjustment: Adjustment, amount: Decimal, owner: Owner) -> Entry:
    return Entry(
        subject(adjustment), LAYER, {}, CATEGORY, "adjustment", amount, adjustment.currency, billed_cost=amount,
        list_cost=amount, contracted_cost=amount, owner=owner, provenance=PROVENANCE,
        charge_class="Correction" if adjustment.late else "",
    )  # fmt: skip
