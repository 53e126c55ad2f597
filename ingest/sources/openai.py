"""OpenAI's organisation usage API: its pages as files, all endpoints, schemas of 2025 and 2026.

``input_tokens`` contain cached and written tokens. In the schema of 2026 they and ``output_tokens`` contain every
modality, and ``input_audio_tokens`` and its like leave out what was cached. In that of 2025 they are text alone: audio
stands beside them (a recorded bucket has 822 output and 3,103 output audio tokens), and all of it counts as not cached.
Reasoning is never split. OpenAI does not snap the first and the last bucket of an answer to its width, so a bucket is
known by the full bucket around it, and a later, fuller one replaces it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from finops.tokens import UNITS
from ingest.calc.reasons import Rejected
from ingest.calc.values import count, quantity
from ingest.source import Context, NotThisKind, Record, RowSource

ALL_MODELS = "(all models)"  # of buckets that were not grouped by model: real usage without a price
_WIDTHS = (60, 3_600, 86_400)
# endpoint -> operation, count of its own and the unit of it
_ENDPOINTS: dict[str, tuple[str, str, str]] = {
    "completions": ("chat", "", ""),
    "embeddings": ("embedding", "", ""),
    "moderations": ("moderation", "", ""),
    "images": ("image", "images", "image"),
    "audio_speeches": ("speech", "characters", "character"),
    "audio_transcriptions": ("transcription", "seconds", "audio_second"),
    "vector_stores": ("vector_store", "usage_bytes", "storage_byte"),
    "code_interpreter_sessions": ("code_interpreter", "num_sessions", "session"),
    "file_search_calls": ("file_search", "num_requests", "storage_search"),
    "web_search_calls": ("web_search", "num_requests", "web_search"),
}
_DIMENSIONS = (
    "project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "size", "source", "context_level",
    "vector_store_id",
)  # fmt: skip
_SINCE_2026 = frozenset(
    {"input_text_tokens", "input_cached_text_tokens", "output_text_tokens", "input_uncached_tokens",
     "input_cache_write_tokens", "input_cached_audio_tokens", "input_image_tokens", "output_image_tokens"}
)  # fmt: skip


class OpenAI(RowSource):
    """Usage buckets, one record per result."""

    kind = "openai"
    layer = "provider_usage"
    scopes = tuple(f"openai.{endpoint}" for endpoint in _ENDPOINTS)

    def is_page(self, document: Any) -> bool:
        """A page, a bucket, a list of either, or an answer that is an error."""
        return isinstance(document, list) or (
            isinstance(document, dict) and bool({"data", "results", "result", "error"}.intersection(document))
        )

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Every result with the bounds of its bucket. Raises NotThisKind for errors, costs and other documents."""
        if isinstance(document, list):
            for index, item in enumerate(document):
                yield from ((f"/{index}{pointer}", record) for pointer, record in self.records(item))
            return
        if not isinstance(document, dict):
            raise NotThisKind("not a page of OpenAI's usage API")
        if "error" in document:
            raise NotThisKind("an error that OpenAI answered, not usage")
        if isinstance(document.get("data"), list):
            longest = max(map(_length, document["data"]), default=0)  # its neighbours tell the width of a part
            for index, item in enumerate(document["data"]):
                for pointer, record in self.records(item):
                    good = isinstance(record, dict)
                    yield f"/data/{index}{pointer}", {**record, "page_width": longest} if good else record
            return
        name = "results" if "results" in document else "result"
        results = document.get(name)
        if not isinstance(results, list) or "start_time" not in document:
            raise NotThisKind("neither a page nor a bucket of OpenAI's usage API")
        for index, result in enumerate(results):
            yield f"/{name}/{index}", _bounded(result, document)

    def row(self, record: Record, context: Context) -> list[Record]:  # noqa: ARG002
        """One usage row of a result. Raises Rejected."""
        endpoint = _endpoint(record)
        start, width = _nominal(record)
        operation, counted, unit = _ENDPOINTS[endpoint]
        amount = quantity(record.get(counted), counted)
        requests = count(record.get("num_model_requests"), "num_model_requests")
        if requests is None:
            requests = int(amount or 0) if counted == "num_requests" else 0
        model, batch = _text(record, "model"), record.get("batch")
        tokens = _tokens(record)
        return [
            {
                "native_id": _native_id(endpoint, start, width, record),
                "occurred_at": datetime.fromtimestamp(start, UTC),
                "provider": "openai",
                "model_served": model or (ALL_MODELS if any(tokens.values()) or not amount else None),
                "project": _text(record, "project_id"),
                "principal": _text(record, "user_id"),
                "api_key": _text(record, "api_key_id"),
                "mode": "batch" if batch is True else "sync",
                "service_tier_served": _text(record, "service_tier"),
                "operation": operation,
                "requests": requests,
                "bucket": True,
                "units": [{"unit": UNITS[unit], "quantity": amount}] if amount else None,
                **tokens,
            }
        ]


def _bounded(result: Any, bucket: Record) -> Any:
    if not isinstance(result, dict):
        return result
    if str(result.get("object", "")).startswith("organization.costs"):
        raise NotThisKind("a page of costs, not of usage; it is read with the reconciliation")
    return {**result, "start_time": bucket["start_time"], "end_time": bucket.get("end_time")}


def _length(bucket: Any) -> int:
    start, end = (bucket.get("start_time"), bucket.get("end_time")) if isinstance(bucket, dict) else (0, 0)
    return min(max(end - start, 0), _WIDTHS[-1]) if isinstance(start, int) and isinstance(end, int) else 0


def _endpoint(record: Record) -> str:
    parts = str(record.get("object", "")).split(".")
    if len(parts) != 4 or parts[:2] != ["organization", "usage"] or parts[2] not in _ENDPOINTS:
        raise Rejected("unknown_shape", "object names no endpoint of the usage API")
    return parts[2]


def _nominal(record: Record) -> tuple[int, int]:
    """Start and width in seconds of the full bucket that the given one is a part of, or is."""
    start, end = _second(record, "start_time"), _second(record, "end_time")
    if end <= start or end - start > _WIDTHS[-1]:
        raise Rejected("bad_time", "the bucket is empty, or longer than a day")
    least = max(end - start, record.get("page_width", 0))
    fitting = (width for width in _WIDTHS if width >= least and start - start % width + width >= end)
    width = next(fitting, None)
    if width is None:
        raise Rejected("bad_time", "the bucket crosses midnight UTC")
    return start - start % width, width


def _second(record: Record, name: str) -> int:
    try:
        second = count(record.get(name), name)
    except Rejected as rejected:
        raise Rejected("bad_time", rejected.detail) from None
    if second is None:
        raise Rejected("missing_time", name)
    if second >= 253_402_300_800:  # year 10000
        raise Rejected("out_of_window", name)
    return second


def _native_id(endpoint: str, start: int, width: int, record: Record) -> str:
    return json.dumps([endpoint, start, width, *(record.get(name) for name in _DIMENSIONS)], separators=(",", ":"))


def _text(record: Record, name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return value or None


def _tokens(record: Record) -> dict[str, int | None]:
    """Disjoint classes. Every sum that the record states is checked."""
    counts = {name: count(value, name) for name, value in record.items() if name.endswith("_tokens")}
    given = {name: value for name, value in counts.items() if value is not None}

    def of(name: str) -> int:
        return given.get(name, 0)

    cached, written = of("input_cached_tokens"), of("input_cache_write_tokens")
    rest = of("input_tokens") - cached - written
    if rest < 0:
        raise Rejected("cached_exceeds_input", "input_cached_tokens and input_cache_write_tokens exceed input_tokens")
    if given.get("input_uncached_tokens", rest) != rest:
        raise Rejected("unexplained_total", "input_uncached, cached and cache_write tokens are not input_tokens")
    tokens: dict[str, int | None] = {"cache_write_5m": written}
    for part in ("audio", "image"):
        tokens[f"cache_read_{part}"] = of(f"input_cached_{part}_tokens")
        tokens[f"input_{part}"] = of(f"input_{part}_tokens")
        tokens[f"output_{part}"] = of(f"output_{part}_tokens")
    read, uncached, visible = cached, rest, of("output_tokens")
    if _SINCE_2026.intersection(given):
        read -= _sum(tokens, ("cache_read_audio", "cache_read_image"))
        uncached -= _sum(tokens, ("input_audio", "input_image"))
        visible -= _sum(tokens, ("output_audio", "output_image"))
    _agree(read, given.get("input_cached_text_tokens"), "input_cached_tokens", "cached_exceeds_input")
    _agree(uncached, given.get("input_text_tokens"), "input_tokens", "cached_exceeds_input")
    _agree(visible, given.get("output_text_tokens"), "output_tokens", "unexplained_total")
    return tokens | {"cache_read": read, "input_uncached": uncached, "output_visible": visible}


def _sum(tokens: dict[str, int | None], names: tuple[str, ...]) -> int:
    return sum(tokens[name] or 0 for name in names)


def _agree(rest: int, said: int | None, name: str, reason: str) -> None:
    if rest < 0:
        raise Rejected(reason, f"the modalities exceed {name}")
    if said not in (None, rest):
        raise Rejected("unexplained_total", f"the modalities are not {name}")


SOURCE = OpenAI()
