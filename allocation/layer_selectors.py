"""Reads about layers of truth: what each states of an account, how it was matched, what nothing below explains."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pandas as pd
from django.db.models import Max, Min, Sum

from allocation.models import Charge, LayerShare, Rating
from allocation.scope import Scope
from finops.money import MONEY_DTYPE
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES
from ingest.models import BilledLine
from ingest.selectors import key_dimensions

PARTS = ("stated", "by_id", "by_hour", "by_day", "below_exceeds", "charged")
_KEY = ("BillingAccountId", "ServiceProviderName", "x_Layer", "BillingCurrency", "x_Part", "x_Cause")
COLUMNS = (*_KEY, "FirstDay", "LastDay", "x_Tokens", "Cost")


def layer_matches(scope: Scope, period: Period) -> pd.DataFrame:
    """What each layer states of each billing account and provider in a period, and what became of it. One row per _KEY.

    BillingAccountId ('' where the source does not say), ServiceProviderName, x_Layer, BillingCurrency; x_Part with x_Cause:

    - ``stated``: all that the layer says: tokens, and their computed cost; of a cost report its own money
    - ``by_id``, ``by_hour``: of traces and meters: the same calls are charged as another layer's, matched by the
      provider's id, or by account, model, class and hour
    - ``by_day``: of provider usage: calls of lower layers explain it
    - ``below_exceeds``: negative: taken back, because the provider states less than lower layers
    - ``charged``: the cause is '' (itself), ``surplus`` (a trace's or meter's, beyond what the gateway knows),
      ``not_seen_below`` (a provider's), or of a cost report's remainder ``price_difference``, ``quantity_difference``,
      ``unpriced_below``, ``unexplained``

    FirstDay, LastDay: of the days on which it occurs. x_Tokens: int. Cost: decimal128(30,12), NULLs (unpriced) as zero.
    Ordered by _KEY, parts in the order of PARTS. Per account, provider, layer and currency: of usage layers, stated =
    by_id + by_hour + by_day + charged in tokens; of a cost report, stated - charged is what computed charges explain.
    Empty for a scope that does not see everything: layers are not of one cost centre.
    """
    found: dict[tuple[Any, ...], list[Any]] = {}
    if scope.everything:
        days = {"charge_date__gte": period.start, "charge_date__lt": period.end}
        rows = [*_stated(days), *_shares(days), *_charged(days)]
        dimensions = key_dimensions({row[0] for row in rows})
        for key, currency, part, cause, first, last, tokens, cost in rows:
            of = dimensions[key]
            place = (of["billing_account"], of["provider"], of["layer"], currency, part, cause)
            entry = found.setdefault(place, [first, last, 0, Decimal(0)])
            entry[0], entry[1] = min(entry[0], first), max(entry[1], last)
            entry[2] += int(tokens or 0)
            entry[3] += cost or 0
    order = sorted(found, key=lambda place: (*place[:4], PARTS.index(place[4]), place[5]))
    table = [(*place, *found[place]) for place in order]
    frame = pd.DataFrame(table, columns=list(COLUMNS))
    return frame.astype({"x_Tokens": "int64", "Cost": MONEY_DTYPE})


Row = tuple[Any, ...]  # usage key, currency, part, cause, first day, last day, tokens, cost
_SPAN = {"first": Min("charge_date"), "last": Max("charge_date")}


def _stated(days: dict[str, Any]) -> list[Row]:
    rated = Rating.objects.filter(**days).order_by().values_list("usage_key_id", "currency", "price_class")
    rows = [
        (key, currency, "stated", "", first, last, tokens if name in TOKEN_CLASSES else 0, cost)
        for key, currency, name, first, last, tokens, cost in rated.annotate(
            **_SPAN, tokens=Sum("quantity"), cost=Sum("list_cost")
        )
    ]
    lines = BilledLine.objects.filter(**days).exclude(kind_of_cost="notional").order_by()
    billed = lines.values_list("usage_key_id", "billing_currency", "price_class", "consumed_unit").annotate(
        **_SPAN, tokens=Sum("consumed_quantity"), cost=Sum("effective_cost")
    )
    for key, currency, name, unit, first, last, tokens, cost in billed:
        known = name in TOKEN_CLASSES and unit == "tokens"
        rows.append((key, currency, "stated", "", first, last, tokens if known else 0, cost))
    return rows


def _shares(days: dict[str, Any]) -> list[Row]:
    rows = LayerShare.objects.filter(**days).exclude(part=LayerShare.Part.CHARGED).order_by()
    found = rows.values_list("usage_key_id", "part", "cause", "price_class").annotate(
        **_SPAN, tokens=Sum("quantity"), cost=Sum("list_cost")
    )
    currencies = _currencies(days)
    return [
        (key, currencies[key], part, cause, first, last, tokens if name in TOKEN_CLASSES else 0, cost)
        for key, part, cause, name, first, last, tokens, cost in found
        if name not in ("requests", "queries")
    ]


def _currencies(days: dict[str, Any]) -> dict[int, str]:
    found: dict[int, str] = defaultdict(lambda: "USD")
    rows = Rating.objects.filter(**days).order_by("usage_key_id", "-currency")
    found.update(rows.values_list("usage_key_id", "currency").distinct())
    return found


def _charged(days: dict[str, Any]) -> list[Row]:
    rows = Charge.objects.filter(**days, usage_key_id__isnull=False).exclude(cause="below_exceeds").order_by()
    found = rows.values_list("usage_key_id", "billing_currency", "cause", "price_class", "consumed_unit").annotate(
        **_SPAN, tokens=Sum("consumed_quantity"), cost=Sum("effective_cost")
    )
    return [
        (
            key,
            currency,
            "charged",
            cause,
            first,
            last,
            tokens if name in TOKEN_CLASSES and unit == "tokens" else 0,
            cost,
        )
        for key, currency, cause, name, unit, first, last, tokens, cost in found
    ]
