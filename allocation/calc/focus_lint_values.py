"""Header and values of a FOCUS file, one by one."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.calc.focus_columns import ALLOWED, Column

ERROR, NOTE = "error", "note"
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(E-?[0-9]+)?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_PASCAL = re.compile(r"(x_)?[A-Z][A-Za-z0-9]*")
_EXPONENT = 400  # beyond it no number is money
_PLACEHOLDERS = frozenset(
    {"n/a", "na", "null", "none", "nil", "nan", "-", "--", "not applicable", "unknown", "undefined"}
)
# Units that FOCUS lists, which have one capitalisation; others are free.
_LISTED = ("Tokens", "Hours", "Seconds", "Minutes", "Days", "Months", "Years", "Requests", "Units", "Images", "Count", "Jobs",
           "Messages", "Seats", "Characters", "Pages")  # fmt: skip
_BYTES = frozenset({"b", "kb", "mb", "gb", "tb", "pb", "eb", "kib", "mib", "gib", "tib", "pib", "eib"})
_SHORT = re.compile(r"[0-9]+[KMBkmb]\b")
SKU_DETAILS = frozenset(
    {"CoreCount", "DiskMaxIops", "DiskSpace", "DiskType", "GpuCount", "InstanceType", "InstanceSeries", "MemorySize",
     "NetworkMaxIops", "NetworkMaxThroughput", "OperatingSystem", "Redundancy", "StorageClass"}
)  # fmt: skip


class Finding(NamedTuple):
    """One break. ``row`` 0 is the header; ``level``: error, or note for what FOCUS has no value for."""

    row: int
    column: str
    rule: str
    message: str
    level: str = ERROR

    def __str__(self) -> str:
        place = f"row {self.row}" if self.row else "header"
        return f"{place}{f', {self.column}' if self.column else ''}: {self.message} [{self.rule}]"


def amount(row: Mapping[str, str], name: str) -> Decimal | None:
    """A number of a row; None where it is null or no number, which ``values`` reports."""
    text = row.get(name, "")
    found = Decimal(text) if _NUMBER.fullmatch(text) else None
    return found if found is not None and abs(found.adjusted()) <= _EXPONENT else None


def header(columns: Sequence[str], known: Mapping[str, Column]) -> Iterator[Finding]:
    """Columns that are missing, unknown without x_, twice, or of ours before one of FOCUS's."""
    for column in known.values():
        if column.mandatory and column.name not in columns:
            yield Finding(0, column.name, "mandatory_column", "is missing")
    last = max((at for at, name in enumerate(columns) if name in known), default=-1)
    for at, name in enumerate(columns):
        if name in columns[:at]:
            yield Finding(0, name, "column_twice", "stands twice")
        elif name not in known and not name.startswith("x_"):
            yield Finding(0, name, "custom_column_prefix", "is no column of FOCUS and does not begin with x_")
        elif name not in known and at < last:
            yield Finding(0, name, "custom_columns_last", "stands before columns of FOCUS")
        if not _PASCAL.fullmatch(name):
            yield Finding(0, name, "pascal_case", "is not written in Pascal case")


def values(number: int, row: Mapping[str, str], beyond: int, known: Mapping[str, Column]) -> Iterator[Finding]:
    """Each value of a row by its column's kind. ``beyond``: how many fields it has more than the header."""
    if beyond:
        yield Finding(
            number, "", "field_count", f"has {abs(beyond)} fields {'more' if beyond > 0 else 'fewer'} than the header"
        )
    for name, text in row.items():
        column = known.get(name)
        if text == "":
            if column is not None and not column.null:
                yield Finding(number, name, "not_null", "is null")
        elif not text.strip():
            yield Finding(number, name, "only_spaces", "has nothing but spaces")
        elif text.strip().lower() in _PLACEHOLDERS:
            yield Finding(number, name, "placeholder", f"has {text!r} in place of null")
        elif column is not None and (problem := _problem(column, text)):
            yield Finding(number, name, *problem)


def _problem(column: Column, text: str) -> tuple[str, str] | None:
    if column.kind in ("decimal", "price"):
        return _number_problem(column, text)
    if column.kind == "time":
        return None if _is_time(text) else ("time_format", f"{text!r} is not written YYYY-MM-DDTHH:MM:SSZ")
    if column.kind == "currency":
        national = len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()
        return None if national else ("currency_format", f"{text!r} is no ISO 4217 code")
    if column.kind in ("tags", "json"):
        return _json_problem(column, text)
    if column.kind == "unit":
        return _unit_problem(text)
    allowed = ALLOWED.get(column.name)
    if allowed is not None and text not in allowed:
        return "allowed_value", f"{text!r} is not one of {', '.join(allowed[:6])}{', ...' if len(allowed) > 6 else ''}"
    return ("outer_spaces", f"{text!r} has spaces around it") if text != text.strip() else None


def _number_problem(column: Column, text: str) -> tuple[str, str] | None:
    if not _NUMBER.fullmatch(text):
        return "number_format", f"{text[:40]!r} is no number as FOCUS writes it"
    if abs(Decimal(text).adjusted()) > _EXPONENT:
        return "number_format", f"{text[:40]!r} is out of all range"
    negative = column.kind == "price" and Decimal(text) < 0
    return ("not_negative", f"a unit price of {text}") if negative else None


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


def _json_problem(column: Column, text: str) -> tuple[str, str] | None:
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return "json_format", f"is no JSON object ({str(error)[:60]})"
    if not isinstance(found, dict):
        return "json_format", "is no JSON object"
    if column.kind == "json":
        return None
    if nested := [key for key, value in found.items() if isinstance(value, dict | list)]:
        return "flat_json", f"{nested[0]!r} holds an object or a list"
    own = [key for key in found if key not in SKU_DETAILS and not key.startswith("x_")]
    if column.name == "SkuPriceDetails" and own:
        return "custom_key_prefix", f"key {own[0]!r} is not FOCUS's and does not begin with x_"
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _unit_problem(text: str) -> tuple[str, str] | None:
    if _NUMBER.fullmatch(text):
        return "unit_format", f"{text!r} is a number, no unit"
    if _SHORT.search(text):
        return "unit_format", f"{text!r} abbreviates its quantity: write 1000000 Tokens, not 1M Tokens"
    for word in re.split(r"[^A-Za-z]+", text):
        for listed in _LISTED:
            if word.lower() in (listed.lower(), listed.lower().removesuffix("s")) and word[:1].islower():
                return "unit_format", f"{text!r} is not capitalised as FOCUS does: {listed}"
        if word.lower() in _BYTES and word.lower() == word and len(word) > 1:
            return "unit_format", f"{text!r} is not capitalised as FOCUS does: {word.upper()}"
    return None
