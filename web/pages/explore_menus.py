"""The menus of the page Explore: every choice is a link to the view it leads to."""

from typing import NamedTuple

from allocation import selectors
from allocation.scope import Scope
from allocation.selectors import UNALLOCATED
from finops.focus import COST_COLUMNS
from finops.periods import Period
from web import formats
from web.dimensions import FILTERS, tier_name, tier_rank
from web.pages.explore_state import GRANULARITIES, NAMES, SPANS, Explored

COSTS = {"EffectiveCost": "Effective", "BilledCost": "Billed", "ContractedCost": "Contracted", "ListCost": "List"}
_ALWAYS = ("cost_centre", "provider", "tier", "model")


class Menu(NamedTuple):
    """One menu: what stands before its choice, the choice, and (text, address, is it chosen)."""

    name: str
    chosen: str
    options: list[tuple[str, str, bool]]
    active: bool = False


def menus(scope: Scope, state: Explored, month: Period, months: list[str], currency: str) -> dict[str, list[Menu]]:
    """The menus by where they stand: what is shown, whose cost, and what it is compared with."""
    first, second = state.by[0], state.by[1] if len(state.by) > 1 else ""
    rest = state.by[1:]
    shown = [
        Menu("By", NAMES[first], [
            (text, state.search(by=(name, *(each for each in rest if each != name))), name == first)
            for name, text in NAMES.items()
        ]),
        Menu("and", NAMES.get(second, "nothing else"), [
            ("nothing else", state.search(by=(first,)), not second),
            *((text, state.search(by=(first, name)), name == second) for name, text in NAMES.items() if name != first),
        ]),
        Menu("", GRANULARITIES[state.granularity], [
            (text, state.search(granularity=name), name == state.granularity) for name, text in GRANULARITIES.items()
        ]),
        Menu("over", SPANS[state.span], [(text, state.search(span=each), each == state.span) for each, text in SPANS.items()]),
        *cost_and_currency(scope, state, month, currency),
    ]  # fmt: skip
    compare = compared_with(state, month, months)
    compare.options.append(("Budget", state.search(budget=True), state.budget))
    return {"shown": shown, "filters": filters(scope, state, month), "compare": [compare]}


def cost_and_currency(scope: Scope, state: Explored, month: Period, currency: str) -> list[Menu]:
    """Which cost column; which currency, where there are several."""
    found = [
        Menu("Cost", COSTS[state.column], [
            (COSTS[name], state.search(column=name), name == state.column)
            for name in sorted(COST_COLUMNS, key=list(COSTS).index)
        ])
    ]  # fmt: skip
    known = selectors.currencies(scope, month)
    if len(known) > 1 or state.currency:
        codes = sorted({*known, currency})
        found.append(Menu("", currency, [(code, state.search(currency=code), code == currency) for code in codes]))
    return found


def compared_with(state: Explored, month: Period, months: list[str]) -> Menu:
    """The month before and the others there are."""
    previous = f"{month.previous()}"
    others = [each for each in months if each not in (f"{month}", previous)]
    compared = "budget" if state.budget else state.compare or previous
    return Menu("vs", _month(compared), [
        (_month(previous), state.search(compare=None, budget=False), compared == previous),
        *((_month(each), state.search(compare=each, budget=False), compared == each) for each in others),
    ])  # fmt: skip


def filters(scope: Scope, state: Explored, month: Period) -> list[Menu]:
    """Whose cost: one menu per dimension that is filtered, shown or always at hand."""
    known, names = selectors.choices(scope, month), selectors.cost_centre_names()
    found = []
    for name, column in FILTERS.items():
        chosen = state.filters.get(column, ())
        values = list(dict.fromkeys([*known.get(column, ()), *chosen]))
        if name not in _ALWAYS and not chosen and name not in state.by:
            continue
        if column == "x_QueryTier":
            values.sort(key=tier_rank)
        options = [("All", state.search(filters={**state.filters, column: ()}), not chosen)]
        options += [(_shown(column, value, names), state.toggled(column, value), value in chosen) for value in values]
        text = "All" if not chosen else _shown(column, chosen[0], {}) if len(chosen) == 1 else f"{len(chosen)} chosen"
        found.append(Menu(NAMES[name], text, options, bool(chosen)))
    return found


def _shown(column: str, value: str, names: dict[str, str]) -> str:
    if column == "x_CostCentre":
        return "Unallocated" if value == UNALLOCATED else f"{value} · {names[value]}" if names.get(value) else value
    return tier_name(value) if column == "x_QueryTier" else value


def _month(text: str) -> str:
    return "budget" if text == "budget" else formats.month_name(Period.month(text).start)
