"""OpenRouter: its activity (a day, model and endpoint each), pulled or as files, and answers of /generation as files.

Amounts are US dollars. ``usage`` and ``total_cost`` are what OpenRouter charges; what was called with a key of one's own
(BYOK) is billed by that provider: of activity it becomes a notional line, of a generation a call on that provider.
Activity: ``reasoning_tokens`` are inside ``completion_tokens``, and ``cached_tokens`` inside ``prompt_tokens``, which they
may exceed all the same. Each item is read twice, as usage and as a line of costs: where it contradicts itself, its usage
is quarantined and its cost is kept.
Generation: priced are the ``native_tokens_*``; ``tokens_*`` are normalised to one tokenizer, and no price holds for them.
A generation tells the same as its day's activity, as a gateway's view of one call. End users are not kept.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ingest.calc.reasons import Rejected
from ingest.calc.scopes import charge_scope
from ingest.calc.values import count, instant, money
from ingest.pull import Client, Name, Page, PullFailed, Stream, Window
from ingest.source import Context, Covered, Guide, Line, NotThisKind, Record, RowSource, Skip

_DAY = timedelta(days=1)
_UTC = ZoneInfo("UTC")
_COST = "x_cost"  # marks the second reading of an activity item
_DAILY = frozenset(
    {"date", "model", "model_permaslug", "endpoint_id", "provider_name", "usage", "byok_usage_inference", "requests",
     "prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "workspace_id"}
)  # fmt: skip
_GENERATION = frozenset(
    {"id", "upstream_id", "total_cost", "cache_discount", "upstream_inference_cost", "created_at", "model", "app_id",
     "streamed", "cancelled", "provider_name", "latency", "moderation_latency", "generation_time", "finish_reason",
     "native_finish_reason", "tokens_prompt", "tokens_completion", "native_tokens_prompt", "native_tokens_completion",
     "native_tokens_completion_images", "native_tokens_reasoning", "native_tokens_cached", "num_media_prompt",
     "num_input_audio_prompt", "num_media_completion", "num_search_results", "num_fetches", "origin", "usage", "is_byok",
     "api_type", "router", "external_user", "data_region", "service_tier", "workspace_id", "session_id", "preset_id",
     "provider_responses", "http_referer", "user_agent", "web_search_engine", "request_id", "response_cache_source_id"}
)  # fmt: skip
_OPERATIONS = {
    "completions": "chat", "embeddings": "embedding", "rerank": "rerank", "tts": "speech", "stt": "transcription",
}  # fmt: skip


class OpenRouter(RowSource):
    """An activity item is a usage row and its costs are lines; a generation is a usage row."""

    kind = "openrouter"
    layer = "provider_usage"
    scopes = ("tokens.*",)
    line_scopes = ("*",)
    pulled = True
    default_url = "https://openrouter.ai/api/v1"
    secret = "management key"  # noqa: S105
    guide = Guide(
        "OpenRouter",
        "In OpenRouter open Settings, Management Keys, create a key and connect with it, with a beginning at most 30 days "
        "back: OpenRouter keeps no more. Or save answers of /activity, or of /generation?id=ID one a line, and import them "
        "with `manage.py ingest_file FILE --source openrouter`.",
        "a management key; OpenRouter has no narrower one",
        "workspace, model, provider that served it, requests, billed cost; what was called with keys of one's own",
        "The running day, API keys and users. Activity has no service tier, no cache writes and no context band.",
    )

    def layer_in(self, context: Context) -> str:
        """Calls stand below the days that sum them up."""
        return "gateway" if context.state.get("calls") else self.layer

    def is_page(self, document: Any) -> bool:
        """Everything: an item has two readings."""
        return isinstance(document, list | dict)

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Activity items, once for their usage and once for their costs, or generations. Raises NotThisKind."""
        if isinstance(document, list):
            for index, item in enumerate(document):
                yield from ((f"/{index}{pointer}", record) for pointer, record in self.records(item))
            return
        if not isinstance(document, dict) or "error" in document:
            raise NotThisKind("an error that OpenRouter answered, or no answer of it")
        if isinstance(document.get("data"), list | dict):
            yield from ((f"/data{pointer}", record) for pointer, record in self.records(document["data"]))
        elif "date" in document:
            yield "", document
            yield "/usage", {**document, _COST: True}
        elif "native_tokens_prompt" in document or "tokens_prompt" in document:
            yield "", document
        else:
            raise NotThisKind("neither activity nor a generation of OpenRouter")

    def row(self, record: Record, context: Context) -> list[Record]:
        """A usage row, or the lines of an item's costs. Raises Rejected and Skip."""
        if "date" not in record:
            context.state["calls"] = True
            context.unknown_fields.update(record.keys() - _GENERATION)
            return [_call(record)]
        if record.get(_COST) is not True:
            context.unknown_fields.update(record.keys() - _DAILY)
            return [_daily(record)]
        lines = _costs(record)
        day = lines[0]["period_start"]
        if day not in context.state.setdefault("days", set()):
            context.state["days"].add(day)
            context.covered.append(Covered("", "activity", day, day + _DAY))
        return [Line(line) for line in lines]

    def streams(self, options: dict[str, Any]) -> Sequence[Stream]:  # noqa: ARG002
        """Activity. Days that it leaves out may be older than what it keeps, so that nothing vanishes by them."""
        return (Stream("activity", _DAY, 31 * _DAY, 3 * _DAY, states_all=False),)

    def pages(self, client: Client, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:  # noqa: ARG002
        """The window's part of all that OpenRouter keeps, which is one answer. Raises PullFailed.

        It is not asked day by day: a day that it no longer keeps, or that has not ended, is refused.
        """
        answer = client.get("/activity", {"group_by": "workspace"})
        document = answer.json()
        if not isinstance(document, dict) or not isinstance(document.get("data"), list):
            raise PullFailed("the answer of /activity is not a list of data")
        inside = [item for item in document["data"] if _inside(item, window)]
        yield Page({**document, "data": inside}, "activity", answer.at)

    def names(self, client: Client, options: dict[str, Any]) -> Iterator[Name]:  # noqa: ARG002
        """Of workspaces. Raises PullFailed."""
        document = client.get("/workspaces").json()
        for item in document.get("data", []) if isinstance(document, dict) else []:
            if isinstance(item, dict) and isinstance(item.get("id"), str) and isinstance(item.get("name"), str):
                yield Name("project", item["id"], item["name"])


def _inside(item: Any, window: Window) -> bool:
    try:
        day = date.fromisoformat(str(item["date"])[:10])
    except (TypeError, KeyError, ValueError):
        return True  # it is rejected where it is read, with its place
    return window.start.date() <= day < window.end.date()


def _daily(record: Record) -> Record:
    day = _day(record)
    classes = _classes(record, "prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
    model = _text(record, "model")
    return classes | {
        "native_id": _identity("activity", day, record),
        "occurred_at": day,
        "provider": "openrouter",
        "host": _text(record, "provider_name"),
        "project": _text(record, "workspace_id"),
        "model_requested": model,
        "model_served": _text(record, "model_permaslug") or model,
        "requests": count(record.get("requests"), "requests") or 0,
        "reported_cost": money(record.get("usage"), "usage"),
    }


def _costs(record: Record) -> list[Record]:
    """What OpenRouter charges of an item and, if there is any, what others do."""
    day, model = _day(record), _text(record, "model")
    charged = money(record.get("usage"), "usage")
    if charged is None:
        raise Rejected("bad_number", "usage is missing")
    common = {
        "period_start": day,
        "period_end": day + _DAY,
        "provider": "openrouter",
        "host": _text(record, "provider_name"),
        "project": _text(record, "workspace_id"),
        "model_requested": model,
        "model_served": _text(record, "model_permaslug") or model,
        "sku_id": _text(record, "endpoint_id"),
        "billing_currency": "USD",
    }
    lines = [
        common
        | {
            "native_id": _identity("usage", day, record),
            "scope": charge_scope("request", "sync", ""),
            "description": f"{model or 'all models'}, credits",
            "billed_cost": charged,
        }
    ]
    own = money(record.get("byok_usage_inference"), "byok_usage_inference")
    if own:
        lines.append(
            common
            | {
                "native_id": _identity("byok", day, record),
                "scope": "byok",
                "description": f"{model or 'all models'}, on keys of one's own",
                "list_cost": own,
                "contracted_cost": Decimal(0),
                "effective_cost": Decimal(0),
                "billed_cost": Decimal(0),
                "kind_of_cost": "notional",
            }
        )
    return lines


def _call(record: Record) -> Record:
    native = _text(record, "id")
    if not native:
        raise Rejected("unknown_shape", "id is missing")
    own, upstream = record.get("is_byok") is True, _text(record, "provider_name")
    cost = money(record.get("upstream_inference_cost" if own else "total_cost"), "total_cost")
    prompt, completion = (record.get(f"native_tokens_{name}") for name in ("prompt", "completion"))
    if prompt is None and completion is None:
        if cost:
            raise Rejected("unknown_shape", "a cost without native token counts")
        raise Skip("no_usage")
    names = (f"native_tokens_{name}" for name in ("prompt", "completion", "reasoning", "cached", "completion_images"))
    region, api = _text(record, "data_region"), _text(record, "api_type")
    model = _text(record, "model")
    return _classes(record, *names) | {
        "native_id": native,
        "occurred_at": instant(record.get("created_at"), "created_at", zone=_UTC),
        "provider": (upstream or "").lower() or None if own else "openrouter",
        "host": "openrouter" if own else upstream,
        "project": _text(record, "workspace_id"),
        "model_requested": _text(record, "router") or model,
        "model_served": model,
        "region": None if region == "global" else region,
        "service_tier_served": _text(record, "service_tier"),
        "operation": _OPERATIONS.get(api or "completions", api),
        "failed": 1 if record.get("finish_reason") == "error" else None,
        "request_id": native,
        "reported_cost": cost,
    }


def _classes(record: Record, *names: str) -> dict[str, int | None]:
    """Disjoint classes by the fields of prompt, completion, reasoning, cached and image tokens. Raises Rejected."""
    values = [count(record.get(name), name) for name in names]
    prompt, completion, reasoning, cached = (value or 0 for value in values[:4])
    images = (values[4] or 0) if len(values) > 4 else 0
    if cached > prompt:
        raise Rejected("cached_exceeds_input", f"{names[3]} exceed {names[0]}")
    if reasoning + images > completion:
        raise Rejected("unexplained_total", f"{names[2]} and images exceed {names[1]}")
    return {
        "input_uncached": prompt - cached,
        "cache_read": cached,
        "output_visible": completion - reasoning - images,
        "output_reasoning": reasoning if values[2] is not None else None,
        "output_image": images,
    }


def _day(record: Record) -> datetime:
    day = instant(record.get("date"), "date", zone=_UTC)
    if day != day.replace(hour=0, minute=0, second=0, microsecond=0):
        raise Rejected("bad_time", "date is no day")
    return day


def _identity(what: str, day: datetime, record: Record) -> str:
    names = ("model", "model_permaslug", "endpoint_id", "provider_name", "workspace_id")
    return json.dumps([what, day.date().isoformat(), *map(record.get, names)], separators=(",", ":"))


def _text(record: Record, name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return value or None


SOURCE = OpenRouter()
