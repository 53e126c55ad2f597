"""Web server, worker and scheduler as one program: started together, stopped together.

The parts are `manage.py` commands of their own, so that each holds the embedded database as long as it lives. They end
when we do, also when we are killed: each reads a pipe of which we alone have the other end.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

HOST = "127.0.0.1"
FIRST_PORT, PORTS_TRIED = 8000, 50
READY_SECONDS, STOP_SECONDS, POLL_SECONDS = 60.0, 20.0, 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotServed(Exception):
    """The site could not be started, or a part of it ended by itself; the message says which."""


def free_port(wanted: int | None, *, otherwise_next: bool) -> int:
    """The wanted port (default 8000) if nobody listens there, else the next free one or NotServed."""
    first = wanted or FIRST_PORT
    for port in range(first, min(first + PORTS_TRIED, 65_536)):
        if _is_free(port):
            return port
        if not otherwise_next:
            raise NotServed(f"port {port} is in use by another program; choose one with --port")
    raise NotServed(f"the ports {first} to {first + PORTS_TRIED - 1} are in use; choose one with --port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def serve(port: int, ready: Callable[[str], None]) -> None:
    """Run until a signal asks to stop; ``ready`` is called with the URL once the site answers.

    Raises NotServed when a part ends by itself or the site does not answer in time; the others are stopped first.
    """
    asked = threading.Event()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in SIGNALS}
    parts: dict[str, subprocess.Popen[bytes]] = {}
    try:
        parts["web server"] = _start("web", "--port", str(port), "--while-stdin-open")
        parts["worker"] = _start("worker", "--beat", "--while-stdin-open")
        _watch(parts, port, ready, asked)
    finally:
        _stop(parts)
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    manage = Path(settings.BASE_DIR) / "manage.py"
    return subprocess.Popen(  # noqa: S603  our own command, without a shell
        [sys.executable, str(manage), *arguments],
        env=os.environ | {"FINOPS_BOOTSTRAP": "0"},  # this Python has what it needs
        stdin=subprocess.PIPE,  # never written to; it ends with us
        stdout=sys.stderr.fileno(),  # stdout belongs to whoever reads the URL from it
        start_new_session=True,  # Ctrl-C reaches us alone, and a part can be ended with all that it started
    )


def end_with_stdin() -> None:
    """From now on this process is asked to end (SIGTERM) when its standard input does."""

    def wait() -> None:
        while os.read(0, 4096):  # not sys.stdin, whose lock a forked child would wait for
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def _watch(
    parts: dict[str, "subprocess.Popen[bytes]"], port: int, ready: Callable[[str], None], asked: threading.Event
) -> None:
    deadline, answered = time.monotonic() + READY_SECONDS, False
    while not asked.wait(POLL_SECONDS):
        for name, part in parts.items():
            if (code := part.poll()) is not None:
                raise NotServed(f"the {name} ended by itself (exit code {code})")
        if not answered and _answers(port):
            answered = True
            ready(f"http://{HOST}:{port}/")
        if not answered and time.monotonic() > deadline:
            raise NotServed(f"the web server does not answer within {READY_SECONDS:.0f} seconds")


def _answers(port: int) -> bool:
    """Whether the site says anything but an error of its own."""
    client = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        client.request("GET", "/healthz")
        return client.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def _stop(parts: dict[str, "subprocess.Popen[bytes]"]) -> None:
    """Ask all to stop, wait, and end what is left, with the processes that they started."""
    for part in parts.values():
        if part.poll() is None:
            part.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for part in parts.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            part.wait(max(0.0, deadline - time.monotonic()))
        _end_group(part)
        if part.stdin is not None:
            part.stdin.close()


def _end_group(part: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(part.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing is left of it
    part.wait()
