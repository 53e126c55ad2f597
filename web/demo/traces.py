"""Traces of agents, *simulated*: as many calls per task as the assumption register states, each call with the lengths of a real
request (Azure's code trace, Mooncake's conversations), as OpenTelemetry spans that say which agent called which.

What an agent sent before it sends again with each call, most of it read from a cache. Failed tasks are tried once more the
day after; some run in circles, so that the page has a runaway to show.
"""

import gzip
import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import pandas as pd

from allocation import assumptions
from web.demo.buckets import DATA
from web.demo.window import Window

ACCOUNT, KIND, SIMULATED = "agents", "otlp", "example-simulated"
_AT_ENDS = NormalDist().inv_cdf(0.95)  # the register's low and high are the 5th and 95th percentile
_WRONG_IS_LONGER = 1.6  # how much more calls a failed task makes (assumed)
_CONTEXT = 60_000  # beyond so many tokens an agent drops the oldest half of what it sends (assumed)
_CACHED = 0.9  # of what is sent again (assumed)
_FAILS = 0.02  # of calls (assumed)
_CIRCLES = 45


class Agent(NamedTuple):
    """Who calls a model in a workflow, called by whom, and its share of the calls."""

    name: str
    caller: str
    share: float


class Workflow(NamedTuple):
    """Tasks a day and their agents, of a team. ``calls``: the entry of the register; ``solved``: of first attempts (assumed)."""

    feature: str
    cost_centre: str
    team: str
    provider: str
    model: str
    lengths: str
    a_day: int
    weekdays: bool
    calls: str
    solved: float
    agents: tuple[Agent, ...]


WORKFLOWS = (  # named as all that is made up is
    Workflow("example-code-agent", "CC-310", "coding-agents", "anthropic", "claude-haiku-4-5", "azure", 2, True,
             "calls_per_task.complex", 0.62,
             (Agent("lead", "", 0.2), Agent("coder", "lead", 0.6), Agent("reviewer", "lead", 0.2))),
    Workflow("example-claims-triage", "CC-330", "claims-intake", "openai", "gpt-5.4-mini", "mooncake", 6, False,
             "calls_per_task.moderate", 0.88, (Agent("triage", "", 1.0),)),
    Workflow("example-deep-research", "CC-410", "risk-research", "anthropic", "claude-sonnet-4-20250514", "mooncake", 1, False,
             "calls_per_task.research", 0.7,
             (Agent("planner", "", 0.1), Agent("searcher", "planner", 0.5), Agent("reader", "searcher", 0.3),
              Agent("writer", "planner", 0.1))),
)  # fmt: skip


class Task(NamedTuple):
    """One attempt at one task."""

    of: Workflow
    name: str
    attempt: int
    begins: datetime
    calls: int
    solved: bool
    circles: bool

    @property
    def trace(self) -> str:
        """The id of its trace."""
        return blake2b(f"{self.name}/{self.attempt}".encode(), digest_size=16).hexdigest()


def write_traces(window: Window, path: Path) -> Path:
    """The traces of the window's days as OTLP/JSON, one request a line."""
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        for day in window.days():
            for task in tasks(day, window):
                file.write(f"{json.dumps(_request(task), separators=(',', ':'))}\n")
    return path


def outcomes(window: Window) -> Iterator[dict[str, Any]]:
    """What became of the tasks, as a system of issues would say it: attempts name their traces."""
    for day in window.days():
        for task in tasks(day, window):
            at = f"{task.begins + timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"
            yield {
                "source": SIMULATED, "id": f"{task.name}-{task.attempt}", "task": f"{SIMULATED}/{task.name}", "at": at,
                "observed_at": at, "trace": task.trace, "trace_source": KIND, "trace_account": ACCOUNT,
                "feature": task.of.feature, "model": task.of.model, "success": task.solved, "evidence": "declared",
                "currency": "USD", "cost_centre": task.of.cost_centre, "team": task.of.team,
            }  # fmt: skip


def tasks(day: date, window: Window) -> Iterator[Task]:
    """Attempts that begin on a day: new tasks, and those of the day before that failed."""
    for of in WORKFLOWS:
        for attempt, on in ((1, day), (2, day - timedelta(days=1))):
            if on < window.first or (of.weekdays and on.weekday() > 4):
                continue
            for number in range(of.a_day):
                task = _task(of, on, number, attempt)
                if attempt == 2 and _task(of, on, number, 1).solved:
                    continue
                if task.begins + timedelta(hours=4) < window.now:
                    yield task


def _task(of: Workflow, day: date, number: int, attempt: int) -> Task:
    name = f"{of.feature}-{day}-{number}"
    solved = _drawn(name, attempt, "solved") < of.solved
    circles = attempt == 1 and day.day == 9 and number == 0 and of.feature == WORKFLOWS[0].feature
    calls = _calls(of.calls, _drawn(name, attempt, "calls"), 1 if solved else _WRONG_IS_LONGER)
    begins = datetime.combine(day, time(7), UTC) + timedelta(days=attempt - 1, minutes=number * 97 % 600)
    return Task(of, name, attempt, begins, calls, solved and not circles, circles)


def _calls(code: str, drawn: float, times: float) -> int:
    """Calls of a task: two halves of log-normals through the register's percentiles, up to its largest number of calls."""
    entry, z = assumptions.shipped().entries[code], NormalDist().inv_cdf(min(max(drawn, 1e-6), 1 - 1e-6))
    low, base, high = (float(str(value)) for value in (entry.low, entry.base, entry.high))
    side = math.log(high / base) if z > 0 else math.log(base / low)
    most = float(str(assumptions.shipped().entries["calls_per_task.research"].high))
    return max(1, round(min(times * base * math.exp(z * side / _AT_ENDS), most)))


def _request(task: Task) -> dict[str, Any]:
    resource = {"service.name": task.of.feature, "deployment.environment.name": "prod", "team": task.of.team}
    scope = {"scope": {"name": "example.simulated"}, "spans": list(_spans(task))}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}]}


def _spans(task: Task) -> Iterator[dict[str, Any]]:
    """A span of each agent below that of its caller, and of each call below its agent's."""
    number = {agent.name: place for place, agent in enumerate(task.of.agents, start=1)}
    for agent in task.of.agents:
        named = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent.name}
        yield _span(task, number[agent.name], number.get(agent.caller, 0), task.begins, named)
    for at, (agent, entered, cached, produced, failed) in enumerate(_steps(task)):
        used = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": task.of.provider, "gen_ai.request.model": task.of.model,
            "gen_ai.usage.input_tokens": entered, "gen_ai.usage.output_tokens": produced,
            "gen_ai.usage.cache_read.input_tokens": cached,
        }  # fmt: skip
        begins = task.begins + timedelta(seconds=20 * (at + 1))
        yield _span(task, len(number) + at + 1, number[agent.name], begins, used, failed=failed)


def _steps(task: Task) -> Iterator[tuple[Agent, int, int, int, bool]]:
    """(agent, input, of it cached, output, failed) of each call, the agents in turns by their shares."""
    lengths = _lengths(task.of.lengths)
    start = int(_drawn(task.name, task.attempt, "lengths") * len(lengths))
    sent = {agent.name: 0 for agent in task.of.agents}
    debts = {agent.name: 0.0 for agent in task.of.agents}
    for at in range(task.calls):
        for agent in task.of.agents:
            debts[agent.name] += agent.share
        agent = max(task.of.agents, key=lambda each: debts[each.name])
        debts[agent.name] -= 1
        fresh, produced = lengths[(start + at) % len(lengths)]
        if sent[agent.name] > _CONTEXT:
            sent[agent.name] //= 2
        before = sent[agent.name]
        failed = at < task.calls - 1 and _drawn(task.name, task.attempt, "fails", at) < _FAILS
        yield agent, before + fresh, int(before * _CACHED), 0 if failed else produced, failed
        if not failed:
            sent[agent.name] = before + fresh + produced
    for _ in range(_CIRCLES if task.circles else 0):
        yield agent, before + fresh, int(before * _CACHED), 57, False
        before += 57 + fresh


def _span(
    task: Task, number: int, parent: int, begins: datetime, attributes: dict[str, Any], *, failed: bool = False
) -> dict[str, Any]:  # fmt: skip
    return {
        "traceId": task.trace, "spanId": f"{number:016x}", "parentSpanId": f"{parent:016x}" if parent else "",
        "name": str(attributes["gen_ai.operation.name"]), "startTimeUnixNano": str(int(begins.timestamp()) * 10**9),
        "attributes": _attributes(attributes), "status": {"code": 2 if failed else 0},
    }  # fmt: skip


def _attributes(named: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in named.items()
    ]


@lru_cache(maxsize=2)
def _lengths(name: str) -> list[tuple[int, int]]:
    """(input, output) of real requests, in their order: what a call adds to what was sent before."""
    if name == "azure":
        rows = pd.read_csv(DATA / "azure_llm_trace_2023_code.csv.gz")
        return list(zip(rows["ContextTokens"].tolist(), rows["GeneratedTokens"].tolist(), strict=True))
    rows = pd.read_csv(DATA / "mooncake_conversation_trace.csv.gz")
    fresh = rows["input_tokens"] - rows["prefix_cached_tokens"]
    return list(zip(fresh.tolist(), rows["output_tokens"].tolist(), strict=True))


def _drawn(*names: object) -> float:
    """A number from 0 to 1 that hangs on the names alone."""
    return int.from_bytes(blake2b("/".join(map(str, names)).encode(), digest_size=6).digest(), "big") / 2**48
