"""Portkey: its log export, one JSON object per line.

``req_units`` and ``res_units`` are the tokens of request and response; no part of them is told as cached or reasoning.
``cost`` is in cents of ``cost_currency`` (Portkey's documentation of the export: "Cost of the request in cents (USD)").
Prompts and answers may be part of an export and are not read.
"""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ingest.calc.gateway_rows import labels, provider_of, usage
from ingest.calc.reasons import Rejected
from ingest.calc.rollouts import text_of
from ingest.calc.values import count, decimal, instant, money
from ingest.source import Context, Guide, Record, RowSource

_UTC = ZoneInfo("UTC")
_TRUE, _FALSE = (True, 1, "1", "true", "TRUE"), (False, 0, "0", "false", "FALSE")
_HITS = frozenset({"HIT", "SEMANTIC HIT"})


class Portkey(RowSource):
    """One record per request."""

    kind = "portkey"
    layer = "gateway"
    scopes = ("tokens.*",)
    guide = Guide(
        title="Portkey",
        connect=(
            "Export logs (Exports, Request Data, or POST /v1/logs/exports; at least id, created_at, ai_org, ai_model, "
            "req_units, res_units, total_units, cost, cost_currency, is_success, trace_id and metadata; leave out request "
            "and response) and import the JSONL file with manage.py ingest_file --source portkey."
        ),
        permission="",
        tells="model, provider, trace, virtual key, metadata as tags",
        cannot=(
            "Cached and reasoning tokens: they are part of input and output, so the list cost of calls with a prompt "
            "cache is too high. The cost that Portkey reports is its own estimate, in cents."
        ),
    )

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage row of a request. Raises Rejected."""
        native = text_of(record, "id")
        if not native:
            raise Rejected("unknown_shape", "id is missing")
        tokens = [count(record.get(name), name) or 0 for name in ("req_units", "res_units")]
        total = count(record.get("total_units"), "total_units")
        if total is not None and total != sum(tokens):
            raise Rejected("unexplained_total", "total_units is not req_units + res_units")
        succeeded = record.get("is_success", True)
        if succeeded not in (*_TRUE, *_FALSE):
            raise Rejected("unknown_shape", "is_success is neither true nor false")
        hit = str(record.get("cache_status", "")).upper() in _HITS
        cents = record.get("cost")
        return [
            {
                "native_id": native,
                "occurred_at": instant(record.get("created_at"), "created_at", zone=_UTC),
                "trace": text_of(record, "trace_id"),
                "provider": provider_of(record.get("ai_org")),
                "model_requested": text_of(record, "ai_model"),
                "model_served": text_of(record, "ai_model"),
                "api_key": text_of(record, "virtual_key"),
                "operation": "embedding" if "embeddings" in str(record.get("request_url")) else "chat",
                "failed": 1 if succeeded in _FALSE else None,
                "reported_cost": None if cents in (None, "") else money(_dollars(cents), "cost"),
                "reported_currency": text_of(record, "cost_currency") or "USD",
                **labels(record.get("metadata"), context.tag_keys, context.dropped_tags),
                **usage({"input_uncached": tokens[0], "output_visible": tokens[1]}, hit=hit),
            }
        ]


def _dollars(cents: Any) -> Decimal:
    return decimal(cents, "cost") / 100


SOURCE = Portkey()
