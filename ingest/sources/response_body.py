"""Raw response bodies of providers, as a client or a proxy may log them: lines ``{api, at, body}``.

``api`` is a key of ``ingest.calc.bodies.APIS``. The time is ``at``, else the body's own, else ``--at``; the model is
the body's, else ``model`` beside it. Final bodies of Ollama and llama.cpp are known by their shape and need no ``api``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from finops.tokens import UNITS
from ingest.calc.bodies import Usage, usage_of
from ingest.calc.identity import SEPARATOR
from ingest.calc.reasons import Rejected
from ingest.calc.records import row_identity
from ingest.calc.values import instant, money
from ingest.source import Context, Guide, Record, RowSource

_PROVIDERS = {
    "anthropic_messages": "anthropic", "bedrock_converse": "aws", "gemini": "google", "gemini_openai_chat": "google",
    "llamacpp": "selfhosted", "ollama": "selfhosted", "openai_embeddings": "openai", "openai_responses": "openai",
}  # fmt: skip
_TIMES = ("created_at", "created", "createTime")
_IDS = ("id", "responseId", "response_id")


class ResponseBody(RowSource):
    """One record per body; a body of several model calls gives several usage rows."""

    kind = "response_body"
    layer = "trace"
    pushed = True
    guide = Guide(
        title="raw answers of providers, as a client or proxy logs them",
        connect="Write lines `{api, at, body}` with the provider's answer as body (prompts may be left out), then "
        "`manage.py ingest_file FILE --source response_body`; or send them to `POST /api/v1/events?source=response_body`.",
        permission="",
        tells="model, service tier, every token class that the answer states, calls on other models inside it, trace",
        cannot="who asked: add a gateway log or tags for that",
    )

    def is_page(self, document: Any) -> bool:
        """A list of records."""
        return isinstance(document, list)

    def row(self, record: Record, context: Context) -> list[Record]:
        """Usage rows of one body. Raises Rejected."""
        api, body = _api_and_body(record)
        usages = usage_of(api, body)
        model = _text(record, "model")
        common: Record = {
            "occurred_at": _time(record, body, context),
            "provider": _text(record, "provider") or _PROVIDERS.get(api) or api.removesuffix("_chat"),
            "model_requested": model,
            "trace": _text(record, "trace_id"),
            "operation": "embedding" if api == "openai_embeddings" else "chat",
        }
        request_id = next((str(body[name]) for name in _IDS if body.get(name)), None)
        native = request_id or row_identity(record, context.state)
        common["request_id"] = request_id
        rows = [
            common | _usage(usage, model) | {"native_id": native if not index else f"{native}{SEPARATOR}{index}"}
            for index, usage in enumerate(usages)
        ]
        reported = body.get("usage")
        if api == "openrouter_chat" and isinstance(reported, Mapping):
            rows[0]["reported_cost"] = money(reported.get("cost"), "usage.cost")  # in its credits, which are dollars
        return rows


def _api_and_body(record: Record) -> tuple[str, Mapping[str, Any]]:
    if "error" in record and "body" not in record:
        raise Rejected("unknown_shape", "an error, not an answer of a model")
    body, api = record.get("body", record), record.get("api")
    if not isinstance(body, Mapping):
        raise Rejected("unknown_shape", "body is not an object")
    if api is None:
        api = "ollama" if "eval_count" in body else "llamacpp" if "timings" in body else None
    if not isinstance(api, str):
        raise Rejected("unknown_shape", "api is missing")
    return api, body


def _time(record: Record, body: Mapping[str, Any], context: Context) -> datetime:
    values = [record.get("at"), *(body.get(name) for name in _TIMES)]
    value = next((value for value in values if value not in (None, "")), None)
    if value is None and context.at is not None:
        return context.at
    return instant(value, "at", zone=None, formats=("rfc3339", "epoch_s"))


def _usage(usage: Usage, model: str | None) -> Record:
    units = [{"unit": UNITS[name], "quantity": quantity} for name, quantity in usage.units.items()]
    served = usage.model or model
    return {"model_served": served, "service_tier_served": usage.service_tier, "units": units or None, **usage.classes}


def _text(record: Record, name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return value or None


SOURCE = ResponseBody()
