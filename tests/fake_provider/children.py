"""Child processes that pull (``tests.fake_provider.child``), and a reader that looks at the ledger all the while."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.processes import ROOT, descendants, environment, until


@dataclass
class Child:
    """A process of tests.fake_provider.child, and what it writes to stderr."""

    process: "subprocess.Popen[str]"
    log: Path

    def told(self) -> str:
        """How it ended, if it did, and what it said."""
        return f"{self.process.poll()}: {self.log.read_text()[-6_000:]}"

    def reaches(self, true: Callable[[], bool], seconds: float = 25) -> bool:
        """Wait until it is true, unless the process ends."""
        until(lambda: true() or self.process.poll() is not None, seconds)
        return true()

    def says(self, line: str) -> bool:
        """Whether this is its next line on stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline() == f"{line}\n"

    def is_stopped(self) -> bool:
        """Whether it, or a process that it has forked, has stopped itself."""
        pids = [str(pid) for pid in (self.process.pid, *descendants(self.process.pid))]
        listed = subprocess.run(
            ["ps", "-o", "stat=", "-p", ",".join(pids)], capture_output=True, text=True, check=False
        )
        return any(line.startswith("T") for line in listed.stdout.splitlines())

    def kill(self) -> None:
        """SIGKILL it and all it has forked."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


@contextmanager
def children(folder: Path) -> Iterator[Callable[..., Child]]:
    """Start children with ``start("sync", "NAME", lease=2)``; none outlives the block."""
    started: list[Child] = []

    def start(*arguments: str, env: Mapping[str, str] = {}, **patches: Any) -> Child:
        given = {f"FAKE_{name.upper()}": str(value) for name, value in patches.items()}
        log = folder / f"child{len(started)}.log"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fake_provider.child", *arguments], cwd=ROOT, text=True,
            env=environment() | {"FINOPS_ALLOWED_NETWORKS": "127.0.0.0/8"} | given | env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log.open("w"), start_new_session=True,
        )  # fmt: skip
        started.append(Child(process, log))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            if one.process.poll() is None:
                one.kill()


@contextmanager
def watched() -> Iterator[list[tuple[Any, ...]]]:
    """Look at the ledger all the while, each time in one snapshot; collects what no reader may ever see."""
    wrong: list[tuple[Any, ...]] = []
    stop = threading.Event()
    url = environment()["DATABASE_URL"]

    def look() -> None:
        while not stop.is_set():
            try:
                with psycopg.connect(url, autocommit=True) as link:
                    while not stop.wait(0.02):
                        row = link.execute(
                            "SELECT (SELECT count(*) FROM usage_event), coalesce(sum(stored), 0), count(*) FILTER (WHERE "
                            "read <> stored + changed + duplicate + quarantined + (SELECT coalesce(sum(v::bigint), 0) FROM "
                            "jsonb_each_text(skipped) AS s (k, v))) FROM ingest_ingestrun"
                        ).fetchone()
                        if row is None or row[0] != row[1] or row[2]:
                            wrong.append(row or ())
            except psycopg.OperationalError:
                stop.wait(0.1)  # the database is away

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join()
