"""Run the scheduler."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import connections

from finops import broker
from web.management.base import LedgerCommand
from web.runner import end_with_stdin


class Command(LedgerCommand):
    """Celery's beat; only one may run."""

    help = "Run the scheduler."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--while-stdin-open", action="store_true", help="end when standard input does")

    def run(self, **options: Any) -> None:
        if options["while_stdin_open"]:
            end_with_stdin()
        broker.install()
        connections.close_all()
        from finops.celery import app

        app.start(["--quiet", "beat", "--loglevel=WARNING", "--pidfile="])
