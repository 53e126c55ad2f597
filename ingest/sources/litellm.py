"""LiteLLM: rows and pages of its spend logs, and the StandardLoggingPayload of its callbacks and S3 logger.

``prompt_tokens`` contains cache reads and writes for every provider, ``completion_tokens`` contains reasoning (LiteLLM
adds them up itself; litellm/llms/anthropic/chat/transformation.py). Spend is zero on cache hits and failures. The same
call has the same id in both forms. Times without an offset are UTC. ``session_id`` is no trace.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.calc.identity import canonical_tags
from ingest.calc.matching import PROVIDER_ALIASES
from ingest.calc.reasons import Reject
from ingest.calc.usage import MONEY, ints, usage_table
from ingest.calc.values import instants
from ingest.source import ColumnSource, Context, NotThisKind, Parsed, Record

_INPUT_DETAILS = pa.struct(
    [("cached_tokens", pa.int64()), ("cache_creation_tokens", pa.int64()), ("audio_tokens", pa.int64()),
     ("image_tokens", pa.int64())]
)  # fmt: skip
_OUTPUT_DETAILS = pa.struct(
    [("reasoning_tokens", pa.int64()), ("audio_tokens", pa.int64()), ("image_tokens", pa.int64())]
)
_USAGE = pa.struct(
    [
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("total_tokens", pa.int64()),
        ("prompt_tokens_details", _INPUT_DETAILS),
        ("completion_tokens_details", _OUTPUT_DETAILS),
        ("cache_read_input_tokens", pa.int64()),
        ("cache_creation_input_tokens", pa.int64()),
        ("cache_creation_token_details", pa.struct([("ephemeral_1h_input_tokens", pa.int64())])),
        ("service_tier", pa.string()),
    ]
)
_METADATA = pa.struct(
    [
        ("user_api_key_alias", pa.string()),
        ("user_api_key_hash", pa.string()),
        ("user_api_key_team_id", pa.string()),
        ("user_api_key_team_alias", pa.string()),
        ("usage_object", _USAGE),
    ]
)
_WIDE_MONEY = pa.decimal128(38, 20)  # LiteLLM writes 0.00022500000000000002


def _payload(time: pa.DataType) -> pa.Schema:
    return pa.schema(
        [
            ("id", pa.string()), ("trace_id", pa.string()), ("call_type", pa.string()), ("status", pa.string()),
            ("custom_llm_provider", pa.string()), ("startTime", time), ("model", pa.string()),
            ("model_group", pa.string()), ("api_base", pa.string()), ("agent_id", pa.string()),
            ("cache_hit", pa.bool_()), ("response_cost", _WIDE_MONEY),
            ("prompt_tokens", pa.int64()), ("completion_tokens", pa.int64()), ("total_tokens", pa.int64()),
            ("request_tags", pa.list_(pa.string())), ("metadata", _METADATA),
            ("response", pa.struct([("usage", _USAGE)])),
            ("model_parameters", pa.struct([("reasoning_effort", pa.string()), ("service_tier", pa.string())])),
        ]
    )  # fmt: skip


def _spend_log(time: pa.DataType) -> pa.Schema:
    return pa.schema(
        [
            ("request_id", pa.string()), ("call_type", pa.string()), ("status", pa.string()),
            ("custom_llm_provider", pa.string()), ("startTime", time), ("model", pa.string()),
            ("model_group", pa.string()), ("api_base", pa.string()), ("agent_id", pa.string()),
            ("api_key", pa.string()), ("team_id", pa.string()), ("cache_hit", pa.string()), ("spend", _WIDE_MONEY),
            ("prompt_tokens", pa.int64()), ("completion_tokens", pa.int64()), ("total_tokens", pa.int64()),
            ("request_tags", pa.list_(pa.string())), ("metadata", _METADATA),
        ]
    )  # fmt: skip


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
    schemas = (
        _payload(pa.string()), _payload(pa.float64()), _spend_log(pa.string()), _spend_log(pa.float64()),
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
        metadata = _struct(table["metadata"])
        reported = _struct(metadata["usage_object"])
        if payload:  # older versions have no usage_object, but the provider's own usage
            answered = _struct(_struct(table["response"])["usage"])
            missing = pc.is_null(metadata["usage_object"])
            reported = {name: pc.if_else(missing, answered[name], reported[name]) for name in reported}
        times, bad_times = instants(table["startTime"], "startTime", zone=ZoneInfo("UTC"))
        rejects = [Reject(row, bad.reason, bad.detail) for row, bad in bad_times.items()]
        columns, problems = _classes(table, reported, payload=payload)
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
            "native_id": native,
            "occurred_at": times,
            "provider": _named(table["custom_llm_provider"], lambda name: PROVIDER_ALIASES.get(name, name)),
            "host": pc.replace_substring_regex(table["api_base"], r"^https?://([^/?#]*).*$", r"\1"),
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
            parameters = _struct(table["model_parameters"])
            columns |= {
                "trace": table["trace_id"],
                "effort": parameters["reasoning_effort"],
                "service_tier_requested": parameters["service_tier"],
            }
        usage = usage_table(len(table), columns)
        if seen:
            usage = usage.filter(pa.array(~np.isin(np.arange(len(table)), list(seen))))
        return Parsed(usage, rejects, Counter())


def _struct(column: Any) -> dict[str, pa.Array]:
    """The fields of a struct column; a field of a NULL struct is NULL."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else pa.concat_arrays(array.chunks)
    return dict(zip((field.name for field in array.type), array.flatten(), strict=True))


def _np(array: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(pc.fill_null(array, 0).to_numpy(zero_copy_only=False))


def _classes(table: pa.Table, reported: dict[str, pa.Array], *, payload: bool) -> tuple[dict[str, Any], list[Any]]:
    """Disjoint token classes from LiteLLM's inclusive counts, and (mask, reason, detail) of rows that do not add up."""
    details, produced = _struct(reported["prompt_tokens_details"]), _struct(reported["completion_tokens_details"])
    creation = _struct(reported["cache_creation_token_details"])
    prompt, completion = ints(table, "prompt_tokens"), ints(table, "completion_tokens")
    total = pc.fill_null(table["total_tokens"], -1).to_numpy()
    read = _np(pc.coalesce(details["cached_tokens"], reported["cache_read_input_tokens"]))
    written = _np(pc.coalesce(reported["cache_creation_input_tokens"], details["cache_creation_tokens"]))
    hour = _np(creation["ephemeral_1h_input_tokens"])
    audio_in, image_in = _np(details["audio_tokens"]), _np(details["image_tokens"])
    audio_out, image_out = _np(produced["audio_tokens"]), _np(produced["image_tokens"])
    reasoning = _np(produced["reasoning_tokens"])
    uncached = prompt - read - written - audio_in - image_in
    visible = completion - reasoning - audio_out - image_out
    if payload:
        hit = pc.fill_null(table["cache_hit"], False).to_numpy()
    else:
        hit = pc.equal(pc.fill_null(table["cache_hit"], ""), "True").to_numpy()
    known = pc.is_valid(produced["reasoning_tokens"]).to_numpy(zero_copy_only=False)
    parts = {
        "input_uncached": uncached, "cache_read": read, "cache_write_5m": written - hour, "cache_write_1h": hour,
        "output_visible": visible, "input_audio": audio_in, "input_image": image_in, "output_audio": audio_out,
        "output_image": image_out,
    }  # fmt: skip
    raw = np.minimum.reduce(
        [prompt, completion, read, written, hour, audio_in, image_in, audio_out, image_out, reasoning]
    )
    problems = [
        (raw < 0, "negative", "token counts"),
        (uncached < 0, "cached_exceeds_input", "cached or modality tokens exceed prompt_tokens"),
        (hour > written, "cached_exceeds_input", "1h cache writes exceed all cache writes"),
        (visible < 0, "unexplained_total", "reasoning or modality tokens exceed completion_tokens"),
        ((total >= 0) & (total != prompt + completion), "unexplained_total", "total_tokens is not prompt + completion"),
    ]
    columns: dict[str, Any] = {name: pa.array(np.where(hit, 0, values)) for name, values in parts.items()}
    columns["output_reasoning"] = pa.array(np.where(hit, 0, reasoning), mask=~(known | hit))
    columns["saved_tokens"] = pa.array(prompt + completion, mask=~hit)
    return columns, problems


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
