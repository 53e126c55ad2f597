"""Web server, worker and scheduler as one program: started together, each started again when it ends, stopped together.

The parts are `manage.py` commands of their own, so that each holds the embedded database as long as it lives. They end
when we do, also when we are killed: each reads a pipe of which we alone have the other end.
"""

import contextlib
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
FIRST_PORT, PORTS_TRIED = 8000, 50
READY_SECONDS, STOP_SECONDS, POLL_SECONDS = 60.0, 20.0, 0.2
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before a part that ended is started again; each twice the one before
MOST_ENDS, ENDS_SECONDS = 5, 60.0  # so many ends of one part within so long are no accident
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotServed(Exception):
    """The site could not be started, or a part of it ends time and again; the message says which."""


@dataclass
class Part:
    """One of the programs, the times it ended, and when it is to be started again (of a clock in seconds)."""

    name: str
    arguments: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    began_at: float = 0.0
    due_at: float = 0.0
    ends: list[float] = field(default_factory=list)  # since it last ran for ENDS_SECONDS

    def ended(self, how: str, now: float) -> float:
        """Note that it ended by itself; seconds until it is due again. Raises NotServed when that happens too often."""
        if now - self.began_at >= ENDS_SECONDS:
            self.ends.clear()
        self.ends.append(now)
        lately = sum(now - at < ENDS_SECONDS for at in self.ends)
        if lately >= MOST_ENDS:
            raise NotServed(f"the {self.name} ended {lately} times within a minute, the last time {how}")
        pause: float = min(FIRST_PAUSE * 2 ** min(len(self.ends) - 1, 10), LONGEST_PAUSE)
        self.due_at = now + pause
        return pause


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

    A part that ends by itself is started again after a pause. Raises NotServed when one ends time and again, or the
    site does not answer in time; the others are stopped first.
    """
    asked = threading.Event()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in SIGNALS}
    parts = [
        Part("web server", ("web", "--port", str(port))), Part("worker", ("worker",)), Part("scheduler", ("beat",)),
    ]  # fmt: skip
    try:
        _watch(parts, port, ready, asked)
    finally:
        _stop([part.process for part in parts if part.process is not None])
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    manage = Path(settings.BASE_DIR) / "manage.py"
    return subprocess.Popen(  # noqa: S603  our own command, without a shell
        [sys.executable, str(manage), *arguments, "--while-stdin-open"],
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


def _watch(parts: Sequence[Part], port: int, ready: Callable[[str], None], asked: threading.Event) -> None:
    deadline, answered = time.monotonic() + READY_SECONDS, False
    while not asked.is_set():
        for part in parts:
            _keep(part)
        if not answered and _answers(port):
            answered = True
            ready(f"http://{HOST}:{port}/")
        if not answered and time.monotonic() > deadline:
            raise NotServed(f"the web server does not answer within {READY_SECONDS:.0f} seconds")
        asked.wait(POLL_SECONDS)


def _keep(part: Part) -> None:
    """Start the part if it is due; where it has ended, end what it started and say when it starts again."""
    now, process = time.monotonic(), part.process
    if process is None:
        if now >= part.due_at:
            part.process, part.began_at = _start(*part.arguments), now
        return
    code = process.poll()
    if code is None:
        return
    _end(process)
    part.process = None
    how = f"by itself (exit code {code})" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    pause = part.ended(how, now)
    log.warning("the %s ended, %s; it is started again in %.0f s", part.name, how, pause)


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


def _stop(processes: "Sequence[subprocess.Popen[bytes]]") -> None:
    """Ask all to stop, wait, and end what is left, with the processes that they started."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it and what it started, at once."""
    with contextlib.suppress(ProcessLookupError):  # nothing is left of it
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
