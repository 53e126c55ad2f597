"""What a million tokens costs on one's own GPUs, at the load there was and at the load that was planned."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from django.db.models import Sum

from allocation.calc.amortisation import ZERO
from allocation.calc.capacity import Capacity, Fleet, parse
from allocation.calc.capacity_schedule import exactly
from allocation.calc.capacity_shares import costs
from allocation.costing import terms
from allocation.costing.capacity import GPU_HOUR, IDLE, KIND, USED, subject
from allocation.models import Charge
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES
from ingest.selectors import key_dimensions

_MILLION, _HOUR = 1_000_000, 3_600


class ModelCost(NamedTuple):
    """One model on one fleet over a period; costs are EffectiveCost in ``currency``, energy included.

    ``used``: what its usage bears; ``load``: the part of the fleet's GPU-hours that usage has had, of all models.
    ``at_actual``: per million tokens, with what was idle by what its models have used. ``at_stated``: a GPU-hour's cost over
    the (weighted) tokens that it makes at the stated throughput and utilisation; None where these are not stated.
    """

    fleet: str
    model: str
    currency: str
    tokens: int
    used: Decimal
    load: Decimal
    at_actual: Decimal | None
    at_stated: Decimal | None


def cost_per_million(period: Period) -> list[ModelCost]:
    """One row per fleet in force, model that it served and currency."""
    capacity: Capacity = terms.in_force(KIND, parse)
    days = _charged_days(capacity.fleets, period)
    return [row for fleet in capacity.fleets for row in _of_fleet(fleet, period, days[fleet.code])]


def gpu_hours(period: Period) -> tuple[Decimal, Decimal]:
    """GPU hours that the fleets in force had in a period as far as it is charged, and of these the ones that no usage had."""
    capacity: Capacity = terms.in_force(KIND, parse)
    days = _charged_days(capacity.fleets, period)
    had = sum((_gpu_hours(fleet, days[fleet.code]) for fleet in capacity.fleets), Fraction(0))
    idle = Charge.objects.filter(
        subject__in=[subject(fleet) for fleet in capacity.fleets], commitment_status=IDLE, price_class=GPU_HOUR,
        charge_date__gte=period.start, charge_date__lt=period.end,
    )  # fmt: skip
    return exactly(had), idle.aggregate(hours=Sum("consumed_quantity"))["hours"] or ZERO


def _charged_days(fleets: Iterable[Fleet], period: Period) -> dict[str, list[date]]:
    """Fleet -> its days that are charged: what is still to come of a month has hours, and neither cost nor idle ones yet."""
    codes = {subject(fleet): fleet.code for fleet in fleets}
    rows = Charge.objects.filter(
        subject__in=codes, charge_date__gte=period.start, charge_date__lt=period.end, charge_category="Usage"
    )
    found: dict[str, list[date]] = {code: [] for code in codes.values()}
    for name, day in rows.order_by("charge_date").values_list("subject", "charge_date").distinct():
        found[codes[name]].append(day)
    return found


def _of_fleet(fleet: Fleet, period: Period, days: Iterable[date]) -> list[ModelCost]:
    rows = Charge.objects.filter(
        subject=subject(fleet), charge_date__gte=period.start, charge_date__lt=period.end, charge_category="Usage"
    ).values("usage_key_id", "commitment_status", "price_class", "billing_currency")
    found = list(rows.annotate(cost=Sum("effective_cost"), quantity=Sum("consumed_quantity")))
    dimensions = key_dimensions({int(row["usage_key_id"] or 0) for row in found})
    used: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    totals: dict[str, Decimal] = defaultdict(Decimal)
    tokens: dict[str, int] = defaultdict(int)
    keys: dict[str, int] = {}
    idle_hours = ZERO
    for row in found:
        number, currency = int(row["usage_key_id"] or 0), row["billing_currency"]
        key = dimensions[number]
        model = key["model_served"] or key["model_requested"]
        totals[currency] += row["cost"] or ZERO
        if row["commitment_status"] == USED:
            used[model, currency] += row["cost"] or ZERO
            if row["price_class"] in TOKEN_CLASSES:
                tokens[model] += int(row["quantity"])
                keys.setdefault(model, number)
        elif row["commitment_status"] == IDLE and row["price_class"] == GPU_HOUR:
            idle_hours += row["quantity"]
    hours = _gpu_hours(fleet, days)
    load = 1 - Fraction(idle_hours) / hours if hours else Fraction(0)
    all_used = {currency: sum(cost for (_, of), cost in used.items() if of == currency) for currency in totals}

    def row_of(model: str, currency: str) -> ModelCost:
        part = Fraction(used[model, currency]) / Fraction(all_used[currency]) if all_used[currency] else Fraction(0)
        cost = Fraction(totals[currency]) * part
        made = _tokens_per_hour(fleet, dimensions[keys[model]])
        return ModelCost(
            fleet.code, model, currency, tokens[model], used[model, currency], exactly(load),
            exactly(cost / tokens[model] * _MILLION) if tokens[model] else None,
            exactly(Fraction(totals[currency]) / hours / made * _MILLION) if made and hours else None,
        )  # fmt: skip

    return [row_of(model, currency) for model, currency in sorted(used) if model in keys]


def _gpu_hours(fleet: Fleet, days: Iterable[date]) -> Fraction:
    return sum((Fraction(costs(fleet, day).gpu_hours) for day in days), Fraction(0))


def _tokens_per_hour(fleet: Fleet, dimensions: dict[str, object]) -> Fraction | None:
    """What one GPU makes of a model at the stated throughput and utilisation."""
    for work in fleet.serves:
        if work.throughput is not None and work.match.holds(dimensions, ""):
            return Fraction(work.throughput) * _HOUR * Fraction(fleet.utilisation or 1)
    return None
