"""Benchmark input: StandardLoggingPayload lines with real token lengths, 20 % multi-call traces, 2,000 usage keys."""

import csv
import gzip
import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "web" / "demo" / "data"
MODELS = [
    ("openai", "gpt-4o-mini"), ("openai", "gpt-4o"), ("openai", "gpt-5"), ("openai", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-4-5"), ("anthropic", "claude-haiku-4-5"), ("gemini", "gemini-2.5-pro"),
    ("deepseek", "deepseek-chat"),
]  # fmt: skip
KEYS = 250  # x 8 models = 2,000 usage keys
START = datetime(2026, 9, 14, tzinfo=UTC)


def lengths() -> list[tuple[int, int, int]]:
    """(input, output, cached) of real requests: Azure code trace and Mooncake conversations."""
    found = []
    with gzip.open(DATA / "azure_llm_trace_2023_code.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            found.append((int(row["ContextTokens"]), int(row["GeneratedTokens"]), 0))
    with gzip.open(DATA / "mooncake_conversation_trace.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            found.append((int(row["input_tokens"]), int(row["output_tokens"]), int(row["prefix_cached_tokens"])))
    return found


def payloads(count: int, *, days: int = 2, seed: int = 7) -> Iterator[dict[str, Any]]:
    """``count`` payloads over ``days`` days in time order; 20 % of the traces have 2 to 20 calls."""
    chance, real = random.Random(seed), lengths()
    step = timedelta(days=days) / count
    trace, left, number = "", 0, 0
    for index in range(count):
        if left == 0:
            number += 1
            trace = hashlib.md5(f"{seed}/{number}".encode()).hexdigest()
            left = chance.randint(2, 20) if chance.random() < 0.2 else 1
        left -= 1
        yield _payload(index, trace, START + step * index, chance, real)


def _payload(index: int, trace: str, at: datetime, chance: random.Random, real: list[Any]) -> dict[str, Any]:
    provider, model = MODELS[chance.randrange(len(MODELS))]
    key = chance.randrange(KEYS)
    prompt, output, cached = real[chance.randrange(len(real))]
    reasoning = output // 2 if model in {"gpt-5", "gpt-5-mini", "gemini-2.5-pro"} else 0
    begin = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    call = f"chatcmpl-{index:08x}-{trace[:16]}"
    usage = {
        "completion_tokens": output, "prompt_tokens": prompt, "total_tokens": prompt + output,
        "completion_tokens_details": {"accepted_prediction_tokens": 0, "audio_tokens": 0, "reasoning_tokens": reasoning},
        "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": cached},
    }  # fmt: skip
    return {
        "id": call, "trace_id": trace, "call_type": "acompletion", "cache_hit": None, "stream": True,
        "status": "success", "custom_llm_provider": provider, "saved_cache_cost": 0.0,
        "startTime": begin, "endTime": begin, "completionStartTime": begin, "response_time": 1.25, "model": model,
        "metadata": {
            "user_api_key_hash": hashlib.md5(f"key{key}".encode()).hexdigest(), "user_api_key_alias": f"key-{key:03d}",
            "user_api_key_team_id": f"team-{key % 25:02d}", "user_api_key_user_id": None, "usage_object": usage,
        },
        "cache_key": None, "response_cost": round((prompt * 3 + output * 12) / 1e6, 9),
        "total_tokens": prompt + output, "prompt_tokens": prompt, "completion_tokens": output,
        "request_tags": [f"team:team-{key % 25:02d}", "env:prod"], "end_user": "", "api_base": "https://llm.example/v1",
        "model_group": model, "model_id": "",
        "model_parameters": {"temperature": 0.2, "stream": True},
        "error_str": None,
    }  # fmt: skip


def write(path: Path, count: int, *, days: int = 2, seed: int = 7) -> Path:
    """Write the lines, plain or .gz by the name."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        for payload in payloads(count, days=days, seed=seed):
            file.write(json.dumps(payload, separators=(",", ":")) + "\n")
    return path
