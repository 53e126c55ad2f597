"""Ask whether the background work runs."""

from typing import Any

from django.utils import timezone

from web import schedule
from web.management.base import Failed, LedgerCommand


class Command(LedgerCommand):
    """Done when scheduler, broker and a worker have run the heartbeat lately; for health checks."""

    help = "Say whether a worker runs the scheduler's ticks."

    def run(self, **options: Any) -> dict[str, Any]:
        found = schedule.read(timezone.now())
        if found.age is None or found.silent(schedule.MISSED):
            raise Failed(f"{found.told}: `manage.py up` runs it, or `beat` and `worker` where they run apart")
        self.stdout.write(f"The last heartbeat was {found.age.total_seconds():.0f} s ago.")
        return {"seconds_ago": round(found.age.total_seconds(), 1)}
