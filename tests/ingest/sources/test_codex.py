"""Codex session files: forks counted once, turns, and what is no usage."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import runs
from ingest.reading import groups
from ingest.services import Import, ingest_file
from ingest.source import Context, Skip
from ingest.sources import get_source
from tests.ingest.reading import read, read_text

SAMPLES = Path(__file__).parents[2] / "samples"
FORK = SAMPLES / "codex_fork"
CLASSES = ("input_uncached", "cache_read", "output_visible", "output_reasoning")
CLOCK = datetime(2030, 2, 1, tzinfo=UTC)


def counts(name):
    """(total, last) of every token count of a file."""
    lines = map(json.loads, (FORK / f"{name}.jsonl").read_text().splitlines())
    infos = [line["payload"]["info"] for line in lines if line["payload"].get("type") == "token_count"]
    return [(info["total_token_usage"], info["last_token_usage"]) for info in infos]


def rows_of(name):
    found = list(
        groups(FORK / f"{name}.jsonl", get_source("codex"), Context(), latest_us=round(CLOCK.timestamp() * 1e6))
    )
    assert not any(group.rejects for group in found)
    return [row for group in found for row in group.usage.to_pylist()]


def tokens(row):
    return sum(row[name] or 0 for name in CLASSES)


def test_a_fork_repeats_the_identities_of_its_parent_under_other_times():
    parent, child = rows_of("parent"), rows_of("child")
    assert (len(parent), len(child)) == (135, 158)
    assert [row["native_id"] for row in child[:135]] == [row["native_id"] for row in parent]
    assert {row["occurred_at"] for row in child}.isdisjoint(row["occurred_at"] for row in parent[:1])
    assert len({row["native_id"] for row in parent + child}) == 158


def test_the_counts_of_parent_and_child_together_are_those_of_the_oracle():
    oracle = json.loads((FORK / "ORACLE.json").read_text())["oracle"]
    stated = {json.dumps(pair, sort_keys=True): pair for pair in counts("parent") + counts("child")}
    assert len(stated) == oracle["childEventCount"] == 158
    assert sum(last["total_tokens"] for _, last in stated.values()) == oracle["dedupedLastTokens"] == 15_352_834
    naive = sum(last["total_tokens"] for _, last in counts("parent") + counts("child"))
    assert naive == oracle["naiveLastTokens"] == 28_785_455


def test_tokens_are_what_the_session_total_grew_by_and_an_estimate_after_a_compaction_is_none():
    rows = {row["native_id"]: row for row in rows_of("parent") + rows_of("child")}.values()
    totals = [total["total_tokens"] for total, _ in counts("child")]
    estimates = [
        last["total_tokens"] for _, last in counts("child") if last["input_tokens"] + last["output_tokens"] == 0
    ]
    assert sum(map(tokens, rows)) == totals[-1] == 15_309_178
    assert estimates == [16_650, 17_858, 9_148]
    assert sum(map(tokens, rows)) + sum(estimates) == 15_352_834
    assert [(tokens(row), row["requests"]) for row in rows if not tokens(row)] == [(0, 0)] * 3
    assert sum(row["requests"] for row in rows) == 155


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("order", [("parent", "child"), ("child", "parent")])
def test_parent_and_child_are_counted_once_in_either_order_and_in_imports_of_their_own(order, monkeypatch):
    from django.db import connection

    monkeypatch.setattr(runs, "database_now", lambda: CLOCK)
    imports = [ingest_file(Import(FORK / f"{name}.jsonl", "codex")) for name in order]
    assert sum(run.stored for run in imports) == 158
    assert sum(run.quarantined for run in imports) == 0
    with_tokens = sum(tokens(row) > 0 for row in rows_of(order[0]))
    assert imports[0].totals["unpriced"] == with_tokens, "fixture-model has no price"
    assert imports[0].totals["list_cost"] == "0.000000000000"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(coalesce(input_uncached, 0) + coalesce(cache_read, 0) + coalesce(output_visible, 0) "
            "+ coalesce(output_reasoning, 0)), count(DISTINCT query_id) FROM usage_event"
        )
        assert cursor.fetchone() == (158, 15_309_178, 1)


def test_a_recorded_shape_of_2026_has_turns_effort_tools_and_folder():
    found = read(SAMPLES / "codex" / "session_2026.jsonl", "codex")
    assert found.totals == {
        "input_uncached": 750 + 1500 + 1000, "cache_read": 250 + 1000, "output_visible": 50 + 100 + 100,
        "output_reasoning": 75 + 200,
    }  # fmt: skip
    assert found.skipped == {"heartbeat": 1, "no_change": 1, "other_line": 11}
    assert len({row["trace"] for row in found.rows}) == 2, "two turns"
    assert [row["effort"] for row in found.rows] == ["high", "high", "high", "low"]
    assert [row["tool_calls"] for row in found.rows] == [1, 0, 0, 0]
    assert {row["project"] for row in found.rows} == {"ledger"}


def test_totals_that_add_reasoning_to_output_explain_nothing():
    found = read(SAMPLES / "codex" / "session_small.jsonl", "codex")
    assert [reason for _, reason in found.reasons] == ["unexplained_total"] * 2  # 1000 + 125 is not 1200


def usage(input_=0, cached=0, output=0, reasoning=0):
    return {"input_tokens": input_, "cached_input_tokens": cached, "output_tokens": output,
            "reasoning_output_tokens": reasoning, "total_tokens": input_ + output}  # fmt: skip


def meta(id_, parent=None, **fields):
    return {"timestamp": "2026-09-08T13:00:00Z", "type": "session_meta",
            "payload": {"id": id_, "forked_from_id": parent, **fields}}  # fmt: skip


def context(**fields):
    return {"timestamp": "2026-09-08T13:00:00Z", "type": "turn_context", "payload": {"model": "gpt-5.2", **fields}}


def event(kind, second=1, **fields):
    at = f"2026-09-08T13:{second // 60:02d}:{second % 60:02d}Z"
    return {"timestamp": at, "type": "event_msg", "payload": {"type": kind, **fields}}


def counted(total, last, second=1):
    return event("token_count", second, info={"total_token_usage": total, "last_token_usage": last})


def of(tmp_path, *lines):
    return read_text(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "codex")


ONE, TWO, THREE = usage(10, 4, 5, 2), usage(30, 4, 6, 2), usage(31, 4, 9, 2)


def test_a_fork_of_a_fork_is_known_by_the_copied_headings_of_its_parents(tmp_path):
    family = [meta("a"), context(), counted(ONE, ONE)]
    a = of(tmp_path, *family, counted(TWO, usage(20, 0, 1)))
    b = of(tmp_path, meta("b", "a"), *family, counted(TWO, usage(20, 0, 1)), counted(THREE, usage(1, 0, 3)))
    c = of(tmp_path, meta("c", "b"), meta("b", "a"), *family, counted(TWO, usage(20, 0, 1)))
    assert a.ids == b.ids[:2] == c.ids
    assert len(set(b.ids)) == 3


def test_sessions_of_their_own_with_equal_counts_are_two(tmp_path):
    first, second = (of(tmp_path, meta(name), context(), counted(ONE, ONE)) for name in "ab")
    assert set(first.ids).isdisjoint(second.ids)


def test_forks_that_go_on_alike_are_told_apart_by_their_turns(tmp_path):
    first, second = (
        of(tmp_path, meta(name, "a"), meta("a"), context(turn_id="t0"), counted(ONE, ONE),
           context(turn_id=f"t-{name}"), counted(TWO, usage(20, 0, 1)))
        for name in "bc"
    )  # fmt: skip
    assert first.ids[0] == second.ids[0]
    assert first.ids[1] != second.ids[1]


def test_a_copied_event_has_the_time_of_its_turn_where_the_turn_tells_it(tmp_path):
    turn, session = "019a0000-0000-7000-8000-000000000001", "019a0001-0000-7000-8000-000000000001"
    minted = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=0x019A00000000)
    found = of(tmp_path, meta(session, "a"), meta("a"), context(turn_id=turn), counted(ONE, ONE))
    assert found.rows[0]["occurred_at"] == minted
    own = of(tmp_path, meta(turn), context(turn_id=session), counted(ONE, ONE, 7))
    assert own.rows[0]["occurred_at"] == datetime(2026, 9, 8, 13, 0, 7, tzinfo=UTC)


def test_the_first_count_of_a_file_whose_history_lies_elsewhere_adds_its_last_call_alone(tmp_path):
    late = usage(405_297_300, 388_208_896, 1_265_849)
    found = of(tmp_path, meta("b", "a"), context(), counted(late, usage(20_000, 19_000, 300, 100)))
    assert found.totals == {
        "input_uncached": 1_000, "cache_read": 19_000, "output_visible": 200, "output_reasoning": 100
    }  # fmt: skip


def test_a_total_that_drops_begins_anew_with_the_last_call(tmp_path):
    found = of(tmp_path, meta("a"), context(), counted(THREE, THREE), counted(ONE, ONE), counted(TWO, usage(20, 0, 1)))
    assert sum(found.totals.values()) == (31 + 9) + (10 + 5) + (20 + 1)


def test_a_count_that_was_lost_is_in_the_next_one(tmp_path):
    whole = of(
        tmp_path, meta("a"), context(), counted(ONE, ONE), counted(TWO, usage(20, 0, 1)), counted(THREE, usage(1, 0, 3))
    )
    lost = of(tmp_path, meta("a"), context(), counted(ONE, ONE), counted(THREE, usage(1, 0, 3)))
    assert lost.totals == whole.totals


def test_messages_of_a_user_begin_turns_where_turns_have_no_id(tmp_path):
    found = of(
        tmp_path, meta("a"), event("user_message"), context(), counted(ONE, ONE), counted(TWO, usage(20, 0, 1)),
        event("user_message"), context(), counted(THREE, usage(1, 0, 3)),
    )  # fmt: skip
    traces = [row["trace"] for row in found.rows]
    assert traces[0] == traces[1] != traces[2]


def test_no_prompt_is_read_and_a_line_of_another_kind_is_a_reject(tmp_path):
    said = {"timestamp": "2026-09-08T13:00:00Z", "type": "response_item",
            "payload": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "SECRET"}]}}  # fmt: skip
    found = of(
        tmp_path, meta("a"), context(), event("user_message", message="SECRET"), said, counted(ONE, ONE), {"x": 1}
    )
    assert "SECRET" not in repr(found.rows)
    assert found.reasons == [("line 6", "unknown_shape")]
    home = of(tmp_path, meta("a", cwd="/home/alice"), context(cwd="/Users/alice"), counted(ONE, ONE))
    assert home.rows[0]["project"] is None


PARTS = st.integers(0, 10**6)
CALLS = st.lists(st.tuples(PARTS, PARTS, PARTS, PARTS), min_size=1, max_size=20)


@given(CALLS)
def test_the_classes_of_a_session_add_up_to_its_last_total(calls):
    source, state, added = get_source("codex"), Context(), 0
    rows = [usage(), *(usage(a + b, b, c + d, d) for a, b, c, d in calls)]
    totals = [usage()]
    for row in rows[1:]:
        totals.append({name: totals[-1][name] + row[name] for name in row})
    source_lines = [meta("s"), context(), *(counted(total, last) for total, last in zip(totals, rows, strict=True))]
    for line in source_lines:
        try:
            added += sum(sum(row.get(name) or 0 for name in CLASSES) for row in source.row(line, state))
        except Skip:
            continue
    assert added == totals[-1]["total_tokens"]
    assert all(a["total_tokens"] <= b["total_tokens"] for a, b in pairwise(totals))
