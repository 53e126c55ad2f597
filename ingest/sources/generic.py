"""Generic files: CSV, JSON lines or Parquet of any shape, read by a mapping (CONTRACTS 5) or by the default one.

A record is known by the mapping's ``id`` columns; without them by the hash of its canonical form and its ordinal among
equal records of the file. A record that covers several requests is a bucket.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from finops.tokens import ALL_INPUT_CLASSES, TOKEN_CLASSES, UNITS
from ingest.calc.columns import Column, FieldMapping, Numerals
from ingest.calc.default_mapping import choose, unknown_counts
from ingest.calc.identity import SEPARATOR, canonical_tags
from ingest.calc.reasons import Rejected
from ingest.calc.records import row_identity
from ingest.calc.values import count, instant, money, number_text, quantity
from ingest.source import Context, Guide, NotThisKind, Record, RowSource

_MAX_SHAPES = 200  # of records, by the names of their fields
_FAILED = {"true": 1, "1": 1, "yes": 1, "false": 0, "0": 0, "no": 0}
_MODES = {"sync": "sync", "batch": "batch", "false": "sync", "true": "batch"}


class Generic(RowSource):
    """Any table of calls; its layer is the mapping's."""

    kind = "generic"
    maps = True
    pushed = True
    guide = Guide(
        title="any CSV, JSONL or Parquet file, by a mapping",
        connect="Write which column is what in a mapping file, check it with `manage.py mapping check MAPPING FILE`, "
        "then `manage.py ingest_file FILE --source generic --mapping MAPPING`; or send the columns of the default "
        "mapping to `POST /api/v1/events`.",
        permission="",
        tells="whatever the mapping names: model, tokens, cost, key, project, tags",
        cannot="calls without an id are known by their whole row, so equal rows in cut files count once",
    )
    layer = "gateway"

    def layer_in(self, context: Context) -> str:
        """The mapping may place its file in another layer."""
        return context.mapping.layer if context.mapping else self.layer

    def columns(self, names: Sequence[str], context: Context) -> None:
        """Refuse a table that lacks the columns without which no row can be read."""
        headings = dict.fromkeys(names, "1")
        mapping = context.mapping or choose(headings)
        if context.mapping is None and (unknown := unknown_counts(headings, mapping)):
            raise NotThisKind(f"{', '.join(unknown)}: not known what it counts; write a mapping")
        needed = {"time": mapping.time, "input": mapping.counts.get("input_uncached")}
        for name, column in needed.items():
            if column and not any(_may_hold(names, path) for path in column.columns):
                raise NotThisKind(f"no column for {name} ({column.name}); write a mapping")

    def row(self, record: Record, context: Context) -> list[Record]:
        """One usage row. Raises Rejected."""
        mapping: FieldMapping = context.mapping or choose(record)
        if context.mapping is None and (unknown := unknown_counts(record, mapping)):
            raise Rejected("unknown_shape", f"{', '.join(unknown)[:150]}: not known what it counts; write a mapping")
        mapping = _narrowed(mapping, record, context.state)
        row: Record = {
            "occurred_at": _time(record, mapping),
            **{name: _text(column, record) for name, column in mapping.texts.items()},
            **{name: _count(column, record, mapping) for name, column in mapping.numbers.items()},
            "failed": _failed(mapping.failed, record),
            "units": _units(record, mapping),
        }  # fmt: skip
        row["requests"] = 1 if row.get("requests") is None else row["requests"]
        row |= _classes(record, mapping, empty=bool(row["failed"] or row["units"] or row.get("saved_tokens")))
        row |= {
            "mode": _mode(row.get("mode")),
            "provider": _provider(record, row, mapping),
        }
        row |= _cost(record, mapping)
        row["tags"], dropped = canonical_tags(
            {key: _text(column, record) for key, column in mapping.tags.items()}, context.tag_keys
        )
        context.dropped_tags.update(dropped)
        row["native_id"] = _identity(record, mapping, context)
        return [row]


def _narrowed(mapping: FieldMapping, record: Record, state: dict[str, Any]) -> FieldMapping:
    known: dict[Any, FieldMapping] = state.setdefault("narrowed", {})
    key = (id(mapping), *record)
    if key not in known:
        if len(known) >= _MAX_SHAPES:
            known.clear()
        known[key] = mapping.narrowed(record)
    return known[key]


def _time(record: Record, mapping: FieldMapping) -> datetime:
    name, value = next(mapping.time.held(record), (mapping.time.name, None))
    return instant(value, name, zone=mapping.zone, formats=mapping.formats)


def _may_hold(names: Sequence[str], path: str) -> bool:
    return path in names or path.split(".")[0] in names


def _classes(record: Record, mapping: FieldMapping, *, empty: bool) -> dict[str, int | None]:
    """Disjoint classes: every count less the counts that it includes. ``empty``: the input may be missing."""
    raw = {name: _count(column, record, mapping) for name, column in mapping.counts.items()}
    source = mapping.counts.get("input_uncached")
    if source and raw["input_uncached"] is None and not empty:
        raise Rejected("unknown_shape", f"no input count in {source.name[:150]}")
    classes: dict[str, int | None] = dict.fromkeys(TOKEN_CLASSES)
    for name, value in raw.items():
        inside = sum(raw.get(inner) or 0 for inner in mapping.counts[name].includes)
        if inside > (value or 0):
            reason = "cached_exceeds_input" if name in ALL_INPUT_CLASSES else "unexplained_total"
            raise Rejected(reason, f"the parts of {mapping.counts[name].name[:100]} exceed it")
        classes[name] = None if value is None else value - inside
    total = _count(mapping.total, record, mapping)
    if total is not None and total != (found := sum(value or 0 for value in classes.values())):
        raise Rejected("unexplained_total", f"the classes add up to {found}, the total is {total}")
    return classes


def _count(column: Column, record: Record, mapping: FieldMapping) -> int | None:
    """A count. Where several columns of an ``any_of`` hold one, they must agree: no guess is made between them."""
    found: dict[int, str] = {}
    for name, value in column.held(record):
        number = count(_plain(value, name, mapping.csv), name, e_notation=mapping.e_notation)
        if number is not None:
            found.setdefault(number, name)
    if len(found) > 1:
        raise Rejected("unknown_shape", f"{' and '.join(found.values())[:150]} differ")
    return next(iter(found), None)


def _plain(value: Any, name: str, numerals: Numerals) -> Any:
    """A number as the mapping's CSV writes it, with a decimal point and without marks between thousands."""
    if not isinstance(value, str) or (numerals.decimal == "." and not numerals.thousands):
        return value
    return number_text(value, name, decimal=numerals.decimal, thousands=numerals.thousands)


def _text(column: Column, record: Record) -> str | None:
    if column.constant is not None:
        return column.constant
    value = column.find(record)
    if value is None:
        return None
    if isinstance(value, Mapping | list | tuple | bytes):
        raise Rejected("unknown_shape", f"{column.name[:100]} is not a text")
    text = str(value).strip() if not isinstance(value, bool) else str(value).lower()
    return column.values.get(text, text)


def _failed(column: Column, record: Record) -> int | None:
    text = _text(column, record)
    if text is None:
        return None
    if text.lower() not in _FAILED:
        raise Rejected("unknown_shape", f"{column.name[:100]} is neither true nor false; give it values")
    return _FAILED[text.lower()]


def _mode(text: str | None) -> str:
    if text is not None and text.lower() not in _MODES:
        raise Rejected("unknown_shape", "mode is neither sync nor batch")
    return "sync" if text is None else _MODES[text.lower()]


def _provider(record: Record, row: Record, mapping: FieldMapping) -> str | None:
    named = _text(mapping.provider, record)
    model = (row.get("model_served") or row.get("model_requested") or "").lower()
    return named or next((provider for prefix, provider in mapping.prefixes if model.startswith(prefix.lower())), None)


def _cost(record: Record, mapping: FieldMapping) -> dict[str, Any]:
    value = mapping.reported_cost.find(record)
    cost = money(_plain(value, mapping.reported_cost.name, mapping.csv), mapping.reported_cost.name)
    if cost is None:
        return {"reported_cost": None, "reported_currency": "USD"}
    currency = (_text(mapping.currency, record) or "").upper()
    if len(currency) != 3 or not currency.isalpha():
        raise Rejected("unknown_shape", "reported_cost has no currency")
    return {"reported_cost": cost, "reported_currency": currency}


def _units(record: Record, mapping: FieldMapping) -> list[dict[str, Any]] | None:
    units = []
    for name, column in mapping.units.items():
        amount = quantity(_plain(column.find(record), column.name, mapping.csv), column.name)
        if amount:
            units.append({"unit": UNITS[name], "quantity": amount})
    return units or None


def _identity(record: Record, mapping: FieldMapping, context: Context) -> str:
    named = [_text(column, record) for column in mapping.id]
    if named and None not in named:
        return SEPARATOR.join(map(str, named))
    if named and context.mapping:
        raise Rejected("unknown_shape", "the id, or a part of it, is missing")
    return row_identity(record, context.state)


SOURCE = Generic()
