"""OpenAI's organisation usage API (all endpoints, schemas of 2025 and 2026) and its costs, pulled or as files of pages.

Token counts contain one another as ``ingest.calc.openai_usage`` says; reasoning is never split. OpenAI does not snap the
first and the last bucket of an answer to its width, so a bucket is known by the full bucket around it, and a later,
fuller one replaces it. A field that the answer was not grouped by is null, which is part of a bucket's identity. Costs
(``ingest.calc.openai_costs``) are lines of a cost report and cover all that OpenAI bills. They name an organisation,
which usage does not; it is kept as part of their identity alone, so that both speak of one billing account, the
connection's.

Pulls ask for hours unless told otherwise: hours can be matched with a gateway's calls, and show the running day. Their
windows are whole UTC days all the same, which is as many requests (168 hours fit a page), and leaves nothing counted
twice where a connection changes from days to hours.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from finops.tokens import UNITS
from ingest.calc.bill_meters import unknown_meter
from ingest.calc.openai_costs import FIELDS as COST_FIELDS
from ingest.calc.openai_costs import cost_line
from ingest.calc.openai_usage import TOKEN_FIELDS, bounds, joined, nominal, tokens_of
from ingest.calc.reasons import Rejected
from ingest.calc.values import count, quantity
from ingest.name_lists import listed, named
from ingest.pull import Client, Name, Option, Page, PullFailed, Stream, Value, Window, follow
from ingest.source import Context, Covered, Guide, Line, NotThisKind, Record, RowSource, Skip

ALL_MODELS = "(all models)"  # of buckets that were not grouped by model: real usage without a price
_WHO = ("project_id", "user_id", "api_key_id")


class Endpoint(NamedTuple):
    """What a usage endpoint counts, beside tokens, and what it may be grouped by (other names are refused)."""

    operation: str
    groups: tuple[str, ...] = (*_WHO, "model")
    counted: str = ""
    unit: str = ""
    required: tuple[str, ...] = ()  # missing where the schema changed; the count is required anyway


_ENDPOINTS = {
    "completions": Endpoint(
        "chat", (*_WHO, "model", "batch", "service_tier"), required=("input_tokens", "output_tokens")
    ),
    "embeddings": Endpoint("embedding", required=("input_tokens",)),
    "moderations": Endpoint("moderation", required=("input_tokens",)),
    "images": Endpoint("image", (*_WHO, "model", "size", "source"), "images", "image"),
    "audio_speeches": Endpoint("speech", counted="characters", unit="character"),
    "audio_transcriptions": Endpoint("transcription", counted="seconds", unit="audio_second"),
    "vector_stores": Endpoint("vector_store", ("project_id",), "usage_bytes", "storage_byte"),
    "code_interpreter_sessions": Endpoint("code_interpreter", ("project_id",), "num_sessions", "session"),
    "file_search_calls": Endpoint("file_search", (*_WHO, "vector_store_id"), "num_requests", "storage_search"),
    "web_search_calls": Endpoint("web_search", (*_WHO, "model", "context_level"), "num_requests", "web_search"),
}
_DIMENSIONS = (
    "project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "size", "source", "context_level",
    "vector_store_id",
)  # fmt: skip


class About(NamedTuple):
    """What a result's page says: the stream and width that were pulled, and the time that its buckets cover.

    The time stands on the first result alone, lest it be told with each.
    """

    stream: str = ""
    width: int = 0
    covered: tuple[tuple[datetime, datetime], ...] = ()


_COUNTED = frozenset(endpoint.counted for endpoint in _ENDPOINTS.values())
_COST = "organization.costs"
_OURS = frozenset({"start_time", "end_time", "x_page"})  # what records() adds to a result
_FIELDS = frozenset({"object", "num_model_requests", *_OURS, *_DIMENSIONS, *_COUNTED, *TOKEN_FIELDS})
_DAY = timedelta(days=1)
_PULLED = {"1h": (7 * _DAY, 168), "1d": (31 * _DAY, 31)}  # width -> chunk and buckets on a page: one page
_SECONDS = {"1h": 3_600, "1d": 86_400}


class OpenAI(RowSource):
    """A result in a usage bucket is a usage row, one in a costs bucket a line."""

    kind = "openai"
    layer = "provider_usage"
    scopes = ("tokens.*", *dict.fromkeys(endpoint.unit for endpoint in _ENDPOINTS.values() if endpoint.unit))
    line_scopes = ("*",)
    pulled = True
    default_url = "https://api.openai.com/v1"
    secret = "admin API key"  # noqa: S105
    options = (
        Option("bucket_width", "1h, or 1d for fewer rows that cannot be matched with calls", "1h"),
        Option("leave_out", "usage endpoints that are not pulled, separated by commas"),
    )
    guide = Guide(
        "OpenAI",
        "In the OpenAI platform open Settings, Organization, Admin keys, create a key with the permission to read usage, "
        "and connect with it. Or save answers of /organization/usage/ENDPOINT and /organization/costs and import them "
        "with `manage.py ingest_file FILE --source openai`.",
        "an admin key of the organisation that may read usage and costs (api.usage.read); names of projects, keys and "
        "users need read access to those",
        "project, API key, user or service account, model, batch, service tier, operation; billed cost by project, key "
        "and line item",
        "End users, traces, reasoning tokens and long-context calls. Costs know no user, and a line item that is worded "
        "in a new way has no model until it is known.",
    )

    def is_page(self, document: Any) -> bool:
        """A page, a bucket, a list of either, or an answer that is an error."""
        return isinstance(document, list) or (
            isinstance(document, dict) and bool({"data", "results", "result", "error"}.intersection(document))
        )

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Every result with the bounds of its bucket; the first one also with the time that its page covers.

        A pulled page without any result is one record that says so. Raises NotThisKind for errors and other documents.
        """
        if isinstance(document, list):
            for index, item in enumerate(document):
                yield from ((f"/{index}{pointer}", record) for pointer, record in self.records(item))
            return
        if not isinstance(document, dict):
            raise NotThisKind("not a page of OpenAI's usage API")
        if "error" in document:
            raise NotThisKind("an error that OpenAI answered, not usage")
        paged = isinstance(document.get("data"), list)
        buckets = document["data"] if paged else [document]
        about = _about(document, [bounds(bucket) for bucket in buckets])
        for index, bucket in enumerate(buckets):
            for pointer, result in _results(bucket):
                place = f"/data/{index}{pointer}" if paged else pointer
                if isinstance(result, dict):
                    times = {"start_time": bucket["start_time"], "end_time": bucket.get("end_time")}
                    yield place, {**result, **times, "x_page": about}
                    about = about._replace(covered=())
                else:
                    yield place, result
        if about.covered and about.stream:
            yield "", {"x_page": about}

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage row, or the line, of a result. Raises Rejected, and Skip for a page without any."""
        about, kind = record.get("x_page"), str(record.get("object", ""))
        about = about if isinstance(about, About) else About()
        if len(record) == 1 and about.stream:
            _cover(about.stream, about, context)
            raise Skip("empty_page")
        if kind.startswith(_COST):
            _cover("costs", about, context)
            context.unknown_fields.update(record.keys() - COST_FIELDS - _OURS)
            return [Line(cost_line(record, lambda item: unknown_meter(context.unknown_fields, item)))]
        name = _endpoint(kind)
        _cover(f"usage.{name}", about, context)
        context.unknown_fields.update(record.keys() - _FIELDS)
        return [_usage(name, record, about.width)]

    def streams(self, options: dict[str, Any]) -> Sequence[Stream]:
        """One of each usage endpoint, which OpenAI restates for days, and one of the costs, for a week."""
        chunk, _ = _PULLED.get(options.get("bucket_width") or "1h", _PULLED["1h"])
        out = {name.strip() for name in str(options.get("leave_out") or "").split(",")}
        usage = [
            Stream(f"usage.{name}", _DAY, chunk, 3 * _DAY, states_all=True, operations=(endpoint.operation,))
            for name, endpoint in _ENDPOINTS.items()
            if name not in out
        ]
        return [*usage, Stream("costs", _DAY, 30 * _DAY, 7 * _DAY, states_all=True, lines=True)]

    def pages(self, client: Client, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:
        """The pages of a window, grouped by all that the endpoint allows. Raises PullFailed."""
        width = "1d" if stream.name == "costs" else options.get("bucket_width") or "1h"
        if width not in _PULLED:
            raise PullFailed("option bucket_width is neither 1h nor 1d")
        asked: dict[str, Value] = {
            "start_time": int(window.start.timestamp()), "end_time": int(window.end.timestamp()), "bucket_width": width,
        }  # fmt: skip
        more: dict[str, Value]
        if stream.name == "costs":
            path, more = "/organization/costs", {"group_by": ("project_id", "line_item", "api_key_id"), "limit": 180}
        else:
            name = stream.name.removeprefix("usage.")
            path = f"/organization/usage/{name}"
            more = {"group_by": _ENDPOINTS[name].groups, "limit": _PULLED[width][1]}
        for page in follow(client, path, asked | more):
            yield page._replace(document=page.document | {"x_stream": stream.name, "x_width": _SECONDS[width]})

    def names(self, client: Client, options: dict[str, Any]) -> Iterator[Name]:  # noqa: ARG002
        """Of projects, archived ones too, of the keys of those in use, and of users. Raises PullFailed."""
        for project in listed(
            client, "/organization/projects", {"limit": 100, "include_archived": True}, cursor="after"
        ):
            yield from named("project", project)
            if project.get("status") != "archived":
                path = f"/organization/projects/{quote(str(project.get('id')), safe='')}/api_keys"
                for key in listed(client, path, {"limit": 100}, cursor="after"):
                    yield from named("api_key", key)
        for user in listed(client, "/organization/users", {"limit": 100}, cursor="after"):
            yield from named("principal", user)


def _results(bucket: Any) -> Iterator[tuple[str, Any]]:
    name = "results" if isinstance(bucket, dict) and "results" in bucket else "result"
    if not isinstance(bucket, dict) or not isinstance(bucket.get(name), list) or "start_time" not in bucket:
        raise NotThisKind("neither a page nor a bucket of OpenAI's usage API")
    yield from ((f"/{name}/{index}", result) for index, result in enumerate(bucket[name]))


def _about(document: Record, spans: Sequence[tuple[int, int] | None]) -> About:
    stream, width = document.get("x_stream"), document.get("x_width")
    if type(width) is not int:  # not pulled by us: neighbours tell the width of a bucket that was cut
        width = max((end - start for start, end in filter(None, spans)), default=0) if len(spans) > 1 else 0
    return About(stream if isinstance(stream, str) else "", min(width, _SECONDS["1d"]), tuple(joined(spans)))


def _cover(stream: str, about: About, context: Context) -> None:
    context.covered.extend(Covered("", stream, *span) for span in about.covered)


def _endpoint(kind: str) -> str:
    parts = kind.split(".")
    if len(parts) != 4 or parts[:2] != ["organization", "usage"] or parts[2] not in _ENDPOINTS:
        raise Rejected("unknown_shape", "object names no endpoint of the usage API")
    return parts[2]


def _usage(name: str, record: Record, least: int) -> Record:
    endpoint = _ENDPOINTS[name]
    for required in (*endpoint.required, *filter(None, [endpoint.counted])):
        if record.get(required) is None:
            raise Rejected("unknown_shape", f"{required} is missing")
    start, width = nominal(record, least)
    amount = quantity(record.get(endpoint.counted), endpoint.counted)
    requests = count(record.get("num_model_requests"), "num_model_requests")
    if requests is None:
        requests = int(amount or 0) if endpoint.counted == "num_requests" else 0
    model, tokens = _text(record, "model"), tokens_of(record)
    return {
        "native_id": json.dumps([name, start, width, *map(record.get, _DIMENSIONS)], separators=(",", ":")),
        "occurred_at": datetime.fromtimestamp(start, UTC),
        "provider": "openai",
        "model_served": model or (ALL_MODELS if any(tokens.values()) or not amount else None),
        "project": _text(record, "project_id"),
        "principal": _text(record, "user_id"),
        "api_key": _text(record, "api_key_id"),
        "mode": "batch" if record.get("batch") is True else "sync",
        "service_tier_served": _text(record, "service_tier"),
        "operation": endpoint.operation,
        "requests": requests,
        "units": [{"unit": UNITS[endpoint.unit], "quantity": amount}] if amount else None,
        **tokens,
    }


def _text(record: Record, name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected("unknown_shape", f"{name} is not a text")
    return value or None


SOURCE = OpenAI()
