"""Child processes that work on the test database."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    """The environment of this process, with the test database as DATABASE_URL."""
    from django.db import connection

    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    return os.environ | {"DATABASE_URL": url.geturl(), "FINOPS_BOOTSTRAP": "0", "PYTHONUNBUFFERED": "1"}


def manage(*arguments: str) -> "subprocess.Popen[str]":
    """`manage.py` with these arguments; stdout and stderr are piped."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=environment(), cwd=ROOT, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until it is true; False when it did not become true in three times the seconds that an idle machine may take."""
    deadline = time.monotonic() + 3 * seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def descendants(pid: int) -> dict[int, str]:
    """Every process below this one, with its command line."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        below = {int(row[0]): row[2] for row in rows if int(row[1]) in parents}
        found |= below
        parents = set(below)
    return found


def alive(pid: int) -> bool:
    """Whether the process runs (one that is dead and not reaped does not)."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip()) and not listed.stdout.strip().startswith("Z")
