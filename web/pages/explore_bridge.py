"""The bridge and the indices on the page Explore."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from allocation import selectors
from allocation.calc.bridge import Bridge, together
from allocation.calc.bridge_effects import BUDGET, EFFECTS, rounded
from allocation.calc.indices import FACTORS, SPEND
from allocation.scope import Scope, scope_of
from allocation.selectors import QueryError
from allocation.value.bridge import monthly_indices
from finops.money import minor_digits
from finops.periods import Period
from web import bridge_words, bridging, formats
from web.dimensions import FILTERS
from web.downloads import csv_file
from web.pages import charts
from web.pages.explore_state import NAMES, Explored, parse
from web.pages.months import month_of_cost, told_month
from web.running_month import like_days, running_day, unfinished

MONTHS = 12
_INDEX_NAMES = {
    "spend": "Spend", "tasks": "Tasks (queries)", "calls_per_task": "Calls per task", "tokens_per_call": "Tokens per call",
    "price_per_token": "Price per token",
}  # fmt: skip


def compared(scope: Scope, state: Explored, month: Period, currency: str) -> tuple[Period, Period]:
    """The periods before and after: of a running month the days that there are, and as many of the one before."""
    by_day = selectors.costs(scope, state.query(month, currency, "ChargeDate"))
    day = running_day(
        month, timezone.now().date(), selectors.freshness(), max(by_day["ChargeDate"].to_list(), default=None)
    )
    former = Period.month(state.compare) if state.compare else month.previous()
    return like_days(former, day), like_days(month, day)


def context(scope: Scope, state: Explored, month: Period, currency: str) -> dict[str, Any]:
    """What the template needs of the bridge and of the indices."""
    before, after = compared(scope, state, month, currency)
    first = month.start
    for _ in range(MONTHS - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    indices = monthly_indices(scope, state.query(Period(first, month.end), currency), state.column)
    known = [index for index in indices if index.chained]
    found: dict[str, Any] = {
        "before": before, "after": after, "indices": [_index(index) for index in known] if len(known) > 1 else [],
        "index_names": list(_INDEX_NAMES.values()), "index_api": state.api(
            "indices", currency, start=f"{first}", end=f"{month.end}"
        ),
    }  # fmt: skip
    try:
        bridge = read(scope, state, before, after, currency)
    except QueryError as wrong:
        return found | {"bridge": None, "wrong": str(wrong)}
    return found | _bridge(state, bridge, before, after, currency)


def read(scope: Scope, state: Explored, before: Period, after: Period, currency: str) -> Bridge:
    """The bridge of a view. Raises QueryError where it is to a budget that there is not."""
    owners = state.filters.get("x_CostCentre", ())
    if state.budget and (
        len(owners) > 1 or any(values for name, values in state.filters.items() if name != "x_CostCentre")
    ):
        raise QueryError("a budget is for the whole or for one cost centre: take the other filters out")
    if state.budget and state.column != "EffectiveCost":
        raise QueryError("a budget is of the effective cost")
    one, two = (state.query(period, currency) for period in (before, after))
    owner = owners[0] if owners else None
    return bridging.bridged(scope, one, two, state.column, budget=state.budget, owner=owner)


def _bridge(state: Explored, bridge: Bridge, before: Period, after: Period, currency: str) -> dict[str, Any]:
    whole = bridge.total
    effects = bridging.effects_of(whole, currency)
    levels = ["Budget" if state.budget else days_called(before), days_called(after)]
    cents = whole.in_units(minor_digits(currency))
    steps = [charts.Step(levels[0], cents.start, level=True)]
    steps += [charts.Step(each["effect"], each["rounded"], level=False, note=each["meaning"]) for each in effects]
    steps.append(charts.Step(levels[1], cents.end, level=True))
    bars = [
        {"bar": bar, "label": bar.step.name if bar.step.level else bridge_words.label(bar.step.name),
         "link": "" if bar.step.level else f"{state.search(effect=bar.step.name)}#drill",
         "chosen": bar.step.name == state.effect}
        for bar in charts.waterfall(steps)
    ]  # fmt: skip
    when = {
        "start": f"{after.start}",
        "end": f"{after.end}",
        "compare_start": f"{before.start}",
        "compare_end": f"{before.end}",
    }
    if state.budget:
        when = {"start": f"{after.start}", "end": f"{after.end}", "against": "budget"}
    return {
        "bridge": bridge, "days": f"{levels[1]} against {levels[0]}", "bars": bars,
        "unfinished": unfinished(after, len(after), timezone.now().date()),
        "sentence": bridge_words.sentence(bridge, currency), "delta": whole.delta,
        "change": formats.change(whole.end, whole.start), "began": bridge.began, "stopped": bridge.stopped,
        "estimated": bridging.estimated(bridge), "estimates": any(bridge.estimated),
        "bridge_api": state.api("bridge", currency, **when, group_by=FILTERS[state.drill]),
        "bridge_csv": f"{reverse('explore-bridge-csv')}{state.search()}", **_drill(state, bridge, currency),
    }  # fmt: skip


def _drill(state: Explored, bridge: Bridge, currency: str) -> dict[str, Any]:
    column = FILTERS[state.drill]
    effect = state.effect if state.effect != BUDGET else ""
    rows = []
    for found in bridging.drill(bridge, [column]):
        part, value = found["part"], found[column]
        amount = part.effects.get(effect, Decimal(0)) if effect else part.delta
        largest = max(part.effects, key=lambda name: abs(part.effects[name])) if any(part.effects.values()) else ""
        rows.append(
            {"value": value, "column": column, "part": part, "amount": amount,
             "largest": bridge_words.label(largest) if largest else "", "largest_amount": part.effects.get(largest)}
        )  # fmt: skip
    rows.sort(key=lambda row: (-abs(row["amount"]), str(row["value"])))
    whole = together(bridge.cells.values()).in_units(digits := minor_digits(currency))
    goal = whole.effects.get(effect, Decimal(0)) if effect else whole.delta
    shown = rounded({str(n): Fraction(row["amount"]) for n, row in enumerate(rows)}, goal, digits) if rows else {}
    for n, row in enumerate(rows):
        row["amount"] = shown[str(n)]
    return {
        "drilled": _folded(rows), "drill_effect": bridge_words.label(effect) if effect else "",
        "drill_meaning": bridge_words.meaning(effect) if effect else "",
        "drill_total": goal,
        "drills": [(text, f"{state.search(drill=name)}#drill", name == state.drill) for name, text in NAMES.items()],
        "every": f"{state.search(effect='')}#drill", "drill_name": NAMES[state.drill],
    }  # fmt: skip


def _folded(rows: list[dict[str, Any]], most: int = 9) -> list[dict[str, Any]]:
    """The largest nine and one row for the others."""
    if len(rows) <= most + 1:
        return rows
    rest = rows[most:]
    return [*rows[:most], {"others": len(rest), "amount": sum((row["amount"] for row in rest), Decimal(0))}]


def _index(index: Any) -> dict[str, Any]:
    names = (SPEND, *FACTORS)
    return {
        "month": Period.month(index.month.name).start, "base": index.base == index.month.name, "index": index,
        "pairs": [
            (float(index.chained[name]), float(index.links[name] - 1) * 100 if index.links else None) for name in names
        ],
    }  # fmt: skip


def days_called(period: Period) -> str:
    """A month by its name, other days by the first and the last."""
    if period == Period.month_of(period.start):
        return formats.month_name(period.start)
    last = period.end - timedelta(days=1)
    return f"{period.start.day} to {last.day} {last:%B}"


@require_safe
@told_month("explore")
def as_csv(request: HttpRequest) -> HttpResponse:
    """The bridge of the very view by the dimension it is drilled by: exact amounts, one row per value, no total."""
    scope, state = scope_of(request.user), parse(request.META.get("QUERY_STRING", ""))
    months = selectors.months(scope)
    column = FILTERS[state.drill]
    header = (column, "before", "after", "delta", *EFFECTS)
    if not months:
        return csv_file("bridge_empty", header, ())
    month = month_of_cost(request.GET.get("month", ""), months)
    known = selectors.currencies(scope, month)
    currency = state.currency or (known[0] if known else "USD")
    before, after = compared(scope, state, month, currency)
    one, two = (state.query(period, currency) for period in (before, after))
    rows = bridging.drill(bridging.bridged(scope, one, two, state.column), [column])
    parts = ((row[column], row["part"]) for row in rows)
    return csv_file(
        f"bridge_{month}", header,
        ((value, part.start, part.end, part.delta, *(part.effects[name] for name in EFFECTS)) for value, part in parts),
    )  # fmt: skip
