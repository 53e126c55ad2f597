"""The demo's days: three full months and the running one, and where a day lies in the recordings."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from finops.periods import Period
from web.demo.plan import LOST_DAY, LOST_MONTH, TILE_DAYS

FULL_MONTHS = 3


@dataclass(frozen=True)
class Window:
    """Days from ``since`` to ``until``, both included, hours only before ``now``; ``first``: the demo's first month.

    Growth counts from ``first``, so a later window continues where an earlier one ended.
    """

    first: date
    since: date
    until: date
    now: datetime

    @classmethod
    def ending(cls, today: date, now: datetime) -> "Window":
        """Three full months and the running one."""
        month = Period.month_of(today)
        for _ in range(FULL_MONTHS):
            month = month.previous()
        return cls(month.start, month.start, today, now)

    def days(self) -> list[date]:
        """Every day, oldest first."""
        return [self.since + timedelta(days=n) for n in range((self.until - self.since).days + 1)]

    def tile(self, day: date) -> int:
        """Which repetition of the recording the day lies in; tiles begin on a Monday."""
        return (day - self._monday()).days // TILE_DAYS

    def day_of_tile(self, day: date) -> int:
        """Which day of the recording it is."""
        return (day - self._monday()).days % TILE_DAYS

    def month(self, day: date) -> int:
        """Months since the first."""
        return (day.year - self.first.year) * 12 + day.month - self.first.month

    def months(self) -> list[Period]:
        """The demo's months from its first one on, the running one included."""
        found = [Period.month_of(self.first)]
        while found[-1].end <= self.until:
            found.append(Period.month_of(found[-1].end))
        return found

    def lost_day(self) -> date:
        """The day of which an export never came."""
        return self.months()[LOST_MONTH].start + timedelta(days=LOST_DAY)

    def _monday(self) -> date:
        return self.first - timedelta(days=self.first.weekday())
