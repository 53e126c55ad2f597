"""The OTLP wire format: bodies to documents, documents to spans and data points.

A document has the shape of OTLP/JSON, whichever encoding it came in; attributes become one flat dict. Ids are hex in
OTLP/JSON and bytes in protobuf, but base64 ids, numbers for 64-bit integers and names of enums are sent as well and
are read. Protobuf is read field by field: ``json_format`` would decode hex ids as base64, silently. Longer texts than
any name or count (prompts, answers) are left out here, and events and links are never looked at.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ingest.calc.reasons import Rejected
from ingest.calc.records import Ambiguous, load_json

Record = dict[str, Any]
TRACES, METRICS = "resourceSpans", "resourceMetrics"  # what a document holds
MAX_TEXT = 4_096
_HEX = re.compile(r"[0-9a-fA-F]+")
_BYTES = {"trace": 16, "span": 8}
_MEANT = ("gen_ai.", "llm.", "ai.", "openinference.", "traceloop.")  # attributes that may be read


def from_json(body: bytes) -> Any:
    """The document in a JSON body. Raises Rejected."""
    return load_json(body)


def traces_from_protobuf(body: bytes) -> Record:
    """The document in an ExportTraceServiceRequest. Raises Rejected."""
    request = ExportTraceServiceRequest()
    _parse(request, body)
    return {
        TRACES: [
            {
                "resource": {"attributes": _flat(group.resource.attributes)},
                "scopeSpans": [
                    {"scope": {"name": scoped.scope.name}, "spans": [_span(span) for span in scoped.spans]}
                    for scoped in group.scope_spans
                ],
            }
            for group in request.resource_spans
        ]
    }


def metrics_from_protobuf(body: bytes) -> Record:
    """The document in an ExportMetricsServiceRequest. Raises Rejected."""
    request = ExportMetricsServiceRequest()
    _parse(request, body)
    return {
        METRICS: [
            {
                "resource": {"attributes": _flat(group.resource.attributes)},
                "scopeMetrics": [
                    {"scope": {"name": scoped.scope.name}, "metrics": [_metric(metric) for metric in scoped.metrics]}
                    for scoped in group.scope_metrics
                ],
            }
            for group in request.resource_metrics
        ]
    }


def spans(document: Record) -> Iterator[tuple[str, Record]]:
    """The spans of a document with their JSON pointers: trace, span, parent (hex; None: no such id, '': no parent),
    start, failed, scope, attributes, resource.

    A span of another shape comes as ``{}``. Raises Rejected where the document is none of traces.
    """
    for pointer, scoped, scope, resource in _scoped(document, TRACES, ("scopeSpans", "instrumentationLibrarySpans")):
        for index, span in enumerate(_list(scoped.get("spans"))):
            yield f"{pointer}/spans/{index}", _named(span, scope, resource) if isinstance(span, dict) else {}


def points(document: Record) -> Iterator[tuple[str, Record]]:
    """The data points of a document with their JSON pointers: metric, form, temporality, start, time, count, value,
    flags, scope, attributes, resource. Raises Rejected where the document is none of metrics.
    """
    for pointer, scoped, scope, resource in _scoped(
        document, METRICS, ("scopeMetrics", "instrumentationLibraryMetrics")
    ):
        for index, metric in enumerate(_list(scoped.get("metrics"))):
            for inner, point in _points(metric):
                yield f"{pointer}/metrics/{index}{inner}", point | {"scope": scope, "resource": resource}


def _scoped(document: Record, kind: str, names: tuple[str, str]) -> Iterator[tuple[str, Record, str, Record]]:
    if not isinstance(document.get(kind), list):
        raise Rejected("unknown_shape", f"{kind} is not a list")
    for number, group in enumerate(document[kind]):
        group = group if isinstance(group, dict) else {}
        resource = flat(_dict(group.get("resource")).get("attributes"))
        for name in names:
            for index, scoped in enumerate(_list(group.get(name))):
                if isinstance(scoped, dict):
                    scope = _dict(scoped.get("scope") or scoped.get("instrumentationLibrary")).get("name")
                    yield f"/{kind}/{number}/{name}/{index}", scoped, scope if isinstance(scope, str) else "", resource


def _named(span: Record, scope: str, resource: Record) -> Record:
    parent = span.get("parentSpanId")
    return {
        "trace": identifier(span.get("traceId"), "trace"),
        "span": identifier(span.get("spanId"), "span"),
        "parent": identifier(parent, "span") or "" if parent else "",
        "start": span.get("startTimeUnixNano"),
        "failed": _dict(span.get("status")).get("code") in (2, "2", "STATUS_CODE_ERROR"),
        "scope": scope,
        "attributes": flat(span.get("attributes")),
        "resource": resource,
    }


def identifier(value: Any, what: str) -> str | None:
    """A trace or span id as lower-case hex; None for anything else, and for the id that is all zeros."""
    size = _BYTES[what]
    if not isinstance(value, str):
        return None
    found = value
    if len(value) != 2 * size or not _HEX.fullmatch(value):
        try:
            raw = base64.b64decode(value.translate({45: "+", 95: "/"}) + "=" * (-len(value) % 4), validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != size:
            return None
        found = raw.hex()
    return found.lower() if found.strip("0") else None


def flat(attributes: Any) -> Record:
    """A list of key-value pairs as a dict of texts, numbers, booleans and lists of them; long texts are left out.

    A key that is given with two values makes it Ambiguous, where its name says that it may matter.
    """
    if isinstance(attributes, dict):
        return attributes
    found: Record = {}
    twice: set[str] = set()
    for pair in _list(attributes):
        key = pair.get("key") if isinstance(pair, dict) else None
        value = _scalar(pair.get("value")) if isinstance(key, str) else None
        if value is None or key is None:
            continue
        if key in found and found[key] != value and key.startswith(_MEANT):
            twice.add(key)
        found[key] = value
    if not twice:
        return found
    ambiguous = Ambiguous(found)
    ambiguous.keys_twice = frozenset(twice)
    return ambiguous


def _scalar(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    for name in ("stringValue", "intValue", "doubleValue", "boolValue"):
        if name in value:
            found = value[name]
            return None if isinstance(found, str) and len(found) > MAX_TEXT else found
    if "arrayValue" in value:
        return [item for item in map(_scalar, _list(_dict(value["arrayValue"]).get("values"))) if item is not None]
    return None


_FORMS = ("histogram", "exponentialHistogram", "sum", "gauge", "summary")
_TEMPORALITY = {"AGGREGATION_TEMPORALITY_DELTA": 1, "AGGREGATION_TEMPORALITY_CUMULATIVE": 2}


def _points(metric: Any) -> Iterator[tuple[str, Record]]:
    if not isinstance(metric, dict):
        yield "", {}
        return
    form = next((name for name in _FORMS if isinstance(metric.get(name), dict)), "")
    data = _dict(metric.get(form))
    temporality = data.get("aggregationTemporality")
    if isinstance(temporality, str):
        temporality = _TEMPORALITY.get(temporality)
    common = {"metric": metric.get("name"), "form": form, "temporality": temporality,
              "monotonic": data.get("isMonotonic") is True}  # fmt: skip
    for index, point in enumerate(_list(data.get("dataPoints"))):
        if not isinstance(point, dict):
            yield f"/{form}/dataPoints/{index}", {}
            continue
        value = point.get("asInt", point.get("asDouble")) if form in ("sum", "gauge") else point.get("sum")
        yield (
            f"/{form}/dataPoints/{index}",
            common
            | {
                "start": point.get("startTimeUnixNano"),
                "time": point.get("timeUnixNano"),
                "count": point.get("count"),
                "value": value,
                "flags": point.get("flags"),
                "attributes": flat(point.get("attributes")),
            },
        )


def _parse(message: Any, body: bytes) -> None:
    try:
        message.ParseFromString(body)
    except (DecodeError, ValueError):
        raise Rejected("unknown_shape", "the body is not the protobuf message of this address") from None


def _span(span: Any) -> Record:
    return {
        "traceId": _hex(span.trace_id),
        "spanId": _hex(span.span_id),
        "parentSpanId": _hex(span.parent_span_id),
        "startTimeUnixNano": span.start_time_unix_nano,
        "status": {"code": span.status.code},
        "attributes": _flat(span.attributes),
    }


def _metric(metric: Any) -> Record:
    form = metric.WhichOneof("data")
    if form is None:
        return {"name": metric.name}
    name = "exponentialHistogram" if form == "exponential_histogram" else form
    data = getattr(metric, form)
    shared: Record = {"dataPoints": [_point(point, form) for point in data.data_points]}
    if form not in ("gauge", "summary"):
        shared["aggregationTemporality"] = data.aggregation_temporality
    if form == "sum":
        shared["isMonotonic"] = data.is_monotonic
    return {"name": metric.name, name: shared}


def _point(point: Any, form: str) -> Record:
    found: Record = {
        "startTimeUnixNano": point.start_time_unix_nano,
        "timeUnixNano": point.time_unix_nano,
        "flags": point.flags,
        "attributes": _flat(point.attributes),
    }
    if form in ("sum", "gauge"):
        number = point.WhichOneof("value")
        if number is not None:
            found["asInt" if number == "as_int" else "asDouble"] = getattr(point, number)
    elif form == "summary" or point.HasField("sum"):
        found |= {"count": point.count, "sum": point.sum}
    return found


def _hex(raw: bytes) -> str:
    # An id of another length is none; "?" makes it one that cannot be read.
    return raw.hex() if len(raw) in (0, 8, 16) else "?"


def _flat(attributes: Iterable[Any]) -> Record:
    return flat([{"key": pair.key, "value": _wrapped(pair.value)} for pair in attributes])


def _wrapped(value: Any) -> Record:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return {"arrayValue": {"values": [_wrapped(item) for item in value.array_value.values]}}
    names = {"string_value": "stringValue", "int_value": "intValue", "double_value": "doubleValue",
             "bool_value": "boolValue"}  # fmt: skip
    return {names[kind]: getattr(value, kind)} if kind in names else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> Record:
    return value if isinstance(value, dict) else {}
