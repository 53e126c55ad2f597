"""Ask whether the background work runs."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from finops.celery import HEARTBEAT_SECONDS
from finops.models import SiteMark
from finops.tasks import WORKER
from web.management.base import Failed, LedgerCommand

MISSED = 5  # heartbeats


class Command(LedgerCommand):
    """Done when scheduler, broker and a worker have run the heartbeat lately; for health checks."""

    help = "Say whether a worker runs the scheduler's ticks."

    def run(self, **options: Any) -> dict[str, Any]:
        mark = SiteMark.objects.filter(name=WORKER).first()
        age = None if mark is None else timezone.now() - mark.at
        if age is None or age > MISSED * timedelta(seconds=HEARTBEAT_SECONDS):
            raise Failed("no worker has run the scheduler's ticks lately")
        self.stdout.write(f"The last heartbeat was {age.total_seconds():.0f} s ago.")
        return {"seconds_ago": round(age.total_seconds(), 1)}
