"""Checks of invariant 6 on live data: what several layers say of the same calls is charged once, and tied to who rules.

They start again from the cube, the billed lines and what complete answers cover; of the derivation they share only how
names are compared.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum

from allocation.calc.charges import scope_of
from allocation.calc.layers import matching_class
from allocation.completeness import LINES, USAGE, Completeness, Day
from allocation.layering import Names
from allocation.models import Charge, LayerDay, LayerShare, Rating, UsageDaily
from allocation.posting import is_usage
from ingest.facts import derive
from ingest.matching import matched_table, matches_around
from ingest.models import BilledLine, DirtySlice
from ingest.selectors import key_dimensions, price_book

Row = tuple[Any, ...]


def layer_violations() -> list[Row]:
    """(charge_date, account, provider, what is wrong) over all days that are not about to be derived again."""
    dirty = set(DirtySlice.objects.values_list("charge_date", flat=True).distinct())
    keys: dict[date, set[int]] = defaultdict(set)
    for rows in (UsageDaily.objects, BilledLine.objects.exclude(kind_of_cost="notional")):
        for day, key in rows.order_by().values_list("charge_date", "usage_key_id").distinct():
            keys[day].add(key)
    dimensions = key_dimensions({key for found in keys.values() for key in found})
    kept = dict(LayerDay.objects.values_list("charge_date", "whole"))
    complete, book, found = Completeness(), price_book().book, []
    for day in sorted(keys.keys() - dirty):
        names = Names({key: dimensions[key] for key in keys[day]}, book)
        overlaps = {place: layers for place, layers in names.layers_of().items() if len(layers) > 1}
        if day not in kept:
            found += [(day, *place, " + ".join(sorted(layers))) for place, layers in sorted(overlaps.items())]
            continue
        whole = complete.on(day)
        if whole.as_json() != kept[day]:
            found.append((day, "", "", "other sources state it whole now"))
        found += _day(day, {key: dimensions[key] for key in keys[day]}, names, whole)
    return found


def _day(day: date, dimensions: dict[int, dict[str, Any]], names: Names, whole: Day) -> Iterable[Row]:
    places: dict[Any, list[int]] = defaultdict(list)
    for key in dimensions:
        places[names.place(key)].append(key)
    charged = list(
        Charge.objects.filter(charge_date=day, charge_category="Usage", charge_class="")
        .order_by()
        .values_list("usage_key_id", "price_class", "scope", "billing_currency", "provenance")
        .annotate(q=Sum("consumed_quantity"), c=Sum("billed_cost"))
    )
    yield from _quantities(day, dimensions, places, whole, [row for row in charged if row[4] == "computed"])
    yield from _money(day, dimensions, names, whole, charged)
    yield from _shares(day)
    yield from _by_id(day, dimensions)


def _quantities(
    day: date, dimensions: dict[int, dict[str, Any]], places: dict[Any, list[int]], whole: Day, charged: list[Row]
) -> Iterable[Row]:
    """Where provider usage rules, charged quantities are the provider's."""
    rated = list(
        Rating.objects.filter(charge_date=day)
        .order_by()
        .values_list("usage_key_id", "price_class")
        .annotate(Sum("quantity"))
    )
    for place, keys in sorted(places.items()):
        stating = [dimensions[key] for key in keys if dimensions[key]["layer"] == "provider_usage"]
        mine, differs = set(keys), defaultdict[tuple[str, str], Decimal](Decimal)

        def ruled(key: int, price_class: str, stating: list[dict[str, Any]] = stating) -> str:
            scope, operation = scope_of(dimensions[key], price_class), dimensions[key]["operation"]
            return scope if all(whole.states(of, USAGE, scope, operation) for of in stating) else ""

        if not stating:
            continue
        for key, price_class, *_, quantity, _cost in charged:
            if key in mine and (scope := ruled(key, price_class)):
                differs[scope, matching_class(price_class)] += quantity
        for key, price_class, quantity in rated:
            of_provider = key in mine and dimensions[key]["layer"] == "provider_usage"
            if of_provider and (scope := ruled(key, price_class)):
                differs[scope, matching_class(price_class)] -= quantity
        yield from ((day, *place, *cell, rest) for cell, rest in sorted(differs.items()) if rest)


def _money(
    day: date, dimensions: dict[int, dict[str, Any]], names: Names, whole: Day, charged: list[Row]
) -> Iterable[Row]:
    """Where a cost report rules, BilledCost is the report's."""
    lines = [dict(zip(derive.BILLED_COLUMNS, line, strict=True)) for line in derive.lines_of_day(day)]
    places: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if line["charge_category"] == "Usage" and not line["charge_class"]:
            places[*names.place(line["usage_key_id"]), line["billing_currency"]].append(line)
    for place, stated in sorted(places.items()):
        usage = [line for line in stated if is_usage(line)]
        keys = [dimensions[line["usage_key_id"]] for line in usage]
        scopes = {line["scope"] for line in usage if all(whole.states(key, LINES, line["scope"]) for key in keys)}
        if not scopes:
            continue
        rest = Decimal(0)
        for key, _, scope, currency, _, _, cost in charged:
            if (*names.place(key), currency) == place and all(whole.states(of, LINES, scope) for of in keys):
                rest += cost or 0
        for line in stated:
            if all(whole.states(of, LINES, line["scope"]) for of in keys):
                rest -= line["effective_cost"] if line["billed_cost"] is None else line["billed_cost"]
        if rest:
            yield (day, *place, "BilledCost", rest)


def _shares(day: date) -> Iterable[Row]:
    """The parts of a rating sum to it."""
    parts = LayerShare.objects.filter(charge_date=day).exclude(part=LayerShare.Part.BELOW_EXCEEDS)
    key = ("usage_key_id", "tier", "tier_estimated", "rate_slot_id", "price_class")
    sums = {tuple(row[:5]): row[5] for row in parts.order_by().values_list(*key).annotate(Sum("quantity"))}
    rated = {tuple(row[:5]): row[5] for row in Rating.objects.filter(charge_date=day).values_list(*key, "quantity")}
    counts = UsageDaily.objects.filter(charge_date=day).values_list(*key[:4], "requests")
    rated |= {(*row[:4], "requests"): Decimal(row[4]) for row in counts}
    for place, quantity in sorted(sums.items()):
        if place[4] != "queries" and rated.get(place) != quantity:
            yield (day, *place, "parts", quantity)


def _by_id(day: date, dimensions: dict[int, dict[str, Any]]) -> Iterable[Row]:
    """Traced calls that a gateway knows by their id are charged by the gateway alone."""
    traced = [key for key, found in dimensions.items() if found["layer"] == "trace"]
    if not traced:
        return
    with transaction.atomic():
        table = matched_table(day, matches_around(day))
        hours = derive.hours_of_day(day, traced, table)
    known = sum(row[5] for row in hours if row[4])
    parts = LayerShare.objects.filter(charge_date=day, part=LayerShare.Part.BY_ID, price_class="requests")
    taken = parts.aggregate(sum=Sum("quantity"))["sum"] or 0
    if known != taken:
        yield (day, "", "", f"{known} traced requests are a gateway's by their id, {taken} are taken out")


def charge_differences() -> list[Row]:
    """(charge_date, usage_key_id, tier, class, 'charge') where computed charges are not the ratings, less what others charge."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH parts AS (SELECT charge_date, usage_key_id, tier, price_class, list_cost, quantity FROM rating r "
            "WHERE NOT EXISTS (SELECT FROM layer_share s WHERE (s.charge_date, s.usage_key_id, s.tier, "
            "s.tier_estimated, s.rate_slot_id, s.price_class) = (r.charge_date, r.usage_key_id, r.tier, r.tier_estimated, "
            "r.rate_slot_id, r.price_class)) UNION ALL SELECT charge_date, usage_key_id, tier, "
            "price_class, list_cost, quantity FROM layer_share WHERE part IN ('charged', 'below_exceeds') "
            "AND price_class NOT IN ('requests', 'queries')), "
            "r AS (SELECT charge_date, usage_key_id, tier, price_class, sum(list_cost) AS cost, sum(quantity) AS q "
            "FROM parts GROUP BY 1, 2, 3, 4), c AS (SELECT charge_date, usage_key_id, tier, price_class, "
            "sum(list_cost) AS cost, sum(consumed_quantity) AS q FROM charge WHERE charge_category = 'Usage' "
            "AND charge_class = '' AND provenance = 'computed' GROUP BY 1, 2, 3, 4) "
            "SELECT charge_date, usage_key_id, tier, price_class, 'charge' FROM r FULL JOIN c "
            "USING (charge_date, usage_key_id, tier, price_class) "
            "WHERE r.cost IS DISTINCT FROM c.cost OR r.q IS DISTINCT FROM c.q ORDER BY 1, 2, 3, 4"
        )
        found: list[Row] = cursor.fetchall()
        return found
