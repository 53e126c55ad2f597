"""`up`: the real web server, worker and scheduler, started together, kept running and stopped together."""

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
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from finops.models import SiteMark
from finops.tasks import WORKER
from tests.processes import alive, descendants, manage, until
from web import runner

pytestmark = pytest.mark.slow
SECONDS = 60
PARTS = ("web", "worker", "beat")


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
    found: dict[str, int] = {}  # the lowest id is the part itself; what it forked has its command line
    for pid in sorted(children):
        for name in PARTS:
            if name in children[pid] and name not in found:
                found[name] = pid
    return found


def ticked_after(moment: datetime) -> bool:
    """Whether scheduler, broker and a worker have run the heartbeat since."""
    return SiteMark.objects.filter(name=WORKER, at__gt=moment).exists()


def test_up_serves_and_a_part_that_ends_time_and_again_stops_all_with_an_error(
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
    everything: set[int] = set()

    def killed_again() -> bool:
        everything.update(descendants(process.pid))
        if "worker" in (parts := parts_of(process)):
            os.kill(parts["worker"], signal.SIGKILL)
        return process.poll() is not None

    assert set(parts_of(process)) == set(PARTS)
    assert until(killed_again, SECONDS), "five deaths within a minute are no accident"
    assert process.returncode == 1
    told = process.stderr.read() if process.stderr else ""
    pauses = re.findall(r"the worker ended, killed by SIGKILL; it is started again in (\d+) s", told)
    assert pauses == ["1", "2", "4", "8"]
    assert "error: the worker ended 5 times within a minute, the last time killed by SIGKILL" in told
    assert until(lambda: not any(map(alive, everything)), 10), "no process is left"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_parts_that_are_killed_are_started_again(started: "Callable[..., subprocess.Popen[str]]") -> None:
    port = a_free_port()
    process = started("up", "--port", str(port))
    first_lines(process)
    assert until(lambda: ticked_after(timezone.now() - timedelta(hours=1)), SECONDS), "it ticks"
    former, everything = parts_of(process), set(descendants(process.pid))
    for pid in everything:  # the three parts and all that they forked: the worker's pool, the web server's workers
        os.kill(pid, signal.SIGKILL)
    killed_at = timezone.now()

    def restarted() -> bool:
        return len(parts := parts_of(process)) == len(PARTS) and not set(parts.values()) & set(former.values())

    assert until(restarted, SECONDS), parts_of(process)
    assert until(lambda: ticked_after(killed_at), SECONDS), "the schedule goes on"
    assert until(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").status == 200, 1)
    assert process.poll() is None
    process.terminate()
    assert process.wait(SECONDS) == 0
    told = process.stderr.read() if process.stderr else ""
    for name in ("web server", "worker", "scheduler"):
        assert told.count(f"the {name} ended, killed by SIGKILL; it is started again in 1 s") == 1


@pytest.mark.parametrize("name", ["beat", "pool"])
def test_one_that_dies_alone_is_started_again_alone(started: "Callable[..., subprocess.Popen[str]]", name: str) -> None:
    process = started("up", "--port", str(a_free_port()))
    first_lines(process)
    assert until(lambda: ticked_after(timezone.now() - timedelta(hours=1)), SECONDS), "it ticks"
    parts = parts_of(process)
    for pid in descendants(parts["worker"]) if name == "pool" else [parts["beat"]]:
        os.kill(pid, signal.SIGKILL)
    killed_at = timezone.now()
    assert until(lambda: ticked_after(killed_at), SECONDS)
    now = parts_of(process)
    assert [part for part in PARTS if now[part] != parts[part]] == (["beat"] if name == "beat" else ["worker"])


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
    assert set(parts_of(process)) == set(PARTS)
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
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.01)
    said = r"the web server ended 5 times within a minute, the last time by itself \(exit code 1\)"
    with pytest.raises(runner.NotServed, match=said):
        runner.serve(a_free_port(), lambda _: None)


def test_the_pause_before_a_restart_doubles_up_to_a_minute() -> None:
    """A part that lives for 30 seconds each time: never five ends within a minute."""
    part, now, pauses = runner.Part("worker", ()), 1_000.0, []
    for _ in range(9):
        part.began_at = now
        now += 30
        pauses.append(part.ended("by itself", now))
        assert part.due_at == now + pauses[-1]
        now = part.due_at
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    part.began_at, now = now, now + 60
    assert part.ended("by itself", now) == 1, "it had run for a minute"


def test_five_ends_within_a_minute_are_the_end() -> None:
    part = runner.Part("worker", ())
    for second in (0, 10, 20, 30):
        part.began_at = second - 1
        part.ended("by itself", second)
    part.began_at = 30
    with pytest.raises(runner.NotServed, match="the worker ended 5 times within a minute, the last time by itself"):
        part.ended("by itself", 59)
    part.ends = [0, 10, 20, 30]
    assert part.ended("by itself", 60) == 16, "the first is a minute ago: 1, 2, 4, 8, 16"
