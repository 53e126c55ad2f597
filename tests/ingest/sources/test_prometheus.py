"""Prometheus: scrapes and query answers become usage of intervals; what is asked of a server."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.calc.reasons import Rejected
from ingest.pull import Answer, PullFailed, Window
from ingest.source import Context, NotThisKind, Skip
from ingest.sources import get_source
from tests.ingest.reading import read, read_text

SAMPLES = Path(__file__).parents[2] / "samples" / "prometheus"
TEXTS = SAMPLES
SOURCE = get_source("prometheus")
MODEL = "Qwen/Qwen3-32B"


def series(text):
    """Sums of a scrape's series by name, read without the product."""
    sums = Counter()
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            sums[name.split("{")[0]] += float(value)
    return sums


def rows_of(text, context):
    found = []
    for _, record in SOURCE.records(text):
        found += SOURCE.row(record, context)
    return found


def scrape(name, at, context=None):
    return rows_of((TEXTS / name).read_text(), Context(at=at, state=context.state if context else {}))


def test_two_scrapes_of_vllm_count_what_lies_between_them():
    one, two = (series((TEXTS / f"vllm_v1_metrics_t{n}.prom").read_text()) for n in (0, 1))
    risen = {name: two[name] - one[name] for name in two}
    context = Context()
    with pytest.raises(Skip, match="first_scrape_baseline"):
        scrape("vllm_v1_metrics_t0.prom", datetime(2026, 9, 30, 23, 20, tzinfo=UTC), context)
    (row,) = scrape("vllm_v1_metrics_t1.prom", datetime(2026, 9, 30, 23, 30, tzinfo=UTC), context)
    assert row["input_uncached"] + row["cache_read"] == risen["vllm:prompt_tokens_total"] == 4_000
    assert row["cache_read"] == risen["vllm:prompt_tokens_cached_total"] == 2_000
    assert row["output_visible"] == risen["vllm:generation_tokens_total"] == 10_000
    assert row["requests"] == risen["vllm:request_success_total"] == 25 + 4 + 1
    assert risen["vllm:prefix_cache_queries_total"] == 28_000, "inflated, and not used"
    assert (row["failed"], row["model_served"], row["provider"]) == (1, MODEL, "selfhosted")


def test_a_file_of_scrapes_has_a_restart_a_second_engine_and_a_value_that_is_none():
    found = read(SAMPLES / "vllm_v1_scrapes.jsonl", "prometheus")
    assert found.totals == {
        "input_uncached": 2_000 + (100 + 50 - 30), "cache_read": 2_000 + 30, "output_visible": 10_000 + 7 + 5
    }  # fmt: skip
    assert found.skipped == {"first_scrape_baseline": 1}
    assert [reason for _, reason in found.reasons] == ["bad_number"]
    assert {row["project"] for row in found.rows} == {"llm-prod"}


def test_other_engines_histograms_and_shards():
    found = read(SAMPLES / "engines_scrapes.jsonl", "prometheus")
    by_server = Counter()
    for row in found.rows:
        server = json.loads(row["native_id"])[0]
        for name in ("input_uncached", "cache_read", "output_visible", "requests"):
            by_server[server, name] += row[name]
    assert by_server["tgi", "input_uncached"] == 1_700 - 1_000
    assert by_server["tgi", "output_visible"] == 460 - 400
    assert by_server["tgi", "requests"] == 13 - 10
    assert by_server["sglang", "input_uncached"] == (9_000 - 5_000) - (3_500 - 1_000), "of one shard of two"
    assert by_server["sglang", "cache_read"] == 3_500 - 1_000
    assert by_server["llamacpp", "input_uncached"] == (80 - 50) + 10, "it fell: counted anew"


def test_an_answer_of_query_range_is_read_point_by_point():
    found = read(SAMPLES / "query_range_vllm.json", "prometheus")
    assert found.totals == {"input_uncached": 60 + 0 + 40 + 50, "output_visible": 5 + 0 + 4 + 5}
    assert [row["requests"] for row in found.rows] == [1, 0, 1, 2]


def test_a_real_scrape_of_sglang_is_a_baseline_and_its_shapes_are_known():
    (record,) = (record for _, record in SOURCE.records((TEXTS / "sglang_v0.4_metrics.prom").read_text()))
    assert sorted(record["values"].values()) == [11_228.0, 7_557_572.0, 8_128_902.0]
    with pytest.raises(Skip):
        SOURCE.row(record, Context(at=datetime(2026, 9, 8, tzinfo=UTC)))


def test_an_interval_that_ends_at_midnight_belongs_to_the_day_before():
    context = Context()
    text = "llamacpp:prompt_tokens_total {}\n"
    midnight = datetime(2026, 9, 9, tzinfo=UTC)
    with pytest.raises(Skip):
        rows_of(text.format(1), Context(at=midnight - timedelta(minutes=5), state=context.state))
    (row,) = rows_of(text.format(3), Context(at=midnight, state=context.state))
    assert row["occurred_at"].date() == datetime(2026, 9, 8, tzinfo=UTC).date()
    assert row["input_uncached"] == 2


def test_a_scrape_without_a_time_is_rejected_and_a_damaged_line_is_a_record_of_its_own(tmp_path):
    (_, record), *_ = SOURCE.records("llamacpp:prompt_tokens_total 1\n")
    with pytest.raises(Rejected, match="missing_time"):
        SOURCE.row(record, Context())
    text = 'llamacpp:prompt_tokens_total 1\nvllm:prompt_tokens_total{model_name="m" 5\n'
    found = read_text(tmp_path, json.dumps({"text": text, "at": "2026-09-08T13:00:00Z"}), "prometheus")
    assert found.reasons == [("/0", "unknown_shape")]
    assert found.skipped == {"first_scrape_baseline": 1}


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "1.5"])
def test_a_value_that_is_no_count_is_rejected(value):
    ((_, record),) = SOURCE.records(f"llamacpp:prompt_tokens_total {value}\n")
    with pytest.raises(Rejected):
        SOURCE.row(record, Context(at=datetime(2026, 9, 8, tzinfo=UTC)))


def test_a_scrape_of_something_else_is_refused():
    with pytest.raises(NotThisKind):
        list(SOURCE.records("node_cpu_seconds_total 5\n"))
    with pytest.raises(NotThisKind, match="an error"):
        list(SOURCE.records(json.loads((SAMPLES / "error_bad_data.json").read_text())))


class Server:
    """Answers query_range from the counters it is given, and remembers what it was asked."""

    def __init__(self, document=None, body=b""):
        self.document, self.body, self.asked = document, body, []

    def get(self, path, params=None):
        self.asked.append((path, dict(params or {})))
        body = self.body or json.dumps(self.document).encode()
        return Answer(body, {}, datetime(2026, 9, 8, 15, tzinfo=UTC))


def window(hours):
    start = datetime(2026, 9, 8, tzinfo=UTC)
    return Window(start, start + timedelta(hours=hours))


def test_a_window_is_asked_in_steps_without_its_end_and_in_stretches_prometheus_answers():
    server = Server({"status": "success", "data": {"resultType": "matrix", "result": []}})
    options = {"engine": "vllm", "step": "60", "match": 'namespace="llm"'}
    (stream,) = SOURCE.streams(options)
    pages = list(SOURCE.pages(server, stream, window(48), options))
    asked = [params for path, params in server.asked if path == "/api/v1/query_range"]
    assert len(pages) == len(asked) == 2
    points = [(int(each["end"]) - int(each["start"])) // 60 + 1 for each in asked]
    assert sum(points) == 48 * 60, "every minute once, the end of the window left out"
    assert max(points) <= 11_000
    assert int(asked[0]["end"]) + 60 == int(asked[1]["start"])
    assert "vllm:prompt_tokens_total" in asked[0]["query"]
    assert "sglang" not in asked[0]["query"]
    assert asked[0]["query"].endswith(',namespace="llm"}')
    assert [list(SOURCE.records(page.document)) for page in pages] == [[], []], "nothing ran, and that is no error"


def test_the_starts_of_processes_are_asked_for_the_servers_that_answered():
    document = json.loads((SAMPLES / "query_range_vllm.json").read_text())
    document["data"]["result"] = document["data"]["result"][:3]
    server = Server(document)
    (stream,) = SOURCE.streams({})
    (page,) = SOURCE.pages(server, stream, window(1), {})
    assert [params["query"] for _, params in server.asked][1:] == [
        '{__name__=~"process_start_time_seconds",instance=~"a:8000"}'
    ]
    assert len(page.document["data"]["result"]) == 6


def test_a_server_that_answers_otherwise_and_a_step_no_day_is_a_multiple_of_fail():
    (stream,) = SOURCE.streams({})
    with pytest.raises(PullFailed, match="matrix"):
        list(SOURCE.pages(Server({"status": "error"}), stream, window(1), {}))
    with pytest.raises(PullFailed, match="step"):
        SOURCE.streams({"step": "7"})


def test_a_scrape_is_one_page_with_its_time_and_server():
    server = Server(body=(TEXTS / "vllm_v1_metrics_t0.prom").read_bytes())
    options = {"mode": "scrape", "server": "gpu-1"}
    (stream,) = SOURCE.streams(options)
    (page,) = SOURCE.pages(server, stream, window(240), options)
    ((_, record),) = SOURCE.records(page.document)
    assert (record["meter"], record["at"]) == ('{"instance":"gpu-1"}', datetime(2026, 9, 8, 15, tzinfo=UTC))
    assert server.asked == [("/metrics", {})]
