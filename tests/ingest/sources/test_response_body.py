"""Response bodies: every model call is a row, known by the body's id or by its content."""

import json
from pathlib import Path

import pytest

from tests.ingest.reading import AT, read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "response_body"


def usages(name):
    return [json.loads(line)["body"]["usage"] for line in (SAMPLES / name).read_text().splitlines()]


def test_openai_bodies_add_up_to_their_own_totals():
    found = read(SAMPLES / "openai_chat.jsonl", "response_body", at=AT)
    assert sum(found.totals.values()) == sum(usage["total_tokens"] for usage in usages("openai_chat.jsonl"))


def test_every_iteration_of_a_call_is_an_event_of_its_own():
    found = read(SAMPLES / "anthropic_iterations.jsonl", "response_body", at=AT)
    parts = [part for usage in usages("anthropic_iterations.jsonl") for part in usage["iterations"] or [usage]]
    assert found.read == len(found.rows) == len(parts)
    assert sum(found.totals.values()) == sum(
        part[name] or 0
        for part in parts
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        if name in part
    )
    assert len(set(found.ids)) == len(parts)


def test_a_body_without_a_model_takes_the_one_beside_it_or_is_rejected(tmp_path):
    line = {"api": "bedrock_converse", "body": {"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}}}
    text = "\n".join(map(json.dumps, [line, line | {"model": "amazon.nova-lite-v1:0"}]))
    found = read_text(tmp_path, text, "response_body", at=AT)
    assert found.reasons == [("line 1", "missing_model")]
    assert [(row["provider"], row["model_served"]) for row in found.rows] == [("aws", "amazon.nova-lite-v1:0")]


def body(**fields):
    return {"model": "gpt-5", "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}} | fields


def of(tmp_path, *records, at=AT):
    return read_text(tmp_path, "\n".join(map(json.dumps, records)), "response_body", at=at)


def test_a_body_with_an_id_is_known_by_it_and_one_without_by_its_content_and_ordinal(tmp_path):
    named, bare = {"api": "openai_chat", "body": body(id="chatcmpl-1")}, {"api": "openai_chat", "body": body()}
    first = of(tmp_path, named, bare, bare)
    assert first.ids[0] == "chatcmpl-1"
    assert len(set(first.ids)) == 3
    assert of(tmp_path, bare, bare, named).ids == [*first.ids[1:], "chatcmpl-1"]
    assert first.context.state["identity"] == "row"
    assert "identity" not in of(tmp_path, named).context.state


def test_the_time_is_the_records_then_the_bodys_then_the_given_one(tmp_path):
    records = [
        {"api": "openai_chat", "at": "2026-09-01T00:00:00Z", "body": body(created=1_788_872_400)},
        {"api": "openai_chat", "body": body(created=1_788_872_400)},
        {"api": "openai_chat", "body": body()},
    ]
    times = [row["occurred_at"].isoformat() for row in of(tmp_path, *records).rows]
    assert times == ["2026-09-01T00:00:00+00:00", "2026-09-08T13:00:00+00:00", AT.isoformat()]
    assert of(tmp_path, *records, at=None).reasons == [("line 3", "missing_time")]


@pytest.mark.parametrize(
    "record",
    [{}, {"api": "nope", "body": {}}, {"api": [], "body": {}}, {"api": "gemini", "body": 5}, {"error": {}}],
)
def test_what_is_no_body_is_rejected_by_its_line(tmp_path, record):
    found = of(tmp_path, {"api": "openai_chat", "body": body()}, record)
    assert found.reasons == [("line 2", "unknown_shape")]


def test_ollama_needs_no_api():
    raw = json.loads((SAMPLES / "ollama_chat_final.json").read_text())
    found = read(SAMPLES / "ollama_chat_final.json", "response_body")
    assert found.totals == {"input_uncached": raw["prompt_eval_count"], "output_visible": raw["eval_count"]}
    assert found.rows[0]["provider"] == "selfhosted"


def test_openrouter_says_what_it_charged():
    expected = sum(usage.get("cost", 0) for usage in usages("openrouter_chat.jsonl"))
    found = read(SAMPLES / "openrouter_chat.jsonl", "response_body", at=AT)
    assert float(sum(row["reported_cost"] for row in found.rows)) == pytest.approx(expected)
