"""Cloudflare AI Gateway's logs: tokens, cost, labels in a text, hits of its cache."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.source import NotThisKind
from ingest.sources import get_source
from tests.ingest.reading import read, read_text

SAMPLE = Path(__file__).parents[2] / "samples" / "cloudflare_ai_gateway" / "logs.json"
(RECORD,) = json.loads(SAMPLE.read_text())["result"]


def of(tmp_path, **fields):
    return read_text(tmp_path, json.dumps([RECORD | fields]), "cloudflare_ai_gateway")


def test_a_log_has_its_tokens_its_cost_and_the_labels_of_its_header():
    found = read(SAMPLE, "cloudflare_ai_gateway")
    assert found.totals == {"input_uncached": RECORD["tokens_in"], "output_visible": RECORD["tokens_out"]}
    (row,) = found.rows
    assert (row["reported_cost"], row["tags"]) == (Decimal("0.0045"), '{"team":"search"}')
    assert found.context.dropped_tags == {"user": 1}


def test_hits_failures_and_providers_by_our_names(tmp_path):
    hit = of(tmp_path, cached=True)
    assert (hit.totals, hit.rows[0]["saved_tokens"]) == ({}, 1_500)
    assert of(tmp_path, success=False).rows[0]["failed"] == 1
    names = ("google-ai-studio", "google-vertex-ai", "aws-bedrock", "azure-openai", "workers-ai")
    assert [of(tmp_path, provider=name).rows[0]["provider"] for name in names] == [
        "google", "google", "aws", "azure", "workers-ai"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"metadata": "{"}, "not_json"), ({"cached": "no"}, "unknown_shape"), ({"tokens_in": -1}, "negative"),
     ({"id": ""}, "unknown_shape"), ({"model": ""}, "missing_model")],
)  # fmt: skip
def test_what_cannot_be_is_rejected(tmp_path, fields, reason):
    assert [reason for _, reason in of(tmp_path, **fields).reasons] == [reason]


def test_an_error_is_refused():
    with pytest.raises(NotThisKind, match="error"):
        list(get_source("cloudflare_ai_gateway").records({"success": False, "errors": [{}], "result": None}))
