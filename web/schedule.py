"""Whether the schedule is kept: scheduler, broker and a worker leave a mark with every heartbeat."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from finops.celery import HEARTBEAT_SECONDS
from finops.models import SiteMark
from finops.tasks import WORKER

MISSED = 5 * timedelta(seconds=HEARTBEAT_SECONDS)
SILENT = timedelta(minutes=5)  # what a page calls silence; a worker busy with long syncs misses a few heartbeats


@dataclass(frozen=True)
class Schedule:
    """When the schedule was last kept, seen from ``now``; ``at`` None: never."""

    now: datetime
    at: datetime | None

    @property
    def age(self) -> timedelta | None:
        """How long ago."""
        return None if self.at is None else self.now - self.at

    def silent(self, limit: timedelta = SILENT) -> bool:
        """Whether it has not been kept for ``limit``, or never."""
        return self.age is None or self.age > limit

    @property
    def told(self) -> str:
        """Since when it has not been kept."""
        if self.at is None or self.age is None:
            return "The scheduler has never run"
        minutes = int(self.age.total_seconds() // 60)
        return f"The scheduler has not run since {self.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {minutes:,} min ago"


def read(now: datetime) -> Schedule:
    """The schedule as it is kept."""
    mark = SiteMark.objects.filter(name=WORKER).first()
    return Schedule(now, None if mark is None else mark.at)


def missed(now: datetime, waiting_since: datetime | None) -> Schedule | None:
    """The schedule where it is not kept, for pages. ``waiting_since``: since when something waits for it, None: nothing.

    Where it has never run, that is worth a word only once something has waited for a while.
    """
    found = read(now)
    if found.at is None and (waiting_since is None or now - waiting_since <= SILENT):
        return None
    return found if found.silent() else None
