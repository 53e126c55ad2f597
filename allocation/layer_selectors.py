"""Reads about layers of truth: what each states of an account, how it was matched, what nothing below explains."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pandas as pd
from django.db.models import Max, Min, Sum, Value

from allocation.calc.layers import account_groups
from allocation.models import Charge, LayerShare, Rating, UsageDaily
from allocation.scope import Scope
from finops.money import MONEY_DTYPE
from finops.periods import Period
from finops.tokens import TOKEN_CLASSES
from ingest.models import BilledLine
from ingest.selectors import key_dimensions

PARTS = ("stated", "by_id", "by_hour", "by_day", "below_exceeds", "charged")
_KEY = ("BillingAccountId", "ServiceProviderName", "x_Layer", "BillingCurrency", "x_Part", "x_Cause")
Row = tuple[Any, ...]
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


class SeveralSources(NamedTuple):
    """Sources of one layer that speak of one account and provider, of the same models on the same days."""

    account: str  # '' where none of them, or not all, say which
    provider: str
    layer: str
    sources: list[str]
    first: date
    last: date
    days: int
    tokens: int  # of what they both state, the smaller part: twice there if they tell of the same calls
    cost: Decimal

    @property
    def matched(self) -> bool:
        """Whether they are known to be the same calls and counted once; else they are added up."""
        return self.layer == "provider_usage"


def several_sources(scope: Scope, period: Period, currency: str) -> list[SeveralSources]:
    """Accounts of which two sources of one layer speak, and what is at stake in a currency; the dearest first.

    Layers of usage are compared by model and day, cost reports and bills by day. Nothing for a scope that does not see
    everything.
    """
    if not scope.everything:
        return []
    days = {"charge_date__gte": period.start, "charge_date__lt": period.end}
    rated = Rating.objects.filter(**days, currency=currency, price_class__in=TOKEN_CLASSES).order_by()
    lines = BilledLine.objects.filter(**days, billing_currency=currency, charge_category="Usage")
    lines = lines.exclude(kind_of_cost="notional").order_by()
    cube = UsageDaily.objects.filter(**days).order_by()
    used = {*cube.values_list("usage_key_id", flat=True).distinct(), *lines.values_list("usage_key_id", flat=True)}
    dimensions = key_dimensions(used)
    keys = _of_several_sources(dimensions)
    columns = ("charge_date", "usage_key_id")
    usage = rated.filter(usage_key_id__in=keys).values_list(*columns)
    bills = lines.filter(usage_key_id__in=keys).values_list(*columns)
    rows = [
        *usage.annotate(t=Sum("quantity"), c=Sum("list_cost")),
        *bills.annotate(t=Value(0), c=Sum("effective_cost")),
    ]
    cells: dict[Row, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(lambda: [0, Decimal(0)]))
    for day, key, tokens, cost in rows:
        of = dimensions[key]
        model = "" if of["layer"] in ("cost_report", "invoice") else of["model_served"] or of["model_requested"]
        stated = cells[keys[key], day, model][of["source"]]
        stated[0], stated[1] = stated[0] + int(tokens), stated[1] + (cost or 0)
    found: dict[Row, list[Any]] = {}
    for (place, day, _), by_source in cells.items():
        if len(by_source) > 1:
            entry = found.setdefault(place, [set(), set(), 0, Decimal(0)])
            entry[0] |= by_source.keys()
            entry[1].add(day)
            for at, amounts in enumerate(zip(*by_source.values(), strict=True), start=2):
                entry[at] += sum(amounts) - max(amounts)
    return sorted(
        (
            SeveralSources(account, provider, layer, sorted(sources), min(on), max(on), len(on), tokens, cost)
            for (account, provider, layer), (sources, on, tokens, cost) in found.items()
        ),
        key=lambda row: (-row.cost, row),
    )


def _of_several_sources(dimensions: dict[int, dict[str, Any]]) -> dict[int, Row]:
    """Usage key -> (account, provider, layer) of those that more than one source speaks of."""
    accounts: dict[Row, set[str]] = defaultdict(set)
    for of in dimensions.values():
        accounts[of["provider"], of["layer"]].add(of["billing_account"])
    groups = {place: account_groups(known) for place, known in accounts.items()}
    placed = {
        key: (groups[of["provider"], of["layer"]][of["billing_account"]], of["provider"], of["layer"])
        for key, of in dimensions.items()
    }
    sources: dict[Row, set[str]] = defaultdict(set)
    for key, place in placed.items():
        sources[place].add(dimensions[key]["source"])
    return {key: place for key, place in placed.items() if len(sources[place]) > 1}


_SPAN = {"first": Min("charge_date"), "last": Max("charge_date")}


def _stated(days: dict[str, Any]) -> list[Row]:
    """(usage key, currency, part, cause, first day, last day, tokens, cost), as _shares and _charged too."""
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
    shares = LayerShare.objects.filter(**days).exclude(part=LayerShare.Part.CHARGED).order_by()
    found = shares.values_list("usage_key_id", "part", "cause", "price_class").annotate(
        **_SPAN, tokens=Sum("quantity"), cost=Sum("list_cost")
    )
    rows = [row for row in found if row[3] not in ("requests", "queries")]
    currencies = _currencies(days) if rows else {}
    return [
        (key, currencies[key], part, cause, first, last, tokens if name in TOKEN_CLASSES else 0, cost)
        for key, part, cause, name, first, last, tokens, cost in rows
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
