"""Usage in raw response bodies of providers, as disjoint token classes; one extractor per response shape.

A body that contradicts itself is rejected with a quarantine reason, never clamped. Nothing but the usage and the model
name is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ingest.calc.reasons import Rejected
from ingest.calc.values import count

Body = Mapping[str, Any]


class Usage(NamedTuple):
    """What one model call used: tokens per class (only those above 0, and ``output_reasoning`` if the body splits it).

    ``classes['output_reasoning']`` is missing if the body does not split it. ``model`` and ``service_tier`` are as the
    body names them, None if it does not. ``reported_total`` is the body's own total (checked), None without one.
    """

    model: str | None
    service_tier: str | None
    classes: dict[str, int]
    units: dict[str, int]
    reported_total: int | None


def usage_of(api: str, body: Body) -> list[Usage]:
    """The usages in one response body of ``api`` (a key of ``APIS``); several where the provider made several calls.

    Raises Rejected (a reason of the closed quarantine list) on a body of another shape or one that breaks invariant 1.
    Invariant: the classes of each usage are disjoint and add up to its reported total.
    """
    if api not in APIS:
        raise Rejected("unknown_shape", f"api {api!r}")
    if not isinstance(body, Mapping):
        raise Rejected("unknown_shape", "the body is not an object")
    return APIS[api](body)


def api_of(provider: str, flavor: str) -> str:
    """The key of ``APIS`` for a provider of the price book and the flavour of its API."""
    default = {"anthropic": "anthropic_messages", "google": "gemini", "cohere": "cohere", "aws": "bedrock_converse"}
    if flavor == "default" and provider in default:
        return default[provider]
    if provider == "google" and flavor == "chat":
        return "gemini_openai_chat"
    flavors = {"anthropic": "anthropic_messages", "responses": "openai_responses", "embeddings": "openai_embeddings"}
    return flavors.get(flavor, "openai_chat")


def _chat(body: Body) -> list[Usage]:
    """OpenAI Chat Completions and its speakers: caches inside prompt_tokens, reasoning inside completion_tokens."""
    usage = _object(body, "usage")
    prompt, completion = _required(usage, "prompt_tokens"), _number(usage, "completion_tokens")
    inside, outside = _details(usage, "prompt_tokens_details"), _details(usage, "completion_tokens_details")
    # DeepSeek and some hosts put the cached part beside the details. Mistral's num_cached_tokens are not read: it bills
    # prompt_tokens_details.cached_tokens at a tenth, in multiples of 64, and the recorded ones (48, 69, ...) are none.
    cached = _first((inside, "cached_tokens"), (usage, "prompt_cache_hit_tokens"), (usage, "cached_tokens"))
    classes = {
        "cache_read": cached, "cache_write_5m": _number(inside, "cache_write_tokens"),
        "input_audio": _number(inside, "audio_tokens"), "input_image": _number(inside, "image_tokens"),
        "input_video": _number(inside, "video_tokens"),
    }  # fmt: skip
    classes["input_uncached"] = _rest(prompt, classes, "prompt_tokens")
    outputs = {"output_audio": _number(outside, "audio_tokens"), "output_image": _number(outside, "image_tokens")}
    reasoning = count(outside.get("reasoning_tokens"), "reasoning_tokens")
    total = count(usage.get("total_tokens"), "total_tokens")
    hidden = 0 if total is None else total - prompt - completion
    if hidden > 0 and _is_gemini(body):
        # Its OpenAI-compatible endpoint counts thinking in the total alone.
        reasoning = (reasoning or 0) + hidden
        completion += hidden
    split = outputs | {"output_reasoning": reasoning or 0}
    outputs["output_visible"] = _rest(completion, split, "completion_tokens", "unexplained_total")
    return [_usage(body, classes | outputs, reasoning, total, usage.get("service_tier") or body.get("service_tier"))]


def _embeddings(body: Body) -> list[Usage]:
    usage = _object(body, "usage")
    return [_usage(body, {"input_uncached": _required(usage, "prompt_tokens")}, None, None, None)]


def _messages_or_responses(body: Body) -> list[Usage]:
    """Both name their counts input_tokens and output_tokens; resellers serve either behind either path."""
    usage = _object(body, "usage")
    openai = "input_tokens_details" in usage or "total_tokens" in usage
    return _responses(body, usage) if openai else _messages(body, usage)


def _responses(body: Body, usage: Body) -> list[Usage]:
    """OpenAI Responses: caches inside input_tokens, reasoning inside output_tokens."""
    inside, outside = _details(usage, "input_tokens_details"), _details(usage, "output_tokens_details")
    classes = {
        "cache_read": _number(inside, "cached_tokens"), "cache_write_5m": _number(inside, "cache_write_tokens"),
        "input_audio": _number(inside, "audio_tokens"), "input_image": _number(inside, "image_tokens"),
    }  # fmt: skip
    classes["input_uncached"] = _rest(_required(usage, "input_tokens"), classes, "input_tokens")
    reasoning = count(outside.get("reasoning_tokens"), "reasoning_tokens")
    outputs = {"output_image": _number(outside, "image_tokens"), "output_audio": _number(outside, "audio_tokens")}
    split = outputs | {"output_reasoning": reasoning or 0}
    outputs["output_visible"] = _rest(_number(usage, "output_tokens"), split, "output_tokens", "unexplained_total")
    total = count(usage.get("total_tokens"), "total_tokens")
    return [_usage(body, classes | outputs, reasoning, total, body.get("service_tier"))]


def _messages(body: Body, usage: Body) -> list[Usage]:
    """Anthropic Messages: cache reads and writes beside input_tokens, thinking inside output_tokens.

    ``iterations`` are calls of their own, each on its own model; the top level counts only those of type ``message``.
    """
    tier = "fast" if usage.get("speed") == "fast" else usage.get("service_tier")
    searches = _number(_details(usage, "server_tool_use"), "web_search_requests")
    units = {"web_search": searches} if searches else {}
    whole = _message(body, usage, tier)._replace(units=units)
    iterations = usage.get("iterations")
    if not iterations:
        return [whole]
    if not isinstance(iterations, list) or not all(isinstance(part, Mapping) for part in iterations):
        raise Rejected("unknown_shape", "usage.iterations")
    parts = [_message({"model": part.get("model") or body.get("model")}, part, tier) for part in iterations]
    own = [part for part, raw in zip(parts, iterations, strict=True) if raw.get("type", "message") == "message"]
    if sum(sum(part.classes.values()) for part in own) != sum(whole.classes.values()):
        raise Rejected("unexplained_total", "usage.iterations do not add up to the top level")
    if len(own) == 1:  # the only one that the top level's split of thinking can belong to
        parts[parts.index(own[0])] = whole._replace(units={})
    return [parts[0]._replace(units=units), *parts[1:]]


def _message(body: Body, usage: Body, tier: Any) -> Usage:
    written, split = _number(usage, "cache_creation_input_tokens"), _details(usage, "cache_creation")
    hour = _number(split, "ephemeral_1h_input_tokens")
    five = _number(split, "ephemeral_5m_input_tokens")
    if hour + five not in (written, 0):
        raise Rejected("unexplained_total", "usage.cache_creation does not add up to cache_creation_input_tokens")
    thinking = count(_details(usage, "output_tokens_details").get("thinking_tokens"), "thinking_tokens")
    output = _rest(_number(usage, "output_tokens"), {"": thinking or 0}, "output_tokens", "unexplained_total")
    classes = {
        "input_uncached": _required(usage, "input_tokens"), "cache_read": _number(usage, "cache_read_input_tokens"),
        "cache_write_5m": written - hour, "cache_write_1h": hour, "output_visible": output,
    }  # fmt: skip
    return _usage(body, classes, thinking, None, tier)


def _gemini(body: Body) -> list[Usage]:
    """Gemini: the cached part inside the prompt; thoughts and tool prompts outside the counts they look part of."""
    usage = _object(body, "usageMetadata")
    prompt, tools = _number(usage, "promptTokenCount"), _number(usage, "toolUsePromptTokenCount")
    cached = _number(usage, "cachedContentTokenCount")
    given = {kind: _modalities(usage, f"{kind}TokensDetails") for kind in ("prompt", "cache", "candidates")}
    classes = {"cache_read": cached, "input_video": _minus(given, "VIDEO")}
    for name in ("audio", "image"):
        part = given["cache"].get(name.upper(), 0)
        classes |= {f"input_{name}": _minus(given, name.upper()), f"cache_read_{name}": part}
        classes["cache_read"] -= part
    classes["input_uncached"] = _rest(prompt, classes, "promptTokenCount") + tools
    outputs = {f"output_{name}": given["candidates"].get(name.upper(), 0) for name in ("audio", "image", "video")}
    outputs["output_visible"] = _rest(
        _number(usage, "candidatesTokenCount"), outputs, "candidates", "unexplained_total"
    )
    thoughts = count(usage.get("thoughtsTokenCount"), "thoughtsTokenCount")
    total = count(usage.get("totalTokenCount"), "totalTokenCount")
    return [_usage(body, classes | outputs, thoughts, total, usage.get("serviceTier"), body.get("modelVersion"))]


def _converse(body: Body) -> list[Usage]:
    """Bedrock Converse: caches beside inputTokens; the body names no model."""
    usage = _object(body, "usage")
    written, details = _number(usage, "cacheWriteInputTokens"), usage.get("cacheDetails") or []
    hour = sum(
        _number(part, "inputTokens") for part in details if isinstance(part, Mapping) and part.get("ttl") == "1h"
    )
    classes = {
        "input_uncached": _required(usage, "inputTokens"), "cache_read": _number(usage, "cacheReadInputTokens"),
        "cache_write_5m": _rest(written, {"": hour}, "cacheWriteInputTokens", "unexplained_total"),
        "cache_write_1h": hour, "output_visible": _number(usage, "outputTokens"),
    }  # fmt: skip
    return [_usage(body, classes, None, count(usage.get("totalTokens"), "totalTokens"), None)]


def _cohere(body: Body) -> list[Usage]:
    """Cohere bills by ``billed_units``; ``tokens`` also counts its own templates and is not paid."""
    usage = body.get("usage") or body.get("meta")
    billed = _object({"usage": usage} if isinstance(usage, Mapping) else {}, "usage").get("billed_units")
    if not isinstance(billed, Mapping):
        raise Rejected("unknown_shape", "billed_units is missing")
    classes = {"input_uncached": _number(billed, "input_tokens"), "output_visible": _number(billed, "output_tokens")}
    return [_usage(body, classes, None, None, None)]


def _ollama(body: Body) -> list[Usage]:
    # Of a prompt that it had cached whole, Ollama reports no prompt_eval_count at all.
    classes = {"input_uncached": _number(body, "prompt_eval_count"), "output_visible": _required(body, "eval_count")}
    return [_usage(body, classes, None, None, None)]


def _llamacpp(body: Body) -> list[Usage]:
    # tokens_cached is the size of the KV cache after the call, not what was read from it; cache_n is.
    timings = _object(body, "timings")
    classes = {
        "input_uncached": _required(timings, "prompt_n"), "cache_read": _number(timings, "cache_n"),
        "output_visible": _required(timings, "predicted_n"),
    }  # fmt: skip
    return [_usage(body, classes, None, None, None)]


APIS: dict[str, Callable[[Body], list[Usage]]] = {
    "anthropic_messages": _messages_or_responses, "openai_responses": _messages_or_responses,
    "bedrock_converse": _converse, "cohere": _cohere, "gemini": _gemini, "llamacpp": _llamacpp, "ollama": _ollama,
    "openai_embeddings": _embeddings, "openai_chat": _chat, "azure_chat": _chat, "deepseek_chat": _chat,
    "gemini_openai_chat": _chat, "groq_chat": _chat, "mistral_chat": _chat, "openrouter_chat": _chat,
}  # fmt: skip


def _usage(
    body: Body, classes: dict[str, int], reasoning: int | None, total: int | None, tier: Any, model: Any = None
) -> Usage:
    if reasoning is not None:
        classes["output_reasoning"] = reasoning
    if total is not None and sum(classes.values()) != total:
        raise Rejected("unexplained_total", f"the classes add up to {sum(classes.values())}, the total is {total}")
    kept = {name: value for name, value in classes.items() if value or name == "output_reasoning"}
    name = model or body.get("model")
    return Usage(name if isinstance(name, str) else None, tier if isinstance(tier, str) else None, kept, {}, total)


def _is_gemini(body: Body) -> bool:
    name = body.get("model")
    return isinstance(name, str) and name.rsplit("/", 1)[-1].startswith("gemini")


def _object(body: Body, name: str) -> Body:
    value = body.get(name)
    if not isinstance(value, Mapping):
        raise Rejected("unknown_shape", f"{name} is not an object")
    return value


def _details(usage: Body, name: str) -> Body:
    return {} if usage.get(name) is None else _object(usage, name)


def _number(usage: Body, name: str) -> int:
    return count(usage.get(name), name) or 0


def _required(usage: Body, name: str) -> int:
    value = count(usage.get(name), name)
    if value is None:
        raise Rejected("unknown_shape", f"{name} is missing")
    return value


def _first(*places: tuple[Body, str]) -> int:
    found = (count(usage.get(name), name) for usage, name in places)
    return next((value for value in found if value is not None), 0)


def _rest(whole: int, parts: Mapping[str, int], name: str, reason: str = "cached_exceeds_input") -> int:
    rest = whole - sum(parts.values())
    if rest < 0 or any(part < 0 for part in parts.values()):
        raise Rejected(reason, f"the parts of {name} exceed it")
    return rest


def _modalities(usage: Body, name: str) -> dict[str, int]:
    parts = usage.get(name) or []
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        raise Rejected("unknown_shape", name)
    found: dict[str, int] = {}
    for part in parts:
        found[str(part.get("modality"))] = found.get(str(part.get("modality")), 0) + _number(part, "tokenCount")
    return found


def _minus(given: Mapping[str, Mapping[str, int]], modality: str) -> int:
    """Tokens of a modality in the prompt that were not cached."""
    return given["prompt"].get(modality, 0) - given["cache"].get(modality, 0)
