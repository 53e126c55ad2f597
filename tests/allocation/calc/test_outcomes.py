"""Rows on outcomes and benchmark runs: taken whole or refused with a reason, and no text of users gets in."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.calc import outcomes_benchmarks
from allocation.calc.outcomes import NAMES, parse
from allocation.calc.outcomes_fields import Known
from ingest.calc.identity import query_ids

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
KNOWN = Known({"CC-1": 7}, {("CC-1", "triage"): 70}, NOW)
ROW: dict[str, Any] = {"source": "desk", "id": "t-1", "at": "2026-09-08T13:00:00+02:00", "success": True}


def one(**changes: Any) -> Any:
    taken, refused = parse([ROW | changes], KNOWN)
    assert refused == []
    return taken[0]


def refusal(**changes: Any) -> tuple[str, str]:
    taken, refused = parse([ROW | changes], KNOWN)
    assert taken == []
    return refused[0].field, refused[0].reason


def test_the_least_that_an_outcome_says() -> None:
    found = one()
    assert (found.task, found.setting, found.evidence) == ("desk/t-1", "production", "declared")
    assert (found.at, found.spend_month) == (datetime(2026, 9, 8, 11, tzinfo=UTC), date(2026, 9, 1))
    assert found.observed_at == NOW
    assert (found.value, found.cost, found.quality, found.currency) == (None, None, None, "")


def test_all_that_an_outcome_says() -> None:
    found = one(
        task="case-9", spend_month="2026-08", cost_centre="CC-1", team="triage", feature="Mail triage", tier="complex",
        model="gpt-5", effort="high", success="true", quality="0.75", rubric="qa-v2", value="12.5", cost="0.02",
        fallback_cost="3", currency="EUR", evidence="measured", trace="abc", trace_source="litellm", trace_account="gateway",
    )  # fmt: skip
    assert (found.cost_centre_id, found.team_id, found.spend_month) == (7, 70, date(2026, 8, 1))
    assert (found.quality, found.value, found.cost) == (Decimal("0.75"), Decimal("12.5"), Decimal("0.02"))
    assert found.query_id == query_ids("litellm", pa.array(["gateway"]), pa.array(["abc"]))[0][0]
    assert "abc" not in str(found.content).replace("abc'", ""), "the trace itself is not kept"


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"id": ""}, "id", "missing"), ({"id": "ann@example.org"}, "id", "bad_text"), ({"id": "x" * 201}, "id", "too_long"),
        ({"at": "2026-09-08T13:00:00"}, "at", "bad_time"), ({"at": "yesterday"}, "at", "bad_time"),
        ({"at": "2026-11-08T13:00:00Z"}, "at", "out_of_window"), ({"at": "2014-11-08T13:00:00Z"}, "at", "out_of_window"),
        ({"success": None}, "success", "missing"), ({"success": "maybe"}, "success", "bad_choice"),
        ({"success": "yes"}, "success", "bad_choice"), ({"success": 1}, "success", "bad_choice"),
        ({"value": "-1", "currency": "EUR"}, "value", "negative"),
        ({"value": "1", "currency": "XXX"}, "currency", "bad_currency"),
        ({"quality": "1.01", "rubric": "a"}, "quality", "out_of_range"), ({"quality": "0.5"}, "rubric", "missing"),
        ({"quality": "NaN", "rubric": "a"}, "quality", "bad_number"), ({"quality": True, "rubric": "a"}, "quality",
        "bad_number"),
        ({"value": "12"}, "currency", "bad_currency"), ({"value": "12", "currency": "EURO"}, "currency", "too_long"),
        ({"value": "12", "currency": "eur"}, "currency", "bad_currency"), ({"value": "1e3",
        "currency": "EUR"}, "value", "bad_number"),
        ({"value": "1", "currency": "EUR", "success": False}, "value", "contradicts"),
        ({"cost": "-1", "currency": "EUR"}, "cost", "negative"), ({"cost": "0.1234567890123",
        "currency": "EUR"}, "cost", "bad_number"),
        ({"spend_month": "2026-10"}, "spend_month", "contradicts"), ({"spend_month": "10/2026"}, "spend_month", "bad_time"),
        ({"cost_centre": "CC-2"}, "cost_centre", "unknown_owner"), ({"team": "triage"}, "team", "contradicts"),
        ({"cost_centre": "CC-1", "team": "x"}, "team", "unknown_owner"), ({"tier": "hard"}, "tier", "bad_choice"),
        ({"evidence": "certain"}, "evidence", "bad_choice"), ({"message": "Dear Ann"}, "message", "unknown_field"),
        ({"feature": "a\nb"}, "feature", "bad_text"), ({"setting": "test"}, "setting", "bad_choice"),
    ],
)  # fmt: skip
def test_what_is_no_outcome_is_refused_by_field_and_reason(changes: dict[str, Any], field: str, reason: str) -> None:
    assert refusal(**changes) == (field, reason)


def test_neighbours_of_a_refused_row_are_kept_and_its_place_is_told() -> None:
    taken, refused = parse([ROW, "text", ROW | {"id": "t-2", "success": 3}, ROW | {"id": "t-3"}], KNOWN, first=2)
    assert [each.number for each in taken] == ["t-1", "t-3"]
    assert [(each.row, each.reason, each.field) for each in refused] == [
        (3, "unknown_shape", ""), (4, "bad_choice", "success"),
    ]  # fmt: skip


def test_two_rows_that_disagree_on_one_moment_are_not_both_taken() -> None:
    taken, refused = parse([ROW, ROW, ROW | {"success": False}], KNOWN)
    assert (len(taken), [each.reason for each in refused]) == (2, ["contradicts"])


def test_the_same_content_has_one_hash_however_it_is_written() -> None:
    one_way = one(value="12.50", currency="EUR", success="TRUE").content_hash
    assert one_way == one(value="12.5", currency="EUR", observed_at="2026-09-09T00:00:00Z").content_hash
    assert one_way != one(value="12.51", currency="EUR").content_hash


@given(
    st.dictionaries(
        st.sampled_from(NAMES), st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=30)), max_size=8
    )
)
def test_whatever_is_sent_is_taken_or_refused_and_nothing_breaks(changes: dict[str, Any]) -> None:
    taken, refused = parse([ROW | changes, ROW | {"id": "next"}], KNOWN)
    assert len(taken) + len(refused) == 2


RUN: dict[str, Any] = {
    "source": "board", "id": "r1", "task_class": "coding", "features": "chat|completion", "model": "gpt-5", "effort": "high",
    "tasks": "225", "score": "0.88", "cost": "29.08", "currency": "USD", "run_on": "2026-08-08", "evidence": "measured",
}  # fmt: skip


def test_a_benchmark_run_is_read() -> None:
    [found], refused = outcomes_benchmarks.parse([RUN], NOW)
    assert refused == []
    assert (found.tasks, found.score, found.cost) == (225, Decimal("0.88"), Decimal("29.08"))
    assert found.features == ["chat", "completion"]


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"score": "88"}, "score", "out_of_range"), ({"tasks": "0"}, "tasks", "out_of_range"),
        ({"tasks": "1.5"}, "tasks", "bad_number"),
        ({"tasks": ""}, "tasks", "missing"), ({"currency": ""}, "currency", "bad_currency"),
        ({"run_on": "2027-01-01"}, "run_on", "out_of_window"),
        ({"run_on": "August"}, "run_on", "bad_time"), ({"prompt": "x"}, "prompt", "unknown_field"),
        ({"features": [3, "\n"]}, "features", "bad_text"),
        ({"tasks": "2147483648"}, "tasks", "out_of_range"),
    ],
)  # fmt: skip
def test_what_is_no_benchmark_run_is_refused(changes: dict[str, Any], field: str, reason: str) -> None:
    taken, refused = outcomes_benchmarks.parse([RUN | changes], NOW)
    assert (taken, [(each.field, each.reason) for each in refused]) == ([], [(field, reason)])
