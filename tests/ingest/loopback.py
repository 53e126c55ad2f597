"""A server on loopback that answers by a script and remembers what it was asked; it stops by itself."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

JSON = {"Content-Type": "application/json"}


class Reply(NamedTuple):
    """One scripted answer. ``raw`` instead of all else: it does with the handler what it likes."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = JSON
    raw: Callable[[BaseHTTPRequestHandler], None] | None = None


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Loopback:
    """``replies`` in order; the last one for ever."""

    def __init__(self, replies: tuple[Reply, ...]) -> None:
        self.replies, self.asked, self.lock = list(replies), list[Asked](), threading.Lock()
        self.date = ""  # what its clock says, if not the time
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with loopback.lock:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    loopback.asked.append(Asked(self.command, self.path, headers, body))
                    reply = loopback.replies.pop(0) if len(loopback.replies) > 1 else loopback.replies[0]
                if reply.raw:
                    self.close_connection = True
                    try:
                        reply.raw(self)
                    except OSError:  # the client had enough
                        return
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = answer  # noqa: N815

            def date_time_string(self, timestamp: float | None = None) -> str:
                return loopback.date or super().date_time_string(timestamp)

            def log_message(self, *_: Any) -> None:
                return

        return Handler


@contextmanager
def serving(*replies: Reply) -> Iterator[Loopback]:
    loopback = Loopback(replies or (Reply(),))
    thread = threading.Thread(target=loopback.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield loopback
    finally:
        loopback.server.shutdown()
        loopback.server.server_close()
        thread.join()


def head(handler: BaseHTTPRequestHandler, **headers: str) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    for name, value in headers.items():
        handler.wfile.write(f"{name.replace('_', '-')}: {value}\r\n".encode())
    handler.wfile.write(b"\r\n")


def reset(handler: BaseHTTPRequestHandler) -> None:
    """RST instead of FIN."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    head(handler, Content_Length="1000")
    handler.wfile.write(b'{"data": [')


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    head(handler, Content_Length="100000")
    drip(handler)


def drip_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(handler)


def drip(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(200):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def silent(_: BaseHTTPRequestHandler) -> None:
    time.sleep(1.0)
