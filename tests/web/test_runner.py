"""`up`: the real web server, worker and scheduler, started and stopped together."""

import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.processes import alive, descendants, manage, until
from web import runner

pytestmark = pytest.mark.slow
SECONDS = 60


@pytest.fixture
def started(ledger: None) -> "Iterator[Callable[..., subprocess.Popen[str]]]":
    """Starts commands; whatever they leave is ended."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        processes.append(manage(*arguments))
        return processes[-1]

    yield start
    for process in processes:
        for pid in (*descendants(process.pid), process.pid):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=20)


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_lines(process: "subprocess.Popen[str]") -> str:
    """What it prints up to the line with the URL."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Open "):
            return "".join(lines)
    raise AssertionError(f"ended without serving: {process.communicate(timeout=10)[1]}")


def log_in(url: str, user: str, password: str) -> tuple[int, str]:
    """Status and address of the page after the log-in form was sent."""
    jar = http.cookiejar.CookieJar()
    client = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = client.open(f"{url}login/", timeout=20).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    fields = {"csrfmiddlewaretoken": token[1], "username": user, "password": password}
    answer = client.open(f"{url}login/", urllib.parse.urlencode(fields).encode(), timeout=40)
    assert any(cookie.name == "sessionid" for cookie in jar), "the log-in was refused"
    return answer.status, answer.url


def parts_of(process: "subprocess.Popen[str]") -> dict[str, int]:
    """The runner's own children: name of the command -> pid."""
    children = {pid: line.split() for pid, line in descendants(process.pid).items()}
    found: dict[str, int] = {}
    for pid in sorted(children):
        for name in ("web", "worker"):
            if name in children[pid] and name not in found:
                found[name] = pid
    return found


def test_up_serves_and_one_dead_part_stops_all_with_an_error(
    started: "Callable[..., subprocess.Popen[str]]",
) -> None:
    port = a_free_port()
    process = started("up", "--port", str(port))
    said = first_lines(process)
    password = re.search(r"log in as admin with the password (\S+)", said)
    assert password is not None
    assert f"Open http://127.0.0.1:{port}/" in said
    status, address = log_in(f"http://127.0.0.1:{port}/", "admin", password[1])
    assert status == 200
    assert "/login" not in address

    parts, everything = parts_of(process), descendants(process.pid)
    assert set(parts) == {"web", "worker"}
    os.kill(parts["worker"], signal.SIGKILL)
    assert process.wait(SECONDS) == 1
    assert "the worker ended by itself" in (process.stderr.read() if process.stderr else "")
    assert until(lambda: not any(map(alive, everything)), 10), "no process is left"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_cleanly(
    started: "Callable[..., subprocess.Popen[str]]", number: signal.Signals
) -> None:
    process = started("up", "--port", str(a_free_port()))
    first_lines(process)
    everything = descendants(process.pid)
    process.send_signal(number)
    assert process.wait(SECONDS) == 0
    assert until(lambda: not any(map(alive, everything)), 10), "no process is left"


def test_killed_it_leaves_no_part_behind(started: "Callable[..., subprocess.Popen[str]]") -> None:
    process = started("up", "--port", str(a_free_port()))
    first_lines(process)
    everything = descendants(process.pid)
    assert {"web", "worker"} <= set(parts_of(process))
    process.kill()
    try:
        assert until(lambda: not any(map(alive, everything)), SECONDS), "its parts have noticed"
    finally:
        for pid in filter(alive, everything):
            os.kill(pid, signal.SIGKILL)


def test_a_port_in_use_is_said_at_once(started: "Callable[..., subprocess.Popen[str]]") -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = started("up", "--port", str(port))
        _, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 1
        assert f"port {port} is in use" in said
        assert runner.free_port(port, otherwise_next=True) > port


def test_a_part_that_cannot_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_start", lambda *_: subprocess.Popen(["false"], start_new_session=True))
    with pytest.raises(runner.NotServed, match=r"the web server ended by itself \(exit code 1\)"):
        runner.serve(a_free_port(), lambda _: None)
