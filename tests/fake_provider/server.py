"""The fake provider's HTTP side: routes, keys, faults, and a record of what it was asked."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.fake_provider import wire
from tests.fake_provider.scenario import Fault, Scenario

Document = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    number: int  # from 1
    path: str  # without /v1
    query: wire.Query
    headers: dict[str, str]
    at: datetime


@dataclass
class _State:
    tick: int = 0
    requests: list[Request] = field(default_factory=list)
    hits: dict[int, int] = field(default_factory=dict)  # fault -> requests that it has seen
    cursors: list[str] = field(default_factory=list)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that is killed resets its connection; our own bugs show as answers that do not come."""


class FakeProvider:
    """A server on loopback, on a thread of its own, for the length of a ``with`` block."""

    def __init__(self, scenario: Scenario, port: int = 0) -> None:
        self.scenario, self._state, self._lock = scenario, _State(), threading.Lock()
        self._closing = threading.Event()
        self._server = _Quiet(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[Request]:
        """All so far, in their order."""
        return list(self._state.requests)

    def of(self, path: str) -> list[Request]:
        """The requests whose path holds this."""
        return [request for request in self.requests if path in request.path]

    @property
    def tick(self) -> int:
        """The provider's clock."""
        return self._state.tick

    @tick.setter
    def tick(self, tick: int) -> None:
        self._state.tick = tick

    def _note(self, path: str, query: str, headers: dict[str, str]) -> tuple[Request, Fault | None]:
        with self._lock:
            state, scenario = self._state, self.scenario
            now = datetime.now(UTC) + scenario.skew
            request = Request(len(state.requests) + 1, path, wire.parsed(query), headers, now)
            state.requests.append(request)
            if scenario.tick_every and request.number % scenario.tick_every == 0:
                state.tick += 1
            active = None
            for number, fault in enumerate(scenario.faults):
                if fault.path not in path:
                    continue
                state.hits[number] = state.hits.get(number, 0) + 1
                if fault.first <= state.hits[number] < fault.first + fault.times:
                    active = active or fault
            return request, active

    def _document(self, request: Request) -> Document:
        path, query, tick = request.path, request.query, self._state.tick
        if path.startswith("/organization/usage/") or path == "/organization/costs":
            return wire.openai_usage(self.scenario, tick, path.rpartition("/")[2], query)
        if path in ("/organizations/usage_report/messages", "/organizations/cost_report"):
            return wire.anthropic_page(self.scenario, tick, path.rpartition("/")[2], query)
        if path == "/spend/logs/v2":
            return wire.litellm_page(self.scenario, tick, query)
        if path == "/api/public/v2/observations":
            return wire.langfuse_page(self.scenario, tick, query)
        if path.startswith(("/organization", "/team", "/key")):
            prefixes = {"projects": "proj_", "api_keys": "key_", "workspaces": "wrkspc_"}
            return wire.names_page(self.scenario, prefixes.get(path.rpartition("/")[2], "none"))
        raise LookupError(path)


def _handler(provider: FakeProvider) -> type[BaseHTTPRequestHandler]:  # noqa: C901  a class of small methods
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "FakeProvider/1"

        def log_message(self, *_: Any) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(datetime.now(UTC) + provider.scenario.skew, usegmt=True)

        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):  # the client has had enough
                self._answer()

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = parts.path.removeprefix("/v1")
            request, fault = provider._note(path, parts.query, headers)
            if fault is not None and fault.do in _ON_THE_WIRE:
                _ON_THE_WIRE[fault.do](self, fault, provider)
                return
            if provider.scenario.key not in _credential(headers):
                self.send(401, {"error": {"message": "a key that is not ours", "code": "invalid_api_key"}})
                return
            try:
                document = provider._document(request)
            except LookupError:
                self.send(404, {"error": {"message": f"no {path} here", "code": "not_found"}})
            except wire.Expired:
                self.send(410, {"error": {"message": "the cursor belongs to another query", "code": "expired"}})
            except (wire.Wrong, KeyError, ValueError) as wrong:
                self.send(400, {"error": {"message": str(wrong), "code": "invalid_request"}})
            else:
                if fault is not None:
                    document = _changed(fault, document, provider._state)
                elif cursor := document.get("next_page"):
                    provider._state.cursors.append(cursor)
                body = json.dumps(document).encode()
                self.send(200, body[: len(body) // 2] if fault is not None and fault.do == "cut" else body)

        def send(self, status: int, body: Any, kind: str = "application/json", **extra: str) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            for name, value in extra.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

    return Handler


def _credential(headers: dict[str, str]) -> str:
    basic = headers.get("authorization", "")
    if basic.startswith("Basic "):
        import base64

        return base64.b64decode(basic.removeprefix("Basic ")).decode()
    return basic.removeprefix("Bearer ") or headers.get("x-api-key", "")


def _status(handler: Any, fault: Fault, provider: FakeProvider) -> None:
    extra = {}
    if fault.retry_after is not None:
        later = format_datetime(datetime.now(UTC) + provider.scenario.skew + timedelta(seconds=2), usegmt=True)
        extra["Retry_After"] = later if fault.retry_after == "date" else str(fault.retry_after)
    document = fault.body or json.dumps({"error": {"message": "a fault of the script", "code": "scripted"}})
    handler.send(fault.status, document.encode(), **extra)


def _reset(handler: Any, *_: Any) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def _stall(handler: Any, _: Fault, provider: FakeProvider) -> None:
    provider._closing.wait(60)
    handler.close_connection = True


def _broken(handler: Any, *_: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"object": "page", "data": [')
    handler.close_connection = True


def _html(handler: Any, *_: Any) -> None:
    handler.send(200, b"<html><body>Down for maintenance</body></html>", kind="text/html")


def _endless(handler: Any, _: Fault, provider: FakeProvider) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    handler.wfile.write(b'{"data": [')
    while not provider._closing.is_set():
        handler.wfile.write(b"1," * 500_000)


_ON_THE_WIRE: dict[str, Callable[[Any, Fault, FakeProvider], None]] = {
    "status": _status, "reset": _reset, "stall": _stall, "broken": _broken, "html": _html, "endless": _endless,
}  # fmt: skip
_NULL = "service_tier"


def _changed(fault: Fault, document: Document, state: _State) -> Document:
    """The answer with a change that providers make to their pages and schemas."""
    if fault.do == "loop":
        return {**document, "has_more": True, "next_page": state.cursors[-1] if state.cursors else "again"}
    if fault.do == "no_cursor":
        return {**document, "has_more": True, "next_page": None}
    change = _CHANGES.get(fault.do)
    for record in _records(document) if change else ():
        change(record)  # type: ignore[misc]
    return document


def _records(document: Document) -> Iterator[Document]:
    for item in document["data"]:
        yield from item.get("results", [item])


def _rename(record: Document) -> None:
    for old in ("input_tokens", "uncached_input_tokens", "prompt_tokens"):
        if old in record:
            record[f"{old}_v2"] = record.pop(old)


def _as_text(record: Document) -> None:
    for name, value in record.items():
        if name.endswith("_tokens") and isinstance(value, int):
            record[name] = str(value)


_CHANGES: dict[str, Callable[[Document], Any]] = {
    "extra_field": lambda record: record.update(carbon_grams=12),
    "null_optional": lambda record: record.pop(_NULL, None),
    "number_as_string": _as_text,
    "renamed": _rename,
    "new_model": lambda record: record.update(model="model-nobody-knows-2031"),
    "new_tier": lambda record: record.update({_NULL: "tier-nobody-knows"}),
}
