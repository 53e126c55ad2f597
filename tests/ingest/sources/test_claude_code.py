"""Claude Code session files: a message over several lines is one, sub-agents, turns."""

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ingest.source import Context, Skip
from ingest.sources import get_source
from tests.ingest.reading import read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "claude_code"
NAMES = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "output_visible", "output_reasoning")


def last_usages(path):
    """The usage of the last line of every message."""
    last = {}
    for line in map(json.loads, path.read_text().splitlines()):
        message = line.get("message", {})
        if "usage" in message and message["model"] != "<synthetic>":
            last[message["id"]] = message["usage"]
    return last


def test_the_last_line_of_each_message_is_what_counts():
    for path in sorted(SAMPLES.glob("*.jsonl")):
        usages = last_usages(path).values()
        found = read(path, "claude_code")
        assert sum(found.totals.values()) == sum(
            usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
            + usage["output_tokens"] for usage in usages
        )  # fmt: skip
        assert found.totals["output_visible"] == sum(usage["output_tokens"] for usage in usages)
        assert sum(row["requests"] for row in found.rows) == len(usages)
        assert not found.rejects


def test_what_old_versions_say_a_message_cost_is_kept_exactly():
    found = read(SAMPLES / "session.jsonl", "claude_code")
    assert [row["reported_cost"] for row in found.rows] == [Decimal("0.12"), Decimal("0.34"), Decimal("0.56")]
    assert [row["service_tier_served"] for row in found.rows] == [None, "fast", None]


def test_turns_sub_agents_and_hosts():
    rows = read(SAMPLES / "streamed_2026.jsonl", "claude_code").rows
    assert [row["trace"] for row in rows] == ["p1", "p1", "p1", "p1", "p2"]
    assert [row["agent"] for row in rows] == [None, None, None, "a1b2", None]
    assert [row["caller"] for row in rows] == [None, None, None, "main", None]
    assert [row["provider"] for row in rows] == ["anthropic"] * 4 + ["aws"]
    assert {row["project"] for row in rows} == {"search-service"}


def line(call, *, output=0, fresh=0, at="2026-09-08T13:00:00Z", **fields):
    usage = {"input_tokens": fresh, "output_tokens": output}
    message = {"role": "assistant", "id": call, "model": "claude-sonnet-4-5", "usage": usage, "content": []}
    return {"type": "assistant", "timestamp": at, "message": message, "requestId": "r", **fields}


def of(tmp_path, *lines):
    return read_text(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "claude_code")


def test_a_session_that_was_read_while_it_streamed_keeps_its_identities(tmp_path):
    lines = [line("m", output=1, fresh=9), line("m", output=7, fresh=9, at="2026-09-08T13:00:05Z"), line("n", output=2)]
    early, late = of(tmp_path, lines[0]), of(tmp_path, *lines)
    assert late.rows[0] | {"record": 0} == early.rows[0] | {"record": 0}
    assert late.totals == {"input_uncached": 9, "output_visible": 7 + 2}
    assert len(set(late.ids)) == 3


def test_the_difference_is_priced_in_the_context_band_of_its_call(tmp_path):
    first, second = of(tmp_path, line("m", output=1, fresh=250_000), line("m", output=7, fresh=250_000)).rows
    assert (first["requests"], first["context"], first["input_uncached"]) == (1, None, 250_000)
    assert (second["requests"], second["context"], second["input_uncached"]) == (0, 250_000, 0)


def test_a_resumed_session_copies_lines_and_adds_nothing(tmp_path):
    lines = [line("m", output=1), line("m", output=7)]
    first = of(tmp_path, *({**each, "sessionId": "one"} for each in lines))
    second = of(tmp_path, *({**each, "sessionId": "two"} for each in lines))
    assert first.rows == second.rows


def test_a_line_that_says_more_of_one_thing_and_less_of_another_is_a_conflict(tmp_path):
    lines = [line("m", fresh=5, output=7), line("m", fresh=6, output=3)]
    assert of(tmp_path, *lines).reasons == [("line 2", "duplicate_conflict")]


def test_a_line_that_stands_after_a_fuller_one_is_known(tmp_path):
    found = of(tmp_path, line("m", output=7), line("m", output=3), line("m", output=9))
    assert (found.reasons, found.skipped, found.totals) == ([], {"repeated_line": 1}, {"output_visible": 9})


def test_a_line_that_cannot_be_read_loses_nothing_of_its_message(tmp_path):
    found = of(tmp_path, line("m", output=1, at="yesterday"), line("m", output=7))
    assert (found.reasons, found.totals) == ([("line 1", "bad_time")], {"output_visible": 7})
    assert found.rows[0]["requests"] == 1


def test_the_answer_of_a_tool_begins_no_turn_and_prompts_are_not_read(tmp_path):
    def user(content, **fields):
        return {
            "type": "user",
            "timestamp": "2026-09-08T13:00:00Z",
            "message": {"role": "user", "content": content},
        } | fields

    found = of(
        tmp_path, user("SECRET", uuid="u1"), line("a", output=1), user([{"type": "tool_result"}], uuid="u2"),
        line("b", output=1), user("SECRET", uuid="u3", isSidechain=True), line("c", output=1, isSidechain=True),
        user("SECRET", uuid="u4"), line("d", output=1),
    )  # fmt: skip
    assert [row["trace"] for row in found.rows] == ["u1", "u1", "u1", "u4"]
    assert "SECRET" not in repr(found.rows)
    own = of(tmp_path, user("SECRET", uuid="s1", isSidechain=True), line("c", output=1, isSidechain=True))
    assert own.rows[0]["trace"] == "s1", "a sub-agent with a file of its own"


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100)), max_size=20)


@given(STEPS)
def test_whatever_the_order_of_lines_each_message_counts_once_and_as_its_fullest(steps):
    source, context, output, requests, most = get_source("claude_code"), Context(), 0, 0, defaultdict(int)
    for call, stated in steps:
        most[call] = max(most[call], stated)
        try:
            (row,) = source.row(line(call, output=stated, fresh=5), context)
        except Skip:
            continue
        output += sum(row.get(name) or 0 for name in NAMES)
        requests += row["requests"]
    assert (output, requests) == (sum(most.values()) + 5 * len(most), len(most))
