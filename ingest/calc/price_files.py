"""Price files of others as price rows: LiteLLM's catalogue, dated snapshots, the history of simonw/llm-prices, overrides.

A file is one of three things: a list of prices that stands for itself (overrides, a built-in book), catalogues that each
hold from their date until the next one's, or one source's dated history.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from finops.documents import DocumentError, check_texts, read_yaml
from finops.periods import PeriodError, check_day
from ingest.calc.matching import PROVIDER_ALIASES
from ingest.calc.overrides import overrides
from ingest.calc.price_fields import ROUNDED, entry_rows, place_of
from ingest.calc.price_timelines import Row, check_no_overlaps
from ingest.calc.prices import ALWAYS, PriceError, read_builtin

FORMATS = ("litellm", "snapshots", "llm-prices", "overrides", "genai-prices")
_BOOKS = {"overrides": "override", "genai-prices": "builtin"}
_UNKNOWN = "this is none of the price files that can be loaded: " + ", ".join(FORMATS)


class PriceFile(NamedTuple):
    """What a file says. ``rows``: PRICE_SCHEMA as dicts, a list that stands for itself or one source's history.

    ``catalogues``: day -> its prices (their valid_from and valid_to are set when they are put into a book).
    ``left_out``: (provider and model, field, why) of what price rows cannot say.
    """

    format: str
    book: str
    rows: list[Row]
    catalogues: dict[datetime, list[Row]]
    left_out: list[tuple[str, str, str]]
    matching: dict[str, Any]

    @property
    def all_rows(self) -> Iterable[Row]:
        """Every price row of the file."""
        return [*self.rows, *(row for rows in self.catalogues.values() for row in rows)]

    def counts(self) -> dict[str, int]:
        """Prices read, those rounded, and fields left out."""
        rows = list(self.all_rows)
        return {
            "prices": len(rows), "rounded": sum(ROUNDED in row["note"] for row in rows), "left_out": len(self.left_out),
        }  # fmt: skip


def read_prices(raw: bytes, *, kind: str = "", book: str = "", day: date, origin: str) -> PriceFile:
    """Read a price file. ``kind``: one of FORMATS, found out by content where it is missing; ``day``: of a catalogue that
    does not state its own; ``origin``: named as the source. Raises PriceError naming what is wrong and where.
    """
    kind = kind or detect(raw)
    book = book or _BOOKS.get(kind, "snapshot")
    if kind == "overrides":
        try:
            rows = overrides(read_yaml(raw)).to_pylist()
        except DocumentError as error:
            raise PriceError(str(error)) from None
        return PriceFile(kind, book, rows, {}, [], {})
    if kind == "genai-prices":
        builtin = read_builtin(raw)
        return PriceFile(kind, book, builtin.rows.to_pylist(), {}, [], {"providers": builtin.providers})
    if kind == "llm-prices":
        return _history(_table(raw), book, origin)
    entries = _litellm(_json(raw)) if kind == "litellm" else [_snapshot(row) for row in _table(raw)]
    return _catalogues(kind, book, entries, day, origin)


def detect(raw: bytes) -> str:
    """The format that a file is in, by its content. Raises PriceError."""
    if raw[:4] == b"PAR1":
        return "snapshots"
    if raw[:2] == b"\x1f\x8b":
        return "genai-prices"
    head = raw.lstrip()[:1]
    if head == b"{":
        return "litellm"
    if head == b"[":
        found = _json(raw) if b"model_key" in raw else None
        return "snapshots" if found is not None else "overrides"
    first = set(raw.split(b"\n", 1)[0].decode("utf-8", "replace").strip().strip("\ufeff").split(","))
    if {"vendor", "model", "input", "output"} <= first:
        return "llm-prices"
    if "model_key" in first:
        return "snapshots"
    if head in (b"-", b"#"):
        return "overrides"
    raise PriceError(_UNKNOWN)


class _Entry(NamedTuple):
    key: str
    provider: str
    mode: str
    fields: Mapping[str, Any]
    day: str
    source: str
    per_million: bool


def _litellm(data: Any) -> list[_Entry]:
    if not isinstance(data, dict) or not any(isinstance(v, dict) and "litellm_provider" in v for v in data.values()):
        raise PriceError("no entry names a litellm_provider: this is not LiteLLM's catalogue")
    return [
        _Entry(key, str(entry.get("litellm_provider") or ""), str(entry.get("mode") or ""), entry, "", "", False)
        for key, entry in data.items()
        if isinstance(entry, dict) and key != "sample_spec"
    ]


def _snapshot(row: Mapping[str, Any]) -> _Entry:
    key, provider, mode, day, source = (
        str(row.get(name) or "") for name in ("model_key", "provider", "mode", "snapshot_date", "source")
    )
    if not key:
        raise PriceError("a row names no model_key")
    return _Entry(key, provider, mode, {k: v for k, v in row.items() if v != ""}, day, source, per_million=True)


def _catalogues(kind: str, book: str, entries: list[_Entry], day: date, origin: str) -> PriceFile:
    catalogues: dict[datetime, list[Row]] = {}
    left_out: list[tuple[str, str, str]] = []
    for entry in entries:
        provider = _provider(entry.provider)
        name = f"{provider or '?'} {entry.key}"
        place = place_of(entry.key, provider)
        if not provider or place is None:
            why = "names no provider" if not provider else "reserved for months: a commitment, no price of usage"
            left_out.append((name, "every price", why))
            continue
        found = entry_rows(entry.fields, entry.mode, per_million=entry.per_million)
        left_out += [(name, field, why) for field, why in found.left_out]
        since = _instant(entry.day, f"{name}: snapshot_date") if entry.day else _midnight(day)
        terms = {
            "book": book, "provider": provider, "model": place[0], "region": place[1], "variant": "",
            "reprices_whole": True, "window_start": None, "window_end": None, "valid_from": since, "valid_to": None,
            "currency": "USD", "source": entry.source or origin,
        }  # fmt: skip
        catalogues.setdefault(since, []).extend(terms | row for row in found.rows)
    for rows in catalogues.values():
        check_no_overlaps(rows)
    if not catalogues:
        raise PriceError("there is no price in this file")
    return PriceFile(kind, book, [], catalogues, left_out, {})


def _history(table: Iterable[Mapping[str, Any]], book: str, origin: str) -> PriceFile:
    """simonw/llm-prices over its commits: from_date where it is stated, else a price holds from its first commit on."""
    table = list(table)
    if missing := sorted({"vendor", "model", "input", "output"} - set(table[0] if table else ())):
        raise PriceError(f"this is not the history of llm-prices: there is no column {missing[0]}")
    lines: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    left_out: list[tuple[str, str, str]] = []
    for row in table:
        lines.setdefault((_provider(str(row.get("vendor") or "")), str(row.get("model") or "")), []).append(row)
    rows: list[Row] = []
    for (provider, model), line in lines.items():
        dated = sorted(line, key=lambda row: _begins(row, f"{provider} {model}"))
        for number, row in enumerate(dated):
            name = f"{provider} {model}"
            begin = _begins(row, name)
            since = ALWAYS if number == 0 and not row.get("from_date") else begin
            after = _begins(dated[number + 1], name) if number + 1 < len(dated) else None
            until = _instant(row["to_date"], f"{name}: to_date") if row.get("to_date") else after
            if until is not None and until <= since:
                left_out.append((name, "every price", f"replaced on the day it was first seen, {since:%Y-%m-%d}"))
                continue
            fields = {"input": row["input"], "output": row["output"], "cache_read": row.get("input_cached")}
            found = entry_rows({k: v for k, v in fields.items() if v not in (None, "")}, per_million=True)
            left_out += [(name, field, why) for field, why in found.left_out]
            seen = f"first seen {row.get('first_commit_date')}"
            terms = {
                "book": book, "provider": provider, "model": model, "region": "", "variant": "", "reprices_whole": True,
                "window_start": None, "window_end": None, "valid_from": since, "valid_to": until, "currency": "USD",
                "source": f"llm-prices: {origin}",
            }  # fmt: skip
            rows += [terms | price | {"note": "; ".join(filter(None, (price["note"], seen)))} for price in found.rows]
    check_no_overlaps(rows)
    return PriceFile("llm-prices", book, rows, {}, left_out, {})


def _begins(row: Mapping[str, Any], name: str) -> datetime:
    return _instant(row.get("from_date") or row.get("first_commit_date") or "", f"{name}: first_commit_date")


def _provider(name: str) -> str:
    """The book's name of LiteLLM's provider; ``vertex_ai-language-models`` and the like are their head's."""
    text = name.strip().lower()
    head = text.partition("-")[0]
    return PROVIDER_ALIASES.get(text) or PROVIDER_ALIASES.get(head if text.endswith("models") else text, text)


def _table(raw: bytes) -> list[dict[str, Any]]:
    if raw[:4] == b"PAR1":
        try:
            rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(raw)).to_pylist()
        except pa.ArrowException as error:
            raise PriceError(f"not a Parquet file that can be read: {error}") from None
        _check_texts(rows)
        return rows
    if raw.lstrip()[:1] == b"[":
        found = _json(raw)
        if not all(isinstance(row, dict) for row in found):
            raise PriceError("a catalogue in JSON is a list of objects")
        return list(found)
    try:
        table = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise PriceError(f"not a CSV that can be read: {error}") from None
    _check_texts(table)
    return table


def _json(raw: bytes) -> Any:
    try:
        found = json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceError(f"not JSON: {error}") from None
    _check_texts(found)
    return found


def _check_texts(found: Any) -> None:
    try:
        check_texts(found)
    except DocumentError as error:
        raise PriceError(str(error)) from None


def _instant(text: Any, name: str) -> datetime:
    try:
        day = text if isinstance(text, date) else date.fromisoformat(str(text)[:10])
    except ValueError:
        raise PriceError(f"{name}: {str(text)[:40]!r} is not a date") from None
    return _midnight(day, name)


def _midnight(day: date, name: str = "the date of the catalogue") -> datetime:
    try:
        check_day(day)
    except PeriodError as error:
        raise PriceError(f"{name} {day} {error}") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
