"""The state of the page Forecast is its URL: which series is drawn, by what the table tells series apart, which currency.

An address that asks for what cannot be is refused before (web.pages.parameters); only what differs from the default is written.
A value may be empty: what names no model, or belongs to nobody.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from forecasting.forecast_selectors import CENTRE
from web.dimensions import FILTERS
from web.forecast_words import IN_URL

_LONGEST = 200
Level = tuple[str, ...]


@dataclass(frozen=True)
class State:
    """One view. ``chosen``: dimension -> value, the series that is drawn; ``by``: level of the table, None: by default."""

    chosen: Mapping[str, str] = field(default_factory=dict)
    by: Level | None = None
    currency: str = ""

    def search(self, **changes: Any) -> str:
        """The query string of this view, or of the one that differs from it so."""
        state = replace(self, **changes)
        pairs = [(IN_URL[column], value) for column, value in state.chosen.items()]
        pairs += [("by", ",".join(IN_URL[column] for column in state.by))] if state.by is not None else []
        pairs += [("currency", state.currency)] if state.currency else []
        return f"?{urlencode(pairs)}"

    def with_value(self, stored: "Stored", column: str, value: str | None) -> str:
        """The query string with this value chosen (None: any); of the others stay those that have a series with it."""
        rest = {name: said for name, said in self.chosen.items() if name != column}
        own = {} if value is None else {column: value}
        centre = {name: said for name, said in rest.items() if name == CENTRE}
        tried = [{**rest, **own}, {**centre, **own}, own]
        chosen = next((each for each in tried if stored.has(each)), own)
        return self.search(chosen={name: chosen[name] for name in stored.dimensions if name in chosen})


@dataclass(frozen=True)
class Stored:
    """The series of a forecast that a reader may see."""

    dimensions: Sequence[str]
    series: frozenset[tuple[Level, tuple[str, ...]]]

    def has(self, chosen: Mapping[str, str]) -> bool:
        """Whether there is a series of exactly these values."""
        level = level_of(chosen, self.dimensions)
        return (level, tuple(chosen[name] for name in level)) in self.series

    def values(self, column: str) -> list[str]:
        """What a dimension may be."""
        found = {key[level.index(column)] for level, key in self.series if column in level}
        return sorted(found, key=str.encode)


def level_of(chosen: Mapping[str, str], dimensions: Sequence[str]) -> Level:
    """The level of a choice, in the forecast's order."""
    return tuple(name for name in dimensions if name in chosen)


def parse(text: str) -> State:
    """The view that a query string asks for."""
    try:
        pairs = parse_qsl(text.lstrip("?"), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        pairs = []
    given = dict(pairs)
    chosen = {
        FILTERS[name]: value
        for name, value in given.items()
        if name in FILTERS and len(value) <= _LONGEST and "\0" not in value
    }
    by = given.get("by")
    columns = None if by is None else tuple(FILTERS[name] for name in by.split(",") if name in FILTERS)
    currency = given.get("currency", "")
    return State(chosen, columns, currency if re.fullmatch("[A-Z]{3}", currency, re.ASCII) else "")
