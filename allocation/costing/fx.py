"""Currencies: the last step turns all that a day is charged into the site's currency, at the rate that holds for the day.

Where no rate is known, charges stay in their own currency and are reported (``missing_rates``); totals never mix. What
rounding leaves is a line of finance's, never a team's; so is what another rate than ours makes of an invoice
(allocation.reconciliation_residuals, posted by allocation.costing.invoices).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, cast

import pyarrow.compute as pc
from django.conf import settings
from django.db.models import Count, Q, Sum

from allocation.calc import fx as converting
from allocation.calc.capacity_schedule import exactly
from allocation.calc.fx import COSTS, ZERO
from allocation.costing.terms import rate_anew
from allocation.costing.work import Entry, Owner, Work
from allocation.models import Charge
from finops import fx

KIND, LAYER = "fx", "fx"
ROUNDING = "fx rounding"


def apply(work: Work) -> Work:
    """The day in the site's currency, as far as rates are known."""
    site = settings.REPORT_CURRENCY
    used = {*pc.unique(work.usage["currency"]).to_pylist(), *(entry.currency for entry in work.entries)}
    for currency in sorted(used - {site}):
        found = fx.rate_for(currency, site, work.day)
        if found is not None:
            work = _converted(work, currency, converting.At(*found), site)
    return work


def _converted(work: Work, currency: str, at: converting.At, site: str) -> Work:
    usage = work.usage.filter(pc.equal(work.usage["currency"], currency))
    entries = [entry for entry in work.entries if entry.currency == currency]
    left = {
        name: converting.left_over([*usage[name].to_pylist(), *(getattr(entry, name) for entry in entries)], at.rate)
        for name in COSTS
    }
    work = work._replace(
        usage=converting.convert_usage(work.usage, currency, at, site),
        entries=[
            Entry(**converting.convert(entry._asdict(), at, site, "currency")) if entry.currency == currency else entry
            for entry in work.entries
        ],
    )
    return work.having(work.usage, [_rounding(currency, left)] if any(left.values()) else [])


def convert_lines(day: date, lines: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[Entry]]:
    """Billed lines of a day (dicts with COSTS and billing_currency) in the site's currency, and what rounding leaves.

    Every row has original_currency, original_cost and fx_rate, fx_day and fx_source then ('' and None: not converted).
    """
    site = settings.REPORT_CURRENCY
    rates = {
        currency: converting.At(*found)
        for currency in sorted({line["billing_currency"] for line in lines} - {site})
        if (found := fx.rate_for(currency, site, day)) is not None
    }
    unchanged: dict[str, Any] = dict.fromkeys(("original_cost", "fx_rate", "fx_day"))
    unchanged |= {"original_currency": "", "fx_source": ""}
    rows = [
        converting.convert(line, rates[line["billing_currency"]], site)
        if line["billing_currency"] in rates
        else {**unchanged, **line}
        for line in lines
    ]
    entries = []
    for currency, at in rates.items():
        meant = [line for line in lines if line["billing_currency"] == currency]
        left = {name: converting.left_over([line[name] for line in meant], at.rate) for name in COSTS}
        if any(left.values()):
            entries.append(_rounding(currency, left))
    return rows, entries


def original(cost: Decimal | None, line: Mapping[str, Any]) -> Decimal | None:
    """What a part of a converted line was in the line's currency; None where it was not converted."""
    if cost is None or line["fx_rate"] is None:
        return None
    if cost == line["effective_cost"]:
        return cast("Decimal | None", line["original_cost"])
    return exactly(Fraction(cost) / Fraction(line["fx_rate"]))


def _rounding(currency: str, costs: dict[str, Decimal]) -> Entry:
    """What rounding leaves of a day's money in a currency, as finance's charge in the site's."""
    return Entry(
        ROUNDING, LAYER, {}, "Adjustment", "fx_rounding", costs["effective_cost"], settings.REPORT_CURRENCY,
        billed_cost=costs["billed_cost"], list_cost=costs["list_cost"], contracted_cost=costs["contracted_cost"],
        owner=Owner(settings.FINANCE_COST_CENTRE), original_currency=currency,
    )  # fmt: skip


class MissingRate(NamedTuple):
    """A day of which charges stay in their own currency. ``cost``: their EffectiveCost, in it."""

    day: date
    currency: str
    site: str
    charges: int
    cost: Decimal

    def __str__(self) -> str:
        return (
            f"{self.day}: no rate of {self.currency}/{self.site}, {self.charges} charges of {self.cost:f} {self.currency} "
            "are in no total: load rates with `manage.py fx load FILE`, or set one with `manage.py fx set`"
        )


def missing_rates() -> list[MissingRate]:
    """The days and currencies that lack a rate, the oldest first."""
    site = settings.REPORT_CURRENCY
    priced = Charge.objects.exclude(billing_currency=site).exclude(effective_cost=None, billed_cost=None)
    rows = priced.order_by("charge_date", "billing_currency").values("charge_date", "billing_currency")
    return [
        MissingRate(row["charge_date"], row["billing_currency"], site, row["charges"], row["cost"] or ZERO)
        for row in rows.annotate(charges=Count("pk"), cost=Sum("effective_cost"))
    ]


def charge_anew(first: date, last: date) -> None:
    """Mark the days that are charged in another currency and for which rates of these days may hold."""
    days = fx.days_touched(first, last)
    foreign = Q(original_currency__gt="") | ~Q(billing_currency=settings.REPORT_CURRENCY)
    charged = Charge.objects.filter(foreign, charge_date__gte=days.start, charge_date__lt=days.end)
    rate_anew(charged.values_list("charge_date", flat=True).distinct())
