"""Reads of what was split: each pool and rate card of a month, and what it moved between cost centres."""

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from allocation.models import Basis, SplitCost, SplitOutcome
from finops.periods import Period

ZERO = Decimal(0)


class Borne(NamedTuple):
    """What a pool gave to (above 0) or took from one cost centre (''  nobody), and by which weight; None: none."""

    cost_centre: str
    amount: Decimal
    weight: Decimal | None


class Told(NamedTuple):
    """One pool or rate card of a month in one currency. Amounts are EffectiveCost."""

    outcome: SplitOutcome
    borne: tuple[Borne, ...]

    @property
    def gave(self) -> tuple[Borne, ...]:
        """Who bears less."""
        return tuple(one for one in self.borne if one.amount < 0)

    @property
    def got(self) -> tuple[Borne, ...]:
        """Who bears more, the most first."""
        return tuple(
            sorted((one for one in self.borne if one.amount > 0), key=lambda one: (-one.amount, one.cost_centre))
        )

    @property
    def stays(self) -> Decimal:
        """What is left at the source."""
        left: Decimal = self.outcome.found - self.outcome.moved
        return left


def told(period: Period, basis: Basis) -> list[Told]:
    """The pools (or cards) of a month, in the order of their steps; one for each currency."""
    sums: dict[tuple[str, str], list[tuple[str, Decimal]]] = defaultdict(list)
    rows = SplitCost.objects.filter(charge_date__gte=period.start, charge_date__lt=period.end, basis=basis).order_by()
    for pool, currency, centre, amount in rows.values_list("pool", "billing_currency", "cost_centre__code").annotate(
        Sum("effective_cost")
    ):
        if amount:
            sums[pool, currency].append((centre or "", amount))
    found = []
    for outcome in SplitOutcome.objects.filter(month=period.start, basis=basis).order_by("step", "currency"):
        weights = {code: Decimal(weight) for code, weight in outcome.weights.items()}
        borne = tuple(
            Borne(centre, amount, weights.get(centre))
            for centre, amount in sorted(sums[outcome.code, outcome.currency])
        )
        found.append(Told(outcome, borne))
    return found
