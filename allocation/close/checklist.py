"""The checklist of a month: who does what until when, what is done, and what stands in the way."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from allocation.calc.closing import CLOSED, StepError, reached, working_day
from allocation.calc.gates import Gate
from allocation.close import policy, states
from allocation.models import BillingPeriod, CloseTask
from finops import audit
from finops.periods import Period

DONE, WAIVED, OPEN, BLOCKED = "done", "waived", "open", "blocked"


class Item(NamedTuple):
    """One line. ``state``: done, waived (a gate was), open or blocked; ``blocker``: what stands in the way, '' for nothing."""

    code: str
    title: str
    owner: str
    due: date
    state: str
    blocker: str
    link: str
    by_hand: bool
    done_by: str
    done_at: datetime | None


def of(period: Period, held: BillingPeriod, gates: Sequence[Gate]) -> list[Item]:
    """The lines of a month in their order. Before work on a month began they are what the policy in force says."""
    by_code = {gate.code: gate for gate in gates}
    tasks = list(held.tasks.filter(version=held.version).order_by("position")) if held.pk else []
    return [_item(task, held, by_code) for task in tasks or _planned(period, held)]


def begin(period: Period, held: BillingPeriod) -> None:
    """Keep the lines of the policy in force for this version of the month; later policies do not change them."""
    if not held.tasks.filter(version=held.version).exists():
        CloseTask.objects.bulk_create(_planned(period, held))


def _planned(period: Period, held: BillingPeriod) -> list[CloseTask]:
    now = policy.in_force()
    return [
        CloseTask(
            period=held, version=held.version, position=number, code=task.code, title=task.title, owner=task.owner,
            due=working_day(period.end, task.due, now.holidays), gates=list(task.gates), step=task.step, link=task.link,
        )
        for number, task in enumerate(now.tasks)
    ]  # fmt: skip


def _item(task: CloseTask, held: BillingPeriod, gates: dict[str, Gate]) -> Item:
    mine = [gates[code] for code in task.gates if code in gates]
    failing = [gate for gate in mine if not gate.passes]
    by_hand = not task.gates and not task.step
    if task.gates:
        state = BLOCKED if failing else WAIVED if any(gate.waived for gate in mine) else DONE
    elif task.step:
        state = DONE if reached(held.state, task.step) else OPEN
    else:
        state = DONE if task.done_by else OPEN
    blocker = "; ".join(gate.told for gate in failing)
    done_by, done_at = task.done_by, task.done_at
    if task.step and state == DONE:
        done_by, done_at = {
            "preliminary": (held.prepared_by, held.prepared_at),
            "soft_closed": (held.soft_closed_by, held.soft_closed_at),
            "closed": (held.closed_by, held.closed_at),
        }[task.step]
    return Item(
        task.code, task.title, task.owner, task.due, state, blocker, task.link, by_hand, done_by, done_at
    )  # fmt: skip


@transaction.atomic
def mark(period: Period, code: str, *, by: str, done: bool = True) -> CloseTask:
    """Say that a task which is done by hand is done, or is not after all. Raises StepError."""
    states.lock()
    held, _ = BillingPeriod.objects.get_or_create(month=period.start)
    if held.state == CLOSED:
        raise StepError(
            f"{period} is closed: its checklist stays as it was; `manage.py reopen_month {period}` opens it again"
        )
    begin(period, held)
    task = held.tasks.filter(version=held.version, code=code).first()
    if task is None:
        names = ", ".join(held.tasks.filter(version=held.version).order_by("position").values_list("code", flat=True))
        raise StepError(f"{period} has no task {code[:60]!r}; there are: {names}")
    if task.gates or task.step:
        raise StepError(
            f"{code} is not done by hand: its state follows from the month's {'gates' if task.gates else 'state'}"
        )
    if bool(task.done_by) != done:
        CloseTask.objects.filter(pk=task.pk).update(done_by=by[:150] if done else "", done_at=Now() if done else None)
        audit.record(action="period.task", actor=by, subject=f"{period} {code}", details={"done": done})
        task.refresh_from_db()
    return task
