"""Tasks of allocation."""

import time
from datetime import timedelta

from django.utils import timezone

from allocation import derived
from allocation.close import statements
from allocation.failed_days import DaysFailed
from allocation.value import agent_tasks, predictions_learning
from finops.celery import app
from finops.locks import try_lock
from finops.models import SiteMark

REFRESH = "refresh"  # the mark that says when the last refresh ended and how long it took
REST = 10  # times as long as a refresh took, nobody refreshes again
AGENTS = "agents"  # the same of tasks of agents
_LOCK = 0x5449434B  # "TICK"
_LEARNING = 0x4C45524E  # "LERN"
_AGENTS_LOCK = 0x41475443  # "AGTC"


@app.task(name="allocation.refresh")
def refresh() -> None:
    """Recompute dirty days, unless another worker does, or the last time was too short ago for what it cost."""
    with try_lock(_LOCK) as mine:
        if not mine or not _rested(REFRESH):
            return
        begun = time.monotonic()
        try:
            days = derived.refresh()
        except DaysFailed as failed:  # it is logged, and Data health shows it
            days = max(failed.done, 1)
        if days:
            _took(REFRESH, days, begun)


@app.task(name="allocation.agents")
def agents() -> None:
    """Derive the tasks of agents of days that changed, unless another worker does; rests as long as a refresh does."""
    with try_lock(_AGENTS_LOCK) as mine:
        if not mine or not _rested(AGENTS):
            return
        begun = time.monotonic()
        if days := agent_tasks.refresh():
            _took(AGENTS, days, begun)


@app.task(name="allocation.learn")
def learn() -> None:
    """Once a night: compare what was predicted with what came, and learn from the days before; bounded in time and size."""
    with try_lock(_LEARNING) as mine:
        if mine and predictions_learning.is_due(now := timezone.now()):
            predictions_learning.compare(now)
            predictions_learning.learn_through(now.date() - timedelta(days=1))


@app.task(name="allocation.accept_in_silence")
def accept_in_silence() -> None:
    """Accept the statements whose dispute window is over."""
    statements.accept_in_silence()


def _took(name: str, days: int, begun: float) -> None:
    seconds = round(time.monotonic() - begun, 3)
    SiteMark.objects.update_or_create(name=name, defaults={"value": {"days": days, "seconds": seconds}})


def _rested(name: str) -> bool:
    mark = SiteMark.objects.filter(name=name).first()
    return mark is None or timezone.now() - mark.at >= REST * timedelta(seconds=float(mark.value["seconds"]))
