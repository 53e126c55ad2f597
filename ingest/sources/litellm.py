"""LiteLLM: rows and pages of its spend logs, and the StandardLoggingPayload of its callbacks and S3 logger.

``prompt_tokens`` contains cache reads and writes for every provider, ``completion_tokens`` contains reasoning (LiteLLM
adds them up itself; litellm/llms/anthropic/chat/transformation.py). Spend is zero on cache hits and failures. The same
call has the same id in both forms, but for hits of LiteLLM's own cache, whose ids end in the moment each form was
written: those are known by their start. Times without an offset are UTC. ``session_id`` is no trace.

``/spend/logs/v2`` counts at most 10,000 rows, however many there are, and its order does not settle rows of one
instant: so a pull goes on from the time of the last row it got instead of turning pages.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.calc.identity import canonical_tags
from ingest.calc.litellm_rows import classes, identity, payload_schema, spend_log_schema, struct_fields
from ingest.calc.matching import PROVIDER_ALIASES
from ingest.calc.reasons import Reject, Rejected
from ingest.calc.usage import MONEY, usage_table
from ingest.calc.values import instant, instants
from ingest.pull import MAX_PAGES, Client, Name, Option, Page, PullFailed, Stream, Value, Window
from ingest.source import ColumnSource, Context, Guide, NotThisKind, Parsed, Record

_UTC = ZoneInfo("UTC")
_HOST = re.compile(r"^https?://([^/?#]*).*\Z")
_OPERATIONS = {
    "completion": "chat", "text_completion": "chat", "responses": "chat", "anthropic_messages": "chat",
    "generate_content": "chat",
    "embedding": "embedding", "rerank": "rerank", "moderation": "moderation", "image_generation": "image",
    "image_edit": "image", "speech": "speech", "transcription": "transcription", "create_batch": "batch",
}  # fmt: skip


class LiteLLM(ColumnSource):
    """LiteLLM proxy, layer gateway."""

    kind = "litellm"
    layer = "gateway"
    scopes = ("tokens.*",)
    pushed = True
    pulled = True
    secret = "master key or admin key"  # noqa: S105  what it is called
    options = (Option("page_size", "rows of one answer; 100 for versions of LiteLLM that allow no more", "1000"),)
    guide = Guide(
        title="LiteLLM proxy",
        connect=(
            "Pull: the proxy's address and its master key. Or push: set GENERIC_LOGGER_ENDPOINT to "
            "/api/v1/events?source=litellm of this server, GENERIC_LOGGER_HEADERS to an Authorization with a token of "
            "scope ingest, and callbacks: [generic_api]. Or import the objects of its S3 or GCS logger, or rows of "
            "LiteLLM_SpendLogs as JSON lines. One of these ways is enough; a call that comes by two is counted once."
        ),
        permission="proxy_admin or proxy_admin_viewer, to read /spend/logs/v2",
        tells="key (alias, else hash), team, tags (key:value), model asked for and served, provider; agent",
        cannot=(
            "End users (not kept). Reasoning effort, trace and the tier that was asked for are in pushed payloads and "
            "logged objects alone. Of versions without usage_object, cached tokens. Calls that bypass the proxy."
        ),
    )
    schemas = (
        payload_schema(pa.string()), payload_schema(pa.float64()), spend_log_schema(pa.string()), spend_log_schema(pa.float64()),
    )  # fmt: skip

    def is_page(self, document: Any) -> bool:
        """``/spend/logs/v2`` answers with ``{"data": [...]}``; older versions with a list."""
        return isinstance(document, list) or (isinstance(document, dict) and isinstance(document.get("data"), list))

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Rows of a page, or the one record that the document is."""
        if isinstance(document, dict) and isinstance(document.get("data"), list):
            yield from ((f"/data/{index}", row) for index, row in enumerate(document["data"]))
        elif isinstance(document, list):
            yield from ((f"/{index}", row) for index, row in enumerate(document))
        elif isinstance(document, dict) and ("request_id" in document or "id" in document):
            yield "", document
        else:
            raise NotThisKind("neither spend log rows nor a StandardLoggingPayload")

    def usage(self, table: pa.Table, context: Context) -> Parsed:
        """Usage rows of either form."""
        payload = "id" in table.column_names
        metadata = struct_fields(table["metadata"])
        reported = struct_fields(metadata["usage_object"])
        if payload:  # older versions have no usage_object, but the provider's own usage
            answered = struct_fields(struct_fields(table["response"])["usage"])
            missing = pc.is_null(metadata["usage_object"])
            reported = {name: pc.if_else(missing, answered[name], reported[name]) for name in reported}
        times, bad_times = instants(table["startTime"], "startTime", zone=_UTC)
        rejects = [Reject(row, bad.reason, bad.detail) for row, bad in bad_times.items()]
        columns, problems = classes(table, reported, payload=payload)
        native = table["id" if payload else "request_id"]
        problems += [(pc.is_null(native).to_numpy(), "unknown_shape", "no request id")]
        seen = {reject.record for reject in rejects}
        for mask, reason, detail in problems:
            for row in np.flatnonzero(mask):
                if row not in seen:
                    seen.add(int(row))
                    rejects.append(Reject(int(row), reason, detail))
        tags = _tags(table, context)
        alias = metadata["user_api_key_alias"]
        columns |= {
            "native_id": identity(native, times),
            "occurred_at": times,
            "provider": _named(table["custom_llm_provider"], lambda name: PROVIDER_ALIASES.get(name, name)),
            "host": _named(table["api_base"], lambda url: _HOST.sub(r"\1", url)),
            "model_requested": table["model_group"],
            "model_served": table["model"],
            "project": pc.coalesce(metadata["user_api_key_team_id"], *([] if payload else [table["team_id"]])),
            "api_key": pc.coalesce(alias, metadata["user_api_key_hash"] if payload else table["api_key"]),
            "operation": _named(table["call_type"], _operation),
            "service_tier_served": reported["service_tier"],
            "failed": pc.if_else(pc.equal(table["status"], "failure"), 1, None),
            "agent": table["agent_id"],
            "tags": tags["tags"], "feature": tags["feature"], "environment": tags["environment"],
            "reported_cost": _round_money(table["response_cost" if payload else "spend"]),
        }  # fmt: skip
        if payload:
            parameters = struct_fields(table["model_parameters"])
            columns |= {
                "trace": table["trace_id"],
                "effort": parameters["reasoning_effort"],
                "service_tier_requested": parameters["service_tier"],
            }
        usage = usage_table(len(table), columns)
        if seen:
            usage = usage.filter(pa.array(~np.isin(np.arange(len(table)), list(seen))))
        return Parsed(usage, rejects, Counter())

    def streams(self, options: dict[str, Any]) -> Sequence[Stream]:  # noqa: ARG002
        """One. Rows are written some time after the call began that they are sorted by, so a day is read again."""
        day = timedelta(days=1)
        return (Stream("spend_logs", timedelta(minutes=1), day, re_read=day, states_all=False),)

    def pages(self, client: Client, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:  # noqa: ARG002
        """Rows from the start of the window on, each answer from where the last one ended."""
        return spend_logs(client, window, int(options.get("page_size") or 1_000))

    def names(self, client: Client, options: dict[str, Any]) -> Iterator[Name]:  # noqa: ARG002
        """Names of teams."""
        teams = client.get("/team/list").json()
        for team in teams if isinstance(teams, list) else ():
            if isinstance(team, dict) and team.get("team_id") and team.get("team_alias"):
                yield Name("project", str(team["team_id"]), str(team["team_alias"]))


def spend_logs(client: Client, window: Window, page_size: int) -> Iterator[Page]:
    """The answers that hold the rows of a window. Raises PullFailed.

    An answer begins with the second in which the one before ended: rows that it repeats are known by their ids, and rows
    that come or go in between shift nothing. Pages are turned only within one second.
    """
    since, page = window.start.replace(microsecond=0), 1
    for number in range(1, MAX_PAGES + 1):
        asked: dict[str, Value] = {
            "start_date": f"{since:%Y-%m-%d %H:%M:%S}", "end_date": f"{window.end:%Y-%m-%d %H:%M:%S}", "page": page,
            "page_size": page_size, "sort_by": "startTime", "sort_order": "asc",
        }  # fmt: skip
        answer = client.get("/spend/logs/v2", asked)
        document = answer.json()
        rows = document.get("data") if isinstance(document, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise PullFailed("/spend/logs/v2 did not answer with rows")
        yield Page(document, f"spend/logs/v2 answer {number}", answer.at)
        if not rows or (len(rows) < page_size and not _says_more(document, page, len(rows))):
            return
        try:
            first, last = (instant(row.get("startTime"), "startTime", zone=_UTC) for row in (rows[0], rows[-1]))
        except Rejected as rejected:
            raise PullFailed(f"a row of /spend/logs/v2 has no time to go on from ({rejected.detail})") from None
        if last < first or first < since:
            raise PullFailed("/spend/logs/v2 does not sort by startTime as asked: this version of LiteLLM is too old")
        reached = last.replace(microsecond=0)
        since, page = (reached, 1) if reached > since else (since, page + 1)
    raise PullFailed(f"more than {MAX_PAGES:,} pages of /spend/logs/v2")


def _says_more(document: Record, page: int, rows: int) -> bool:
    """Whether a short answer is one of a server that gives fewer rows than it is asked for."""
    size, total = document.get("page_size"), document.get("total")
    return isinstance(size, int) and isinstance(total, int) and (page - 1) * size + rows < total


def _round_money(column: Any) -> Any:
    # Arrow has no decimal128(38,20) -> (30,12) that rounds and narrows in one step; round first, then the cast is exact.
    return pc.round(column, ndigits=12, round_mode="half_to_even").cast(MONEY)


def _named(texts: Any, name: Callable[[str], str]) -> pa.Array:
    """Texts as we call them, looked up once per distinct text."""
    encoded = pc.fill_null(texts, "").combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return pa.array([name(text) for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _operation(call_type: str) -> str:
    name = call_type.removeprefix("a")
    return _OPERATIONS.get(call_type) or _OPERATIONS.get(name) or call_type


def _tags(table: pa.Table, context: Context) -> dict[str, pa.Array]:
    """Tags of the form ``key:value`` or ``key=value`` from request_tags, read once per distinct list."""
    lists = table["request_tags"].combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks)
    joined = pc.binary_join(lists, "\x1f").dictionary_encode()
    read = [_read_tags((text or "").split("\x1f"), context) for text in joined.dictionary.to_pylist()]
    return {
        name: pa.array([row[index] for row in read], pa.string()).take(joined.indices)
        for index, name in enumerate(("tags", "feature", "environment"))
    }


def _read_tags(texts: list[str], context: Context) -> tuple[str | None, str | None, str | None]:
    pairs: dict[str, str] = {}
    for text in texts:
        cut = min((text.find(mark) for mark in ":=" if mark in text), default=-1)
        if cut > 0:
            pairs[text[:cut].strip()] = text[cut + 1 :].strip()
    tags, dropped = canonical_tags(pairs, context.tag_keys)
    context.dropped_tags.update(dropped)
    feature = pairs.get("feature") or pairs.get("use_case")
    return tags, feature, pairs.get("environment") or pairs.get("env")


SOURCE = LiteLLM()
