"""Portkey's log export: tokens, cents, hits of its cache."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ingest.reading import read, read_text

SAMPLE = Path(__file__).parents[2] / "samples" / "portkey" / "export.jsonl"
RECORD = json.loads(SAMPLE.read_text())


def of(tmp_path, **fields):
    return read_text(tmp_path, json.dumps(RECORD | fields), "portkey")


def test_a_request_has_its_tokens_its_cost_in_cents_and_its_labels():
    found = read(SAMPLE, "portkey")
    assert sum(found.totals.values()) == RECORD["total_units"]
    (row,) = found.rows
    # 1,200 x $1.25 + 300 x $10 a million tokens are $0.0045, which Portkey writes as 0.45
    assert row["reported_cost"] == Decimal("0.0045") == Decimal(str(RECORD["cost"])) / 100
    assert (row["trace"], row["provider"], row["tags"]) == ("t1", "openai", '{"team":"search"}')
    assert "u1" not in repr(row), "users are not kept"


@pytest.mark.parametrize("status", ["HIT", "semantic hit"])
def test_a_hit_of_the_gateways_cache_saves_its_tokens(tmp_path, status):
    found = of(tmp_path, cache_status=status, cost=0)
    assert found.totals == {}
    assert found.rows[0]["saved_tokens"] == 1_500


def test_a_failure_is_marked_and_a_user_in_the_labels_is_no_dropped_tag(tmp_path):
    found = of(tmp_path, is_success=0, metadata={"_user": "u", "secret": "x"})
    assert found.rows[0]["failed"] == 1
    assert found.context.dropped_tags == {"secret": 1}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"total_units": 1_499}, "unexplained_total"), ({"id": None}, "unknown_shape"), ({"cost": -1}, "negative"),
     ({"metadata": "x"}, "unknown_shape"), ({"created_at": "soon"}, "bad_time"), ({"is_success": "?"}, "unknown_shape")],
)  # fmt: skip
def test_what_cannot_be_is_rejected(tmp_path, fields, reason):
    assert [reason for _, reason in of(tmp_path, **fields).reasons] == [reason]
