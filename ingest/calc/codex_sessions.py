"""One session file of the Codex CLI, line by line: whose tokens each count adds, and by what it is known again.

A fork begins with a copy of its parent's lines under new times, so a count is known by the session at the root of the
family, its turn and the figures it states, which a copy keeps; neither by its file nor by its time. A fork also copies
its parents' ``session_meta`` (its own comes first), by which the root of a fork of a fork is found.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from ingest.calc.reasons import Rejected
from ingest.calc.rollouts import project_of, text_of
from ingest.calc.values import count

_FIELDS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens")
_TOOLS = frozenset({"function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UUID7 = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class Tokens(NamedTuple):
    """Counts as Codex states them: cached inside input, reasoning inside output; total is input and output."""

    input: int
    cached: int
    output: int
    reasoning: int
    total: int

    @property
    def none(self) -> bool:
        """No tokens of any kind; a total alone is Codex's own estimate of its context, as after a compaction."""
        return not (self.input or self.cached or self.output or self.reasoning)

    def classes(self) -> dict[str, int]:
        """Disjoint classes. Raises Rejected."""
        if self.none:
            return {}
        if self.cached > self.input:
            raise Rejected("cached_exceeds_input", "cached_input_tokens exceed input_tokens")
        if self.reasoning > self.output:
            raise Rejected("unexplained_total", "reasoning_output_tokens exceed output_tokens")
        if self.total != self.input + self.output:
            raise Rejected("unexplained_total", "total_tokens is not input_tokens + output_tokens")
        return {
            "input_uncached": self.input - self.cached, "cache_read": self.cached,
            "output_visible": self.output - self.reasoning, "output_reasoning": self.reasoning,
        }  # fmt: skip


class Counted(NamedTuple):
    """What one token count adds to its session."""

    native_id: str
    added: Tokens
    tool_calls: int


@dataclass
class Session:
    """What the lines so far say. ``root`` is the oldest session of the family that is known."""

    id: str | None = None
    root: str | None = None
    lineage: frozenset[str] = frozenset()
    began: datetime | None = None
    provider: str | None = None
    project: str | None = None
    model: str | None = None
    effort: str | None = None
    turn: str | None = None
    turn_id: str | None = None
    total: Tokens | None = None
    last: Tokens | None = None
    resets: int = 0
    tool_calls: int = 0

    @property
    def trace(self) -> str | None:
        """The user's turn: what was asked once."""
        turn = self.turn_id or self.turn
        if not self.root and not turn:
            return None
        return f"{self.root or ''}:{turn or 'start'}"

    def copied_from(self) -> datetime | None:
        """When the turn began, if that was before this session did: what follows is a copy from its parent.

        Ids of turns are UUIDs of version 7 and tell their time; older versions of Codex give turns no id.
        """
        minted, began = time_of(self.turn_id), time_of(self.id) or self.began
        return minted if minted and began and minted < began else None

    def meta(self, payload: Mapping[str, Any], at: datetime) -> "Session":
        """After a ``session_meta``: of this session, of a parent whose lines were copied, or of another session."""
        own, parent = text_of(payload, "id"), text_of(payload, "forked_from_id")
        if own is not None and own == self.root and own != self.id:
            return replace(self, root=parent or own, lineage=self.lineage | {own})
        if own is not None and own in self.lineage:
            return self
        return Session(
            own, parent or own, frozenset(filter(None, [own])), at, text_of(payload, "model_provider"),
            project_of(payload.get("cwd")),
        )  # fmt: skip

    def context(self, payload: Mapping[str, Any]) -> None:
        """A ``turn_context``: model, effort and folder from here on."""
        self.model = text_of(payload, "model") or self.model
        self.effort = text_of(payload, "effort")
        self.project = project_of(payload.get("cwd")) or self.project
        self.turn_id = text_of(payload, "turn_id") or self.turn_id

    def event(self, payload: Mapping[str, Any]) -> None:
        """Any other event: a user's message or the start of a task begins a turn."""
        if payload.get("type") in ("user_message", "task_started", "turn_started"):
            self.turn_id = text_of(payload, "turn_id") or (self.turn_id if payload["type"] == "user_message" else None)
            self.turn = f"after {self.total.total if self.total else 0}"

    def item(self, payload: Mapping[str, Any]) -> None:
        """A message or a tool call of the conversation, of which the kind alone is looked at."""
        self.tool_calls += payload.get("type") in _TOOLS

    def count(self, info: Mapping[str, Any], time: str) -> Counted | None:
        """What a token count adds; None where it repeats the one before. Raises Rejected, and then nothing is counted.

        The difference of totals also holds what a line that was lost would have said. A total that is smaller than
        before, or the first of a file (whose history may lie elsewhere), says nothing about what was added: the
        last call does.
        """
        total, last = _tokens(info, "total_token_usage"), _tokens(info, "last_token_usage")
        if total is None and last is None:
            raise Rejected("unknown_shape", "info has neither total_token_usage nor last_token_usage")
        if total is not None and (total, last) == (self.total, self.last):
            return None
        reset = (
            total is not None and self.total is not None and any(a < b for a, b in zip(total, self.total, strict=True))
        )
        if total is None or ((self.total is None or reset) and last is not None):
            added = last
        elif self.total is None or reset:
            added = total
        else:
            added = Tokens(*(a - b for a, b in zip(total, self.total, strict=True)))
        assert added is not None
        added.classes()
        self.total, self.last = total, last
        self.resets += reset
        calls, self.tool_calls = self.tool_calls, 0
        said = [self.root, None if self.root else time, self.turn_id, self.resets, total, last]
        digest = blake2b(json.dumps(said, separators=(",", ":")).encode(), digest_size=16).hexdigest()
        return Counted(f"{self.root or ''}:{digest}", added, calls)


def time_of(uuid: str | None) -> datetime | None:
    """The time that a UUID of version 7 tells."""
    match = _UUID7.fullmatch(uuid or "")
    return _EPOCH + timedelta(milliseconds=int(match[1] + match[2], 16)) if match else None


def _tokens(info: Mapping[str, Any], name: str) -> Tokens | None:
    given = info.get(name)
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise Rejected("unknown_shape", f"{name} is not an object")
    counts = [count(given.get(part), f"{name}.{part}") for part in _FIELDS]
    parts = [number or 0 for number in counts]
    if counts[-1] is None:
        parts[-1] = parts[0] + parts[2]
    return Tokens(*parts)
