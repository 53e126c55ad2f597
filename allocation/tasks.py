"""Tasks of allocation."""

import time
from datetime import timedelta

from django.utils import timezone

from allocation import derived
from finops.celery import app
from finops.locks import try_lock
from finops.models import SiteMark

REFRESH = "refresh"  # the mark that says when the last refresh ended and how long it took
REST = 10  # times as long as a refresh took, nobody refreshes again
_LOCK = 0x5449434B  # "TICK"


@app.task(name="allocation.refresh")
def refresh() -> None:
    """Recompute dirty days, unless another worker does, or the last time was too short ago for what it cost."""
    with try_lock(_LOCK) as mine:
        if not mine or not _rested():
            return
        begun = time.monotonic()
        days = derived.refresh()
        if days:
            seconds = round(time.monotonic() - begun, 3)
            SiteMark.objects.update_or_create(name=REFRESH, defaults={"value": {"days": days, "seconds": seconds}})


def _rested() -> bool:
    mark = SiteMark.objects.filter(name=REFRESH).first()
    return mark is None or timezone.now() - mark.at >= REST * timedelta(seconds=float(mark.value["seconds"]))
