"""Days that the refresher cannot charge: they wait, named, while all others go on."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date

from django.db import InterfaceError, OperationalError

from finops.models import SiteMark

MARK = "failed_days"  # day -> what went wrong, of the last refresh
_TEXT = 300
log = logging.getLogger(__name__)


class DaysFailed(RuntimeError):
    """Some days could not be charged; the message names them. All others were. ``done``: how many."""

    def __init__(self, days: dict[date, str], done: int) -> None:
        first = min(days)
        more = f" and {len(days) - 1} more" if len(days) > 1 else ""
        super().__init__(f"{first}{more} could not be charged: {days[first]}; the figures of the other days are new")
        self.days, self.done = days, done


class Failures:
    """The failures of one refresh."""

    def __init__(self) -> None:
        """None yet."""
        self.days: dict[date, str] = {}

    def without(self, days: Iterable[date]) -> list[date]:
        """The days that have not failed in this refresh."""
        return [day for day in days if day not in self.days]

    @contextmanager
    def apart(self, day: date) -> Iterator[None]:
        """What goes wrong with a day stays with the day, which remains marked; a database that is gone stops all."""
        try:
            yield
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("%s could not be charged", day)
            self.days[day] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:_TEXT]

    def tell(self, done: int) -> None:
        """Keep for Data health which days failed. Raises DaysFailed if any did."""
        if not self.days:
            SiteMark.objects.filter(name=MARK).delete()
            return
        value = {day.isoformat(): why for day, why in sorted(self.days.items())}
        SiteMark.objects.update_or_create(name=MARK, defaults={"value": value})
        raise DaysFailed(self.days, done - len(self.days))


def failed_days() -> list[tuple[date, str]]:
    """Days that the last refresh could not charge, and why."""
    mark = SiteMark.objects.filter(name=MARK).first()
    return [(date.fromisoformat(day), str(why)) for day, why in sorted(mark.value.items())] if mark else []
