"""Traces of agents as OTLP documents, for tests: who calls whom, and what each call uses."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from allocation import rulebook
from allocation.derived import refresh
from allocation.value import agent_tasks, outcomes
from ingest.calc.identity import query_ids
from ingest.services import Import, ingest_file

MODEL = "gpt-5.4-mini"  # 0.75 in, 4.5 out, 0.075 read from a cache, per million
AGENT, CHAT = {"gen_ai.operation.name": "invoke_agent"}, {"gen_ai.operation.name": "chat"}


class Call(NamedTuple):
    """One call of an agent; ``above``: who called that agent, ending with the topmost. ``after``: seconds."""

    agent: str
    prompt: int
    output: int
    above: tuple[str, ...] = ()
    cached: int = 0
    failed: bool = False
    after: int = 0
    model: str = MODEL


def trace(number: int | str, at: datetime, *calls: Call, feature: str = "review", first: int = 1) -> dict[str, Any]:
    """A request with spans of one trace, numbered from ``first``."""
    name, spans = trace_id(number), list[dict[str, Any]]()
    places: dict[tuple[str, ...], str] = {(): ""}

    def span(parent: str, attributes: dict[str, Any], seconds: int = 0, failed: bool = False) -> str:
        own = f"{len(spans) + first:016x}"
        spans.append(
            {
                "traceId": name, "spanId": own, "parentSpanId": parent, "name": "x",
                "startTimeUnixNano": str(int(at.timestamp() + seconds) * 10**9),
                "attributes": [{"key": key, "value": _value(value)} for key, value in attributes.items()],
                "status": {"code": 2 if failed else 0},
            }
        )  # fmt: skip
        return own

    for call in calls:
        path = (*reversed(call.above), call.agent) if call.agent else ()
        for depth in range(1, len(path) + 1):
            if path[:depth] not in places:
                places[path[:depth]] = span(places[path[: depth - 1]], AGENT | {"gen_ai.agent.name": path[depth - 1]})
        used = {
            "gen_ai.system": "openai", "gen_ai.request.model": call.model, "gen_ai.usage.input_tokens": call.prompt,
            "gen_ai.usage.output_tokens": call.output, "gen_ai.usage.cache_read.input_tokens": call.cached,
        }  # fmt: skip
        span(places[path], CHAT | used, call.after, call.failed)
    resource = [{"key": "service.name", "value": {"stringValue": feature}}]
    return {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}


def trace_id(number: int | str) -> str:
    """The id of a trace."""
    return f"{number}".encode().hex().rjust(32, "a")[-32:]


def query_of(number: int | str) -> int:
    """Its hash, by which facts know it."""
    import pyarrow as pa

    found, _ = query_ids("otlp", pa.array(["default"]), pa.array([trace_id(number)]))
    return int(found[0])


def sent(path: Path, *traces: dict[str, Any]) -> None:
    """Import them, and derive all that follows."""
    path.write_text("\n".join(json.dumps(one) for one in traces), encoding="utf-8")
    ingest_file(Import(path, "otlp"))
    refresh()
    agent_tasks.refresh()


def on(day: int, hour: int = 12, minute: int = 0) -> datetime:
    """An instant of September 2026."""
    return datetime(2026, 9, day, hour, minute, tzinfo=UTC)


def outcome(number: int | str, success: bool, **more: Any) -> dict[str, Any]:
    """What became of a trace."""
    return {
        "source": "desk", "id": f"o-{number}", "at": "2026-09-20T00:00:00Z", "success": success, "trace": trace_id(number),
        "trace_source": "otlp", "trace_account": "default", "evidence": "measured", "feature": "review", "currency": "USD",
    } | more  # fmt: skip


RULES = [
    {"id": "r1", "priority": 1, "when": {"feature": "review"}, "to": {"cost_centre": "CC-100", "team": "core"}},
    {"id": "r2", "priority": 2, "when": {"feature": "answers"}, "to": {"cost_centre": "CC-200"}},
]


def world(path: Path) -> None:
    """September 2026: 40 tasks of `review` (CC-100), the n-th of 1 + n % 4 calls; 8 of `answers` (CC-200); two runaways.

    On the 12th `long` makes 60 calls of growing size, on the 13th `round` makes the same call 9 times. Of review's tasks the
    first 36 have an outcome: case n, resolved at once unless n is a multiple of 6. Of those the second attempt is the trace
    36 + n / 6, which resolves it.
    """
    rulebook.load(RULES, actor="test")
    traces = [
        trace(
            n, on(1 + n % 10, minute=n),
            *(Call("lead", 1_000 * (k + 1), 100 + n, after=k, failed=n % 7 == 0 and k == 0) for k in range(1 + n % 4)),
        )
        for n in range(1, 43)
    ]  # fmt: skip
    answers = [Call("a", 500, 50), Call("b", 200, 20, ("a",), after=1)]
    traces += [trace(f"a{n}", on(n, 9), *answers, feature="answers") for n in range(1, 9)]
    traces.append(trace("long", on(12), *(Call("lead", 500 + 31 * k * k, 40 + k % 7, after=k) for k in range(60))))
    traces.append(trace("round", on(13), *(Call("lead", 700 + 10 * k, 9, after=k) for k in range(9))))
    sent(path / "world.jsonl", *traces)
    said = [outcome(n, n % 6 != 0, task=f"case-{n}") for n in range(1, 37)]
    said += [outcome(36 + n, True, task=f"case-{6 * n}", fallback_cost="2") for n in range(1, 7)]
    assert outcomes.take(said, by="ann").refused == []
    agent_tasks.refresh()


def _value(value: Any) -> dict[str, Any]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
