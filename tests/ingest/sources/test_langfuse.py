"""Langfuse: buckets beside one another, whichever way they come, and the paging of both versions of its API."""

import base64
import csv
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.calc.reasons import Rejected
from ingest.pull import Answer, PullFailed, Window
from ingest.source import Context, NotThisKind, Skip
from ingest.sources import get_source
from tests.ingest.reading import read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "langfuse"
LANGFUSE = get_source("langfuse")
WINDOW = Window(datetime(2026, 9, 8, tzinfo=UTC), datetime(2026, 9, 9, tzinfo=UTC))
CALL = {"id": "o", "traceId": "t", "type": "GENERATION", "startTime": "2026-09-08T13:00:00Z", "providedModelName": "m"}


def test_observations_of_v2_give_their_own_total_and_cost():
    (call,) = json.loads((SAMPLES / "observations_v2.json").read_text())["data"]
    found = read(SAMPLES / "observations_v2.json", "langfuse")
    assert found.totals == {"input_uncached": 1_127, "cache_read": 8_576, "output_visible": 62, "output_reasoning": 576}
    assert sum(found.totals.values()) == call["usageDetails"]["total"]
    (row,) = found.rows
    assert row["reported_cost"] == Decimal(str(call["totalCost"]))
    assert (row["trace"], row["feature"], row["effort"], row["tags"]) == ("trace-1", "rag", "high", '{"team":"search"}')
    assert call["userId"] not in repr(row)


def test_observations_of_v1_count_calls_and_nothing_around_them():
    found = read(SAMPLES / "observations_v1.json", "langfuse")
    # By hand: o3, o5, the failed o6 and the judge o8. o1 is an agent, o2 is around o3, o4 a tool, o7 says nothing, and the
    # buckets of o9 are 160 where its total is 120.
    assert [row["native_id"] for row in found.rows] == ["t-2:o3", "t-2:o5", "t-2:o6", "t-3:o8"]
    assert found.totals == {
        "input_uncached": 300 + 8 + 70, "cache_read": 500, "input_audio": 100, "output_visible": 60 + 7,
        "output_reasoning": 40,
    }  # fmt: skip
    assert found.skipped == {"parent_span": 2, "not_model_span": 1, "no_usage": 1}
    assert found.reasons == [("/data/8", "unexplained_total")]
    assert [row["failed"] for row in found.rows] == [None, None, 1, None]
    assert found.rows[3]["environment"] == "langfuse-llm-as-a-judge"
    assert found.context.unknown_fields == {"someNewField": 1}


def test_a_call_is_the_same_in_every_form_of_the_export(tmp_path):
    records = [json.loads(line) for line in (SAMPLES / "blob_export.jsonl").read_text().splitlines()]
    columns = {name: [record[name] for record in records] for name in records[0]}
    columns["start_time"] = [datetime.fromisoformat(text) for text in columns["start_time"]]
    table = pa.table(
        {
            name: pa.array([list(value.items()) for value in values], pa.map_(pa.string(), kind))
            if (kind := {"usage_details": pa.uint64(), "cost_details": pa.decimal128(38, 12)}.get(name))
            else pa.array(values)
            for name, values in columns.items()
            if name not in ("cost_details", "total_cost")
        }
        | {"total_cost": pa.array([Decimal("0.0021"), None], pa.decimal128(38, 12))}
    )
    pq.write_table(table, tmp_path / "export.parquet")
    rows = [
        [row | {"record": 0} for row in read(path, "langfuse").rows]
        for path in (SAMPLES / "blob_export.jsonl", SAMPLES / "blob_export.csv", tmp_path / "export.parquet")
    ]
    assert rows[0] == rows[1] == rows[2]
    (row,) = rows[0]
    assert (row["cache_read"], row["reported_cost"]) == (500, Decimal("0.0021"))
    assert row["occurred_at"] == datetime(2026, 9, 8, 13, 0, 1, 100_000, tzinfo=UTC)
    assert len(list(csv.reader((SAMPLES / "blob_export.csv").open()))) == 1 + len(records)


def test_daily_metrics_are_rows_by_model_and_day():
    (day,) = json.loads((SAMPLES / "metrics_daily.json").read_text())["data"]
    found = read(SAMPLES / "metrics_daily.json", "langfuse")
    assert sum(found.totals.values()) == sum(usage["totalUsage"] for usage in day["usage"])
    assert [row["requests"] for row in found.rows] == [30]
    assert found.reasons == [("/data/0/usage/1", "missing_model")], "a cost of no model is shown, not dropped"
    assert LANGFUSE.layer_in(found.context) == "meter"
    assert LANGFUSE.layer_in(Context()) == "trace"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"usageDetails": {"input": 5, "output": 2}}, {"input_uncached": 5, "output_visible": 2}),
        ({"usageDetails": {"input": 5, "novel": 2, "total": 7}}, "unexplained_total"),
        ({"usageDetails": {"input": 5, "novel": 2}}, "unexplained_total"),
        ({"usageDetails": {"input": 5, "novel": 2, "total": 5}}, {"input_uncached": 5}),
        ({"usageDetails": {"input": 5, "total": 4}}, "unexplained_total"),
        ({"usageDetails": {"input": -5}}, "negative"),
        ({"usageDetails": {"input": "5.5"}}, "fractional"),
        ({"usageDetails": [5]}, "unknown_shape"),
        ({"usageDetails": {"input_cache_creation_5m": 3, "input_cache_creation_1h": 4, "total": 7}},
         {"cache_write_5m": 3, "cache_write_1h": 4}),
        ({"usageDetails": {"output": 5, "output_accepted_prediction_tokens": 2, "total": 7}}, {"output_visible": 7}),
        ({"usage": {"input": 5, "output": 2, "total": 7, "unit": "TOKENS"}}, {"input_uncached": 5, "output_visible": 2}),
        ({"usage": {"input": 5, "unit": "CHARACTERS"}}, "unknown_shape"),
        ({"usageDetails": {}, "totalCost": 0.5}, "unknown_shape"),
        ({"usageDetails": {"input": 5}, "startTime": None}, "missing_time"),
        ({"usageDetails": {"input": 5}, "providedModelName": None}, "missing_model"),
        ({"usageDetails": {"input": 5}, "modelParameters": "{no json"}, "not_json"),
    ],
)  # fmt: skip
def test_buckets_are_read_exactly_or_not_at_all(tmp_path, fields, expected):
    found = read_text(tmp_path, json.dumps(CALL | fields), "langfuse")
    assert (found.totals or found.reasons[0][1]) == expected


@pytest.mark.parametrize("document", [{"data": [{"model": "m"}]}, {"message": "no"}, [1, {"x": 1}]])
def test_other_documents_are_refused(document):
    with pytest.raises(NotThisKind):
        list(LANGFUSE.records(document))


BUCKETS = ("input", "input_cached_tokens", "input_cache_creation", "output", "output_reasoning_tokens", "input_audio")


@given(st.tuples(*[st.integers(0, 10**9)] * len(BUCKETS)), st.integers(-1, 1))
def test_the_classes_of_a_call_add_up_to_its_total(numbers, error):
    details = dict(zip(BUCKETS, numbers, strict=True)) | {"total": sum(numbers) + error}
    if error or not sum(numbers):
        with pytest.raises((Rejected, Skip)):
            LANGFUSE.row(CALL | {"usageDetails": details}, Context())
    else:
        (row,) = LANGFUSE.row(CALL | {"usageDetails": details}, Context())
        assert sum(row[name] for name in row if name.startswith(("input", "cache", "output"))) == sum(numbers)


class Api:
    """Answers by a function of the path and parameters, and keeps what was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def get(self, path, params=None):
        self.asked.append((path, dict(params)))
        assert len(self.asked) < 100, "it asks without end"
        return Answer(json.dumps(self.answer(dict(params))).encode(), {}, WINDOW.end)


def pulled(server, **options):
    (stream,) = LANGFUSE.streams(options)
    return [
        item.get("id") for page in LANGFUSE.pages(server, stream, WINDOW, options) for item in page.document["data"]
    ]


def test_v2_follows_its_cursors_and_asks_for_no_texts():
    chain = {None: ("a", "c1"), "c1": ("b", "c2"), "c2": ("c", None)}
    api = Api(
        lambda asked: {
            "data": [{"id": chain[asked.get("cursor")][0]}],
            "meta": {"cursor": chain[asked.get("cursor")][1]},
        }
    )
    assert pulled(api) == ["a", "b", "c"]
    path, asked = api.asked[0]
    assert path == "/api/public/v2/observations"
    assert asked == {
        "fields": "core,basic,usage,model,trace_context", "limit": 1_000, "fromStartTime": "2026-09-08T00:00:00Z",
        "toStartTime": "2026-09-09T00:00:00Z",
    }  # fmt: skip


def test_v1_counts_its_pages():
    api = Api(lambda asked: {"data": [{"id": str(asked["page"])}], "meta": {"page": asked["page"], "totalPages": 3}})
    assert pulled(api, api="v1") == ["1", "2", "3"]
    assert {path for path, _ in api.asked} == {"/api/public/observations"}


@pytest.mark.parametrize(
    ("options", "answer", "message"),
    [
        ({}, {"data": [], "meta": {"cursor": "same"}}, "seen before"),
        ({}, {"data": [], "meta": {"cursor": 5}}, "not where"),
        ({}, {"data": []}, "whether it is the last"),
        ({}, {"message": "denied"}, "not a list of data"),
        ({"api": "v1"}, {"data": [{}], "meta": {}}, "which of how many"),
        ({"api": "v1"}, {"data": [{}], "meta": {"page": 1, "totalPages": 9}}, "which of how many"),
        ({"api": "v1"}, {"data": [], "meta": {"page": 1, "totalPages": 9}}, "empty"),
        ({"api": "v3"}, {}, "neither v1 nor v2"),
    ],
)
def test_an_answer_that_cannot_be_trusted_is_no_end(options, answer, message):
    with pytest.raises(PullFailed, match=message):
        pulled(Api(lambda _: answer), **options)


def test_an_empty_window_is_an_answer():
    assert pulled(Api(lambda _: {"data": [], "meta": {"cursor": None}})) == []
    assert pulled(Api(lambda _: {"data": [], "meta": {"page": 1, "totalPages": 0}}), api="v1") == []


def test_the_pair_of_keys_is_sent_as_basic_authentication():
    (header,) = LANGFUSE.headers("pk-lf-1:sk-lf-2").values()
    assert base64.b64decode(header.removeprefix("Basic ")) == b"pk-lf-1:sk-lf-2"
