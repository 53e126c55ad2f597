"""Cloudflare AI Gateway: answers of its logs API.

``tokens_in`` and ``tokens_out`` are not split further. ``cost`` is Cloudflare's estimate in dollars, or what a custom
price says. ``cached`` is a hit of the gateway's own cache. ``metadata`` (of the header cf-aig-metadata) may be a text that
holds JSON.
"""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from ingest.calc.gateway_rows import labels, provider_of, usage
from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json
from ingest.calc.rollouts import text_of
from ingest.calc.values import count, instant, money
from ingest.source import Context, Guide, NotThisKind, Record, RowSource

_UTC = ZoneInfo("UTC")


class CloudflareAIGateway(RowSource):
    """One record per request."""

    kind = "cloudflare_ai_gateway"
    layer = "gateway"
    scopes = ("tokens.*",)
    guide = Guide(
        title="Cloudflare AI Gateway",
        connect=(
            "Save the pages of GET /accounts/ACCOUNT/ai-gateway/gateways/GATEWAY/logs (a token with AI Gateway Read; "
            "page, per_page, start_date, end_date) and import them with manage.py ingest_file --source "
            "cloudflare_ai_gateway, each gateway's under an --account of its own."
        ),
        permission="",
        tells="model, provider, metadata (cf-aig-metadata) as tags",
        cannot=(
            "Keys and users; cached and reasoning tokens: they are part of input and output, so the list cost of calls "
            "with a prompt cache is too high; which calls belong to one query. The cost reported is an estimate."
        ),
    )

    def is_page(self, document: Any) -> bool:
        """An answer, or a list of logs."""
        return isinstance(document, list) or (isinstance(document, dict) and "result" in document)

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """The logs of an answer. Raises NotThisKind."""
        if isinstance(document, list):
            yield from ((f"/{index}", item) for index, item in enumerate(document))
        elif isinstance(document, dict) and document.get("success") is False and "id" not in document:
            raise NotThisKind("an error that Cloudflare answered")
        elif isinstance(document, dict) and isinstance(document.get("result"), list):
            yield from ((f"/result/{index}", item) for index, item in enumerate(document["result"]))
        elif isinstance(document, dict) and "tokens_in" in document:
            yield "", document
        else:
            raise NotThisKind("not an answer of AI Gateway's logs API")

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage row of a request. Raises Rejected."""
        native = text_of(record, "id")
        if not native:
            raise Rejected("unknown_shape", "id is missing")
        tokens = [count(record.get(name), name) or 0 for name in ("tokens_in", "tokens_out")]
        for name in ("cached", "success"):
            if not isinstance(record.get(name), bool | None):
                raise Rejected("unknown_shape", f"{name} is neither true nor false")
        return [
            {
                "native_id": native,
                "occurred_at": instant(record.get("created_at"), "created_at", zone=_UTC),
                "provider": provider_of(record.get("provider")),
                "model_requested": text_of(record, "model"),
                "model_served": text_of(record, "model"),
                "operation": "embedding"
                if "embedding" in str(record.get("model_type") or record.get("path"))
                else "chat",
                "failed": 1 if record.get("success") is False else None,
                "reported_cost": money(record.get("cost"), "cost"),
                **labels(_metadata(record.get("metadata")), context.tag_keys, context.dropped_tags),
                **usage({"input_uncached": tokens[0], "output_visible": tokens[1]}, hit=record.get("cached") is True),
            }
        ]


def _metadata(value: Any) -> Any:
    return (
        (load_json(value.encode("utf-8", "surrogatepass")) if value.strip() else None)
        if isinstance(value, str)
        else value
    )


SOURCE = CloudflareAIGateway()
