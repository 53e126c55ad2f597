"""OpenTelemetry traces (OTLP/JSON as the collector's file exporter writes it; the receiver takes protobuf, too).

One record is a span; one usage row is a leaf model span. Which spans these are: ``ingest.calc.spans``; which tokens are
inside which: ``ingest.calc.genai_spans``. A query is a trace; a session or conversation is not. Agent and workflow
spans are skipped even where no span of a model came below them: whether one will come is not known. A model span
without tokens is skipped as ``no_usage``, unless it failed: a failed call is stored. ``service.name`` is the feature.
"""

from collections.abc import Iterator
from typing import Any

from ingest.calc import otlp, spans
from ingest.calc.counters import Readings
from ingest.calc.genai_spans import dimensions, reported_cost, router_label, tags_of, token_classes, tool_calls
from ingest.calc.otel_metrics import NoUsage, moment, nanoseconds, point_rows
from ingest.calc.reasons import Rejected
from ingest.source import Context, Guide, NotThisKind, Record, RowSource, Skip


class Otlp(RowSource):
    """OpenTelemetry traces: model spans in all dialects, layer trace."""

    kind = "otlp"
    pushed = True
    layer = "trace"
    scopes = ("tokens.*",)
    guide = Guide(
        title="OpenTelemetry traces",
        connect="Make a token of scope ingest (manage.py token create --user U --scope ingest --days N) and set in the "
        "application OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://THIS-SERVER/v1/traces, "
        "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20TOKEN and OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf; "
        "?account=NAME after the endpoint keeps senders apart. Or let a collector write OTLP/JSON files and import them.",
        permission="none at the provider; a token of scope ingest here",
        tells="trace, service, environment, agent, model asked for and served, and the tags that the site allows",
        cannot="calls that no instrumentation saw, API keys and projects of the provider, and agents whose calls of a "
        "model are not instrumented",
    )

    def is_page(self, document: Any) -> bool:
        """A request of the protocol; collectors write one a line."""
        return isinstance(document, list) or (
            isinstance(document, dict) and (otlp.TRACES in document or otlp.METRICS in document)
        )

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Every span of a request, knowing those it came with; every data point of a request of metrics."""
        if isinstance(document, list):
            for index, item in enumerate(document):
                yield from ((f"/{index}{pointer}", record) for pointer, record in self.records(item))
            return
        if not isinstance(document, dict) or not self.is_page(document):
            raise NotThisKind("no request of OTLP: neither resourceSpans nor resourceMetrics")
        try:
            if otlp.METRICS in document:
                yield from otlp.points(document)
                return
            found = list(otlp.spans(document))
        except Rejected as rejected:
            raise NotThisKind(rejected.detail) from None
        spans.relate([span for _, span in found if span])
        yield from found

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage row of a leaf model span. Raises Skip, Rejected, and NotThisKind for usage in metrics."""
        if "metric" in record:
            try:
                point_rows(record, context.state.setdefault("points", Readings()))
            except NoUsage as reason:
                raise Skip(str(reason)) from None
            raise NotThisKind("token usage in OTLP metrics is a meter's: it is imported as otlp_metrics")
        if "role" not in record:
            raise Rejected("unknown_shape", "not a span")
        if record["role"] == spans.UNKNOWN:
            raise Rejected("unknown_shape", "the operation of a span with usage is not known")
        if record["role"] != spans.MODEL or record["covers"]:
            raise Skip("parent_span" if record["usage"] and record["role"] != spans.TOOL else "not_model_span")
        if not (record["usage"] or record["failed"]):
            raise Skip("no_usage")
        attributes, resource = record["attributes"], record["resource"]
        if record["trace"] is None or record["span"] is None or record["parent"] is None:
            raise Rejected("unknown_shape", "traceId, spanId or parentSpanId is no id")
        start = nanoseconds(record["start"], "startTimeUnixNano")
        if not start:
            raise Rejected("missing_time", "startTimeUnixNano")
        tags, dropped = tags_of(attributes, resource, context.tag_keys)
        context.dropped_tags.update(dropped)
        return [
            dimensions(attributes, resource)
            | token_classes(attributes, scope=record["scope"], operation=record["operation"])
            | {
                "native_id": f"{record['trace']}:{record['span']}",
                "occurred_at": moment(start, "startTimeUnixNano"),
                "trace": record["trace"],
                "operation": record["operation"],
                "failed": 1 if record["failed"] else None,
                "agent": record["agent"],
                "caller": record["caller"] if record["agent"] else None,
                "router_label": router_label(attributes),
                "tool_calls": tool_calls(attributes),
                "tags": tags,
                "reported_cost": reported_cost(attributes),
            }
        ]


SOURCE = Otlp()
