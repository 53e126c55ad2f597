"""What was used, in tokens: by any dimensions of cost and by token class, of everybody in scope and of every currency.

Counts are those of cost_daily; tokens by class are those of the charges behind it, which sum to its tokens.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from django.db.models import Case, F, Q, Sum, Value, When

from allocation import rulebook, selectors
from allocation.calc.attribution import attribute
from allocation.calc.daily import NOT_USED
from allocation.models import AllocatedCost, CostDaily
from allocation.scope import Scope
from allocation.selectors import UNALLOCATED, CostQuery
from allocation.value.query_rows import matches
from finops.tokens import TOKEN_CLASSES
from ingest.selectors import KnownKeys

BY_CLASS = "x_TokenClass"
OTHER = "other"  # tokens that a bill states without their class
_COUNTS = ("requests", "queries", "tokens", "unpriced_tokens")
_FIELDS = {
    "ChargeDate": "charge_date", "x_CostCentre": "cost_centre__code", "x_Team": "team__code", "ServiceProviderName": "provider",
    "x_Model": "model", "x_QueryTier": "tier", "x_Environment": "environment", "x_Feature": "feature",
    "x_Provenance": "provenance", "x_Basis": "basis",
}  # fmt: skip
_BASIS = Case(
    When(charge__corrects_date__isnull=False, then=Value("correction")),
    When(charge__provenance="allocated", then=Value("adjustment")),
    When(charge__commitment_status__in=NOT_USED, then=Value("idle")),
    default=Value("direct"),
)  # as allocation.calc.daily has it
_UNPRICED = Q(effective_cost__isnull=True, billed_cost__isnull=True)


class Used(NamedTuple):
    """One group: its place in the order of the question's columns, counts (None of a group by class: a call has several), and
    tokens by class."""

    place: tuple[str | None, ...]
    requests: int | None
    queries: int | None
    tokens: int
    unpriced_tokens: int
    classes: dict[str, int]


class Usage(NamedTuple):
    """The groups, by place, and all of them together."""

    rows: list[Used]
    total: Used


def usage(scope: Scope, query: CostQuery, *, by_class: bool = False, months: bool = False) -> Usage:
    """Usage by the query's dimensions; its currency does not count. ``by_class``: one group per token class, last in its place.

    ``months``: ChargeDate stands for its month. Two reads, of derived rows.
    """
    names = query.group_by
    counts = _counts(scope, query, months)
    classes, unpriced = _classes(scope, query, names, months)
    rows = []
    for place in sorted({*counts, *classes}, key=_order):
        own, of = classes.get(place, {}), counts.get(place, (0, 0, 0, 0))
        if not by_class:
            rows.append(Used(place, *of, classes=own))
            continue
        rows += [
            Used((*place, name), None, None, tokens, unpriced[place].get(name, 0), {name: tokens})
            for name, tokens in own.items()
        ]
    rows = [row for row in rows if any(row[1:5])]
    one, two, three, four = (sum(own[n] for own in counts.values()) for n in range(len(_COUNTS)))
    whole = {name: sum(own.get(name, 0) for own in classes.values()) for name in (*TOKEN_CLASSES, OTHER)}
    return Usage(
        sorted(rows, key=lambda row: _order(row.place)),
        Used((), one, two, three, four, {name: total for name, total in whole.items() if total}),
    )


def _order(place: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(value or "" for value in place)


def _counts(scope: Scope, query: CostQuery, months: bool) -> dict[tuple[str | None, ...], tuple[int, int, int, int]]:
    rows = selectors.filtered(scope, CostDaily.objects.all(), query).order_by()
    fields = [_FIELDS[name] for name in query.group_by]
    sums = {f"sum_{name}": Sum(name) for name in _COUNTS}
    found: dict[tuple[str | None, ...], tuple[int, int, int, int]] = {}
    for row in rows.values(*fields).annotate(**sums) if fields else [rows.aggregate(**sums)]:
        place = tuple(_text(row[name], months) for name in fields)
        more = tuple(int(row[f"sum_{name}"] or 0) for name in _COUNTS)
        one, two, three, four = (a + b for a, b in zip(found.get(place, (0, 0, 0, 0)), more, strict=True))
        found[place] = (one, two, three, four)
    return found


def _text(value: Any, months: bool) -> str | None:
    if isinstance(value, date):
        return f"{value:%Y-%m}-01" if months else f"{value:%Y-%m-%d}"
    return None if value is None else str(value)


_Classes = dict[tuple[str | None, ...], dict[str, int]]


def _classes(scope: Scope, query: CostQuery, names: tuple[str, ...], months: bool) -> tuple[_Classes, _Classes]:
    """Place -> token class -> tokens, and of them those without a price."""
    period = query.period
    rows: Any = scope.of(AllocatedCost.objects.of_days(period))
    rows = rows.filter(charge__consumed_unit="tokens").order_by()
    books = {day: rulebook.holding_on(day) for day in sorted({day.replace(day=1) for day in period.days()})}
    by_day = "ChargeDate" in names or any(book.mappings for book in books.values())
    group = {
        "key": F("charge__usage_key_id"), "x_CostCentre": F("cost_centre__code"), "x_Team": F("team__code"),
        "x_QueryTier": F("charge__tier"), "x_Provenance": F("charge__provenance"), "x_Basis": _BASIS,
        "price_class": F("charge__price_class"), **({"ChargeDate": F("charge_date")} if by_day else {}),
    }  # fmt: skip
    sums = {"sum_all": Sum("quantity"), "sum_unpriced": Sum("quantity", filter=_UNPRICED)}
    known, tokens, unpriced = KnownKeys(), _Classes(), _Classes()
    seen: dict[date | None, Mapping[int, Mapping[str, Any]]] = {}
    found: list[dict[str, Any]] = list(rows.values(**group).annotate(**sums))
    stated = known.of({row["key"] for row in found})
    for row in found:
        day = row.get("ChargeDate")
        if day not in seen:
            mappings = books[day.replace(day=1)].mappings if day else ()
            seen[day] = attribute(stated, mappings, day).dimensions if day and mappings else stated
        of = seen[day][row["key"]]
        row |= {
            "ServiceProviderName": of["provider"], "x_Model": of["model_served"] or of["model_requested"],
            "x_Environment": of["environment"], "x_Feature": of["feature"],
        }  # fmt: skip
        if not _fits(row, query.filters):
            continue
        place = tuple(_text(row[name], months) for name in names)
        name = row["price_class"] if row["price_class"] in TOKEN_CLASSES else OTHER
        for sums_, quantity in ((tokens, row["sum_all"]), (unpriced, row["sum_unpriced"])):
            of_place = sums_.setdefault(place, {})
            of_place[name] = of_place.get(name, 0) + round(quantity or 0)
    return {place: _ordered(own) for place, own in tokens.items()}, unpriced


def _fits(row: Mapping[str, Any], filters: Mapping[str, tuple[str, ...]]) -> bool:
    return all(
        matches(row[name], values, UNALLOCATED if name == "x_CostCentre" else "") for name, values in filters.items()
    )


def _ordered(classes: Mapping[str, int]) -> dict[str, int]:
    return {name: classes[name] for name in (*TOKEN_CLASSES, OTHER) if classes.get(name)}
