"""POST /v1/traces and /v1/metrics: OpenTelemetry's receiver over HTTP, in protobuf and JSON, gzip or plain.

What the answers mean is the protocol's: 200 says that all that was sent is committed, or named in ``partialSuccess``
(what was quarantined; spans that are no calls of a model are no rejects); 503 says to send it again, which changes
nothing where it was stored. An error's body is a google.rpc.Status in the encoding of the request.

Logs, profiles and whatever else has a path below /v1/ are not received: they are answered with 404 and a Status that says
so. Of all errors the protocol lets an exporter repeat 429, 502, 503 and 504 alone, and the SDKs that repeat every 5xx do
not repeat a 404: so they report once what they drop, and stop. 200 would say that it was taken.
"""

import json
import zlib
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from django.db import DatabaseError
from django.http import HttpResponse
from django.http.request import UnreadablePostError
from django.urls import path
from drf_spectacular.utils import extend_schema
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from rest_framework.exceptions import APIException, UnsupportedMediaType, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from ingest.calc import otlp
from ingest.calc.reasons import Rejected
from ingest.calc.records import given_twice
from ingest.intake import SourceWrong, Unfinished
from ingest.push import take_stream
from ingest.reading import Group
from ingest.source import NotThisKind
from web.api.authentication import TokenAuthentication
from web.api.permissions import WithinTokenScope
from web.models import ApiToken

MAX_BODY = 64 << 20  # as sent, and as decoded
PROTOBUF, JSON = "application/x-protobuf", "application/json"
RETRY_AFTER = 5  # seconds
_GRPC = {400: 3, 401: 16, 403: 7, 404: 12, 405: 12, 413: 8, 415: 3, 500: 13, 503: 14}  # google.rpc.Code of a status


class TooLarge(APIException):
    """The body is larger than one request may be."""

    status_code = 413
    default_detail = f"A request holds at most {MAX_BODY >> 20} MB, as sent and as decoded; send smaller batches."


class Unavailable(APIException):
    """The database could not take it now."""

    status_code = 503
    default_detail = "The ledger cannot store this now; send it again."


class OurFault(APIException):
    """The reader of this signal has a bug."""

    status_code = 500


class NotReceived(APIException):
    """A signal that this server does not receive."""

    status_code = 404
    default_detail = (
        "This server receives /v1/traces and /v1/metrics, no other signal; "
        "turn its exporter off (of logs: OTEL_LOGS_EXPORTER=none)."
    )


class IngestTokenAlone(WithinTokenScope):
    """A token of scope ingest, and nothing else: no session, and no token that may do more."""

    message = "This needs a token of scope ingest."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """By the token."""
        allowed = super().has_permission(request, view)
        return allowed and isinstance(request.auth, ApiToken) and request.auth.scope == ApiToken.Scope.INGEST


class _AsAsked(BaseContentNegotiation):
    """An answer is encoded as its request is, whatever Accept says."""

    def select_parser(self, request: Request, parsers: Any) -> Any:  # noqa: ARG002
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:  # noqa: ARG002
        return renderers[0], renderers[0].media_type


class _Signal(APIView):
    """A path of OTLP: who may post there, and what errors look like."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IngestTokenAlone]
    content_negotiation_class = _AsAsked
    ingests = True

    def handle_exception(self, exc: Exception) -> Any:
        """Errors as google.rpc.Status; what nobody foresaw goes on."""
        if isinstance(exc, DatabaseError):
            exc = Unavailable()
        response = super().handle_exception(exc)
        status = response.status_code
        detail = getattr(exc, "detail", "") or HTTPStatus(status).phrase
        text = " ".join(map(str, detail)) if isinstance(detail, list) else str(detail)
        error = _status(_encoding(self.request), _GRPC.get(status, 2), text)
        error.status_code = status
        for name in ("WWW-Authenticate", "Allow", "Retry-After"):
            if name in response:
                error[name] = response[name]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            error["Retry-After"] = str(RETRY_AFTER)
        return error


class OtherSignalView(_Signal):
    """Logs, profiles, and what the protocol may get."""

    @extend_schema(exclude=True)
    def post(self, request: Request, signal: str) -> HttpResponse:  # noqa: ARG002  every path is answered alike
        """Raises NotReceived."""
        raise NotReceived


class _Receiver(_Signal):
    """One signal of OTLP."""

    kind: ClassVar[str]
    stream: ClassVar[str]
    holds: ClassVar[str]  # the field of a document
    rejected: ClassVar[str]  # the field of an answer
    decode: ClassVar[Callable[[bytes], Any]]
    answer: ClassVar[Callable[..., Any]]

    @extend_schema(exclude=True)
    def post(self, request: Request) -> HttpResponse:
        """Store a request. Committed when this answers 200."""
        encoding = _encoding(request)
        if encoding not in (PROTOBUF, JSON):
            raise UnsupportedMediaType(encoding[:100], f"The body is {PROTOBUF} or {JSON}.")
        account = request.query_params.get("account", "default")
        if not 1 <= len(account) <= 200 or not account.isprintable():
            raise ValidationError("account: 1 to 200 printable characters")
        body = _body(request)
        try:
            document = type(self).decode(body) if encoding == PROTOBUF else self._from_json(body)
            groups = take_stream(self.kind, account, self.stream, [document]) if document.get(self.holds) else []
        except Rejected as rejected:
            raise ValidationError(f"{rejected.reason}: {rejected.detail}") from None
        except NotThisKind as other:
            raise ValidationError(str(other)) from None
        except SourceWrong as wrong:
            raise OurFault(str(wrong)) from wrong
        except Unfinished:
            raise Unavailable from None
        return self._accepted(encoding, groups)

    def _from_json(self, body: bytes) -> dict[str, Any]:
        document = otlp.from_json(body)
        if not isinstance(document, dict) or (document and not isinstance(document.get(self.holds), list)):
            raise Rejected("unknown_shape", f"{self.holds} is not a list")
        if key := given_twice(document):
            raise Rejected("unknown_shape", f"{key[:100]} is given twice")
        return document

    def _accepted(self, encoding: str, groups: list[Group]) -> HttpResponse:
        places = [place for group in groups for place in group.rejects]
        reasons = Counter(place.reason for place in places).most_common(3)
        text = ", ".join(f"{reason}: {number}" for reason, number in reasons)
        if encoding == JSON:
            partial = {self.rejected: str(len(places)), "errorMessage": text}
            return HttpResponse(json.dumps({"partialSuccess": partial} if places else {}), content_type=JSON)
        message = type(self).answer()
        if places:
            name = "rejected_spans" if self.rejected == "rejectedSpans" else "rejected_data_points"
            setattr(message.partial_success, name, len(places))
            message.partial_success.error_message = text
        return HttpResponse(message.SerializeToString(), content_type=PROTOBUF)


class TracesView(_Receiver):
    """Spans."""

    kind, stream, holds, rejected = "otlp", "traces", otlp.TRACES, "rejectedSpans"
    decode, answer = otlp.traces_from_protobuf, ExportTraceServiceResponse


class MetricsView(_Receiver):
    """Data points."""

    kind, stream, holds, rejected = "otlp_metrics", "metrics", otlp.METRICS, "rejectedDataPoints"
    decode, answer = otlp.metrics_from_protobuf, ExportMetricsServiceResponse


def _encoding(request: Any) -> str:
    return str(request.META.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()


def _body(request: Request) -> bytes:
    """The decoded body, read within bounds. Raises TooLarge, UnsupportedMediaType and ValidationError."""
    try:
        sent: bytes = request._request.read(MAX_BODY + 1)
    except UnreadablePostError:
        raise ValidationError("The body breaks off.") from None
    if len(sent) > MAX_BODY:
        raise TooLarge
    coding = request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if coding in ("", "identity"):
        return sent
    if coding != "gzip":
        raise UnsupportedMediaType(coding[:100], "The body is sent as it is, or in gzip.")
    return _inflated(sent)


def _inflated(sent: bytes) -> bytes:
    found = bytearray()
    try:
        while sent:  # a gzip file may have several members
            stream = zlib.decompressobj(wbits=31)
            found += stream.decompress(sent, MAX_BODY + 1 - len(found))
            if len(found) > MAX_BODY:
                raise TooLarge
            if not stream.eof:
                raise ValidationError("The gzip stream breaks off.")
            sent = stream.unused_data
    except zlib.error:
        raise ValidationError("The body is not gzip.") from None
    return bytes(found)


def _status(encoding: str, code: int, message: str) -> HttpResponse:
    """google.rpc.Status: code is its field 1, message its field 2."""
    if encoding != PROTOBUF:
        return HttpResponse(json.dumps({"code": code, "message": message}), content_type=JSON)
    text = message.encode()[:1_000].decode(errors="ignore").encode()
    return HttpResponse(b"\x08" + bytes([code]) + b"\x12" + _varint(len(text)) + text, content_type=PROTOBUF)


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


urlpatterns = [
    path("v1/traces", TracesView.as_view(), name="otlp-traces"),
    path("v1/metrics", MetricsView.as_view(), name="otlp-metrics"),
    path("v1/<path:signal>", OtherSignalView.as_view(), name="otlp-other"),
]
