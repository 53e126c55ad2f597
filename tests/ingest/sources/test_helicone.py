"""Helicone's requests: whether prompt tokens hold the cache, statuses, hits of its own cache."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.source import NotThisKind
from ingest.sources import get_source
from tests.ingest.reading import read, read_text

SAMPLE = Path(__file__).parents[2] / "samples" / "helicone" / "query.json"
(RECORD,) = json.loads(SAMPLE.read_text())["data"]


def of(tmp_path, **fields):
    return read_text(tmp_path, json.dumps([RECORD | fields]), "helicone")


def test_a_request_adds_up_to_its_total():
    found = read(SAMPLE, "helicone")
    assert found.totals == {"input_uncached": 1_200 - 1_000, "cache_read": 1_000, "output_visible": 300}
    assert sum(found.totals.values()) == RECORD["total_tokens"]
    (row,) = found.rows
    assert (row["reported_cost"], row["host"], row["provider"]) == (Decimal("0.0045"), "api.openai.com", "openai")
    assert row["tags"] == '{"team":"search"}'
    assert "u1" not in repr(row), "users are not kept"


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": "ANTHROPIC", "total_tokens": 1_500},  # leaves the cache out of prompt and total
        {"provider": "ANTHROPIC", "total_tokens": 2_500},  # out of the prompt alone
        {"provider": "X", "total_tokens": 2_500},
        {"provider": "X", "total_tokens": 1_500, "prompt_cache_read_tokens": 1_201},
    ],
)
def test_a_cache_beside_the_prompt_is_added(tmp_path, fields):
    read_tokens = fields.get("prompt_cache_read_tokens", 1_000)
    found = of(tmp_path, **fields)
    assert found.totals == {"input_uncached": 1_200, "cache_read": read_tokens, "output_visible": 300}


def test_a_total_that_is_neither_is_rejected_and_a_call_that_has_not_ended_is_skipped(tmp_path):
    assert [reason for _, reason in of(tmp_path, total_tokens=1_501).reasons] == ["unexplained_total"]
    assert of(tmp_path, response_status=None).skipped == {"pending": 1}


def test_failures_and_hits(tmp_path):
    assert [of(tmp_path, response_status=status).rows[0]["failed"] for status in (200, 429, -3)] == [None, 1, 1]
    hit = of(tmp_path, cache_reference_id="11111111-0000-4000-8000-000000000000")
    assert (hit.totals, hit.rows[0]["saved_tokens"]) == ({}, 1_500)


def test_an_error_is_refused():
    with pytest.raises(NotThisKind):
        list(get_source("helicone").records({"data": None, "error": "no"}))
