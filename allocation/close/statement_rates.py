"""The rates at which a month's statements are converted into the currencies of their cost centres.

They hold for the month's last day, by FINOPS_FX, and are frozen with the month (``frozen_versions``, its manifest).
"""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.statement_own import OwnRate
from allocation.close import frozen, statement_frames
from allocation.models import CostDaily
from finops import fx
from finops.periods import Period

FROZEN_AS = "statement_rates"  # in frozen_versions: "USD/JPY" -> [rate, day, source], null: there was none


class Rates(NamedTuple):
    """Of statements in one currency: cost centre -> its rate, and -> its currency where there is none."""

    rates: dict[str, OwnRate]
    lacking: dict[str, str]


def of(period: Period, currency: str) -> Rates:
    """The rates of a month: of a frozen one those that it was frozen with, whatever was published since."""
    wanted = {code: own for code, own in _currencies(period).items() if own not in ("", currency)}
    pairs = _frozen(period)
    if pairs is None:
        pairs = _known(period, [currency], wanted.values())
    found, lacking = dict[str, OwnRate](), dict[str, str]()
    for code, own in sorted(wanted.items()):
        kept = pairs.get(f"{currency}/{own}")
        if kept is None:
            lacking[code] = own
        else:
            found[code] = OwnRate(own, Decimal(kept[0]), date.fromisoformat(kept[1]), kept[2])
    return Rates(found, lacking)


def versions(period: Period) -> dict[str, Any]:
    """What is frozen with a month: every pair that its statements need, as JSON."""
    return _known(period, statement_frames.currencies(period), _currencies(period).values())


def missing(period: Period) -> list[str]:
    """``USD/JPY for CC-1`` of each cost centre that is charged something and lacks a rate, sorted."""
    days = {"charge_date__gte": period.start, "charge_date__lt": period.end}
    found = []
    for currency in statement_frames.currencies(period):
        lacking = of(period, currency).lacking
        rows = CostDaily.objects.filter(billing_currency=currency, cost_centre__code__in=lacking, **days).order_by()
        codes = rows.values_list("cost_centre__code", flat=True).distinct()
        found += [f"{currency}/{lacking[code]} for {code}" for code in codes]
    return sorted(found)


def _currencies(period: Period) -> dict[str, str]:
    """Cost centre -> its currency on the month's last day; '' is the site's."""
    return {code: entry.currency for code, entry in frozen.tree(period).items()}


def _frozen(period: Period) -> dict[str, Any] | None:
    found: dict[str, Any] | None = frozen.versions(period).get(FROZEN_AS)
    return found


def _known(period: Period, bases: Iterable[str], owns: Iterable[str]) -> dict[str, Any]:
    last, pairs = period.end - timedelta(days=1), sorted({(base, own) for base in bases for own in owns if own})
    found: dict[str, Any] = {}
    for base, own in pairs:
        if base != own:
            rate = fx.rate_for(base, own, last)
            found[f"{base}/{own}"] = rate and [str(rate.rate), rate.day.isoformat(), rate.source]
    return found
