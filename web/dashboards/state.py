"""The state of a page is its URL: what is read from it here is all a page knows, and what is not there is the default.

Only what differs from the default is written, so that links stay short. Values from a URL are never trusted: they can
narrow what the reader's scope allows and nothing else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from finops.focus import COST_COLUMNS
from web.dimensions import FILTERS, filters_of

MOVERS = {"model": "x_Model", "provider": "ServiceProviderName"}
UNALLOCATED = "(unallocated)"
DEFAULT_COLUMN = "EffectiveCost"


@dataclass(frozen=True)
class ViewState:
    """One view of the costs. ``month`` and ``currency`` None: the newest with data, the site's own."""

    month: str | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    currency: str | None = None
    column: str = DEFAULT_COLUMN
    compare: bool = True
    movers: str = "model"

    def search(self, **changes: Any) -> str:
        """The query string of this view, or of the one that differs from it so."""
        state = replace(self, **changes)
        pairs = [("month", state.month)] if state.month else []
        pairs += [(name, value) for name, column in FILTERS.items() for value in state.filters.get(column, ())]
        pairs += [("currency", state.currency)] if state.currency else []
        pairs += [("cost", state.column)] if state.column != DEFAULT_COLUMN else []
        pairs += [] if state.compare else [("compare", "none")]
        pairs += [("movers", state.movers)] if state.movers != "model" else []
        return f"?{urlencode(pairs)}" if pairs else "?"

    def toggled(self, column: str, value: str) -> str:
        """The query string with this value of a filter taken in, or out."""
        values = self.filters.get(column, ())
        rest = tuple(each for each in values if each != value) if value in values else (*values, value)
        return self.search(filters={**self.filters, column: rest})

    def api(self, month: str, currency: str, *group_by: str) -> str:
        """The address of the same figures in the REST API."""
        pairs = [("month", month), ("group_by", ",".join(group_by)), ("column", self.column), ("currency", currency)]
        pairs += [(f"filter[{column}]", ",".join(values)) for column, values in self.filters.items() if values]
        pairs += [("compare", "previous")] if self.compare else []
        return f"/api/v1/costs?{urlencode(pairs, safe='[],*()')}"


def parse(search: str) -> ViewState:
    """The view that a query string asks for; what makes no sense in it is left out."""
    try:
        pairs = parse_qsl(search.lstrip("?"), max_num_fields=200)
    except ValueError:
        return ViewState()
    last = dict(pairs)
    return ViewState(
        month=_match(r"20\d\d-(0[1-9]|1[0-2])", last.get("month")),
        filters=filters_of(pairs),
        currency=_match(r"[A-Z]{3}", last.get("currency")),
        column=last["cost"] if last.get("cost") in COST_COLUMNS else DEFAULT_COLUMN,
        compare=last.get("compare") != "none",
        movers=last["movers"] if last.get("movers") in MOVERS else "model",
    )


def _match(pattern: str, value: str | None) -> str | None:
    return value if value and re.fullmatch(pattern, value, re.ASCII) else None
