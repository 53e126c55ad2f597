"""The filter bar that every page has: menus of links, because the state of a page is its URL.

Every choice is an ordinary link to the view it leads to; the script only spares the reload. A filter may hold several
values; each link takes one in or out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from finops.focus import COST_COLUMNS
from finops.periods import Period
from web import formats
from web.dashboards import blocks
from web.dashboards.figures import tier_name
from web.dashboards.state import UNALLOCATED, ViewState
from web.dimensions import FILTERS, tier_rank

ALWAYS = {
    "x_CostCentre": "Cost centre",
    "ServiceProviderName": "Provider",
    "x_QueryTier": "Tier",
    "x_Environment": "Environment",
}
WHEN_SET = {"x_Model": "Model", "x_Team": "Team", "x_Feature": "Feature"}
COST_NAMES = {
    "EffectiveCost": "Effective", "BilledCost": "Billed", "ContractedCost": "Contracted", "ListCost": "List",
}  # fmt: skip
Option = tuple[str, str, bool]  # text, address, is it chosen


def title(state: ViewState, month: str, months: Sequence[str]) -> Component:
    """The month as the page's heading and as the menu of months."""
    options = [
        (_month(each), state.search(month=each if each != months[0] else None), each == month) for each in months
    ]
    heading = html.H1(_month(month))
    return menu("month", [heading], options, label=f"Month: {_month(month)}")


def bar(
    state: ViewState,
    choices: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    before: str,
    *,
    currency: str,
    everything: bool,
) -> Component:
    """Filters to the left; how costs are counted and compared to the right."""
    shown = ALWAYS | {column: label for column, label in WHEN_SET.items() if state.filters.get(column)}
    left = [
        _filter(state, column, label, choices.get(column, ()), names, everything) for column, label in shown.items()
    ]
    columns = [
        (COST_NAMES[column], state.search(column=column), column == state.column)
        for column in sorted(COST_COLUMNS, key=list(COST_NAMES).index)
    ]
    compare = [
        (f"vs {before}", state.search(compare=True), state.compare),
        ("no comparison", state.search(compare=False), not state.compare),
    ]
    right = [*_currencies(state, choices.get("BillingCurrency", ()), currency)]
    right += [menu("cost", ["Cost ", html.B(COST_NAMES[state.column])], columns, right=True)]
    right += [menu("compare", [html.B(f"vs {before}" if state.compare else "no comparison")], compare, right=True)]
    if any(state.filters.values()):
        clear = blocks.view_link("Clear", state.search(filters={}))
        left.append(clear)
    groups = [html.Div(left, className="filters"), html.Div(right, className="filters right")]
    return html.Div(groups, className="bar", role="group", **blocks.labelled("Filters"))


def menu(
    name: str,
    summary: Sequence[Any],
    options: Sequence[Option],
    *,
    right: bool = False,
    label: str = "",
    several: bool = False,
    active: bool = False,
) -> Component:
    """One menu of links; with ``several`` it stays open for the next choice."""
    items = [
        html.Li(blocks.view_link(text, address, f"{name}:{text}", chosen=chosen)) for text, address, chosen in options
    ]
    kind = f"menu {name}{' right' if right else ''}{' active' if active else ''}"
    described: dict[str, Any] = blocks.labelled(label) if label else {}
    kept: dict[str, Any] = {"data-several": ""} if several else {}
    return html.Details([html.Summary(list(summary), **described), html.Ul(items)], className=kind, **kept)


def _filter(
    state: ViewState, column: str, label: str, known: Sequence[str], names: Mapping[str, str], everything: bool
) -> Component:
    name = next(short for short, long in FILTERS.items() if long == column)
    chosen = state.filters.get(column, ())
    values = sorted(known, key=tier_rank) if column == "x_QueryTier" else list(known)
    if column == "x_CostCentre" and everything and UNALLOCATED not in values:
        values.append(UNALLOCATED)
    values += [value for value in chosen if value not in values]
    options = [("All", state.search(filters={**state.filters, column: ()}), not chosen)]
    options += [
        (_shown(column, value, names), state.toggled(column, value), value in chosen) for value in values if value
    ]
    text = "All" if not chosen else _short(column, chosen[0], names) if len(chosen) == 1 else f"{len(chosen)} chosen"
    return menu(name, [f"{label} ", html.B(text)], options, several=True, active=bool(chosen))


def _currencies(state: ViewState, known: Sequence[str], currency: str) -> list[Component]:
    if len(known) < 2 and state.currency is None:
        return []
    codes = sorted({*known, currency})
    return [
        menu("currency", [html.B(currency)], [(code, state.search(currency=code), code == currency) for code in codes])
    ]


def _shown(column: str, value: str, names: Mapping[str, str]) -> str:
    if column == "x_CostCentre":
        return "Unallocated" if value == UNALLOCATED else f"{value} · {names[value]}" if names.get(value) else value
    return tier_name(value) if column == "x_QueryTier" else value


def _short(column: str, value: str, names: Mapping[str, str]) -> str:
    if column == "x_CostCentre" and value != UNALLOCATED:
        return value
    return _shown(column, value, names)


def _month(text: str) -> str:
    return formats.month_name(Period.month(text).start)
