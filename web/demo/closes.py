"""The demo's month ends: the full months are closed by two people on the calendar a finance team keeps; every reason says
*example*. What the gates find in them was planted (web.demo.plan, web.demo.invoices), so it is waived, with its value.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from allocation import closing
from allocation.calc.closing import CLOSED, PRELIMINARY, SOFT_CLOSED
from allocation.close import checklist, journal, statements, states, waivers
from allocation.closing import GatesHold
from allocation.models import Statement
from finops.periods import Period
from web import approving
from web.demo.agreements import APPROVER, PREPARER
from web.demo.window import Window

_DAYS_AFTER = {PRELIMINARY: 2, SOFT_CLOSED: 5, CLOSED: 16}
_BY = {PRELIMINARY: PREPARER, SOFT_CLOSED: APPROVER, CLOSED: APPROVER}
_REASON = "example: planted in the demo's data, and known"


def close(window: Window, show: Callable[[Period], None]) -> None:
    """Close the full months as far as the calendar has come, the oldest first; what is done stays done."""
    for period in window.months()[:-1]:
        for step, days in _DAYS_AFTER.items():
            at = datetime.combine(period.end + timedelta(days=days), time(9), UTC)
            if at < window.now and closing.next_of(period) == step:
                show(period)
                if step == CLOSED and period == window.months()[0]:
                    _dispute(period, at - timedelta(days=9))
                _take(period, step, at)


def _take(period: Period, step: str, at: datetime) -> None:
    if step == SOFT_CLOSED:
        checklist.mark(period, "invoices", by=PREPARER)
    if step == CLOSED:
        _agree(period, at - timedelta(days=1))
        checklist.mark(period, "disputes", by=PREPARER)
    try:
        closing.close_step(period, step, by=_BY[step], at=at)
    except GatesHold as held:
        version = states.of(period).version
        for gate in held.failing:
            asked = waivers.propose(period, version, gate, _REASON, by=PREPARER)
            approving.decide(asked, by=APPROVER, accept=True)
        closing.close_step(period, step, by=_BY[step], at=at)
    if step == CLOSED:
        journal.post(period, PREPARER)


def _dispute(period: Period, at: datetime) -> None:
    """An owner objects within the window, and finance answers."""
    for statement in Statement.objects.filter(month=period.start, state="issued", cost_centre__code="CC-210"):
        statements.dispute(
            statement, by="demo-owner", reason="example: is the pilot of spring still charged to us?", at=at
        )
        answer = "example: its rule r60 caught nothing, the figures stand"
        statements.resolve(statement, by=PREPARER, resolution=answer, at=at + timedelta(days=1))


def _agree(period: Period, at: datetime) -> None:
    """One owner accepts; the others are silent, which counts as acceptance once their time is over."""
    for statement in Statement.objects.filter(month=period.start, state="issued", cost_centre__code="CC-210"):
        statements.accept(statement, by="demo-owner", at=at)


def late_day(window: Window) -> date | None:
    """The working day of the last full month of which calls come in only after it was closed."""
    month = window.months()[:-1][-1]
    day = month.start + timedelta(days=12)
    day -= timedelta(days=max(0, day.weekday() - 4))
    return day if window.since <= day <= window.until else None
