"""OpenTelemetry's token metric: intervals of delta points, differences of cumulative ones, restarts."""

import json
from pathlib import Path

import pytest

from ingest.calc import otlp
from ingest.source import NotThisKind
from tests.ingest.reading import read
from tests.ingest.sources.test_otlp import attributes, outcomes

SAMPLES = Path(__file__).parents[2] / "samples" / "otlp_metrics"
SECOND = 10**9
BEGAN = 1_788_872_400 * SECOND


def point(start, end, count, total, side="input", **more):
    given = {"gen_ai.token.type": side, "gen_ai.request.model": "m", "gen_ai.operation.name": "chat"}
    return {
        "attributes": attributes(given), "startTimeUnixNano": str(BEGAN + start * SECOND),
        "timeUnixNano": str(BEGAN + end * SECOND), "count": str(count), "sum": total,
    } | more  # fmt: skip


def page(*points, temporality=2, form="histogram", name="gen_ai.client.token.usage", resource=None):
    metric = {"name": name, form: {"aggregationTemporality": temporality, "dataPoints": list(points)}}
    return {"resourceMetrics": [{"resource": {"attributes": attributes(resource or {})},
                                 "scopeMetrics": [{"scope": {"name": "s"}, "metrics": [metric]}]}]}  # fmt: skip


def counted(*pages):
    found = outcomes(*pages, kind="otlp_metrics")
    return [item if isinstance(item, str) else (item.get("input_uncached"), item["requests"]) for item in found]


def test_the_first_points_of_cumulative_series_are_baselines_and_later_ones_differences():
    assert read(SAMPLES / "metrics_token_usage_cumulative.otlp.json", "otlp_metrics").skipped == {"baseline": 2}
    found = read(SAMPLES / "metrics_token_usage_points.otlp.jsonl", "otlp_metrics")
    # 9,700 -> 10,700 in, 2,300 -> 2,500 out; then a process that began later, with 400 and 90; and a delta of 500.
    assert found.totals == {"input_uncached": 1_000 + 400 + 500, "output_visible": 200 + 90}
    assert sum(row["requests"] for row in found.rows) == 2 + 1 + 5, "each call is a point of either side: counted once"
    assert found.skipped == {"baseline": 2, "part_of_a_side": 1, "other_metric": 1}


def test_metrics_are_a_meters_and_no_traces(tmp_path):
    assert read(SAMPLES / "metrics_token_usage_cumulative.otlp.json", "otlp").skipped == {"baseline": 2}
    with pytest.raises(NotThisKind, match="otlp_metrics"):
        read(SAMPLES / "metrics_token_usage_points.otlp.jsonl", "otlp")


def test_a_lower_value_is_a_process_that_began_again():
    assert counted(page(point(0, 60, 5, 100)), page(point(0, 120, 2, 30))) == ["baseline", (30, 2)]


def test_two_processes_under_one_name_are_told_apart_by_their_start():
    first, second = page(point(0, 60, 5, 100), point(7, 61, 9, 900)), page(point(7, 121, 9, 950), point(0, 120, 6, 130))
    assert counted(first, second) == ["baseline", "baseline", (50, 0), (30, 1)]


def test_a_point_that_comes_again_says_the_same_and_one_that_comes_late_splits_its_interval():
    first, last, late = page(point(0, 60, 5, 100)), page(point(0, 180, 8, 190)), page(point(0, 120, 6, 130))
    found = outcomes(first, last, last, late, late, kind="otlp_metrics")
    facts = {}  # by identity, the latest wins
    for row in found:
        if not isinstance(row, str):
            facts[row["native_id"]] = (row["occurred_at"].minute, row["input_uncached"], row["requests"])
    assert sorted(facts.values()) == [(1, 30, 1), (2, 60, 2)], "100 -> 130 -> 190, each minute once"


def test_a_delta_point_has_one_identity_however_often_it_is_sent():
    delta = page(point(60, 120, 6, 130.0), temporality="AGGREGATION_TEMPORALITY_DELTA")
    first, again = outcomes(delta, delta, kind="otlp_metrics")
    other = outcomes(
        page(point(60, 120, 6, 130), temporality=1, resource={"service.instance.id": "b"}), kind="otlp_metrics"
    )
    assert first == again
    assert first["native_id"] != other[0]["native_id"]
    assert first["occurred_at"].isoformat() == "2026-09-08T13:01:59.999999+00:00"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (page(point(0, 60, 5, 100, flags=1), temporality=1), "no_value"),
        (page(point(0, 60, 0, 0), temporality=1), "empty_interval"),
        (page(point(0, 60, 5, 1.5), temporality=1), "fractional"),
        (page(point(0, 60, 5, None), temporality=1), "bad_number"),
        (page(point(0, 60, 5, -5), temporality=1), "negative"),
        (page(point(0, 60, 5, 100, "both"), temporality=1), "unknown_shape"),
        (page(point(0, 60, 5, 100), temporality=0), "unknown_shape"),
        (page(point(0, 60, 5, 100), name="http.client.request.duration"), "other_metric"),
        (page(point(0, 60, 5, 100), temporality=1, form="exponentialHistogram"), (100, 5)),
        (page(point(0, 60, 5, None, asInt="100"), temporality=1, form="sum"), (100, 5)),
    ],
)
def test_a_point_is_read_exactly_or_not_at_all(given, expected):
    assert counted(given) == [expected]


def test_protobuf_says_the_same_as_json():
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="gen_ai.client.token.usage")
    metric.histogram.aggregation_temporality = 1
    given = page(point(0, 60, 5, 100.0), temporality=1)
    into = metric.histogram.data_points.add(
        start_time_unix_nano=BEGAN, time_unix_nano=BEGAN + 60 * SECOND, count=5, sum=100.0
    )
    for pair in point(0, 60, 5, 100)["attributes"]:
        into.attributes.add(key=pair["key"]).value.string_value = pair["value"]["stringValue"]
    given["resourceMetrics"][0]["scopeMetrics"][0]["scope"]["name"] = ""
    decoded = otlp.metrics_from_protobuf(request.SerializeToString())
    assert outcomes(decoded, kind="otlp_metrics") == outcomes(json.loads(json.dumps(given)), kind="otlp_metrics")
