"""The state of the page Explore is its URL: what is asked for, and the addresses of the views around it.

An address that asks for what cannot be is refused before (web.pages.parameters); only what differs from the default is written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from allocation.calc.bridge_effects import BUDGET, EFFECTS
from allocation.selectors import CostQuery
from finops.focus import COST_COLUMNS
from finops.periods import Period
from web.dimensions import FILTERS, filters_of

NAMES = {
    "cost_centre": "Cost centre", "team": "Team", "provider": "Provider", "model": "Model", "tier": "Tier",
    "environment": "Environment", "feature": "Feature",
}  # fmt: skip
GRANULARITIES = {"total": "Total", "month": "By month", "day": "By day"}
SPANS = {1: "1 month", 3: "3 months", 6: "6 months", 12: "12 months"}  # how far back the chart goes
DEFAULT_COLUMN = "EffectiveCost"
_MONTH = r"20\d\d-(0[1-9]|1[0-2])"


@dataclass(frozen=True)
class Explored:
    """One view. ``month`` None: the newest with cost; ``compare`` None: the period before; ``effect``: which is looked into."""

    month: str | None = None
    by: tuple[str, ...] = ("cost_centre",)
    granularity: str = "total"
    span: int = 1
    column: str = DEFAULT_COLUMN
    currency: str | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compare: str | None = None
    budget: bool = False
    effect: str = ""
    drill: str = "tier"

    @property
    def columns(self) -> tuple[str, ...]:
        """The dimensions as the API calls them."""
        return tuple(FILTERS[name] for name in self.by)

    def search(self, **changes: Any) -> str:
        """The query string of this view, or of the one that differs from it so."""
        state = replace(self, **changes)
        default = Explored()
        pairs = [("month", state.month)] if state.month else []
        pairs += [("by", ",".join(state.by))] if state.by != default.by else []
        pairs += [("granularity", state.granularity)] if state.granularity != default.granularity else []
        pairs += [("span", str(state.span))] if state.span != default.span else []
        pairs += [("cost", state.column)] if state.column != default.column else []
        pairs += [("currency", state.currency)] if state.currency else []
        pairs += [(name, value) for name, column in FILTERS.items() for value in state.filters.get(column, ())]
        pairs += [("compare", state.compare)] if state.compare else []
        pairs += [("against", "budget")] if state.budget else []
        pairs += [("effect", state.effect)] if state.effect else []
        pairs += [("drill", state.drill)] if state.drill != default.drill else []
        return f"?{urlencode(pairs)}"

    def toggled(self, column: str, value: str) -> str:
        """The query string with this value of a filter taken in, or out."""
        values = self.filters.get(column, ())
        rest = tuple(each for each in values if each != value) if value in values else (*values, value)
        return self.search(filters={**self.filters, column: rest})

    def query(self, period: Period, currency: str, *group_by: str) -> CostQuery:
        """The question of this view about a period."""
        return CostQuery(period, group_by, {name: values for name, values in self.filters.items() if values}, currency)

    def api(self, path: str, currency: str, **pairs: str) -> str:
        """The address of the same figures in the REST API."""
        found = [(name, value) for name, value in pairs.items() if value]
        found += [("column", self.column), ("currency", currency)]
        found += [(f"filter[{column}]", ",".join(values)) for column, values in self.filters.items() if values]
        return f"/api/v1/{path}?{urlencode(found, safe='[],*()')}"


def parse(text: str) -> Explored:
    """The view that a query string asks for."""
    try:
        pairs = parse_qsl(text.lstrip("?"), max_num_fields=200)
    except ValueError:
        pairs = []
    given = dict(pairs)
    by = tuple(dict.fromkeys(name for name in given.get("by", "").split(",") if name in FILTERS))[:2]
    span, effect = given.get("span", ""), given.get("effect", "")
    return Explored(
        month=_match(_MONTH, given.get("month")),
        by=by or Explored.by,
        granularity=given["granularity"] if given.get("granularity") in GRANULARITIES else "total",
        span=int(span) if span in {str(each) for each in SPANS} else 1,
        column=given["cost"] if given.get("cost") in COST_COLUMNS else DEFAULT_COLUMN,
        currency=_match(r"[A-Z]{3}", given.get("currency")),
        filters=filters_of(pairs),
        compare=_match(_MONTH, given.get("compare") or given.get("vs")),  # as the menu is called
        budget=given.get("against") == "budget",
        effect=effect if effect in (*EFFECTS, BUDGET) else "",
        drill=given["drill"] if given.get("drill") in NAMES else "tier",
    )


def _match(pattern: str, value: str | None) -> str | None:
    return value if value and re.fullmatch(pattern, value, re.ASCII) else None
