"""Which spans of a trace are calls of a model, so that what a parent repeats of its children is not counted again.

The name of the operation decides, then the kind that the instrumentation gives, then whether the span holds usage at
all: that is known of each span by itself, because parent and child may come in different requests and in any order.
Where both come together, a model span with a model span below it (a framework's around its SDK's) is a parent, too.
What is called by a tool is a call of its own.
"""

from collections.abc import Hashable, Iterable, Mapping, Set
from typing import Any, NamedTuple, TypeVar

from ingest.calc.genai_spans import has_usage, names_model

Record = dict[str, Any]
Place = tuple[str | None, str | None]  # trace and span
MODEL, PARENT, TOOL, OTHER, UNKNOWN = "model", "parent", "tool", "other", "unknown"


class _Agents(NamedTuple):
    """The agent that a span belongs to, and the one that called it."""

    agent: str | None
    caller: str | None


_OPERATIONS = {
    "chat": "chat", "text_completion": "chat", "completion": "chat", "generate_content": "chat", "responses": "chat",
    "message": "chat", "embeddings": "embedding", "embedding": "embedding", "rerank": "rerank",
    "moderation": "moderation", "moderations": "moderation", "image": "image", "image_generation": "image",
    "speech": "speech", "text_to_speech": "speech", "transcription": "transcription", "audio": "audio",
}  # fmt: skip
_PARENTS = {"agent", "agent_run", "workflow", "framework", "chain", "task", "plan", "execute_task", "evaluate"}
_TOOLS = {"execute_tool", "tools", "tool"}
_KINDS = {  # of OpenInference, which writes them in capitals, and of Traceloop
    "llm": (MODEL, "chat"), "embedding": (MODEL, "embedding"), "reranker": (MODEL, "rerank"), "tool": (TOOL, ""),
    "agent": (PARENT, ""), "chain": (PARENT, ""), "evaluator": (PARENT, ""), "guardrail": (PARENT, ""),
    "retriever": (OTHER, ""), "prompt": (OTHER, ""), "workflow": (PARENT, ""), "task": (PARENT, ""),
}  # fmt: skip
_CALLS = (".dogenerate", ".dostream", ".doembed")  # of Vercel's AI SDK, below ai.generateText and its like


def role(attributes: Record) -> tuple[str, str]:
    """What a span is, and its operation in our words where it is a model's. UNKNOWN: it holds usage, and names an
    operation that may be a model's or a parent's."""
    named = _word(attributes, "gen_ai.operation.name")
    if found := _by_operation(named) or _by_kind(attributes):
        return found
    usage = has_usage(attributes)
    if "agent_name" in attributes:  # Pydantic AI's "agent run" before it named its operations
        return PARENT, ""
    if named:
        return (UNKNOWN if usage else OTHER), ""
    return (MODEL, "chat") if usage or names_model(attributes) else (OTHER, "")


def _by_operation(named: str) -> tuple[str, str] | None:
    if named in _OPERATIONS:
        return MODEL, _OPERATIONS[named]
    if named in _TOOLS:
        return TOOL, ""
    return (PARENT, "") if named in _PARENTS or named.startswith(("invoke_", "create_")) else None


def _by_kind(attributes: Record) -> tuple[str, str] | None:
    if kind := _KINDS.get(_word(attributes, "openinference.span.kind")):
        return kind
    requested = _word(attributes, "llm.request.type")  # Traceloop's
    if requested in _OPERATIONS:
        return MODEL, _OPERATIONS[requested]
    if kind := _KINDS.get(_word(attributes, "traceloop.span.kind")):
        return kind
    vercel = _word(attributes, "ai.operationId")
    if vercel.endswith(_CALLS):
        return MODEL, "embedding" if vercel.endswith(".doembed") else "chat"
    return (TOOL if vercel == "ai.toolcall" else PARENT, "") if vercel else None


def operation_of(attributes: Record) -> str:
    """The operation of a model call in our words; as the instrumentation writes it where we have none."""
    named = _word(attributes, "gen_ai.operation.name")
    return _OPERATIONS.get(named, named or "chat")


def agent_of(attributes: Record) -> str | None:
    """The agent that a span names."""
    for name in ("gen_ai.agent.name", "gen_ai.agent.id", "agent.name", "agent_name"):
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def relate(spans: list[Record]) -> None:
    """Give every span of one payload its ``role``, ``operation``, ``usage``, ``agent`` (its own, else that of the
    nearest span above), ``caller`` (the next agent above that one; '': there is none, None: what lies above is not in
    this payload) and ``covers``: that a model span with usage lies below it.
    """
    known: dict[Place, Record] = {}
    for span in spans:
        attributes = span["attributes"]
        span["role"], span["operation"] = role(attributes)
        span["usage"] = has_usage(attributes)
        known[span["trace"], span["span"]] = span
    above = {place: (span["trace"], span["parent"]) for place, span in known.items()}
    calls = [place for place, span in known.items() if span["role"] == MODEL and span["usage"]]
    covers = covering(above, calls, {place for place, span in known.items() if span["role"] == TOOL})
    agents: dict[Place, _Agents] = {}
    for span in spans:
        place = span["trace"], span["span"]
        span["agent"], span["caller"] = _agents(place, known, agents)
        span["covers"] = place in covers


K = TypeVar("K", bound=Hashable)


def covering(above: Mapping[K, K], calls: Iterable[K], tools: Set[K]) -> set[K]:
    """Those that lie above a call. ``above``: the parent of each, known or not. What lies above a tool covers nothing
    that the tool called."""
    found: set[K] = set()
    for call in calls:
        at = above[call]
        while at in above and at not in found and at not in tools and at != call:
            found.add(at)
            at = above[at]
    return found


def _agents(place: Place, known: dict[Place, Record], agents: dict[Place, _Agents]) -> _Agents:
    path: list[Place] = []
    while place in known and place not in agents:
        path.append(place)
        agents[place] = _Agents(None, None)  # a circle ends here
        place = (place[0], known[place]["parent"])
    found = agents.get(place, _Agents(None, None if place[1] != "" else ""))
    for below in reversed(path):
        own = agent_of(known[below]["attributes"])
        if own and own != found.agent:
            found = _Agents(own, found.agent or found.caller)
        agents[below] = found
    return found


def _word(attributes: Record, name: str) -> str:
    value = attributes.get(name)
    return value.lower() if isinstance(value, str) else ""
