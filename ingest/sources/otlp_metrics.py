"""OpenTelemetry metrics: the token usage that instrumentations count beside the spans they write.

One record is a data point of ``gen_ai.client.token.usage``, which states whole sides of calls (``ingest.calc.
otel_metrics``). A kind of its own, because the same calls are in the traces, request by request: a meter's figures
stand below those of traces and are compared with them, never added.
"""

from collections.abc import Iterator
from typing import Any

from ingest.calc import otlp
from ingest.calc.counters import Readings
from ingest.calc.genai_spans import tags_of
from ingest.calc.otel_metrics import NoUsage, point_rows
from ingest.calc.reasons import Rejected
from ingest.source import Context, Guide, NotThisKind, Record, RowSource, Skip


class OtlpMetrics(RowSource):
    """OpenTelemetry metrics: tokens by model and service, layer meter."""

    kind = "otlp_metrics"
    pushed = True
    layer = "meter"
    keeps_readings = True
    scopes = ("tokens.*",)
    guide = Guide(
        title="OpenTelemetry metrics",
        connect="Make a token of scope ingest and set in the application "
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=https://THIS-SERVER/v1/metrics, "
        "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20TOKEN and "
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta; or import the collector's OTLP/JSON files.",
        permission="none at the provider; a token of scope ingest here",
        tells="service, environment, model asked for and served, tokens in and out, calls",
        cannot="single calls and queries, what was cached or reasoned, and what a cumulative series counted before "
        "its first point came",
    )

    def is_page(self, document: Any) -> bool:
        """A request of the protocol; collectors write one a line."""
        return isinstance(document, list) or (isinstance(document, dict) and otlp.METRICS in document)

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """Every data point of a request."""
        if isinstance(document, list):
            for index, item in enumerate(document):
                yield from ((f"/{index}{pointer}", record) for pointer, record in self.records(item))
            return
        if not isinstance(document, dict) or not self.is_page(document):
            raise NotThisKind("no metrics of OTLP: it has no resourceMetrics")
        try:
            yield from otlp.points(document)
        except Rejected as rejected:
            raise NotThisKind(rejected.detail) from None

    def row(self, record: Record, context: Context) -> list[Record]:
        """The usage rows of a data point. Raises Skip, Rejected."""
        if "metric" not in record or "attributes" not in record:
            raise Rejected("unknown_shape", "not a data point")
        known: Readings = context.state.setdefault("readings", Readings())
        try:
            rows = point_rows(record, known)
        except NoUsage as reason:
            raise Skip(str(reason)) from None
        tags, dropped = tags_of(record["attributes"], record["resource"], context.tag_keys)
        context.dropped_tags.update(dropped)
        return [row | {"tags": tags} for row in rows]


SOURCE = OtlpMetrics()
