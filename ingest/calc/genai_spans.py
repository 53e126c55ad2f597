"""Token classes and dimensions of a model span, in the words of every instrumentation that is in use.

The conventions of OpenTelemetry (old names and new), OpenInference, OpenLIT, Traceloop, Pydantic AI and Vercel's AI SDK
say, or mean, that cached tokens are a part of the input and reasoning a part of the output. Instrumentations differ:
those of Bedrock write Converse's ``inputTokens``, beside which caches stand, and some of Gemini leave thinking out of
the output. Where a total is stated it says which sum holds; a total that two sums explain, or none, is quarantined.
Bedrock's own are read as exclusive even so, because Traceloop's totals leave the cache out as well. Without a total
the conventions hold. Two names of one count that disagree are no count. Where the span keeps Anthropic's own usage
(Vercel's AI SDK does), its counts are taken and the span's must agree.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import Any

from ingest.calc.bodies import usage_of
from ingest.calc.identity import canonical_tags
from ingest.calc.matching import PROVIDER_ALIASES
from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json
from ingest.calc.values import NumberText, count, money

Record = dict[str, Any]
_G, _D, _O, _V = "gen_ai.usage.", "gen_ai.usage.details.", "llm.token_count.", "ai.usage."
_COUNTS: dict[str, tuple[str, ...]] = {
    "input": (f"{_G}input_tokens", f"{_G}prompt_tokens", f"{_O}prompt", "llm.usage.prompt_tokens",
              f"{_V}inputTokens", f"{_V}promptTokens", f"{_V}tokens"),
    "output": (f"{_G}output_tokens", f"{_G}completion_tokens", f"{_O}completion", "llm.usage.completion_tokens",
               f"{_V}outputTokens", f"{_V}completionTokens"),
    "total": (f"{_G}total_tokens", "llm.usage.total_tokens", f"{_O}total", f"{_V}totalTokens"),
    "read": (f"{_G}cache_read.input_tokens", f"{_G}cache_read_input_tokens", f"{_G}cache_read_tokens",
             f"{_G}cached_input_tokens", f"{_G}input_cached_tokens", f"{_G}input_tokens.cached", f"{_D}cache_read_tokens",
             f"{_D}cache_read_input_tokens", f"{_D}cached_tokens", f"{_O}prompt_details.cache_read",
             f"{_V}cachedInputTokens"),
    "write": (f"{_G}cache_creation.input_tokens", f"{_G}cache_creation_input_tokens", f"{_G}cache_creation_tokens",
              f"{_G}cache_write_tokens", f"{_G}input_cache_creation", f"{_G}input_tokens.cache_write", f"{_D}cache_write_tokens",
              f"{_D}cache_creation_input_tokens", f"{_O}prompt_details.cache_write"),
    "reasoning": (f"{_G}reasoning.output_tokens", f"{_G}reasoning_tokens", f"{_G}output_tokens.reasoning",
                  f"{_D}reasoning_tokens", f"{_D}thinking_tokens", f"{_D}thoughts_tokens",
                  "llm.usage.reasoning_tokens", f"{_O}completion_details.reasoning", f"{_V}reasoningTokens"),
    "audio_in": (f"{_G}input_audio_tokens", f"{_D}input_audio_tokens", f"{_O}prompt_details.audio"),
    "audio_read": (f"{_D}cache_audio_read_tokens",),
    "audio_out": (f"{_G}output_audio_tokens", f"{_D}output_audio_tokens", f"{_O}completion_details.audio"),
}  # fmt: skip
_STATED = frozenset(name for part in ("input", "output", "total") for name in _COUNTS[part])
_COSTS = (f"{_G}cost", "llm.cost.total", "operation.cost")
_TEXTS: dict[str, tuple[str, ...]] = {
    "model_requested": ("gen_ai.request.model", "llm.request.model_name", "ai.model.id"),
    "model_served": ("gen_ai.response.model", "llm.response.model_name", "llm.model_name", "embedding.model_name",
                     "reranker.model_name", "ai.response.model"),
    "service_tier_requested": ("openai.request.service_tier", "gen_ai.openai.request.service_tier",
                               "gen_ai.request.service_tier"),
    "service_tier_served": ("openai.response.service_tier", "gen_ai.openai.response.service_tier",
                            "gen_ai.response.service_tier"),
    "effort": ("gen_ai.request.reasoning_effort", "gen_ai.request.reasoning.effort", "llm.request.reasoning_effort"),
    "host": ("server.address",),
    "request_id": ("gen_ai.response.id", "ai.response.id"),
}  # fmt: skip
_PROVIDERS = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider")
_SELF_HOSTED = {"ollama", "vllm", "llamacpp", "llama.cpp", "sglang", "tgi", "gpt4all", "lmstudio"}
# Named where a provider should be: the provider is then known by its model.
_FRAMEWORKS = {"langchain", "langgraph", "llama_index", "llamaindex", "crewai", "haystack", "pydantic_ai", "ag2",
               "agno", "dspy", "autogen", "semantic_kernel", "strands-agents"}  # fmt: skip
_ENVIRONMENTS = ("deployment.environment.name", "deployment.environment", "gen_ai.environment")
_FEATURES = ("feature", "use_case")
_LABELS = ("router_label", "router.label", "gen_ai.router.label")
_TAGGED = ("traceloop.association.properties.", "ai.telemetry.metadata.", "metadata.")
_CALLED = re.compile(r"(?:gen_ai\.completion|llm\.output_messages)\.(\d+)\.(?:message\.)?tool_calls\.(\d+)\.")
_UNNAMED = {"default", ""}  # what SDKs call a service that nobody named, beside unknown_service


def has_usage(attributes: Mapping[str, Any]) -> bool:
    """Whether a span states tokens, of whatever it is."""
    return not _STATED.isdisjoint(attributes)


def names_model(attributes: Mapping[str, Any]) -> bool:
    """Whether a span names a model that answered, or was asked."""
    return any(attributes.get(name) for column in ("model_requested", "model_served") for name in _TEXTS[column])


def token_classes(attributes: Mapping[str, Any], *, scope: str, operation: str) -> dict[str, int]:
    """Disjoint classes of a span, those above 0 and ``output_reasoning`` where it is split. Their sum is the span's
    total; without one its input and output, and what stands beside these. Raises Rejected.
    """
    given = {part: _one(attributes, names) for part, names in _COUNTS.items()}
    if (own := _anthropic(attributes)) is not None:
        return _agreed(own, given)
    total, entered, produced = given["total"], given["input"], given["output"]
    if entered is None and produced is None and total is not None:
        if operation not in ("embedding", "rerank"):
            raise Rejected("unexplained_total", "a total without input and output")
        entered = total
    read, written, reasoning = given["read"] or 0, given["write"] or 0, given["reasoning"] or 0
    prompt, completion = _inclusive(entered or 0, produced or 0, read + written, reasoning, total, scope)
    heard, heard_again, spoken = given["audio_in"] or 0, given["audio_read"] or 0, given["audio_out"] or 0
    if heard_again > min(read, heard):
        raise Rejected("cached_exceeds_input", "cached audio exceeds what was cached, or the audio")
    uncached = prompt - read - written - (heard - heard_again)
    if uncached < 0:
        raise Rejected("cached_exceeds_input", "cached and audio tokens exceed the input")
    visible = completion - reasoning - spoken
    if visible < 0:
        raise Rejected("unexplained_total", "reasoning and audio tokens exceed the output")
    classes = {
        "input_uncached": uncached, "cache_read": read - heard_again, "cache_write_5m": written,
        "output_visible": visible, "input_audio": heard - heard_again, "cache_read_audio": heard_again,
        "output_audio": spoken,
    }  # fmt: skip
    split = {} if given["reasoning"] is None else {"output_reasoning": reasoning}
    return {name: number for name, number in classes.items() if number} | split


def _anthropic(attributes: Mapping[str, Any]) -> dict[str, int] | None:
    """The classes in Anthropic's own usage, which Vercel's AI SDK keeps: it alone tells what was written to caches."""
    text = attributes.get("ai.response.providerMetadata")
    if not isinstance(text, str) or '"anthropic"' not in text:
        return None
    try:
        found = load_json(text.encode("utf-8", "surrogatepass"))
    except Rejected:
        return None
    for name in ("anthropic", "usage"):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict) or "input_tokens" not in found:
        return None
    calls = usage_of("anthropic_messages", {"usage": found})
    return calls[0].classes if len(calls) == 1 else None


def _agreed(classes: dict[str, int], given: Mapping[str, int | None]) -> dict[str, int]:
    """The classes, where the span's input is all of theirs, or only what was not cached, as older versions write it."""
    sides = [
        sum(number for name, number in classes.items() if name.startswith("output") is out) for out in (False, True)
    ]
    if given["input"] not in (None, sides[0], classes.get("input_uncached", 0)) or given["output"] not in (
        None,
        sides[1],
    ):
        raise Rejected("unexplained_total", "the span's tokens are not those of its provider's usage")
    return classes


def _inclusive(
    entered: int, produced: int, cached: int, reasoning: int, total: int | None, scope: str
) -> tuple[int, int]:
    """Input with what was cached and output with reasoning, whichever way the span counts them."""
    bedrock = "bedrock" in scope
    if total is None:
        return entered + (cached if bedrock else 0), produced
    ways = {
        (entered + beside_input, produced + beside_output)
        for beside_input, beside_output in product({0, cached}, {0, reasoning})
        if entered + beside_input + produced + beside_output == total
    }
    if bedrock and cached:
        ways = {(entered + cached, out) for into, out in ways}
    if len(ways) != 1:
        raise Rejected("unexplained_total", "input and output tokens are not the total")
    return ways.pop()


def _one(attributes: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    found: int | None = None
    for name in names:
        number = count(attributes[name], name) if name in attributes else None
        if number is not None and found not in (None, number):
            raise Rejected("unexplained_total", f"{name} is not what another name of it says")
        found = number if found is None else found
    return found


def reported_cost(attributes: Mapping[str, Any]) -> Decimal | None:
    """What the instrumentation thinks that the call cost, in dollars. Raises Rejected."""
    return next((money(attributes[name], name) for name in _COSTS if name in attributes), None)


def tool_calls(attributes: Mapping[str, Any]) -> int | None:
    """How many tools the answer called, by the names of attributes; at least one where only its end says so."""
    if called := {match.groups() for key in attributes if (match := _CALLED.match(key))}:
        return len(called)
    ends = attributes.get("gen_ai.response.finish_reasons", attributes.get("ai.response.finishReason"))
    words = {str(word).replace("-", "_").rstrip("s") for word in (ends if isinstance(ends, list) else [ends])}
    return 1 if words & {"tool_call", "tool_use", "function_call"} else None


def dimensions(attributes: Mapping[str, Any], resource: Mapping[str, Any]) -> Record:
    """Who called what: columns of the usage table. Users and sessions are left out. Raises Rejected."""
    found: Record = {column: _text(attributes, names) for column, names in _TEXTS.items()}
    found["host"] = found["host"] or _host(attributes)
    found["provider"] = _provider(attributes)
    found["environment"] = _text(attributes, _ENVIRONMENTS) or _text(resource, _ENVIRONMENTS)
    service = _text(resource, ("service.name",)) or ""
    named = service not in _UNNAMED and not service.startswith("unknown_service")
    found["feature"] = _text(attributes, _FEATURES) or _text(resource, _FEATURES) or (service if named else None)
    return found


def router_label(attributes: Mapping[str, Any]) -> str | None:
    """What a router called the query: tier policies map it. No convention names it yet."""
    return _text(attributes, _LABELS)


def tags_of(
    attributes: Mapping[str, Any], resource: Mapping[str, Any], allowed: frozenset[str]
) -> tuple[str | None, list[str]]:
    """Allow-listed tags: attributes of that very name, those of a span before its resource's, and properties that
    frameworks attach under a prefix. The second: such properties that are not allowed."""
    pairs: dict[str, Any] = {}
    for source in (resource, attributes):
        pairs |= {key: source[key] for key in allowed if key in source}
        pairs |= dict(_attached(source))
    return canonical_tags(pairs, allowed)


def _attached(source: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in source.items():
        if key.startswith(_TAGGED):
            prefix = next(prefix for prefix in _TAGGED if key.startswith(prefix))
            yield key.removeprefix(prefix), value
        elif key == "tag.tags" and isinstance(value, list):
            for text in value:
                name, colon, rest = str(text).partition(":")
                if colon:
                    yield name, rest


def _text(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = attributes.get(name)
        if value is not None and (not isinstance(value, str) or isinstance(value, NumberText)):
            raise Rejected("unknown_shape", f"{name} is not a text")
        if value:
            return str(value)
    return None


def _provider(attributes: Mapping[str, Any]) -> str | None:
    for attribute in _PROVIDERS:
        name = (_text(attributes, (attribute,)) or "").lower()
        if not name or name in _FRAMEWORKS:
            continue
        if name in _SELF_HOSTED:
            return "selfhosted"
        if "ai.operationId" in attributes:  # openai.responses, google.generative-ai
            name = name.partition(".")[0]
        return PROVIDER_ALIASES.get(name) or PROVIDER_ALIASES.get(name.replace("-", "_")) or name
    return None


def _host(attributes: Mapping[str, Any]) -> str | None:
    address = _text(attributes, ("gen_ai.openai.api_base", "llm.openai.api_base")) or ""
    return address.partition("://")[2].partition("/")[0] or None
