"""Run tasks."""

import warnings
from typing import Any

from django.core.management.base import CommandParser
from django.db import connections

from finops import broker
from web.management.base import LedgerCommand, count
from web.runner import end_with_stdin


class Command(LedgerCommand):
    """A Celery worker inside this process, which keeps its hold on the embedded database."""

    help = "Run tasks in the background."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--processes", type=count, default=2)
        parser.add_argument("--beat", action="store_true", help="be the scheduler too; there must be only one")
        parser.add_argument("--while-stdin-open", action="store_true", help="end when standard input does")

    def run(self, **options: Any) -> None:
        if options["while_stdin_open"]:
            end_with_stdin()
        warnings.filterwarnings("ignore", message=".*superuser privileges")
        broker.install()
        connections.close_all()  # the processes that Celery forks must not share this one
        from finops.celery import app

        chatter = ["--without-mingle", "--without-gossip", "--without-heartbeat"]  # pgmq cannot broadcast
        clock = ["--beat"] if options["beat"] else []
        app.start(
            ["--quiet", "worker", "--loglevel=WARNING", f"--concurrency={options['processes']}", *chatter, *clock]
        )
