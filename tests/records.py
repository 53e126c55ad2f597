"""Records for tests: LiteLLM payloads whose every figure the test names."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def payload(number: int | str, **given: Any) -> dict[str, Any]:
    """One StandardLoggingPayload of a gpt-5 call; ``prompt``, ``output``, ``cached``, ``reasoning`` are its tokens."""
    prompt, output = given.pop("prompt", 100), given.pop("output", 10)
    cached, reasoning = given.pop("cached", 0), given.pop("reasoning", 0)
    usage = {
        "prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }  # fmt: skip
    record = {
        "id": f"call-{number}", "trace_id": given.pop("trace", None), "call_type": "acompletion", "status": "success",
        "custom_llm_provider": "openai", "startTime": given.pop("at", "2026-09-08T13:00:00.000000Z"), "model": "gpt-5",
        "model_group": "gpt-5", "cache_hit": None, "response_cost": 0.001, "prompt_tokens": prompt,
        "completion_tokens": output, "total_tokens": prompt + output,
        "request_tags": [f"team:{given.pop('team', 'search')}"],
        "metadata": {"user_api_key_alias": given.pop("key", "key-a"), "usage_object": usage},
    }  # fmt: skip
    return record | given


def write_lines(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    """JSON lines, gzipped where the name says so."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
    return path
