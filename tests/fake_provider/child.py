"""A child process that synchronises connections the way a worker does, for tests that kill, stop or starve it.

``python -m tests.fake_provider.child sync NAME``: until no window is left; prints ``done``.
``... worker`` and ``... beat``: `manage.py worker` and `manage.py beat`, a second for every minute between ticks.

Short leases and small batches by FAKE_LEASE (seconds) and FAKE_BATCH (rows); only the streams whose name holds
FAKE_STREAM. FAKE_STOP=page|within|copy|count: the process stops itself (SIGSTOP) after its second page, in the middle
of its second COPY of facts, after it, or when the second batch is counted and not committed; it says ``here`` before.
"""

import os
import signal
import sys
import time
from datetime import timedelta
from typing import Any


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops.settings")
    import django

    django.setup()
    _patch()
    from django.core.management import call_command

    what = sys.argv[1]
    if what == "sync":
        _sync(sys.argv[2])
        print("done", flush=True)  # noqa: T201  the parent waits for it
    elif what == "worker":
        call_command("worker", processes=1)
    else:
        call_command("beat")


def _sync(name: str) -> None:
    from ingest.lease import Busy
    from ingest.models import Connection
    from ingest.pull import LeaseLost
    from ingest.sync import sync

    while True:
        try:
            outcome = sync(Connection.objects.get(name=name))
        except (Busy, LeaseLost):  # a short lease may pass while the machine is busy
            time.sleep(0.1)
            continue
        if not outcome.left and not outcome.errors:
            return
        time.sleep(0.1)


def _patch() -> None:
    import psycopg
    from celery.fixups.django import DjangoWorkerFixup

    from finops.celery import app
    from ingest import facts, intake, lease, reading, runs, sync
    from ingest.sources import get_source
    from tests.fake_provider import pulled

    lease.LEASE = runs.LEASE = timedelta(seconds=float(os.environ.get("FAKE_LEASE", "300")))
    sync.FIRST_REST = timedelta(seconds=1)
    intake.BATCH_ROWS = reading.GROUP_ROWS = int(os.environ.get("FAKE_BATCH", "100"))
    for entry in app.conf.beat_schedule.values():
        # What is done every minute is done every second; what is done hourly would leave a worker no time for it.
        entry["schedule"], entry["options"] = max(1.0, entry["schedule"] / 60), {"expires": 5}
    source, streams = type(get_source("openai")), type(get_source("openai")).streams
    word = os.environ.get("FAKE_STREAM", "completions")
    source.streams = lambda self, options: [item for item in streams(self, options) if word in item.name]  # type: ignore
    assert pulled.stream_of("openai", word)
    DjangoWorkerFixup.validate_models = lambda self: None  # its checks import all pages: seconds per process
    calls = {"page": 0, "within": 0, "copy": 0, "count": 0}

    def stopping(name: str, function: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            calls[name] += 1
            if os.environ.get("FAKE_STOP") == name and calls[name] == 2:
                print("here", flush=True)  # noqa: T201
                os.kill(os.getpid(), signal.SIGSTOP)
            return result

        return wrapped

    whole = psycopg.Copy.write

    def halves(copy: Any, data: Any) -> None:
        whole(copy, data[: len(data) // 2])
        if b"COPY usage_event" in copy.cursor._query.query:
            within()
        whole(copy, data[len(data) // 2 :])

    within = stopping("within", lambda: None)
    psycopg.Copy.write = halves  # type: ignore[method-assign]
    sync.Lease.renew = stopping("page", sync.Lease.renew)  # type: ignore[method-assign]
    facts.copy_direct = stopping("copy", facts.copy_direct)
    runs.quarantine = stopping("count", runs.quarantine)  # the last statement of a batch


if __name__ == "__main__":
    main()
