"""Reading records strictly: JSON text to values, values to the types of an Arrow schema."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from typing import Any

import pyarrow as pa

from ingest.calc.lines import LINE_SCHEMA
from ingest.calc.reasons import Rejected
from ingest.calc.usage import USAGE_SCHEMA
from ingest.calc.values import MAX_INT64, NumberText, count, decimal

_WIDE = Context(prec=76, rounding=ROUND_HALF_EVEN)


class Ambiguous(dict[str, Any]):
    """An object that gave ``keys`` more than once: JSON readers disagree about which counts."""

    keys_twice: frozenset[str] = frozenset()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    times = Counter(key for key, _ in pairs)
    ambiguous = Ambiguous(found)
    ambiguous.keys_twice = frozenset(key for key, number in times.items() if number > 1)
    return ambiguous


def _integer(text: str) -> int | NumberText:
    return int(text) if len(text) <= 40 else NumberText(text)


def load_json(raw: bytes) -> Any:
    """One JSON value. Fractions, NaN, Infinity and integers of thousands of digits are kept as their text, so that only
    a field that is read can be a bad number; an object with a key twice is Ambiguous for the same reason.

    Raises Rejected: bad_utf8 or not_json.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected("bad_utf8", f"byte {error.start} of the record") from None
    if "\x00" in text:
        raise Rejected("bad_utf8", "a NUL character")
    try:
        return json.loads(
            text, parse_float=NumberText, parse_constant=NumberText, parse_int=_integer, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise Rejected("not_json", f"at character {error.pos}") from None
    except RecursionError:
        raise Rejected("not_json", "nested too deeply") from None


def fit(record: dict[str, Any], schema: pa.Schema, *, e_notation: bool = False) -> dict[str, Any]:
    """The fields of a schema, coerced strictly; fields the schema does not name are left out.

    A text that holds JSON (LiteLLM's table stores ``metadata`` so) is read where the schema expects a structure.
    Raises Rejected naming the field.
    """
    _unambiguous(record, schema)
    return {field.name: _fit(record.get(field.name), field.type, field.name, e_notation) for field in schema}


def _unambiguous(record: dict[str, Any], fields: Iterable[pa.Field], place: str = "") -> None:
    if not isinstance(record, Ambiguous):
        return
    for field in fields:
        if field.name in record.keys_twice:
            raise Rejected("unknown_shape", f"{place}{field.name} is given twice")


def given_twice(value: Any) -> str:
    """The first key that any object inside ``value`` gives twice, '' for none."""
    if isinstance(value, Ambiguous):
        return min(value.keys_twice)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(given_twice, inner)), "")


def row_identity(record: dict[str, Any], state: dict[str, Any]) -> str:
    """The identity of a record without an id: the hash of its canonical form and its ordinal among equal ones.

    ``state`` is the import's: ``equal`` counts records by hash; ``identity`` becomes ``row``, which marks the run.
    """
    text = json.dumps(record, sort_keys=True, default=_canonical)
    digest = blake2b(text.encode(), digest_size=16).digest()
    equal: Counter[bytes] = state.setdefault("equal", Counter())
    equal[digest] += 1
    state["identity"] = "row"
    return f"row:{digest.hex()}:{equal[digest]}"


def _canonical(value: Any) -> str:
    return (
        value.isoformat()
        if isinstance(value, date)
        else format(value, "f")
        if isinstance(value, Decimal)
        else str(value)
    )


def _fit(value: Any, type_: pa.DataType, name: str, e_notation: bool) -> Any:
    if value is None:
        return None
    if pa.types.is_int64(type_):
        number = count(value, name, e_notation=e_notation)
        if number is not None and number > MAX_INT64:
            raise Rejected("too_large", name)
        return number
    if pa.types.is_decimal(type_) or pa.types.is_floating(type_):
        return _number(value, type_, name)
    if pa.types.is_boolean(type_):
        if isinstance(value, bool):
            return value
        raise Rejected("unknown_shape", f"{name} is not true or false")
    if pa.types.is_string(type_):
        return _text(value, name)
    return _nested(value, type_, name, e_notation)


def _number(value: Any, type_: pa.DataType, name: str) -> Decimal | float | None:
    if isinstance(value, str) and not isinstance(value, NumberText) and not value.strip():
        return None
    exact = decimal(value, name)
    if pa.types.is_floating(type_):
        return float(exact)
    if exact.adjusted() >= type_.precision - type_.scale:
        raise Rejected("too_large", name)
    return exact.quantize(Decimal(1).scaleb(-type_.scale), context=_WIDE)


def _text(value: Any, name: str) -> str:
    if isinstance(value, NumberText) and not value[-1].isdigit():  # NaN, Infinity
        raise Rejected("bad_number", name)
    if isinstance(value, str):
        require_text(value, name)
        return str(value)
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(value)
    raise Rejected("unknown_shape", f"{name} is a {type(value).__name__}, not a text")


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def require_text(value: str, name: str) -> None:
    """Raises Rejected for a text with a NUL or a lone surrogate: neither can be stored, and Arrow stops at the latter."""
    if _UNSTORABLE.search(value):
        raise Rejected("bad_utf8", f"{name} holds a lone surrogate or a NUL")


_INSTANTS = ("occurred_at", "period_start", "period_end")
_COUNTS = frozenset(field.name for field in USAGE_SCHEMA if pa.types.is_int64(field.type))
_TEXTS = frozenset(field.name for field in [*USAGE_SCHEMA, *LINE_SCHEMA] if pa.types.is_string(field.type))


def storable(row: dict[str, Any]) -> dict[str, Any]:
    """A usage row or line whose texts can be stored, whose counts are whole and whose times are instants. Raises Rejected."""
    for name, value in row.items():
        if isinstance(value, str):
            require_text(value, name)
        elif value is not None and name in _TEXTS:
            raise Rejected("unknown_shape", f"{name} is a {type(value).__name__}, not a text")
        elif type(value) is not int and name in _COUNTS and value is not None:
            _require_whole(value, name)
    for name in _INSTANTS:
        moment = row.get(name)
        if moment is not None and not isinstance(moment, datetime):
            raise Rejected("bad_time", f"{name} is a {type(moment).__name__}, not a datetime")
        if moment is not None and moment.tzinfo is None:
            raise Rejected("bad_time", f"{name} has no zone")
    if (tags := row.get("tags")) and not _are_tags(tags):
        raise Rejected("unknown_shape", "tags is not what ingest.calc.identity.canonical_tags writes")
    return row


def _require_whole(value: Any, name: str) -> None:
    """Arrow would cut the fraction off; what is no number at all it names itself."""
    try:
        if not isfinite(value):
            raise Rejected("bad_number", name)
        if value != int(value):
            raise Rejected("fractional", name)
    except TypeError:
        return


@lru_cache(maxsize=4_096)
def _are_tags(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())


def _nested(value: Any, type_: pa.DataType, name: str, e_notation: bool) -> Any:
    if isinstance(value, str):
        if not value.strip():
            return None
        value = load_json(value.encode("utf-8", "surrogatepass"))
        if value is None:
            return None
    if pa.types.is_list(type_):
        if not isinstance(value, list):
            raise Rejected("unknown_shape", f"{name} is not a list")
        return [_fit(item, type_.value_type, f"{name}[]", e_notation) for item in value]
    if not isinstance(value, dict):
        raise Rejected("unknown_shape", f"{name} is not an object")
    _unambiguous(value, type_, f"{name}.")
    return {field.name: _fit(value.get(field.name), field.type, f"{name}.{field.name}", e_notation) for field in type_}
