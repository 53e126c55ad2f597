"""OpenAI's usage pages: totals as a few lines of JSON say them, and buckets that are one and the same."""

import json
from pathlib import Path

import pytest

from ingest.source import NotThisKind
from tests.ingest.reading import read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "openai"
DAY = 1_736_640_000  # midnight UTC


def results(name):
    page = json.loads((SAMPLES / name).read_text())
    return [result for bucket in page["data"] for result in bucket["results"]]


@pytest.mark.parametrize("name", ["usage_completions_page1.json", "usage_completions_page2.json"])
def test_recorded_pages_of_2025_hold_text_with_its_cache_and_audio_beside_it(name):
    rows = results(name)
    found = read(SAMPLES / name, "openai")
    expected = {
        "input_uncached": sum(row["input_tokens"] - row["input_cached_tokens"] for row in rows),
        "cache_read": sum(row["input_cached_tokens"] for row in rows),
        "output_visible": sum(row["output_tokens"] for row in rows),
        "input_audio": sum(row["input_audio_tokens"] for row in rows),
        "output_audio": sum(row["output_audio_tokens"] for row in rows),
    }
    assert found.totals == expected
    assert sum(row["requests"] for row in found.rows) == sum(row["num_model_requests"] for row in rows)
    assert any(row["output_audio_tokens"] > row["output_tokens"] for row in rows) == ("page2" in name)


def test_the_schema_of_2026_is_split_as_its_fields_say():
    (row,) = results("usage_completions_2026_schema.json")
    found = read(SAMPLES / "usage_completions_2026_schema.json", "openai")
    assert sum(found.totals.values()) == row["input_tokens"] + row["output_tokens"]
    assert found.totals["input_uncached"] == row["input_text_tokens"]
    assert found.totals["cache_read"] == row["input_cached_text_tokens"]
    assert found.totals["cache_read_audio"] == row["input_cached_audio_tokens"]
    assert found.rows[0]["mode"] == "sync"
    assert found.rows[0]["service_tier_served"] == "default"


@pytest.mark.parametrize(
    ("name", "unit", "field"),
    [
        ("usage_images.json", 2, "images"),
        ("usage_code_interpreter_sessions.json", 12, "num_sessions"),
        ("usage_vector_stores.json", 13, "usage_bytes"),
    ],
)
def test_what_is_no_token_is_a_quantity_of_a_unit(name, unit, field):
    (row,) = read(SAMPLES / name, "openai").rows
    assert [(item["unit"], int(item["quantity"])) for item in row["units"]] == [(unit, results(name)[0][field])]


def bucket(start, end, **fields):
    result = {"object": "organization.usage.completions.result", "input_tokens": 10, "output_tokens": 5,
              "num_model_requests": 1, "model": "gpt-5"}  # fmt: skip
    return {"object": "bucket", "start_time": start, "end_time": end, "results": [result | fields]}


def of(tmp_path, *buckets, key="data"):
    return read_text(tmp_path, json.dumps({"object": "page", key: list(buckets)}), "openai", name="page.json")


def test_a_full_bucket_has_the_identity_of_its_parts(tmp_path):
    full = of(tmp_path, bucket(DAY, DAY + 86_400)).ids
    assert of(tmp_path, bucket(DAY + 40_000, DAY + 86_400)).ids == full, "the first bucket of an answer, not snapped"
    assert of(tmp_path, bucket(DAY, DAY + 30_000)).ids == full, "the last one, cut at the time of asking"
    assert of(tmp_path, bucket(DAY + 86_400, DAY + 2 * 86_400)).ids != full
    assert of(tmp_path, bucket(DAY, DAY + 3_600)).ids != full, "an hour is no part of a day's answer"


def test_neighbours_on_a_page_tell_the_width_of_a_short_part(tmp_path):
    full = of(tmp_path, bucket(DAY, DAY + 86_400), bucket(DAY + 86_400, DAY + 2 * 86_400)).ids
    assert of(tmp_path, bucket(DAY + 85_000, DAY + 86_400), bucket(DAY + 86_400, DAY + 2 * 86_400)).ids == full


def test_a_part_keeps_the_day_of_its_bucket_and_a_null_is_no_text(tmp_path):
    found = of(
        tmp_path, bucket(DAY + 40_000, DAY + 86_400, project_id=None), bucket(DAY, DAY + 86_400, project_id="null")
    )
    assert len(set(found.ids)) == 2
    assert {row["occurred_at"].timestamp() for row in found.rows} == {DAY}


def test_lines_may_hold_pages_or_buckets_and_results_may_be_called_result(tmp_path):
    one = bucket(DAY, DAY + 86_400)
    other = {"object": "bucket", "start_time": DAY, "end_time": DAY + 60, "result": one["results"]}
    text = "\n".join(map(json.dumps, [{"object": "page", "data": [one]}, other]))
    found = read_text(tmp_path, text, "openai")
    assert len(found.rows) == 2
    assert found.totals == {"input_uncached": 20, "output_visible": 10}


@pytest.mark.parametrize("name", ["error_429.json", "costs_spec_example.json"])
def test_errors_and_costs_are_refused_by_name(name):
    with pytest.raises(NotThisKind, match=r"error|costs"):
        read(SAMPLES / name, "openai")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"input_cached_tokens": 11}, "cached_exceeds_input"),
        ({"input_cached_tokens": 2, "input_uncached_tokens": 9}, "unexplained_total"),
        ({"input_text_tokens": 10, "output_text_tokens": 4}, "unexplained_total"),
        ({"input_text_tokens": 4, "input_audio_tokens": 5}, "unexplained_total"),
        ({"input_text_tokens": 0, "input_audio_tokens": 11}, "cached_exceeds_input"),
        ({"input_tokens": -1}, "negative"),
        ({"input_tokens": 1.5}, "fractional"),
        ({"object": "organization.usage.decisions.result"}, "unknown_shape"),
        ({"model": 5}, "unknown_shape"),
    ],
)
def test_a_result_that_contradicts_itself_is_rejected_and_its_neighbour_read(tmp_path, fields, reason):
    found = of(tmp_path, bucket(DAY, DAY + 86_400, **fields), bucket(DAY + 86_400, DAY + 2 * 86_400))
    assert found.reasons == [("/data/0/results/0", reason)]
    assert len(found.rows) == 1


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (DAY + 80_000, DAY + 90_000, "bad_time"),
        (DAY, DAY + 86_401, "bad_time"),
        (DAY, DAY, "bad_time"),
        (None, DAY, "missing_time"),
        (10**15, 10**15 + 60, "bad_time"),
        (10**11 * 3, 10**11 * 3 + 60, "out_of_window"),
    ],
)
def test_a_bucket_without_sensible_bounds_is_rejected(tmp_path, start, end, reason):
    assert [place.reason for place in of(tmp_path, bucket(start, end)).rejects] in ([reason], ["too_large"])


def test_an_answer_that_was_not_grouped_by_model_is_kept_without_a_price(tmp_path):
    (row,) = of(tmp_path, bucket(DAY, DAY + 86_400, model=None)).rows
    assert row["model_served"] == "(all models)"
