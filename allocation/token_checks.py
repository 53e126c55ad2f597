"""Checks of invariant 6 in quantities: tokens and requests after layering are those that the layer that rules states."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from allocation.billing import is_usage
from allocation.calc.charges import scope_of
from allocation.calc.layers import REQUESTS, matching_class
from allocation.completeness import LINES, USAGE
from allocation.layer_changes import counts_of_day
from allocation.layer_checks import DerivedDay, Row, charged_usage, derived_days
from allocation.models import Rating, UsageDaily
from finops.tokens import TOKEN_CLASSES
from ingest.facts import derive


def token_violations() -> list[Row]:
    """(charge_date, account, provider, scope, model, class, tokens too many): where a layer rules.

    Per account, provider and day, what is charged of each scope, model and class is what the layer that rules states:
    provider usage, else a cost report that states quantities; so are the requests, where provider usage counts any.
    """
    found: list[Row] = []
    for of in derived_days():
        if of.kept is not None:
            charged = charged_usage(of.day)
            found += [*_usage_rules(of, charged), *_report_rules(of, charged)]
    return found


def _stated(day: date) -> list[tuple[int, str, Decimal]]:
    """(usage key, class, quantity) of ratings and of requests."""
    rated = Rating.objects.filter(charge_date=day).order_by().values_list("usage_key_id", "price_class")
    calls = UsageDaily.objects.filter(charge_date=day).order_by().values_list("usage_key_id").annotate(Sum("requests"))
    return [*rated.annotate(Sum("quantity")), *((key, REQUESTS, Decimal(count)) for key, count in calls)]


class _Usage:
    """What rules a day by provider usage; of several sources the one that states the day whole, else the most."""

    def __init__(self, of: DerivedDay) -> None:
        self.of = of
        stated = [row for row in _stated(of.day) if of.dimensions[row[0]]["layer"] == "provider_usage"]
        keys: dict[Any, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for key in sorted({key for key, _, _ in stated}):
            keys[of.names.place(key)][of.dimensions[key]["source"]].append(key)

        def weight(stating: list[int], source: str) -> tuple[bool, Decimal, str]:
            mine = [row for row in stated if row[0] in stating]
            most = sum((quantity for _, name, quantity in mine if name != REQUESTS), Decimal(0))
            return any(self._states(stating, key, name) for key, name, _ in mine), most, source

        self.lead = {
            place: found[max(found, key=lambda name: weight(found[name], name))] for place, found in keys.items()
        }
        self.stated = [row for row in stated if row[0] in self.lead[of.names.place(row[0])]]
        self.counting = {self.cell(*row[:2])[:2] for row in self.stated if row[1] == REQUESTS and row[2]}
        self.vague = {self.cell(*row[:2]) for row in self.stated if not of.names.model(row[0])}

    def _scope(self, key: int, name: str) -> str:
        return scope_of(self.of.dimensions[key], "request" if name == REQUESTS else name)

    def _states(self, stating: list[int], key: int, name: str) -> bool:
        asked = self._scope(key, name), self.of.dimensions[key]["operation"]
        return all(self.of.whole.states(self.of.dimensions[each], USAGE, *asked) for each in stating)

    def cell(self, key: int, name: str) -> tuple[Any, str, str]:
        """(place, scope, class)."""
        return self.of.names.place(key), self._scope(key, name), matching_class(name)

    def rules(self, key: int, name: str) -> bool:
        """Whether the one that leads rules this class, or the requests, of a usage key."""
        stating, cell = self.lead.get(self.of.names.place(key), []), self.cell(key, name)
        return bool(stating) and (name != REQUESTS or cell[:2] in self.counting) and self._states(stating, key, name)


def _usage_rules(of: DerivedDay, charged: list[Row]) -> Iterable[Row]:
    usage = _Usage(of)
    calls = [(row[0], REQUESTS, Decimal(row[4])) for row in counts_of_day(of.day, layered=True)]
    counted = [(row[0], row[1], row[5]) for row in charged if row[4] == "computed"]
    rest: dict[Row, Decimal] = defaultdict(Decimal)
    for sign, rows in ((1, counted), (1, calls), (-1, usage.stated)):
        for key, name, quantity in rows:
            if usage.rules(key, name):
                place, scope, class_ = cell = usage.cell(key, name)
                rest[*place, scope, "" if cell in usage.vague else of.names.model(key), class_] += sign * quantity
    yield from ((of.day, *cell, amount) for cell, amount in sorted(rest.items()) if amount)


def _report_rules(of: DerivedDay, charged: list[Row]) -> Iterable[Row]:
    """Where a cost report rules alone, and each of its lines says of which model and class it is, and how much."""
    places: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in derive.lines_of_day(of.day):
        line = dict(zip(derive.BILLED_COLUMNS, row, strict=True))
        if is_usage(line):
            places[*of.names.place(line["usage_key_id"]), line["billing_currency"]].append(line)
    usage: dict[Any, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for key, found in of.dimensions.items():
        if found["layer"] == "provider_usage":
            usage[of.names.place(key)][found["source"]].append(found)

    def whole(keys: list[dict[str, Any]], what: str, scope: str) -> bool:
        return all(of.whole.states(key, what, scope) for key in keys)

    for place, lines in sorted(places.items()):
        speaking = [of.dimensions[line["usage_key_id"]] for line in lines]
        mine = [row for row in charged if (*of.names.place(row[0]), row[3]) == place]
        for cell, amount in _report_rest(of, lines, mine):
            below = any(whole(keys, USAGE, cell[0]) for keys in usage[place[:2]].values())
            if amount and whole(speaking, LINES, cell[0]) and not below:
                yield (of.day, *place[:2], *cell, amount)


def _report_rest(of: DerivedDay, lines: list[dict[str, Any]], charged: list[Row]) -> list[tuple[Row, Decimal]]:
    """(scope, model, class) and quantity charged beyond the lines; nothing where a line does not say its quantity."""
    cells = [(_cell(of, line), line["consumed_quantity"]) for line in lines]
    rest: dict[Row, Decimal] = defaultdict(Decimal)
    for cell, quantity in cells:
        if cell is None:
            return []
        rest[cell] -= quantity
    unstated: set[Row] = set()  # computed and nowhere stated: it explains the nearest lines, in money alone
    for key, name, scope, _, _, quantity, _ in charged:
        cell = (scope, of.names.model(key), matching_class(name))
        if cell in rest:
            rest[cell] += quantity
        else:
            unstated.add(cell)
    return [row for row in sorted(rest.items()) if not any(_nearest(row[0], each, rest) for each in unstated)]


def _cell(of: DerivedDay, line: dict[str, Any]) -> Row | None:
    """(scope, model, class) of a line that says of both, and how much in the unit of its class."""
    model, name = of.names.model(line["usage_key_id"]), line["price_class"]
    unit = "tokens" if name in TOKEN_CLASSES else name
    known = model and unit and line["consumed_quantity"] is not None and line["consumed_unit"] == unit
    return (line["scope"], model, matching_class(name)) if known else None


def _nearest(cell: Row, unstated: Row, cells: Iterable[Row]) -> bool:
    """Whether what no line states explains lines of this cell: those of its model, else of its scope, else all."""
    found = list(cells)
    for known in (2, 1):
        if any(each[:known] == unstated[:known] for each in found):
            return cell[:known] == unstated[:known]
    return True
