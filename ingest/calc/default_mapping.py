"""What the generic source assumes of a file that comes without a mapping.

Inclusion rules: ``cached_tokens`` (OpenAI's word, wherever it stands) are a part of the input, Anthropic's
``cache_read_input_tokens`` and ``cache_creation_input_tokens`` stand beside it; reasoning is a part of the output; a
``total_tokens`` must be the sum. Costs are read from ``cost_usd`` alone, because ``cost`` names no currency. A count of
tokens under any other name is not guessed at: the record, or the file, needs a mapping.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ingest.calc.columns import FieldMapping
from ingest.calc.mapping import parse_mapping

PROVIDERS = {
    "gpt-": "openai", "chatgpt-": "openai", "o1": "openai", "o3": "openai", "o4": "openai", "text-embedding-": "openai",
    "claude-": "anthropic", "gemini-": "google", "mistral-": "mistral", "codestral-": "mistral", "command-": "cohere",
    "deepseek-": "deepseek", "grok-": "x-ai",
}  # fmt: skip
_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")
# Counts of tokens that are limits, or parts of an output that need no class of their own.
_HARMLESS = frozenset(
    {"max_tokens", "max_output_tokens", "max_completion_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens",
     "text_tokens"}
)  # fmt: skip


def _anywhere(*names: str) -> dict[str, list[str]]:
    return {"any_of": [place + name for name in names for place in ("", "usage.")]}


def _details(side: str, *names: str) -> list[str]:
    words = {"input": ("input", "prompt"), "output": ("output", "completion")}[side]
    return [f"{place}{word}_tokens_details.{name}" for name in names for word in words for place in ("", "usage.")]


_COMMON: dict[str, Any] = {
    "time": {"any_of": ["timestamp", "ts", "time", "created_at"], "formats": ["rfc3339", "epoch_s"]},
    "id": [{"any_of": ["request_id", "id"]}],
    "model": {"any_of": ["model", "model_name"]},
    "provider": {"column": "provider", "by_model_prefix": PROVIDERS},
    "output": _anywhere("output_tokens", "completion_tokens") | {"includes": ["output_reasoning", "output_audio"]},
    "output_reasoning": {
        "any_of": [
            "reasoning_tokens",
            "output_reasoning_tokens",
            *_details("output", "reasoning_tokens", "thinking_tokens"),
        ]
    },
    "output_audio": {"any_of": _details("output", "audio_tokens")},
    "total": _anywhere("total_tokens"),
    "reported_cost": {"column": "cost_usd", "currency": "USD"},
    "requests": {"any_of": ["requests", "num_requests"]},
    "project": {"any_of": ["project", "project_id"]},
    "region": "region",
    "operation": "operation",
    "environment": {"any_of": ["environment", "env", "metadata.environment", "metadata.env"]},
    "feature": {"any_of": ["feature", "use_case", "metadata.feature", "metadata.use_case"]},
    "effort": "reasoning_effort",
    "service_tier": _anywhere("service_tier"),
    "trace": "trace_id",
    "agent": {"any_of": ["agent_id", "agent_name"]},
    "router_label": {"any_of": ["router_label", "metadata.router_label"]},
    "tags": {
        key: {"any_of": [key, f"metadata.{key}", f"tags.{key}"]}
        for key in ("team", "cost_centre", "project", "product", "feature", "environment", "tier", "customer_tier")
    },
}


@cache
def default_mapping() -> FieldMapping:
    """The usual case: what was cached is a part of the input."""
    return parse_mapping(
        _COMMON
        | {
            "input": _anywhere("input_tokens", "prompt_tokens") | {"includes": ["cache_read", "input_audio"]},
            "cache_read": {
                "any_of": [
                    "cached_tokens",
                    "input_cached_tokens",
                    "usage.cached_tokens",
                    *_details("input", "cached_tokens"),
                ]
            },
            "input_audio": {"any_of": _details("input", "audio_tokens")},
        }
    )


@cache
def beside_mapping() -> FieldMapping:
    """For records with Anthropic's names: what was cached stands beside the input."""
    return parse_mapping(
        _COMMON
        | {
            "input": _anywhere("input_tokens"),
            "cache_read": _anywhere("cache_read_input_tokens"),
            "cache_write": _anywhere("cache_creation_input_tokens") | {"includes": ["cache_write_1h"]},
            "cache_write_1h": _anywhere("cache_creation.ephemeral_1h_input_tokens"),
        }
    )


def choose(record: Mapping[str, Any]) -> FieldMapping:
    """The default mapping for a record or a row of headings, by the names of its columns."""
    usage = record.get("usage")
    names = {*record, *(usage if isinstance(usage, Mapping) else ())}
    return beside_mapping() if names.intersection(_BESIDE) else default_mapping()


def unknown_counts(record: Mapping[str, Any], mapping: FieldMapping) -> list[str]:
    """Columns that hold a count of tokens by their name, and that the default mapping does not know."""
    known = _known(mapping is beside_mapping())
    return sorted(path for path in _counts_of_tokens(record, "") if path not in known)


@cache
def _known(beside: bool) -> frozenset[str]:
    return frozenset((beside_mapping() if beside else default_mapping()).columns())


def _counts_of_tokens(record: Mapping[str, Any], place: str) -> Iterator[str]:
    for name, value in record.items():
        path = f"{place}{name}"
        if isinstance(value, Mapping):
            if name == "usage" or str(name).endswith("tokens_details"):
                yield from _counts_of_tokens(value, f"{path}.")
        elif str(name).lower().endswith(("tokens", "token_count")) and name not in _HARMLESS and value not in _NOTHING:
            yield path


_NOTHING: tuple[Any, ...] = (None, "", 0, "0")
