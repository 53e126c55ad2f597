"""Claude Code: the session files that it keeps on the machine it runs on, one JSON object per line.

Usage counts as in Anthropic's Messages API: cache reads and writes beside ``input_tokens``, thinking inside
``output_tokens``. A message is written once for each of its parts while it streams, and its output grows until the last:
the first line is the event, each later one that states more adds the difference as an event of no request, so that the
fullest is what counts in whatever order they stand. Resumed sessions copy lines, under the same ids. Prompts and answers
stand in the same files and are not read.
"""

from typing import Any, NamedTuple

from finops.tokens import ALL_INPUT_CLASSES, UNITS
from ingest.calc.bodies import Usage, usage_of
from ingest.calc.identity import SEPARATOR
from ingest.calc.reasons import Rejected
from ingest.calc.rollouts import project_of, text_of
from ingest.calc.values import instant, money
from ingest.source import Context, Guide, Record, RowSource, Skip

_SYNTHETIC = "<synthetic>"  # an error that Claude Code shows as if a model had said it
_MAIN = "main"  # the session's own agent, which calls all sub-agents
_HOSTS = {"msg_bdrk_": "aws", "msg_vrtx_": "google"}
_NO_GEO = frozenset({"", "global", "not_available"})


class _Seen(NamedTuple):
    """What the lines of a message have stated so far."""

    usages: list[Usage]
    lines: int  # that added something


class ClaudeCode(RowSource):
    """One record per line; only messages of a model are usage."""

    kind = "claude_code"
    layer = "trace"
    guide = Guide(
        title="Claude Code",
        connect=(
            "Import the .jsonl files below ~/.claude/projects (or $CLAUDE_CONFIG_DIR/projects) of each machine with "
            "manage.py ingest_file --source claude_code, sub-agents' files too, or watch a folder that they are copied "
            "to. Importing a session again while it grows is right."
        ),
        permission="",
        tells="model, folder of work, sub-agents, and the user's turn that each call belongs to",
        cannot=(
            "Who the user is, and whether the call was paid by API key or is part of a subscription: with a "
            "subscription the cost shown is what the calls would have cost at list price, and no money was spent."
        ),
    )

    def is_page(self, document: Any) -> bool:
        """A list of lines."""
        return isinstance(document, list)

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage rows of a message of a model. Raises Rejected, and Skip for every other line."""
        message = record.get("message")
        if not isinstance(message, dict):
            if "type" not in record:
                raise Rejected("unknown_shape", "a line of a session file has a type or a message")
            raise Skip("other_line")
        turn = _turn(record, message, context)
        if message.get("role") != "assistant" or "usage" not in message:
            raise Skip("other_line")
        if message.get("model") == _SYNTHETIC:
            raise Skip("synthetic")
        call = text_of(message, "id")
        if not call:
            raise Rejected("unknown_shape", "message.id is missing")
        request = text_of(record, "requestId")
        native, usages = f"{call}:{request or ''}", usage_of("anthropic_messages", message)
        seen: dict[str, _Seen] = context.state.setdefault("seen", {})
        before = seen.get(native, _Seen([], 0))
        if _no_more(usages, before.usages):
            raise Skip("repeated_line")
        added = _added(usages, before.usages)
        cost = money(record.get("costUSD"), "costUSD") if not before.lines else None
        common = _common(record, message, request) | {"trace": turn}
        rows: list[Record] = []
        for index, usage in enumerate(added):
            known = index < len(before.usages)
            rows.append(
                common
                | _usage(usage)
                | {
                    "native_id": f"{native}{SEPARATOR}{index}{SEPARATOR}{before.lines}"
                    if index or before.lines
                    else native,
                    "requests": 0 if known else 1,
                    "context": _context(usages[index]) if known else None,
                    "reported_cost": None if index else cost,
                }
            )
        seen[native] = _Seen(usages, before.lines + 1)
        return rows


def _turn(record: Record, message: Record, context: Context) -> str | None:
    """The user's turn that a line belongs to, which a prompt begins; a sub-agent's prompt only where it is all there is."""
    session, state = record.get("sessionId"), context.state
    if "turn" not in state or state["session"] != session:
        state["session"], state["turn"], state["own"] = session, None, False
    content = message.get("content")
    answer = isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") == "tool_result" for part in content
    )
    if message.get("role") == "user" and not answer and record.get("isMeta") is not True:
        own = record.get("isSidechain") is not True
        if own or not state["own"]:
            state["turn"], state["own"] = text_of(record, "promptId") or text_of(record, "uuid"), own
    turn: str | None = state["turn"]
    return turn


def _no_more(now: list[Usage], before: list[Usage]) -> bool:
    """Whether a line states a message as an earlier one did, or as it stood before that: the fullest counts."""
    return len(now) <= len(before) and all(
        new.model == old.model
        and all(number <= old.classes.get(name, 0) for name, number in new.classes.items())
        and all(number <= old.units.get(name, 0) for name, number in new.units.items())
        for new, old in zip(now, before, strict=False)
    )


def _added(now: list[Usage], before: list[Usage]) -> list[Usage]:
    """What a line of a message adds to the earlier ones. Raises Rejected where it takes back some of it."""
    if len(now) < len(before):
        raise Rejected("duplicate_conflict", "a later line of a message states fewer calls")
    added = now[len(before) :]
    for old, new in zip(reversed(before), reversed(now[: len(before)]), strict=True):
        classes = {name: new.classes.get(name, 0) - old.classes.get(name, 0) for name in {**old.classes, **new.classes}}
        units = {name: new.units.get(name, 0) - old.units.get(name, 0) for name in {**old.units, **new.units}}
        if min([*classes.values(), *units.values()], default=0) < 0 or new.model != old.model:
            raise Rejected("duplicate_conflict", "a later line of a message states fewer tokens, or another model")
        added = [new._replace(classes=classes, units=units), *added]
    return added


def _context(usage: Usage) -> int:
    return sum(usage.classes.get(name, 0) for name in ALL_INPUT_CLASSES)


def _common(record: Record, message: Record, request: str | None) -> Record:
    call, usage = str(message["id"]), message["usage"]
    geo = text_of(usage, "inference_geo") if isinstance(usage, dict) else None
    side = record.get("isSidechain") is True
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return {
        "occurred_at": instant(record.get("timestamp"), "timestamp", zone=None),
        "provider": next((host for prefix, host in _HOSTS.items() if call.startswith(prefix)), "anthropic"),
        "project": project_of(record.get("cwd")),
        "region": None if geo in _NO_GEO else geo,
        "operation": "chat",
        "agent": (text_of(record, "agentId") or "sidechain") if side else None,
        "caller": _MAIN if side else None,
        "request_id": request,
        "tool_calls": sum(isinstance(part, dict) and part.get("type") == "tool_use" for part in parts),
    }


def _usage(usage: Usage) -> Record:
    units = [{"unit": UNITS[name], "quantity": quantity} for name, quantity in usage.units.items() if quantity]
    return {
        "model_requested": usage.model,
        "model_served": usage.model,
        "service_tier_served": usage.service_tier,
        "units": units or None,
        **usage.classes,
    }


SOURCE = ClaudeCode()
