"""Readers while usage comes in: how much later pages and API answer, and whether one costly question hurts the others.

``python -m tests.bench.load [--events 5000000 --days 31 --readers 8 --seconds 60]``. Loads the events through the product's
own import, serves the site as `manage.py up` does, and reads it with as many sessions at once: idle, while a file is
ingested and derived, and while 20 of the dearest questions there are run. Prints p50 and p95 with their ratio to idle,
requests a second, and the errors, of which there may be none.
"""

import argparse
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.bench import payloads

PATHS = (
    "/overview/", "/explore/", "/tiers/", "/tiers/agents/", "/roi/", "/budgets/", "/forecast/", "/data-health/", "/kpis/",
    "/allocation/", "/periods/", "/api/v1/costs?month=2026-09&group_by=x_CostCentre,x_Model",
    "/api/v1/costs?month=2026-09&group_by=ServiceProviderName&granularity=day", "/api/v1/tiers?month=2026-09",
    "/api/v1/bridge?month=2026-09", "/api/v1/data-health", "/readyz",
)  # fmt: skip
WORST = (
    "/api/v1/costs?start=2026-09-01&end=2026-11-01&group_by=x_CostCentre,x_Model,x_QueryTier,x_Feature&granularity=day&limit=1000",
    "/api/v1/tiers/distribution?month=2026-09",
    "/api/v1/tiers/months?month=2026-09",
    "/api/v1/bridge?month=2026-09&group_by=x_Model,x_CostCentre",
)
WORST_AT_ONCE, PASSWORD = 20, "correct horse battery"


class Timed:
    """Seconds of every answer, and what went wrong."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.of_path: dict[str, list[float]] = defaultdict(list)
        self.wrong: list[str] = []
        self.elapsed = 0.0

    def get(self, client: httpx.Client, path: str) -> None:
        """Ask once."""
        begin = time.perf_counter()
        try:
            answer = client.get(path)
        except httpx.HTTPError as error:
            self.wrong.append(f"{path}: {error!r}")
            return
        self.seconds.append(time.perf_counter() - begin)
        self.of_path[path].append(self.seconds[-1])
        if answer.status_code != 200:
            self.wrong.append(f"{path}: {answer.status_code} {answer.text[:120]}")

    def at(self, share: float) -> float:
        """A quantile."""
        return sorted(self.seconds)[min(int(share * len(self.seconds)), len(self.seconds) - 1)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("events", 5_000_000), ("days", 31), ("readers", 8), ("seconds", 60), ("more", 300_000)):
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), given)


def _run(folder: Path, given: Any) -> None:
    from finops.database import embedded

    os.environ |= {
        "FINOPS_DATA_DIR": str(folder / "data"), "DATABASE_URL": embedded.ensure_running(folder / "data").url,
        "DJANGO_SETTINGS_MODULE": "finops.settings",
    }  # fmt: skip
    begin = time.perf_counter()
    events = _filled(folder, given)
    print(f"{events:,} events imported and derived in {time.perf_counter() - begin:,.0f} s")
    more = payloads.write(folder / "more.jsonl", given.more, days=given.days, seed=11)
    port = _free_port()
    served = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", str(port)], stdout=subprocess.DEVNULL, text=True
    )
    try:
        url = _answering(f"http://127.0.0.1:{port}")
        sessions = [_session(url) for _ in range(given.readers)]
        _read(sessions, PATHS, 5)  # what is loaded once
        idle = _read(sessions, PATHS, given.seconds)
        _told("idle", idle, idle)
        ingest = subprocess.Popen(
            [sys.executable, "manage.py", "ingest_file", str(more), "--source", "litellm", "--account", "more"],
            stdout=subprocess.DEVNULL,
        )
        busy = _read(sessions, PATHS, given.seconds, until=lambda: ingest.poll() is not None)
        _told(f"while {given.more:,} events come in", busy, idle)
        if ingest.wait() != 0:
            raise SystemExit("the import failed")
        worst = Timed()
        askers = [
            threading.Thread(target=worst.get, args=(_session(url), WORST[n % len(WORST)]))
            for n in range(WORST_AT_ONCE)
        ]
        for asker in askers:
            asker.start()
        hurt = _read(sessions, PATHS, given.seconds, until=lambda: not any(asker.is_alive() for asker in askers))
        _told(f"while {WORST_AT_ONCE} of the dearest questions run", hurt, idle)
        print(f"  these took up to {max(worst.seconds):.2f} s")
        wrong = [*idle.wrong, *busy.wrong, *hurt.wrong, *worst.wrong]
        print(f"errors: {len(wrong)}", *wrong[:10], sep="\n  ")
    finally:
        served.terminate()
        served.wait(60)


def _filled(folder: Path, given: Any) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    from allocation import derived
    from allocation.models import Grant
    from allocation.policies import load_default
    from allocation.value import agent_tasks
    from finops.models import User
    from ingest import facts
    from ingest.services import Import, ingest_file

    call_command("migrate", verbosity=0)
    call_command("setup", verbosity=0)
    load_default(actor="bench")
    ingest_file(Import(payloads.write(folder / "month.jsonl", given.events, days=given.days), "litellm"))
    derived.refresh()
    while agent_tasks.refresh():  # else a worker would do it while the idle site is read
        pass
    user = User.objects.create_user("bench", password=PASSWORD)
    Grant.objects.create(user=user, role=Grant.Role.FINANCE)
    return facts.count_facts()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answering(url: str) -> str:
    for _ in range(240):
        try:
            httpx.get(f"{url}/healthz", timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.5)
        else:
            return url
    raise SystemExit("the site does not answer")


def _session(url: str) -> httpx.Client:
    client = httpx.Client(base_url=url, follow_redirects=True, timeout=120)
    client.get("/login/")
    form = {"username": "bench", "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    answer = client.post("/login/", data=form, headers={"Referer": f"{url}/login/"})
    if answer.status_code != 200 or "/login/" in str(answer.url):
        raise SystemExit(f"cannot log in: {answer.status_code} {answer.url}")
    return client


def _read(
    sessions: Sequence[httpx.Client], paths: Sequence[str], seconds: float, until: Callable[[], bool] = lambda: False
) -> Timed:
    """Every session asks one path after another until the time is over, or what runs beside it is done."""
    timed, end = Timed(), time.perf_counter() + seconds

    def reads(client: httpx.Client, seed: int) -> None:
        dice = random.Random(seed)
        while time.perf_counter() < end and not (until() and len(timed.seconds) >= len(paths)):
            timed.get(client, dice.choice(paths))

    readers = [threading.Thread(target=reads, args=(client, number)) for number, client in enumerate(sessions)]
    begin = time.perf_counter()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    timed.elapsed = time.perf_counter() - begin
    return timed


def _told(what: str, timed: Timed, idle: Timed) -> None:
    rate = len(timed.seconds) / timed.elapsed
    print(
        f"{what:<50} p50 {timed.at(0.5) * 1000:7.0f} ms  p95 {timed.at(0.95) * 1000:7.0f} ms = "
        f"{timed.at(0.95) / idle.at(0.95):.2f} x idle  {rate:5.1f} requests/s",
        flush=True,
    )
    slowest = sorted(((statistics.median(each), path) for path, each in timed.of_path.items()), reverse=True)[:4]
    print("  p50 of the slowest:", *(f"{path} {seconds:.2f} s" for seconds, path in slowest), flush=True)


if __name__ == "__main__":
    main()
