"""What the page Own GPUs shows: fleets with what they cost and what of it was used; other charges with what they came to."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Max, Min, Sum

from allocation.calc.capacity import Capacity, Fleet
from allocation.calc.other_charges import OtherCharge, OtherCharges
from allocation.costing import capacity, capacity_selectors, other_charges, terms
from allocation.costing.capacity import CO2, ENERGY, IDLE
from allocation.costing.capacity_selectors import ModelCost
from allocation.models import Charge
from finops.models import FxRate
from finops.money import money, round_to_minor
from finops.periods import Period

ZERO = Decimal(0)


class FleetMonth(NamedTuple):
    """A fleet in a period and currency. ``charged`` = ``used`` + ``idle`` + ``written_off``; ``energy`` is a part of them.

    ``idle_hours`` of the GPU-hours; ``kwh`` and ``co2`` (kg) of all that it drew, ``idle_kwh`` while idle.
    """

    fleet: Fleet
    currency: str
    charged: Decimal
    used: Decimal
    idle: Decimal
    written_off: Decimal
    energy: Decimal
    kwh: Decimal
    idle_kwh: Decimal
    co2: Decimal
    models: list[ModelCost]

    @property
    def load(self) -> Decimal | None:
        """Share of the GPU-hours that usage has had."""
        return self.models[0].load if self.models else ZERO if self.charged else None

    @property
    def parts(self) -> dict[str, Decimal]:
        """Used, idle and written off in the smallest unit of the currency, so that they add up to what is shown as charged."""
        idle, written_off, *used = self._in_units()
        return {"used": sum(used, ZERO), "idle": idle, "written_off": written_off}

    @property
    def models_used(self) -> list[tuple[ModelCost, Decimal]]:
        """Each model with what it used, in units that add up to what is shown as used where models used it all."""
        return list(zip(self.models, self._in_units()[3:], strict=True))

    def _in_units(self) -> list[Decimal]:
        """Idle, written off, used by no model, used by each model; rounded together."""
        of_models = [one.used for one in self.models]
        parts = [self.idle, self.written_off, self.used - sum(of_models, ZERO), *of_models]
        found: list[Decimal] = round_to_minor(money(parts), self.currency).to_pylist()
        return found


class Entry(NamedTuple):
    """Another charge: as it is written, whether it waits for an approval, and what it came to in a period, by currency."""

    charge: OtherCharge
    waits: bool
    costs: list[tuple[str, Decimal]]


def fleets(period: Period) -> list[FleetMonth]:
    """Fleets in force in a period, as they were charged."""
    agreed: Capacity = terms.in_force(capacity.KIND, capacity.parse)
    meant = [fleet for fleet in agreed.fleets if fleet.begin < period.end and fleet.end > period.start]
    if not meant:
        return []
    sums = _of_fleets(period)
    models: dict[tuple[str, str], list[ModelCost]] = defaultdict(list)
    for row in capacity_selectors.cost_per_million(period):
        models[row.fleet, row.currency].append(row)
    return [
        _month(fleet, currency, found, models[fleet.code, currency])
        for fleet in meant
        for currency, found in sorted(sums.get(capacity.subject(fleet), {fleet.currency: {}}).items())
    ]


Sums = dict[tuple[str, str, str], tuple[Decimal, Decimal]]  # category, status, class -> cost and quantity


def _of_fleets(period: Period) -> dict[str, dict[str, Sums]]:
    rows = Charge.objects.filter(
        subject__startswith="fleet ", charge_date__gte=period.start, charge_date__lt=period.end
    ).order_by()
    names = ("subject", "billing_currency", "charge_category", "commitment_status", "price_class")
    found: dict[str, dict[str, Sums]] = defaultdict(lambda: defaultdict(dict))
    for subject, currency, category, status, price_class, cost, quantity in rows.values_list(*names).annotate(
        Sum("effective_cost"), Sum("consumed_quantity")
    ):
        found[subject][currency][category, status, price_class] = cost or ZERO, quantity or ZERO
    return found


def _month(
    fleet: Fleet, currency: str, found: Mapping[tuple[str, str, str], Any], models: list[ModelCost]
) -> FleetMonth:
    def cost(**wanted: str) -> Decimal:
        return _sum(found, 0, **wanted)

    usage, idle = cost(category="Usage"), cost(category="Usage", status=IDLE)
    charged = cost()
    return FleetMonth(
        fleet, currency, charged, usage - idle, idle, charged - usage, cost(price_class=ENERGY),
        _sum(found, 1, price_class=ENERGY), _sum(found, 1, price_class=ENERGY, status=IDLE),
        _sum(found, 1, price_class=CO2), models,
    )  # fmt: skip


def _sum(found: Mapping[tuple[str, str, str], Any], place: int, **wanted: str) -> Decimal:
    names = ("category", "status", "price_class")
    return sum(
        (
            values[place]
            for key, values in found.items()
            if all(wanted.get(name, value) == value for name, value in zip(names, key, strict=True))
        ),
        ZERO,
    )


def other_entries(period: Period) -> list[Entry]:
    """Other charges in force in a period, in the order of their file."""
    agreed: OtherCharges = terms.in_force(other_charges.KIND, other_charges.parse)
    meant = [one for one in agreed.charges if one.begin < period.end and (one.end is None or one.end > period.start)]
    if not meant:
        return []
    waiting = {one.code for one in other_charges.held_back(meant)}
    costs: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    rows = Charge.objects.filter(
        subject__startswith="other ", charge_date__gte=period.start, charge_date__lt=period.end
    ).order_by("subject", "billing_currency")
    for subject, currency, cost in rows.values_list("subject", "billing_currency").annotate(Sum("effective_cost")):
        costs[subject].append((currency, cost or ZERO))
    return [Entry(one, one.code in waiting, costs[other_charges.subject(one)]) for one in meant]


class Rates(NamedTuple):
    """Exchange rates that are known of a pair."""

    base: str
    quote: str
    first: date
    last: date
    days: int
    newest: Decimal
    source: str


def rates() -> list[Rates]:
    """Pairs with rates: from when to when, on how many days, and the newest."""
    spans = FxRate.objects.order_by("base", "quote").values_list("base", "quote")
    found = []
    for base, quote, first, last, days in spans.annotate(Min("day"), Max("day"), Count("day", distinct=True)):
        newest = FxRate.objects.filter(base=base, quote=quote, day=last).order_by("-pk").first()
        if newest is not None:
            found.append(Rates(base, quote, first, last, days, newest.rate, newest.source))
    return found
