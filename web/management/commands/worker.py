"""Run tasks."""

import logging
import os
import signal
import warnings
from contextlib import suppress
from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.signals import worker_ready
from django.core.management.base import CommandParser
from django.db import connections

from finops import broker
from web.management.base import LedgerCommand, count
from web.runner import end_with_stdin

log = logging.getLogger(__name__)


class Command(LedgerCommand):
    """A Celery worker inside this process, which keeps its hold on the embedded database.

    The scheduler is a program of its own (`beat`): as a child of this one it could end without anybody noticing.
    """

    help = "Run tasks in the background."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--processes", type=count, default=2)
        parser.add_argument("--while-stdin-open", action="store_true", help="end when standard input does")

    def run(self, **options: Any) -> None:
        if options["while_stdin_open"]:
            end_with_stdin()
        warnings.filterwarnings("ignore", message=".*superuser privileges")
        broker.install()
        connections.close_all()  # the processes that Celery forks must not share this one
        from finops.celery import app

        worker_ready.connect(_guard)
        chatter = ["--without-mingle", "--without-gossip", "--without-heartbeat"]  # pgmq cannot broadcast
        app.start(["--quiet", "worker", "--loglevel=WARNING", f"--concurrency={options['processes']}", *chatter])


def _guard(sender: Any, **_: Any) -> None:
    """End with a process of the pool that was killed, so that whoever started us starts a whole worker again.

    An idle one waits for tasks with a lock in its hand, which dies with it: the one that Celery puts in its place, and
    all others, would wait for that lock for ever, and the worker would look alive.
    """
    pool = sender.pool._pool
    if isinstance(pool, AsynPool):
        return  # over Redis each process has a pipe of its own, and no lock

    def ended(process: Any) -> None:
        if process.exitcode >= 0:
            return
        log.error("a process of the worker was killed by %s; the worker ends", signal.Signals(-process.exitcode).name)
        for other in pool._pool:
            with suppress(ProcessLookupError):
                os.kill(other.pid, signal.SIGKILL)
        os._exit(1)

    pool.on_process_down = ended
