"""Bodies of requests: bounded, unzipped, and JSON with exact numbers (DRF's parser would make floats of them)."""

import zlib
from typing import Any

from django.http import UnreadablePostError
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.request import Request

from ingest.calc.reasons import Rejected
from ingest.calc.records import Ambiguous, load_json

MOST_BYTES = 32 * 1024 * 1024
_STEP = 1 << 20
_JSON = ("application/json",)
_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")


class TooLarge(APIException):
    """More than one request may hold."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is larger than {MOST_BYTES >> 20} MB; send it in parts."


def raw(request: Request, most: int = MOST_BYTES) -> bytes:
    """The body as it was sent; whoever reads it later finds it where Django keeps it. Raises TooLarge."""
    inner: Any = request._request
    if not hasattr(inner, "_body"):  # Django's own bound is for forms, and answers with 400
        try:
            found = inner.read(most + 1)
        except UnreadablePostError:
            raise ParseError("The body broke off.") from None
        if len(found) > most:
            raise TooLarge
        inner._body = found
    body: bytes = inner.body
    return body


def records(request: Request) -> list[Any]:
    """The records of a batch: a JSON list, ``{"events": [...]}``, one JSON object, or a JSON value a line.

    Several lines of which the first is an object of its own are such lines also as application/json: loggers send so
    that have one content type for all their formats (LiteLLM's generic_api). A line that cannot be read is a Rejected in
    its place. Raises ParseError, TooLarge, UnsupportedMediaType.
    """
    media = (request.content_type or "").partition(";")[0].strip().lower()
    if media not in _JSON + _LINES:
        raise UnsupportedMediaType(media or "(none)", f"Send {_JSON[0]} or {_LINES[0]}.")
    body = _decoded(request)
    if not body.strip():
        raise ParseError("The body is empty; it is sent with a Content-Length.")
    return [_line(line) for line in _lines(body)] if media in _LINES else _document(body)


def _lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip()]


def _document(body: bytes) -> list[Any]:
    try:
        found = load_json(
            body.replace(b"\0", rb"\u0000")
        )  # then who reads the record refuses it, and its neighbours are kept
    except Rejected as rejected:
        lines = _lines(body)
        if len(lines) > 1 and isinstance(_line(lines[0]), dict):
            return [_line(line) for line in lines]
        raise ParseError(f"The body is no JSON: {rejected.reason} {rejected.detail}") from None
    if isinstance(found, dict) and "events" not in found:  # some senders make no batches
        return [found]
    if isinstance(found, dict) and not isinstance(found, Ambiguous) and set(found) == {"events"}:
        found = found["events"]
    if not isinstance(found, list):
        raise ParseError('The body is a list of records, {"events": [...]}, or one record.')
    return found


def _line(line: bytes) -> Any:
    try:
        return load_json(line)
    except Rejected as rejected:
        return rejected


def _decoded(request: Request) -> bytes:
    body = raw(request)
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise UnsupportedMediaType(coding, "Send the body plain or with Content-Encoding: gzip.")
    try:
        return _unzipped(body)
    except zlib.error:
        raise ParseError("The body is not, or not all of, what gzip writes.") from None


def _unzipped(body: bytes) -> bytes:
    """Gzip, of several members too. Raises zlib.error and TooLarge, before more than one step is decoded in vain."""
    found, left = bytearray(), body
    while left:
        inflater = zlib.decompressobj(wbits=31)
        while not inflater.eof:
            piece = inflater.decompress(left, _STEP)
            left = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            found += piece
            if len(found) > MOST_BYTES:
                raise TooLarge
            if not piece and not left and not inflater.eof:
                raise zlib.error
    return bytes(found)
