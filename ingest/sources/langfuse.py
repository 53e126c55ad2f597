"""Langfuse: observations of its API (v2 and v1) and of its blob export (JSONL, CSV, Parquet), and daily metrics.

The counts in ``usageDetails`` stand beside one another: what was cached is not in ``input``, reasoning not in
``output``, and ``total`` is their sum. A record in which it is not (an application may send its own numbers, cached
inside the input) is quarantined. The older ``usage`` of v1 has but input and output. Generations and embeddings are
calls; an observation of another type, or a generation around another, repeats what its children state. Environments
that begin with ``langfuse-`` are Langfuse's own judges. Daily metrics know no caches, and are a meter's: they are of
use where observations cannot be had.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ingest.calc.identity import canonical_tags
from ingest.calc.langfuse_usage import classes_of, cost_of, parsed
from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json
from ingest.calc.spans import covering
from ingest.calc.values import NumberText, count, instant, money
from ingest.pull import MAX_PAGES, Client, Option, Page, PullFailed, Stream, Window
from ingest.source import Context, Guide, NotThisKind, Record, RowSource, Skip

_CALLS = {"GENERATION": "chat", "EMBEDDING": "embedding"}
_FIELDS = {  # of an observation: v2, v1, blob export
    "id": ("id",), "trace": ("traceId", "trace_id"), "parent": ("parentObservationId", "parent_observation_id"),
    "type": ("type",), "start": ("startTime", "start_time"), "level": ("level",), "environment": ("environment",),
    "project": ("projectId", "project_id"), "model": ("providedModelName", "model", "provided_model_name"),
    "parameters": ("modelParameters", "model_parameters"), "usage": ("usageDetails", "usage_details"),
    "costs": ("costDetails", "cost_details"), "cost": ("totalCost", "calculatedTotalCost", "total_cost"),
    "tags": ("tags",), "metadata": ("metadata",), "name": ("traceName", "trace_name"),
}  # fmt: skip
_IGNORED = (  # in either spelling, beside those above
    "usage", "name", "input", "output", "endTime", "completionStartTime", "createdAt", "updatedAt", "statusMessage",
    "version", "userId", "sessionId", "isRootObservation", "isAppRoot", "bookmarked", "public", "internalModelId",
    "modelId", "usagePricingTierName", "latency", "timeToFirstToken", "inputPrice", "outputPrice", "totalPrice",
    "release", "promptId", "promptName", "promptVersion", "promptTokens", "completionTokens", "totalTokens", "unit",
    "calculatedInputCost", "calculatedOutputCost", "toolDefinitions", "toolCalls", "toolCallNames",
)  # fmt: skip
_AROUND = "x_around"  # marks an observation that has a call with usage below it
_KNOWN = frozenset(name.lower() for name in (_AROUND, *_IGNORED, *(key for keys in _FIELDS.values() for key in keys)))
_ZONE = ZoneInfo("UTC")  # exports write times of ClickHouse, which has none


class Langfuse(RowSource):
    """Langfuse observations, layer trace."""

    kind = "langfuse"
    layer = "trace"
    scopes = ("tokens.*",)
    pulled = True
    default_url = "https://cloud.langfuse.com"
    secret = "API keys of the project, as public:secret"  # noqa: S105
    options = (Option("api", "v2 (Cloud, and self-hosted from version 4) or v1 (self-hosted before)", "v2"),)
    guide = Guide(
        title="Langfuse",
        connect="In Langfuse, open the project's Settings, API Keys, and create a pair; connect with the secret "
        "PUBLIC:SECRET and the base URL of your region or server (option api=v1 for a server before version 4). Or "
        "import files of its blob storage export.",
        permission="a project's API key pair; Langfuse has no narrower one",
        tells="trace, environment, trace name, model, Langfuse project, and the tags that the site allows",
        cannot="provider, API key and service tier; costs are Langfuse's own estimate. Daily metrics and observations "
        "of the same days tell the same calls",
    )

    def layer_in(self, context: Context) -> str:
        """Daily metrics stand below the observations that they sum up."""
        return "meter" if context.state.get("daily") else self.layer

    def is_page(self, document: Any) -> bool:
        """An answer of the API, or a list."""
        return isinstance(document, list) or (isinstance(document, dict) and isinstance(document.get("data"), list))

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Observations, knowing the others of their page; or a day's models. Raises NotThisKind."""
        paged = isinstance(document, dict) and isinstance(document.get("data"), list)
        items = document["data"] if paged else document if isinstance(document, list) else [document]
        place = "/data" if paged else ""
        if any(isinstance(item, dict) and not {"id", "type", "date"}.intersection(item) for item in items):
            raise NotThisKind("neither observations nor daily metrics of Langfuse")
        around = _around([item for item in items if isinstance(item, dict)])
        for index, item in enumerate(items):
            pointer = f"{place}/{index}" if paged or isinstance(document, list) else ""
            if isinstance(item, dict) and isinstance(item.get("usage"), list):
                for number, usage in enumerate(item["usage"]):
                    good = isinstance(usage, dict)
                    yield f"{pointer}/usage/{number}", usage | {"date": item.get("date")} if good else usage
            elif isinstance(item, dict) and item.get("id") in around:
                yield pointer, item | {_AROUND: True}
            else:
                yield pointer, item

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage row of a call, or of a model's day. Raises Skip, Rejected."""
        if "inputUsage" in record:
            context.state["daily"] = True
            return [_day(record)]
        context.unknown_fields.update(
            name for name in record if not _KNOWN.intersection((name.lower(), name.lower().replace("_", "")))
        )
        found = _fields(record)
        usage, cost = classes_of(found["usage"], record.get("usage")), cost_of(found["cost"], found["costs"])
        failed = found["level"] == "ERROR"
        if found["type"] not in _CALLS or _AROUND in record:
            raise Skip("parent_span" if usage else "not_model_span")
        if not usage and cost:
            raise Rejected("unknown_shape", "a cost without usage")
        if not usage and not failed:
            raise Skip("no_usage")
        trace, native = _text(found["trace"], "traceId"), _text(found["id"], "id")
        if not native:
            raise Rejected("unknown_shape", "id is missing")
        tags, dropped = canonical_tags(found["pairs"], context.tag_keys)
        context.dropped_tags.update(dropped)
        parameters = parsed(found["parameters"], "modelParameters")
        feature = found["pairs"].get("feature") or found["pairs"].get("use_case") or found["name"]
        return [
            usage
            | {
                "native_id": f"{trace or ''}:{native}",
                "occurred_at": instant(found["start"], "startTime", zone=_ZONE, formats=("rfc3339",)),
                "trace": trace,
                "model_served": _text(found["model"], "model"),
                "project": _text(found["project"], "projectId"),
                "environment": _text(found["environment"], "environment"),
                "feature": _text(feature, "traceName"),
                "effort": _text(parameters.get("reasoning_effort"), "modelParameters.reasoning_effort"),
                "service_tier_requested": _text(parameters.get("service_tier"), "modelParameters.service_tier"),
                "operation": _CALLS[found["type"]],
                "failed": 1 if failed else None,
                "tags": tags,
                "reported_cost": cost,
            }
        ]

    def headers(self, secret: str) -> dict[str, str]:
        """Basic authentication: the public key is the user, the secret key the password."""
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}

    def streams(self, options: dict[str, Any]) -> Sequence[Stream]:  # noqa: ARG002
        """Observations by their start; they may still be updated, and their cost computed, for a while."""
        day = timedelta(days=1)
        return (Stream("observations", width=timedelta(hours=1), chunk=day, re_read=day, states_all=False),)

    def pages(self, client: Client, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:  # noqa: ARG002
        """The observations that began in the window. Prompts and answers are not asked for. Raises PullFailed."""
        times = {"fromStartTime": _iso(window.start), "toStartTime": _iso(window.end)}
        api = options.get("api") or "v2"
        if api not in ("v1", "v2"):
            raise PullFailed("option api is neither v1 nor v2")
        return _numbered(client, times) if api == "v1" else _chained(client, times)


def _fields(record: Record) -> Record:
    """The fields of an observation under one name each; ``pairs``: what its metadata and tags (``key:value``) say."""
    found: Record = {
        name: next((record[key] for key in keys if record.get(key) not in (None, "")), None)
        for name, keys in _FIELDS.items()
    }
    tags, metadata = found["tags"], found["metadata"]
    if isinstance(tags, str):
        tags = load_json(tags.encode("utf-8", "surrogatepass"))
    if isinstance(metadata, str):
        metadata = None if not metadata.lstrip().startswith("{") else parsed(metadata, "metadata")
    pairs: Record = dict(metadata) if isinstance(metadata, Mapping) else {}
    for tag in tags if isinstance(tags, list) else ():
        key, colon, value = str(tag).partition(":")
        if colon:
            pairs[key.strip()] = value.strip()
    return found | {"pairs": pairs}


def _around(items: list[Record]) -> set[str]:
    """Ids of observations that have a call with usage below them on the same page."""
    parents: dict[str, str] = {}
    calls: list[str] = []
    for item in items:
        own, above = item.get("id"), next((item[key] for key in _FIELDS["parent"] if item.get(key)), "")
        if isinstance(own, str) and isinstance(above, str):
            parents[own] = above
            if item.get("type") in _CALLS and any(item.get(key) for key in (*_FIELDS["usage"], "usage")):
                calls.append(own)
    tools = {item["id"] for item in items if item.get("type") == "TOOL" and isinstance(item.get("id"), str)}
    return covering(parents, calls, tools)


def _day(record: Record) -> Record:
    model, date = _text(record.get("model"), "model"), _text(record.get("date"), "date")
    entered, produced = count(record.get("inputUsage"), "inputUsage"), count(record.get("outputUsage"), "outputUsage")
    total, cost = count(record.get("totalUsage"), "totalUsage"), money(record.get("totalCost"), "totalCost")
    if not (entered or produced or total or cost):
        raise Skip("no_usage")
    if total is not None and total != (entered or 0) + (produced or 0):
        raise Rejected("unexplained_total", "inputUsage and outputUsage are not totalUsage")
    return {
        "native_id": json.dumps(["metrics/daily", date, model]),
        "occurred_at": instant(date, "date", zone=_ZONE),
        "model_served": model,
        "operation": "chat",
        "requests": count(record.get("countObservations"), "countObservations") or 0,
        "input_uncached": entered,
        "output_visible": produced,
        "reported_cost": cost,
    }


def _text(value: Any, name: str) -> str | None:
    if value is not None and (not isinstance(value, str) or isinstance(value, NumberText)):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return value or None


def _chained(client: Client, times: Mapping[str, str]) -> Iterator[Page]:
    """v2: each page names the next one's cursor."""
    path, seen = "/api/public/v2/observations", set[str]()
    asked: dict[str, str | int] = {"fields": "core,basic,usage,model,trace_context", "limit": 1_000, **times}
    for number in range(1, MAX_PAGES + 1):
        page, meta = _page(client, path, asked, number)
        yield page
        cursor = meta.get("cursor")
        if cursor is None:
            return
        if not isinstance(cursor, str) or not cursor:
            raise PullFailed(f"page {number} of {path} says there is more, and not where")
        if cursor in seen:
            raise PullFailed(f"page {number} of {path} leads back to a page seen before")
        seen.add(cursor)
        asked["cursor"] = cursor
    raise PullFailed(f"more than {MAX_PAGES:,} pages of {path}")


def _numbered(client: Client, times: Mapping[str, str]) -> Iterator[Page]:
    """v1: pages are numbered, and say how many there are."""
    path = "/api/public/observations"
    for number in range(1, MAX_PAGES + 1):
        page, meta = _page(client, path, {"page": number, "limit": 100, **times}, number)
        yield page
        pages, at = meta.get("totalPages"), meta.get("page", number)
        if not isinstance(pages, int) or at != number:
            raise PullFailed(f"page {number} of {path} does not say which of how many it is")
        if number >= pages:
            return
        if not page.document["data"]:
            raise PullFailed(f"page {number} of {pages} of {path} is empty")
    raise PullFailed(f"more than {MAX_PAGES:,} pages of {path}")


def _page(client: Client, path: str, asked: Mapping[str, str | int], number: int) -> tuple[Page, Record]:
    answer = client.get(path, asked)
    document = answer.json()
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        raise PullFailed(f"page {number} of {path} is not a list of data")
    meta = document.get("meta")
    if not isinstance(meta, dict):
        raise PullFailed(f"page {number} of {path} does not say whether it is the last")
    return Page(document, f"{path} page {number}", answer.at), meta


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


SOURCE = Langfuse()
