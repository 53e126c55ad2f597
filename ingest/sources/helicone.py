"""Helicone: answers of its request queries.

For Anthropic ``prompt_tokens`` leave out what a prompt cache read or wrote; for others they contain it, unless
``total_tokens`` says otherwise, which later versions count with the cache. More cached tokens than prompt tokens mean
the same (Helicone's own reading of them). ``costUSD`` is Helicone's estimate in dollars; ``cost`` has changed its unit
and is not read. A negative status is a call that was broken off; one without a status has not ended.
"""

import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from ingest.calc.gateway_rows import labels, provider_of, usage
from ingest.calc.reasons import Rejected
from ingest.calc.rollouts import text_of
from ingest.calc.values import count, instant, money
from ingest.source import Context, Guide, NotThisKind, Record, RowSource, Skip

_UTC = ZoneInfo("UTC")
_HOST = re.compile(r"https?://([^/?#]+)")
_NO_REFERENCE = frozenset({None, "", "00000000-0000-0000-0000-000000000000"})


class Helicone(RowSource):
    """One record per request."""

    kind = "helicone"
    layer = "gateway"
    scopes = ("tokens.*",)
    guide = Guide(
        title="Helicone",
        connect=(
            "Save the answers of POST /v1/request/query-clickhouse (offset and limit, includeInputs false) and import "
            "them with manage.py ingest_file --source helicone."
        ),
        permission="",
        tells="model, provider, properties (Helicone-Property-*) as tags",
        cannot=(
            "Users (not kept), reasoning tokens, and which calls belong to one query. For providers other than Anthropic "
            "whose answers Helicone counts without the cache, the total must say so."
        ),
    )

    def is_page(self, document: Any) -> bool:
        """An answer, or a list of requests."""
        return isinstance(document, list) or (isinstance(document, dict) and "data" in document and "error" in document)

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """The requests of an answer. Raises NotThisKind."""
        if isinstance(document, list):
            yield from ((f"/{index}", item) for index, item in enumerate(document))
        elif isinstance(document, dict) and document.get("error"):
            raise NotThisKind("an error that Helicone answered")
        elif isinstance(document, dict) and isinstance(document.get("data"), list):
            yield from ((f"/data/{index}", item) for index, item in enumerate(document["data"]))
        elif isinstance(document, dict) and "request_id" in document:
            yield "", document
        else:
            raise NotThisKind("not an answer of Helicone's request query")

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage row of a request. Raises Rejected, and Skip for one that has not ended."""
        native = text_of(record, "request_id")
        if not native:
            raise Rejected("unknown_shape", "request_id is missing")
        status = record.get("response_status")
        if status is None:
            raise Skip("pending")
        if type(status) is not int:
            raise Rejected("unknown_shape", "response_status is no integer")
        provider = provider_of(record.get("provider"))
        host = _HOST.match(str(record.get("target_url") or record.get("request_path") or ""))
        model = (
            text_of(record, "model_override") or text_of(record, "response_model") or text_of(record, "request_model")
        )
        hit = record.get("cache_reference_id") not in _NO_REFERENCE
        return [
            {
                "native_id": native,
                "occurred_at": instant(record.get("request_created_at"), "request_created_at", zone=_UTC),
                "provider": provider,
                "host": host[1] if host else None,
                "model_requested": text_of(record, "request_model"),
                "model_served": model,
                "operation": "embedding" if "embeddings" in str(record.get("request_path")) else "chat",
                "failed": None if 200 <= status < 300 else 1,
                "reported_cost": money(record.get("costUSD"), "costUSD"),
                **labels(record.get("request_properties"), context.tag_keys, context.dropped_tags),
                **usage(_classes(record, provider), hit=hit),
            }
        ]


def _classes(record: Record, provider: str | None) -> dict[str, int]:
    prompt, completion, read, written = (
        count(record.get(name), name) or 0
        for name in ("prompt_tokens", "completion_tokens", "prompt_cache_read_tokens", "prompt_cache_write_tokens")
    )
    total = count(record.get("total_tokens"), "total_tokens")
    beside = total == prompt + completion + read + written
    if total is not None and not beside and total != prompt + completion:
        raise Rejected("unexplained_total", "total_tokens is not prompt + completion, with or without the cache")
    if not (beside or provider == "anthropic" or read + written > prompt):
        prompt -= read + written
    return {"input_uncached": prompt, "cache_read": read, "cache_write_5m": written, "output_visible": completion}


SOURCE = Helicone()
