"""Price rows: their schema, the built-in book read from its export, and the checks every row has to pass."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv

from finops.money import RATE
from finops.tokens import ALL_INPUT_CLASSES, TOKEN_CLASSES, UNITS

BOOKS = ("override", "contract", "builtin", "snapshot")  # in order of precedence
PRICE_CLASSES = (*TOKEN_CLASSES, *UNITS)
MODES = ("sync", "batch")
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)  # valid_from of a price of which no beginning is known

# One dated rate. '' in service_tier, region and variant is the standard tier, any region, no variant.
# context_over N: holds when the request's input tokens (all input classes) are MORE than N; 0 is the base band.
# reprices_whole: the band's rate applies to the whole request; else to its input tokens above N (price_excess).
# Windows are times of the UTC day, [start, end), over midnight when end <= start, NULL = the rest of the day.
_FIELDS: list[tuple[str, Any]] = [
    ("book", pa.string()), ("provider", pa.string()), ("model", pa.string()), ("price_class", pa.string()),
    ("mode", pa.string()), ("service_tier", pa.string()), ("region", pa.string()), ("variant", pa.string()),
    ("context_over", pa.int64()), ("reprices_whole", pa.bool_()),
    ("window_start", pa.time64("us")), ("window_end", pa.time64("us")),
    ("valid_from", pa.timestamp("us", "UTC")), ("valid_to", pa.timestamp("us", "UTC")),
    ("currency", pa.string()), ("rate", RATE), ("per", pa.int64()), ("source", pa.string()), ("note", pa.string()),
]  # fmt: skip
PRICE_SCHEMA = pa.schema(_FIELDS)
_NULLABLE = {"window_start", "window_end", "valid_to"}


class PriceError(ValueError):
    """Price rows, or lines to be rated, break their contract; the message names the row and the field."""


class Builtin(NamedTuple):
    """The built-in book: its price rows (PRICE_SCHEMA) and the providers' matching rules (JSON-able)."""

    rows: pa.Table
    providers: list[dict[str, Any]]


def read_builtin(raw: bytes) -> Builtin:
    """Read the exported book (bytes of ``builtin.json.gz``). Out: rows in PRICE_SCHEMA, USD, and matching data.

    Raises PriceError if the bytes are not such a book. Invariant: the same bytes give the same rows in the same order.
    """
    try:
        data = json.loads(gzip.decompress(raw))
        names: list[str] = data["columns"]
        rows = [
            {
                "book": "builtin", "provider": provider["id"], "model": model["id"], "region": "",
                "reprices_whole": True, "currency": data["currency"], "source": data["source"],
                **_parsed(dict(zip(names, values, strict=True))),
            }
            for provider in data["providers"]
            for model in provider["models"]
            for values in model["prices"]
        ]  # fmt: skip
        providers = [
            provider | {"models": [{"id": m["id"], "match": m["match"]} for m in provider["models"]]}
            for provider in data["providers"]
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PriceError(f"not an exported price book: {error!r}") from error
    return Builtin(price_table(rows), providers)


def price_table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """A checked table in PRICE_SCHEMA from row dicts. Raises PriceError naming the row and the field."""
    table = pa.Table.from_pylist(list(rows), schema=PRICE_SCHEMA)
    check_prices(table)
    return table


def check_prices(table: pa.Table) -> None:
    """Raise PriceError unless ``table`` is in PRICE_SCHEMA and every row is one that can be rated."""
    if not table.schema.equals(PRICE_SCHEMA):
        raise PriceError(f"price rows are not in PRICE_SCHEMA: {table.schema.names}")
    for name in PRICE_SCHEMA.names:
        if name not in _NULLABLE and table[name].null_count:
            raise PriceError(f"row {table[name].to_pylist().index(None)}: {name} is missing")
    _closed(table, "book", BOOKS)
    _closed(table, "price_class", PRICE_CLASSES)
    _closed(table, "mode", MODES)
    names = ("rate", "per", "context_over", "reprices_whole", "price_class")
    numbers = zip(*(table[name].to_pylist() for name in names), strict=True)
    for row, (rate, per, over, whole, price_class) in enumerate(numbers):
        if not 0 <= rate <= 9_000_000:  # 9.0e18 in steps of 1e-12 is what int64 holds
            raise PriceError(f"row {row}: rate {rate} is not between 0 and 9,000,000")
        if per <= 0 or over < 0:
            raise PriceError(f"row {row}: per {per} and context_over {over} must be positive and not negative")
        if not whole and (over == 0 or price_class not in ALL_INPUT_CLASSES):
            raise PriceError(
                f"row {row}: a band that prices only the excess (reprices_whole false) needs a context_over and an input "
                f"class, not {price_class} over {over}"
            )
    _check_times(table)


def content_hash(rows: pa.Table, providers: Any) -> str:
    """A name for price rows (PRICE_SCHEMA, in any order) and what JSON-able is said beside them."""
    stream = io.BytesIO()
    pyarrow.csv.write_csv(rows, stream)
    digest = hashlib.blake2b(digest_size=16)
    for line in sorted(stream.getvalue().splitlines()):
        digest.update(line + b"\n")
    digest.update(json.dumps(providers, sort_keys=True, ensure_ascii=False).encode())
    return digest.hexdigest()


def _check_times(table: pa.Table) -> None:
    spans = zip(*(table[n].to_pylist() for n in ("window_start", "window_end", "valid_from", "valid_to")), strict=True)
    for row, (start, end, since, until) in enumerate(spans):
        if (start is None) != (end is None) or any(t is not None and (t.second or t.microsecond) for t in (start, end)):
            raise PriceError(f"row {row}: window_start and window_end must both be whole minutes or both be empty")
        if until is not None and until <= since:
            raise PriceError(f"row {row}: valid_to {until} is not after valid_from {since}")


def _closed(table: pa.Table, name: str, allowed: tuple[str, ...]) -> None:
    unknown = {str(value) for value in table[name].unique().to_pylist()} - set(allowed)
    for value in sorted(unknown):
        raise PriceError(f"row {table[name].to_pylist().index(value)}: {name} {value!r} is not one of {allowed}")


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("window_start", "window_end"):
        row[name] = None if row[name] is None else time(*divmod(row[name], 60))
    for name in ("valid_from", "valid_to"):
        row[name] = None if row[name] is None else datetime.fromisoformat(row[name]).replace(tzinfo=UTC)
    row["rate"] = Decimal(row["rate"])
    return row
