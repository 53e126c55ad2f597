"""Single calls as a gateway logs them (LiteLLM's StandardLoggingPayload): Azure's and Mooncake's traces, Aider's runs."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from web.demo.buckets import DATA
from web.demo.window import Window

RUNS_PER_TRACE_FILE = 45  # a trace file is cut into so many runs of consecutive requests, one a day
CALLS_OF_AN_AGENT_RUN, TRACES_OF_AN_AGENT_RUN = 75, 3
DAYS_BETWEEN_AGENT_RUNS = (5, 4, 3, 2)  # by month of the demo; the last one from then on


class Call(NamedTuple):
    """One call; counts as LiteLLM states them (the prompt contains what was cached)."""

    id: str
    at: datetime
    provider: str
    model: str
    key: str
    tags: tuple[str, ...]
    prompt: int
    output: int
    cached: int = 0
    trace: str | None = None
    agent: str | None = None
    cost: float = 0.0


def write_calls(window: Window, path: Path, *, late: date | None = None, only_late: bool = False) -> Path:
    """The calls of the window, by day: without those that reach the gateway's log days later, or only those.

    ``late``: the day of which calls of the editor's plug-in come late, from noon to two.
    """
    azure, mooncake, agents = _azure(), _mooncake(), _agent_runs()
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        for day in window.days():
            calls = [*_coding(azure, day, window), *_assistant(mooncake, day, window), *_agents(agents, day, window)]
            file.writelines(
                f"{json.dumps(_payload(call), separators=(',', ':'))}\n"
                for call in calls
                if call.at < window.now and _is_late(call, late) == only_late
            )
    return path


def _is_late(call: Call, day: date | None) -> bool:
    return call.at.date() == day and call.at.hour in (12, 13) and call.provider == "azure"


def _azure() -> pd.DataFrame:
    rows = pd.read_csv(DATA / "azure_llm_trace_2023_code.csv.gz", parse_dates=["TIMESTAMP"])
    return rows.assign(second=(rows["TIMESTAMP"] - rows["TIMESTAMP"].dt.floor("h")).dt.total_seconds())


def _mooncake() -> pd.DataFrame:
    return pd.read_csv(DATA / "mooncake_conversation_trace.csv.gz")


def _agent_runs() -> pd.DataFrame:
    """The benchmark runs of proprietary models of which tokens and cost are known."""
    rows = pd.read_csv(DATA / "aider_leaderboards.csv")
    known = (
        rows["prompt_tokens"].gt(0)
        & rows["total_cost_usd"].gt(0)
        & rows["model"].str.startswith(("claude-", "gemini-"))
    )
    return rows[known].reset_index(drop=True)


def _run_of(rows: pd.DataFrame, day: date, window: Window, *, weekdays: bool) -> pd.DataFrame:
    """The consecutive requests that fall on this day; none on a weekend of a weekday trace."""
    if weekdays and day.weekday() >= 5:
        return rows.iloc[:0]
    size = len(rows) // RUNS_PER_TRACE_FILE
    number = (day - window.first).days % RUNS_PER_TRACE_FILE
    return rows.iloc[number * size : (number + 1) * size]


def _coding(rows: pd.DataFrame, day: date, window: Window) -> Iterator[Call]:
    """Code completion. Every eighth group of five is one query of an agent and its reviewer (simulated)."""
    for row in _tuples(_run_of(rows, day, window, weekdays=True)):
        number = int(row.Index)
        at = datetime.combine(day, time(9), UTC) + timedelta(seconds=float(row.second) + 3_600 * (number % 8))
        together = number // 5 % 8 == 0
        yield Call(
            f"azure-{day}-{number}", at, "azure", "gpt-4.1", f"key-ide-{number // 5 % 6}",
            ("env:dev" if number % 9 == 0 else "env:prod", "feature:completion", "team:developer-tools"),
            int(row.ContextTokens), int(row.GeneratedTokens),
            trace=f"azure-{day}-{number // 5}" if together else f"azure-{day}-{number}",
            agent=("coder", "reviewer")[number % 2] if together else None,
        )  # fmt: skip


def _assistant(rows: pd.DataFrame, day: date, window: Window) -> Iterator[Call]:
    """The shared assistant. Every fourth group of six is one query of six calls (simulated)."""
    for row in _tuples(_run_of(rows, day, window, weekdays=False)):
        number = int(row.Index)
        at = datetime.combine(day, time(7), UTC) + timedelta(milliseconds=int(row.timestamp_ms), hours=number % 12)
        together = number // 6 % 4 == 0
        yield Call(
            f"mooncake-{day}-{number}", at, "moonshot", "kimi-k2-0905-preview", "key-assistant",
            ("env:prod", "feature:assistant", "team:platform"), int(row.input_tokens), int(row.output_tokens),
            cached=int(row.prefix_cached_tokens),
            trace=f"mooncake-{day}-{number // 6}" if together else f"mooncake-{day}-{number}",
        )  # fmt: skip


def _agents(rows: pd.DataFrame, day: date, window: Window) -> Iterator[Call]:
    """Each benchmark run as three long agent queries (simulated) that together have its tokens and cost (measured)."""
    every = DAYS_BETWEEN_AGENT_RUNS[min(window.month(day), len(DAYS_BETWEEN_AGENT_RUNS) - 1)]
    if (day - window.first).days % every:
        return
    for row in _tuples(rows):
        model, _, _ = str(row.model).partition(" ")
        provider = "gemini" if model.startswith("gemini") else "anthropic"
        prompts, outputs = (_spread(int(total)) for total in (row.prompt_tokens, row.completion_tokens))
        for number, (prompt, output) in enumerate(zip(prompts, outputs, strict=True)):
            part = number // (CALLS_OF_AN_AGENT_RUN // TRACES_OF_AN_AGENT_RUN)
            yield Call(
                f"aider-{day}-{row.Index}-{number}",
                datetime.combine(day, time(1), UTC) + timedelta(minutes=20 * int(row.Index), seconds=15 * number),
                provider, model, "key-research-agents", ("env:prod", "feature:research-agents", "team:risk-research"),
                prompt, output, trace=f"aider-{day}-{row.Index}-{part}", agent=("planner", "editor")[number % 2],
                cost=float(row.total_cost_usd) / CALLS_OF_AN_AGENT_RUN,
            )  # fmt: skip


def _tuples(rows: pd.DataFrame) -> Iterator[Any]:
    yield from rows.itertuples()


def _spread(total: int) -> list[int]:
    """Whole numbers that add up to the total; unequal, so that no run looks like an agent going round in circles."""
    ends = [0]
    for number in range(CALLS_OF_AN_AGENT_RUN):
        ends.append(ends[-1] + 8 + number * 7 % 11)
    return [total * end // ends[-1] - total * start // ends[-1] for start, end in pairwise(ends)]


def _payload(call: Call) -> dict[str, Any]:
    total = call.prompt + call.output
    usage = {
        "prompt_tokens": call.prompt, "completion_tokens": call.output, "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": call.cached},
    }  # fmt: skip
    return {
        "id": call.id, "trace_id": call.trace, "call_type": "acompletion", "status": "success",
        "custom_llm_provider": call.provider, "startTime": call.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "model": call.model, "model_group": call.model, "agent_id": call.agent, "cache_hit": False,
        "response_cost": round(call.cost, 12), "prompt_tokens": call.prompt, "completion_tokens": call.output,
        "total_tokens": total, "request_tags": list(call.tags),
        "metadata": {"user_api_key_alias": call.key, "usage_object": usage},
    }  # fmt: skip
