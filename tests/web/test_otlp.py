"""The OTLP receiver: the real exporters of OpenTelemetry's SDK send to a running server, and each call is stored once."""

import gzip
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from pytest_django.live_server_helper import LiveServer

from allocation.derived import refresh
from ingest import runs
from ingest.health_selectors import statuses
from ingest.intake import Unfinished
from ingest.models import IngestRun, Quarantine
from ingest.sources import get_source
from tests.ingest.sources.test_otlp import CHAT, USED, document, span
from tests.web.ledger import bearer, person
from web.api import otlp

urlpatterns = [path("", include("web.api.otlp"))]
pytestmark = [pytest.mark.usefixtures("ledger"), pytest.mark.urls("tests.web.test_otlp")]
RESOURCE = Resource({"service.name": "rag-api", "deployment.environment.name": "test", "team": "search"})
PROTOBUF, JSON = "application/x-protobuf", "application/json"


@pytest.fixture
def token() -> str:
    return bearer(person("sender"), "ingest")["HTTP_AUTHORIZATION"]


@pytest.fixture
def server() -> Iterator[str]:
    running = LiveServer("127.0.0.1")
    yield running.url
    running.stop()
    with connection.cursor() as cursor:  # its threads are gone, their sessions may not be
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def spans(calls: int) -> list[ReadableSpan]:
    """A run of an agent, as the SDK records it: an agent that repeats the sum of its calls, and its calls."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("test")
    agent = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "writer",
        "gen_ai.usage.input_tokens": calls * 100,
    }
    with tracer.start_as_current_span("invoke_agent writer", attributes=agent):
        for number in range(calls):
            attributes: dict[str, Any] = {
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
                "gen_ai.response.id": f"resp_{number}", "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 40,
                "gen_ai.response.finish_reasons": ["stop"], "gen_ai.input.messages": "SECRET",
            }  # fmt: skip
            with tracer.start_as_current_span("chat gpt-5", kind=trace.SpanKind.CLIENT, attributes=attributes) as call:
                if number == 0:
                    call.set_status(StatusCode.ERROR)
    return list(kept.get_finished_spans())


def facts() -> tuple[Any, ...]:
    """Calls, failed ones, tokens by class, from the facts; and calls and queries of the cube."""
    refresh()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(coalesce(requests, 1))::int, coalesce(sum(failed), 0)::int, "
            "coalesce(sum(input_uncached), 0)::int, coalesce(sum(cache_read), 0)::int, "
            "coalesce(sum(output_visible), 0)::int FROM usage_event"
        )
        stored = cursor.fetchone()
        cursor.execute("SELECT coalesce(sum(requests), 0)::int, coalesce(sum(queries), 0)::int FROM usage_daily")
        return (*stored, *cursor.fetchone())


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_spans_of_the_sdk_appear_once_in_the_cube_however_often_they_are_sent(
    server: str, token: str, compression: Compression
) -> None:
    headers = {"Authorization": token}
    exporter = OTLPSpanExporter(f"{server}/v1/traces", headers=headers, compression=compression)
    batch = spans(5)
    assert exporter.export(batch) is SpanExportResult.SUCCESS
    # 5 calls of 100 tokens in, 40 of them cached, 10 out; the first failed; one trace is one query.
    assert facts() == (5, 5, 1, 5 * 60, 5 * 40, 5 * 10, 5, 1)
    assert exporter.export(batch) is SpanExportResult.SUCCESS
    assert exporter.export(list(reversed(batch))) is SpanExportResult.SUCCESS
    assert facts() == (5, 5, 1, 300, 200, 50, 5, 1)
    run = IngestRun.objects.get()
    assert (run.source, run.read, run.stored, run.duplicate) == ("otlp", 18, 5, 10)
    assert run.skipped == {"parent_span": 3}
    with connection.cursor() as cursor:
        cursor.execute("SELECT feature, environment, tags->>'team', layer FROM ingest_usagekey")
        assert set(cursor.fetchall()) == {("rag-api", "test", "search", "trace")}


def test_parents_and_children_may_come_apart_and_in_any_order(server: str, token: str) -> None:
    exporter = OTLPSpanExporter(f"{server}/v1/traces", headers={"Authorization": token})
    for one in reversed(spans(3)):
        assert exporter.export([one]) is SpanExportResult.SUCCESS
    assert facts() == (3, 3, 1, 180, 120, 30, 3, 1)


def test_metrics_of_the_sdk_are_a_meters(server: str, token: str) -> None:
    reader = InMemoryMetricReader({Histogram: AggregationTemporality.DELTA})
    meter = MeterProvider([reader], resource=RESOURCE).get_meter("test")
    histogram = meter.create_histogram("gen_ai.client.token.usage", unit="{token}")
    common = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5"}
    for tokens, side in ((100, "input"), (10, "output"), (60, "input"), (7, "output")):
        histogram.record(tokens, common | {"gen_ai.token.type": side})
    exporter = OTLPMetricExporter(f"{server}/v1/metrics", headers={"Authorization": token})
    data = reader.get_metrics_data()
    assert data is not None
    for _ in range(2):
        assert exporter.export(data) is MetricExportResult.SUCCESS
    assert facts()[:6] == (2, 2, 0, 160, 0, 17)
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT layer, source FROM ingest_usagekey")
        assert cursor.fetchall() == [("meter", "otlp_metrics")]


def sent(server: str, body: bytes, given: dict[str, str], place: str = "traces") -> tuple[int, bytes, dict[str, str]]:
    request = Request(f"{server}/v1/{place}", body, given, method="POST")
    try:
        with urlopen(request, timeout=60) as response:
            return response.status, response.read(), dict(response.headers)
    except HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def test_json_is_answered_in_json_and_what_was_not_taken_is_said(server: str, token: str) -> None:
    page = document(span(1, CHAT | USED), span(2, CHAT | USED | {"gen_ai.usage.total_tokens": 99}), span(3, {"x": "y"}))
    body = gzip.compress(json.dumps(page).encode())
    given = {"Authorization": token, "Content-Type": f"{JSON}; charset=utf-8", "Content-Encoding": "gzip"}
    status, answer, headers = sent(server, body, given)
    assert (status, headers["Content-Type"]) == (200, JSON)
    assert json.loads(answer) == {
        "partialSuccess": {"rejectedSpans": "1", "errorMessage": "unexplained_total: 1"}
    }  # and the third is no reject: it is no call
    assert facts()[0] == 1
    assert Quarantine.objects.get().reason == "unexplained_total"
    good = json.dumps(document(span(1, CHAT | USED))).encode()
    assert sent(server, good, {"Authorization": token, "Content-Type": JSON})[1] == b"{}"


def test_protobuf_is_answered_in_protobuf(server: str, token: str) -> None:
    from tests.ingest.sources.test_otlp import in_protobuf

    bad = in_protobuf(document(span(1, CHAT | USED | {"gen_ai.usage.total_tokens": 99}), span(2, CHAT | USED)))
    status, answer, headers = sent(server, bad, {"Authorization": token, "Content-Type": PROTOBUF})
    assert (status, headers["Content-Type"]) == (200, PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert (partial.rejected_spans, partial.error_message) == (1, "unexplained_total: 1")
    status, answer, _ = sent(server, b"", {"Authorization": token, "Content-Type": PROTOBUF})
    assert (status, answer) == (200, b""), "an empty request is a request"


def status_of(body: bytes, encoding: str) -> tuple[int, str]:
    """Code and message of a google.rpc.Status, read without the product's code."""
    if encoding != PROTOBUF:
        found = json.loads(body)
        return found["code"], found["message"]
    assert (body[0], body[2]) == (0x08, 0x12)
    length, start = (body[3], 4) if body[3] < 0x80 else (body[3] & 0x7F | body[4] << 7, 5)
    assert len(body) == start + length
    return body[1], body[start:].decode()


GOOD = json.dumps(document(span(1, CHAT | USED))).encode()
BOMB = gzip.compress(b" " * (otlp.MAX_BODY + 1), compresslevel=1, mtime=0)


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
@pytest.mark.parametrize(
    ("body", "headers", "expected", "code"),
    [
        (b"\xff\xffnot it", {}, 400, 3),
        (GOOD, {"Content-Encoding": "gzip"}, 400, 3),
        (gzip.compress(GOOD, mtime=0)[:-9], {"Content-Encoding": "gzip"}, 400, 3),
        (GOOD, {"Content-Encoding": "br"}, 415, 3),
        (BOMB, {"Content-Encoding": "gzip"}, 413, 8),
        (GOOD, {"Authorization": "Bearer il_wrong"}, 401, 16),
        (GOOD, {"Authorization": ""}, 401, 16),
    ],
)
def test_an_error_is_a_status_in_the_encoding_of_the_request(
    client: Client, token: str, encoding: str, body: bytes, headers: dict[str, str], expected: int, code: int
) -> None:
    given = {"Authorization": token, **headers}
    answer = client.post("/v1/traces", body, content_type=encoding, headers=given)
    assert answer.status_code == expected
    assert answer["Content-Type"] == encoding
    assert status_of(answer.content, encoding)[0] == code
    assert ("WWW-Authenticate" in answer) == (expected == 401)
    assert not IngestRun.objects.exists()


@pytest.mark.parametrize(
    "body",
    [b"[]", b'{"resourceMetrics": []}', b'{"resourceSpans": {}}', b'{"resourceSpans": [], "resourceSpans": []}', b"{"],
)
def test_json_of_another_shape_is_refused(client: Client, token: str, body: bytes) -> None:
    given = {"Authorization": token}
    assert client.post("/v1/traces", body, content_type=JSON, headers=given).status_code == 400
    assert client.post("/v1/traces", b"{}", content_type=JSON, headers=given).content == b"{}"


def test_other_types_methods_and_callers_are_refused(client: Client, token: str) -> None:
    given = {"Authorization": token}
    assert client.post("/v1/traces", GOOD, content_type="text/plain", headers=given).status_code == 415
    assert client.get("/v1/traces", headers=given).status_code == 405, "there is nothing to read"
    assert client.post("/v1/traces?account=%00", GOOD, content_type=JSON, headers=given).status_code == 400
    user = person("reader", "admin")
    for scope in ("read", "write"):
        other = {"Authorization": bearer(user, scope)["HTTP_AUTHORIZATION"]}
        assert client.post("/v1/traces", GOOD, content_type=JSON, headers=other).status_code == 403
    client.force_login(user)
    assert client.post("/v1/traces", GOOD, content_type=JSON).status_code == 401
    assert not IngestRun.objects.exists()


@pytest.mark.parametrize(
    "error", [Unfinished("disk full at /secret"), OperationalError("connection to /secret failed")]
)
def test_what_cannot_be_stored_now_is_to_be_sent_again(
    client: Client, token: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(otlp, "take_stream", fails)
    answer = client.post("/v1/traces", GOOD, content_type=JSON, headers={"Authorization": token})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert status_of(answer.content, JSON) == (14, "The ledger cannot store this now; send it again.")


def test_the_sdk_sends_again_what_could_not_be_stored(server: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    takes, failures = otlp.take_stream, iter([True])

    def fails_once(*args: Any) -> Any:
        found = takes(*args)  # committed, but the answer is lost
        if next(failures, False):
            raise Unfinished("too late")
        return found

    monkeypatch.setattr(otlp, "take_stream", fails_once)
    monkeypatch.setattr(otlp, "RETRY_AFTER", 1)
    exporter = OTLPSpanExporter(f"{server}/v1/traces", headers={"Authorization": token})
    assert exporter.export(spans(2)) is SpanExportResult.SUCCESS
    assert facts()[:2] == (2, 2)


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
@pytest.mark.parametrize("signal", ["logs", "profiles", "traces/"])
def test_a_signal_that_is_not_received_is_answered_with_a_status(
    client: Client, token: str, encoding: str, signal: str
) -> None:
    answer = client.post(f"/v1/{signal}", GOOD, content_type=encoding, headers={"Authorization": token})
    assert (answer.status_code, answer["Content-Type"]) == (404, encoding)
    assert "Retry-After" not in answer
    code, message = status_of(answer.content, encoding)
    assert code == 12  # UNIMPLEMENTED
    assert message == (
        "This server receives /v1/traces and /v1/metrics, no other signal; turn its exporter off (of logs: "
        "OTEL_LOGS_EXPORTER=none)."
    )
    assert client.post(f"/v1/{signal}", GOOD, content_type=encoding).status_code == 401
    assert not IngestRun.objects.exists()


def test_the_sdk_sends_logs_once_and_gives_up(server: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answers = otlp.OtherSignalView.post

    def counted(view: Any, request: Any, signal: str) -> Any:
        asked.append(signal)
        return answers(view, request, signal)

    monkeypatch.setattr(otlp.OtherSignalView, "post", counted)
    exporter = OTLPLogExporter(f"{server}/v1/logs", headers={"Authorization": token})
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("test").emit(LogRecord(body="SECRET"))
    assert asked == ["logs"]
    assert not IngestRun.objects.exists()


def test_a_bug_of_its_reader_is_no_reason_to_send_again(
    client: Client, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(get_source("otlp")), "row", lambda *_: [{"modle_served": "gpt-5"}])
    answer = client.post("/v1/traces", GOOD, content_type=JSON, headers={"Authorization": token})
    assert answer.status_code == 500
    code, message = status_of(answer.content, JSON)
    assert code == 13  # INTERNAL
    assert message.startswith("the source otlp failed at event 0/resourceSpans/0/")
    assert message.endswith(": modle_served is no column of the usage table; the nearest is model_served")


def test_a_stream_with_committed_records_is_healthy_while_its_run_of_the_hour_is_open(
    client: Client, token: str
) -> None:
    assert client.post("/v1/traces", GOOD, content_type=JSON, headers={"Authorization": token}).status_code == 200
    run = IngestRun.objects.get()
    assert (run.state, run.stored) == ("running", 1)
    [status] = statuses(timezone.now())
    assert (status.kind, status.state, status.records, status.last_done_at) == ("otlp", "ok", 1, run.heartbeat_at)
    # The reaper ends the run after its hour: what was last delivered does not become later by that.
    IngestRun.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    assert runs.reap() == 1
    assert statuses(timezone.now())[0].last_done_at == run.heartbeat_at


def test_a_stream_of_which_nothing_was_committed_has_not_delivered(client: Client, token: str) -> None:
    runs.shared(source="otlp", account="default", stream="traces")
    [status] = statuses(timezone.now())
    assert (status.state, status.last_done_at) == ("failing", None)


def test_accounts_are_kept_apart(client: Client, token: str) -> None:
    for account in ("one", "two"):
        path = f"/v1/traces?account={account}"
        assert client.post(path, GOOD, content_type=JSON, headers={"Authorization": token}).status_code == 200
    assert facts()[0] == 2
    assert set(IngestRun.objects.values_list("account", flat=True)) == {"one", "two"}


def test_many_senders_at_once_lose_nothing_and_a_retried_batch_adds_nothing(
    server: str, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    batches = [
        json.dumps(document(*(span(1 + 200 * batch + n, CHAT | USED) for n in range(200)))).encode()
        for batch in range(40)
    ]
    again = batches[::4]
    given = {"Authorization": token, "Content-Type": JSON}
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        codes = [status for status, _, _ in pool.map(lambda body: sent(server, body, given), batches + again)]
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\nOTLP receiver: {200 * len(codes) / seconds:,.0f} spans/s from 4 senders")  # noqa: T201  the measure is wanted
    assert codes == [200] * 50
    assert facts()[:4] == (8_000, 8_000, 0, 80_000)
    assert sum(IngestRun.objects.values_list("duplicate", flat=True)) == 2_000
