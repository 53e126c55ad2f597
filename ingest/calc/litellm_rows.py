"""Columns of LiteLLM's logs as disjoint token classes: the schemas of its records, and their arithmetic over Arrow."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.calc.usage import ints

_BY_TTL = pa.struct([("ephemeral_1h_input_tokens", pa.int64())])
_INPUT_DETAILS = pa.struct(
    [("cached_tokens", pa.int64()), ("cache_creation_tokens", pa.int64()), ("cache_write_tokens", pa.int64()),
     ("cache_creation_token_details", _BY_TTL), ("audio_tokens", pa.int64()), ("image_tokens", pa.int64())]
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
        ("cache_creation_token_details", _BY_TTL),
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


def payload_schema(time: pa.DataType) -> pa.Schema:
    """A StandardLoggingPayload, whose times are texts or seconds."""
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


def spend_log_schema(time: pa.DataType) -> pa.Schema:
    """A row of the spend logs."""
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


def identity(native: Any, times: pa.Array) -> Any:
    """Ids; of a hit of the cache, the id of the call that is repeated, and when the hit began."""
    hit = pc.fill_null(pc.match_substring(native, "_cache_hit"), False)
    if not pc.any(hit).as_py():
        return native
    call = pc.replace_substring_regex(native, r"_cache_hit[0-9.]*$", "_cache_hit")
    begun = times.cast(pa.int64()).cast(pa.string())
    return pc.if_else(hit, pc.binary_join_element_wise(call, begun, ":"), native)


def struct_fields(column: Any) -> dict[str, pa.Array]:
    """The fields of a struct column; a field of a NULL struct is NULL."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else pa.concat_arrays(array.chunks)
    return dict(zip((field.name for field in array.type), array.flatten(), strict=True))


def _np(array: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(pc.fill_null(array, 0).to_numpy(zero_copy_only=False))


def classes(table: pa.Table, reported: dict[str, pa.Array], *, payload: bool) -> tuple[dict[str, Any], list[Any]]:
    """Disjoint token classes from LiteLLM's inclusive counts, and (mask, reason, detail) of rows that do not add up."""
    details, produced = (
        struct_fields(reported["prompt_tokens_details"]),
        struct_fields(reported["completion_tokens_details"]),
    )
    creation, by_ttl = (struct_fields(each["cache_creation_token_details"]) for each in (reported, details))
    prompt, completion = ints(table, "prompt_tokens"), ints(table, "completion_tokens")
    total = pc.fill_null(table["total_tokens"], -1).to_numpy()
    read = _np(pc.coalesce(details["cached_tokens"], reported["cache_read_input_tokens"]))
    written = _np(
        pc.coalesce(
            reported["cache_creation_input_tokens"], details["cache_creation_tokens"], details["cache_write_tokens"]
        )
    )
    hour = _np(pc.coalesce(by_ttl["ephemeral_1h_input_tokens"], creation["ephemeral_1h_input_tokens"]))
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
