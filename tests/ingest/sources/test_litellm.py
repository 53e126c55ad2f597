"""LiteLLM: both forms of its log give the same classes."""

import json
from pathlib import Path

from tests.ingest.reading import read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "litellm"


def test_a_page_gives_its_own_totals_and_nothing_for_a_cache_hit():
    rows = json.loads((SAMPLES / "spend_logs_v2_page.json").read_text())["data"]
    paid = [row for row in rows if row["cache_hit"] != "True"]
    cached = sum(row["metadata"]["usage_object"]["prompt_tokens_details"]["cached_tokens"] for row in paid)
    found = read(SAMPLES / "spend_logs_v2_page.json", "litellm")
    assert found.totals == {
        "input_uncached": sum(row["prompt_tokens"] for row in paid) - cached,
        "cache_read": cached,
        "output_visible": sum(row["completion_tokens"] for row in paid) - 20,
        "output_reasoning": 20,
    }
    assert [row["saved_tokens"] for row in found.rows] == [None, 150]


def test_one_call_has_one_shape_in_either_form_and_its_metadata_may_be_a_text():
    row, payload = (
        read(SAMPLES / name, "litellm").rows[0] for name in ("spend_log_row.json", "standard_logging_payload.json")
    )
    for name in ("occurred_at", "input_uncached", "output_visible", "model_served", "provider", "reported_cost"):
        assert row[name] == payload[name], name


def test_rows_of_both_forms_may_stand_in_one_file(tmp_path):
    names = ("spend_log_row.json", "standard_logging_payload.json", "spend_log_row.json")
    records = [json.loads((SAMPLES / name).read_text()) for name in names]
    records[2]["request_id"] = "other"
    text = "\n".join(map(json.dumps, records))
    assert read_text(tmp_path, text, "litellm").ids == [records[0]["request_id"], records[1]["id"], "other"]


def test_a_time_that_is_no_number_rejects_its_row_alone(tmp_path):
    record = json.loads((SAMPLES / "standard_logging_payload.json").read_text())
    lines = [json.dumps(record | {"id": f"c{number}", "startTime": 1_788_872_400.5}) for number in range(3)]
    lines[1] = lines[1].replace("1788872400.5", "NaN")
    found = read_text(tmp_path, "\n".join(lines), "litellm")
    assert found.ids == ["c0", "c2"]
    assert found.reasons == [("line 2", "bad_time")]
