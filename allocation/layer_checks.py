"""Checks of invariant 6 on live data: what several layers say of the same calls is charged once, and tied to who rules.

They start again from the cube, the billed lines and what complete answers cover; of the derivation they share only how
names are compared.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q, Sum

from allocation.billing import is_usage
from allocation.completeness import LINES, Completeness, Day
from allocation.costing import fx
from allocation.costing.capacity import CLASSES
from allocation.costing.entry_keys import SOURCE
from allocation.layering import Names
from allocation.models import Charge, LayerDay, LayerShare, Rating, UsageDaily
from ingest.facts import derive
from ingest.matching import matched_table, matches_around
from ingest.models import BilledLine, DirtySlice, UsageKey
from ingest.selectors import key_dimensions, price_book

Row = tuple[Any, ...]


class DerivedDay(NamedTuple):
    """What a check needs of one day."""

    day: date
    dimensions: dict[int, dict[str, Any]]
    names: Names
    whole: Day
    kept: Any  # LayerDay.whole; None: it was derived as a day of one layer


def derived_days() -> Iterator[DerivedDay]:
    """All days that are not about to be derived again."""
    dirty = set(DirtySlice.objects.values_list("charge_date", flat=True).distinct())
    keys: dict[date, set[int]] = defaultdict(set)
    for rows in (UsageDaily.objects, BilledLine.objects.exclude(kind_of_cost="notional")):
        for day, key in rows.order_by().values_list("charge_date", "usage_key_id").distinct():
            keys[day].add(key)
    every = key_dimensions({key for found in keys.values() for key in found})
    kept = dict(LayerDay.objects.values_list("charge_date", "whole"))
    complete, book = Completeness(), price_book().book
    for day in sorted(keys.keys() - dirty):
        dimensions = {key: every[key] for key in keys[day]}
        yield DerivedDay(day, dimensions, Names(dimensions, book), complete.on(day), kept.get(day))


def layer_violations() -> list[Row]:
    """(charge_date, account, provider, what is wrong): of layers, money and parts. See allocation.token_checks for quantities."""
    found: list[Row] = []
    for of in derived_days():
        if of.kept is None:
            found += [(of.day, *place, who) for place, who in of.names.overlaps().items()]
            continue
        if of.whole.as_json() != of.kept:
            found.append((of.day, "", "", "other sources state it whole now"))
        charged = charged_usage(of.day)
        found += [*_money(of.day, of.dimensions, of.names, of.whole, charged), *_shares(of.day)]
        found += _by_id(of.day, of.dimensions)
    return found


def charged_usage(day: date) -> list[Row]:
    """(usage key, class, scope, currency, provenance, quantity, BilledCost) of the day's charges for usage."""
    of_no_call = UsageKey.objects.filter(source=SOURCE).values_list("id", flat=True)
    return list(
        Charge.objects.as_is(day, day)
        .filter(Q(charge_class="") | Q(correction__isnull=False), charge_category="Usage")
        .exclude(usage_key_id__in=of_no_call)
        .exclude(price_class__in=CLASSES)
        .order_by()
        .values_list("usage_key_id", "price_class", "scope", "billing_currency", "provenance")
        .annotate(q=Sum("consumed_quantity"), c=Sum("billed_cost"))
    )


def _money(
    day: date, dimensions: dict[int, dict[str, Any]], names: Names, whole: Day, charged: list[Row]
) -> Iterable[Row]:
    """Where a cost report rules, BilledCost is the report's."""
    lines, _ = fx.convert_lines(
        day, [dict(zip(derive.BILLED_COLUMNS, line, strict=True)) for line in derive.lines_of_day(day)]
    )
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
            "r AS (SELECT charge_date, usage_key_id, tier, price_class, coalesce(sum(list_cost), 0) AS cost, sum(quantity) AS q "
            "FROM parts GROUP BY 1, 2, 3, 4), c AS (SELECT coalesce(corrects_date, charge_date) AS charge_date, "
            "usage_key_id, tier, price_class, coalesce(sum(list_cost), 0) AS cost, sum(consumed_quantity) AS q, "
            "bool_or(original_currency <> '') AS converted FROM charge WHERE charge_category = 'Usage' "
            "AND (charge_class = '' OR correction_id IS NOT NULL) AND provenance = 'computed' AND tier <> '' "
            "AND price_class <> ALL(%s) GROUP BY 1, 2, 3, 4) "
            "SELECT charge_date, usage_key_id, tier, price_class, 'charge' FROM r FULL JOIN c "
            "USING (charge_date, usage_key_id, tier, price_class) "
            "WHERE (coalesce(r.cost, 0) <> coalesce(c.cost, 0) AND converted IS NOT TRUE) "
            "OR coalesce(r.q, 0) <> coalesce(c.q, 0) ORDER BY 1, 2, 3, 4",
            [list(CLASSES)],
        )
        found: list[Row] = cursor.fetchall()
        return found
