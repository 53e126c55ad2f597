"""Serve the web application."""

import os
import shutil
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from web.management.base import LedgerCommand, count, tcp_port
from web.runner import end_with_stdin

_SHARED_COUNTERS = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is first imported


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    """Gunicorn inside this process, which keeps its hold on the embedded database."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        super().__init__()

    def load_config(self) -> None:
        """Our settings instead of a file and the command line."""
        for name, value in self.given.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The WSGI application."""
        from finops.wsgi import application

        return application


class Command(LedgerCommand):
    """Only the web server; `up` starts the worker too."""

    help = "Serve the web application."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=tcp_port, default=8000)
        parser.add_argument("--processes", type=count, default=1)
        parser.add_argument("--threads", type=count, default=16)
        parser.add_argument("--while-stdin-open", action="store_true", help="end when standard input does")

    def run(self, **options: Any) -> None:
        if options["while_stdin_open"]:
            end_with_stdin()
        if options["processes"] > 1:
            _share_counters()
        _Gunicorn(
            bind=f"{options['host']}:{options['port']}", workers=options["processes"], threads=options["threads"],
            worker_class="gthread", timeout=120, graceful_timeout=10, loglevel="warning", proc_name="finops-web",
            child_exit=_forget,
        ).run()  # fmt: skip


def _share_counters() -> None:
    """Several processes answer for one site: /metrics of any adds up what all of them counted."""
    assert "prometheus_client" not in sys.modules, "imported too early: its counters would be this process's alone"
    folder = settings.DATA_DIR / "metrics"
    shutil.rmtree(folder, ignore_errors=True)  # of processes that are gone
    folder.mkdir(parents=True)
    os.environ[_SHARED_COUNTERS] = str(folder)


def _forget(_server: Any, worker: Any) -> None:
    if os.environ.get(_SHARED_COUNTERS):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
