"""Run the scheduler."""

from typing import Any

from django.db import connections

from finops import broker
from web.management.base import LedgerCommand


class Command(LedgerCommand):
    """Celery's beat; only one may run. On one machine `worker --beat` does both."""

    help = "Run the scheduler."

    def run(self, **options: Any) -> None:
        broker.install()
        connections.close_all()
        from finops.celery import app

        app.start(["--quiet", "beat", "--loglevel=WARNING", "--pidfile="])
