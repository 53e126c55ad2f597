"""The mapping of the generic source: which column of a file means what, and which count contains which.

A mapping is data (YAML, see CONTRACTS 5) read into a FieldMapping with strict checks; a mistake names its field. A
column is a name or a dotted path (``usage.prompt_tokens``); a column whose own name has the dot wins. ``any_of`` lists
columns of which the first that holds something counts.
"""

import difflib
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from finops.documents import DocumentError, read_yaml
from finops.tokens import ALL_INPUT_CLASSES, ALL_OUTPUT_CLASSES, UNITS
from ingest.calc.columns import Column, FieldMapping, Numerals

LAYERS = ("invoice", "cost_report", "provider_usage", "gateway", "trace", "meter")
TIME_FORMATS = ("rfc3339", "epoch_s", "epoch_ms", "epoch_us")
# names in a mapping -> token classes
CLASSES = {
    "input": "input_uncached", "output": "output_visible", "cache_write": "cache_write_5m",
    **{name: name for name in (*ALL_INPUT_CLASSES, *ALL_OUTPUT_CLASSES) if name not in ("input_uncached", "output_visible")},
}  # fmt: skip
# names in a mapping -> columns of the usage table
TEXTS = {
    "model": "model_served", "model_requested": "model_requested", "account": "account",
    "billing_account": "billing_account", "service_tier": "service_tier_served",
    "service_tier_requested": "service_tier_requested",
    **{name: name for name in ("host", "project", "api_key", "principal", "region", "mode", "effort", "operation",
                               "environment", "feature", "trace", "agent", "caller", "router_label")},
}  # fmt: skip
NUMBERS = ("tool_calls", "requests", "saved_tokens")
_OTHERS = (
    "layer",
    "provider",
    "zone",
    "id",
    "time",
    "reported_cost",
    "tags",
    "failed",
    "total",
    "units",
    "csv",
    "e_notation",
)


class MappingError(ValueError):
    """The mapping is wrong; the message begins with the field."""


def load_mapping(text: str) -> FieldMapping:
    """A mapping from YAML text. Raises MappingError."""
    try:
        return parse_mapping(read_yaml(text))
    except DocumentError as error:
        raise MappingError(f"no YAML: {error}") from None


def parse_mapping(data: Any) -> FieldMapping:
    """A mapping from its data. Raises MappingError naming the field that is wrong."""
    data = _object(data, "mapping")
    _known(data, (*CLASSES, *TEXTS, *NUMBERS, *_OTHERS), "")
    for names in (("time",), ("input", "units"), ("model", "model_requested", "units")):
        if not any(name in data for name in names):
            raise MappingError(f"{names[0]}: is missing")
    if "cache_write" in data and "cache_write_5m" in data:
        raise MappingError("cache_write: means the same as cache_write_5m; name one of them")
    provider, prefixes = _provider(data.get("provider"))
    cost = _object(data.get("reported_cost", {}), "reported_cost")
    time = data["time"]
    return FieldMapping(
        time=_column(time, "time", extra=("formats",)),
        formats=_formats(time["formats"]) if isinstance(time, dict) and "formats" in time else ("rfc3339",),
        counts=_counts(data),
        texts={column: _column(data[name], name, words=True) for name, column in TEXTS.items() if name in data},
        layer=_choice(data.get("layer", "gateway"), LAYERS, "layer"),
        zone=_zone(data.get("zone")),
        id=tuple(_column(item, "id") for item in _list(data.get("id", []), "id")),
        provider=provider, prefixes=prefixes,
        numbers={name: _column(data[name], name) for name in NUMBERS if name in data},
        failed=_column(data["failed"], "failed", words=True) if "failed" in data else Column(),
        reported_cost=_column(cost, "reported_cost", extra=("currency",)) if cost else Column(),
        currency=_currency(cost.get("currency", "USD")),
        tags={str(key): _column(value, f"tags.{key}") for key, value in _object(data.get("tags", {}), "tags").items()},
        units=_units(data.get("units", {})),
        total=_column(data["total"], "total") if "total" in data else Column(),
        csv=_numerals(data.get("csv", {})),
        e_notation=_flag(data.get("e_notation", False), "e_notation"),
    )  # fmt: skip


def _column(spec: Any, name: str, *, extra: tuple[str, ...] = (), words: bool = False) -> Column:
    """A column from its name, or from an object. ``words``: a constant and a table of words are allowed."""
    if isinstance(spec, str):
        return Column((_word(spec, name),))
    spec = _object(spec, name)
    _known(spec, ("column", "any_of", *extra, *(("constant", "values") if words else ())), f"{name}.")
    if sum(key in spec for key in ("column", "any_of", "constant")) != 1:
        raise MappingError(f"{name}: needs exactly one of column, any_of{', constant' if words else ''}")
    if "constant" in spec:
        return Column(constant=_word(spec["constant"], f"{name}.constant"))
    columns = [spec["column"]] if "column" in spec else _list(spec["any_of"], f"{name}.any_of")
    values = {str(key): str(value) for key, value in _object(spec.get("values", {}), f"{name}.values").items()}
    return Column(tuple(_word(column, f"{name}.column") for column in columns), values=values)


def _counts(data: dict[str, Any]) -> dict[str, Column]:
    counts: dict[str, Column] = {}
    for name, class_ in CLASSES.items():
        if name not in data:
            continue
        column = _column(data[name], name, extra=("includes",))
        names = _list(data[name].get("includes", []), f"{name}.includes") if isinstance(data[name], dict) else []
        side = ALL_INPUT_CLASSES if class_ in ALL_INPUT_CLASSES else ALL_OUTPUT_CLASSES
        for inner in names:
            if CLASSES.get(inner) not in side or CLASSES[inner] == class_:
                raise MappingError(f"{name}.includes: {inner!r} cannot be a part of it")
        # A part that has no column of its own is not told apart: it stays in the whole.
        counts[class_] = Column(column.columns, tuple(CLASSES[inner] for inner in names if inner in data))
    return counts


def _provider(spec: Any) -> tuple[Column, tuple[tuple[str, str], ...]]:
    if spec is None:
        return Column(), ()
    if isinstance(spec, str):
        return Column(constant=_word(spec, "provider")), ()
    spec = dict(_object(spec, "provider"))
    table = _object(spec.pop("by_model_prefix", {}), "provider.by_model_prefix")
    pairs = (
        (_word(key, "provider.by_model_prefix"), _word(value, "provider.by_model_prefix"))
        for key, value in table.items()
    )
    prefixes = tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair[0])))
    return _column(spec, "provider", words=True) if spec or not prefixes else Column(), prefixes


def _formats(spec: Any) -> tuple[str, ...]:
    formats = tuple(_word(item, "time.formats") for item in _list(spec, "time.formats"))
    for item in formats:
        if item not in TIME_FORMATS and "%" not in item:
            raise MappingError(
                f"time.formats: {item!r} is neither {', '.join(TIME_FORMATS)} nor a pattern like %d.%m.%Y"
            )
    return formats or ("rfc3339",)


def _zone(name: Any) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(_word(name, "zone"))
    except (KeyError, ValueError, OSError):
        raise MappingError(f"zone: {name!r} is not a time zone") from None


def _currency(spec: Any) -> Column:
    if not isinstance(spec, str):
        return _column(spec, "reported_cost.currency")
    if len(spec) != 3 or not spec.isascii() or not spec.isupper():
        raise MappingError(f"reported_cost.currency: {spec!r} is not a currency code such as USD")
    return Column(constant=spec)


def _units(spec: Any) -> dict[str, Column]:
    table = _object(spec, "units")
    _known(table, tuple(UNITS), "units.")
    return {name: _column(value, f"units.{name}") for name, value in table.items()}


def _numerals(spec: Any) -> Numerals:
    spec = _object(spec, "csv")
    _known(spec, ("delimiter", "decimal", "thousands"), "csv.")
    for name, choices in {"decimal": ".,", "thousands": ".,' \u00a0\u202f", "delimiter": ",;\t|"}.items():
        if name in spec and (not isinstance(spec[name], str) or len(spec[name]) != 1 or spec[name] not in choices):
            raise MappingError(f"csv.{name}: {spec[name]!r} is not one of {' '.join(map(repr, choices))}")
    numerals = Numerals(**spec)
    if numerals.decimal == numerals.thousands:
        raise MappingError("csv.thousands: is the same as csv.decimal")
    return numerals


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MappingError(f"{name}: must be an object of names and values")
    return value


def _list(value: Any, name: str) -> list[Any]:
    return value if isinstance(value, list) else [_word(value, name)]


def _word(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise MappingError(f"{name}: must be a text")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise MappingError(f"{name}: must be true or false")
    return value


def _choice(value: Any, choices: tuple[str, ...], name: str) -> str:
    if value not in choices:
        raise MappingError(f"{name}: {value!r} is not one of {', '.join(choices)}")
    return str(value)


def _known(data: Mapping[str, Any], names: tuple[str, ...], path: str) -> None:
    for key in data:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, 1)
            raise MappingError(f"{path}{key}: no such field{f'; did you mean {near[0]}?' if near else ''}")
