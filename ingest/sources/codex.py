"""OpenAI's Codex CLI: the session files (rollouts) that it keeps on the machine it runs on.

``input_tokens`` contain cached tokens, ``output_tokens`` contain reasoning. Each ``token_count`` states the session's
total so far; what it adds is the difference of totals, not ``last_token_usage``, which after a compaction of the
context is an estimate that no call used. A fork repeats its parent's counts: see ingest.calc.codex_sessions. Prompts
and answers stand in the same files and are not read.
"""

from typing import Any

from ingest.calc.codex_sessions import Session
from ingest.calc.matching import PROVIDER_ALIASES
from ingest.calc.reasons import Rejected
from ingest.calc.rollouts import text_of
from ingest.calc.values import instant
from ingest.source import Context, Guide, Record, RowSource, Skip

_LOCAL = frozenset({"oss", "ollama", "lmstudio"})
_KNOWN = frozenset({"timestamp", "type", "payload"})


class Codex(RowSource):
    """One record per line; only token counts are usage."""

    kind = "codex"
    layer = "trace"
    guide = Guide(
        title="Codex CLI",
        connect=(
            "Import the files of $CODEX_HOME/sessions and $CODEX_HOME/archived_sessions (usually below ~/.codex) of each "
            "machine with manage.py ingest_file --source codex, under one --account for all machines whose sessions may "
            "be forks of each other, or watch a folder that they are copied to. Importing a session again while it "
            "grows is right."
        ),
        permission="",
        tells="model, reasoning effort, folder of work, and the user's turn that each call belongs to",
        cannot=(
            "Who the user is, and whether the call was paid by API key or by a plan: with a plan the cost shown is what "
            "the calls would have cost at list price. Sub-agents have sessions, and so queries, of their own. The time "
            "of a call copied into a fork is that of the file imported last."
        ),
    )

    def is_page(self, document: Any) -> bool:
        """A list of lines."""
        return isinstance(document, list)

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage row of a token count. Raises Rejected, and Skip for every other line."""
        kind, payload = record.get("type"), record.get("payload")
        if not isinstance(kind, str) or not isinstance(payload, dict):
            raise Rejected("unknown_shape", "a line of a session file has type and payload")
        context.unknown_fields.update(record.keys() - _KNOWN)
        session: Session = context.state.setdefault("session", Session())
        if kind == "event_msg" and payload.get("type") == "token_count":
            return [_row(record, payload, session)]
        if kind == "session_meta":
            context.state["session"] = session.meta(payload, instant(record.get("timestamp"), "timestamp", zone=None))
        elif kind == "turn_context":
            session.context(payload)
        elif kind == "event_msg":
            session.event(payload)
        elif kind == "response_item":
            session.item(payload)
        raise Skip("other_line")


def _row(record: Record, payload: Record, session: Session) -> Record:
    info = payload.get("info")
    if info is None:  # rate limits alone
        raise Skip("heartbeat")
    if not isinstance(info, dict):
        raise Rejected("unknown_shape", "info is not an object")
    at = instant(record.get("timestamp"), "timestamp", zone=None)
    model = text_of(info, "model") or session.model
    counted = session.count(info, at.isoformat())
    if counted is None:
        raise Skip("no_change")
    provider = session.provider or "openai"
    return {
        "native_id": counted.native_id,
        "occurred_at": session.copied_from() or at,
        "trace": session.trace,
        "provider": "selfhosted" if provider in _LOCAL else PROVIDER_ALIASES.get(provider, provider),
        "project": session.project,
        "model_requested": model,
        "model_served": model,
        "effort": session.effort,
        "operation": "chat",
        "requests": 0 if counted.added.none else 1,
        "tool_calls": counted.tool_calls,
        **counted.added.classes(),
    }


SOURCE = Codex()
