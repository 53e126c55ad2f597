"""Tasks that ran away as a list with state: found when their day is derived, decided by people."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from allocation import selectors
from allocation.calc import agents_runaway as calc
from allocation.calc.agents_runaway import Limits
from allocation.models import AgentTask, Grant, Runaway
from allocation.scope import Scope
from allocation.selectors import CostQuery
from allocation.value.agent_frames import Kept, tasks_of
from finops import audit

HISTORY = timedelta(days=28)  # what a workflow did in so many days before allows a task
DECIDERS = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE, Grant.Role.OWNER})  # an owner: on the own ones
DECISIONS = (Runaway.State.CONFIRMED.value, Runaway.State.EXPECTED.value, Runaway.State.OPEN.value)


class RunawayError(ValueError):
    """A runaway cannot be decided; the message says why."""


def judge(day: date, limits: Limits) -> None:
    """Bring the runaways of a day in line with its tasks, within a transaction. What people decided stands."""
    here = tasks_of(AgentTask.objects.filter(charge_date=day))
    before = tasks_of(AgentTask.objects.filter(charge_date__gte=day - HISTORY, charge_date__lt=day))
    found = calc.runaways(here.tasks, calc.bounds(before.tasks, limits), limits)
    found += calc.found_loops(here.tasks, here.looped(), limits)
    places = here.by_query()
    held = {(row.query_id, row.reason): row for row in Runaway.objects.filter(charge_date=day)}
    for one in found:
        row = held.pop((one.task, one.reason), None)
        if row is None:
            row = Runaway(charge_date=day, query_id=one.task, reason=one.reason)
        elif row.decided_by:
            continue
        _said(row, one, here, places[one.task])
        row.state = Runaway.State.OPEN
        row.save()
    for row in held.values():
        if row.state == Runaway.State.OPEN and not row.decided_by:
            row.state = Runaway.State.WITHDRAWN
            row.save(update_fields=["state"])


def _said(row: Runaway, one: calc.Runaway, here: Kept, place: int) -> None:
    row.cost_centre_id, row.team_id, row.feature, row.environment, row.currency, row.begins_at = here.owner(place)
    row.value, row.bound = Decimal(one.value), round(Decimal(one.limit), 12)
    row.calls, row.cost, row.tier = one.calls, one.cost, here.tiers[place]


class Summary(NamedTuple):
    """How many runaways are in each state, and what the open ones cost by currency."""

    states: dict[str, int]
    open_cost: dict[str, Decimal]


def listed(scope: Scope, query: CostQuery, state: str = "") -> "QuerySet[Runaway]":
    """Runaways of a question's period in scope, the newest day first, its dearest before the others; of every currency."""
    rows = selectors.filtered(scope, Runaway.objects.select_related("cost_centre", "team"), query)
    return (rows.filter(state=state) if state else rows).order_by("-charge_date", "-cost", "query_id", "reason")


def summary(scope: Scope, query: CostQuery) -> Summary:
    """Counts over the same rows; a task that ran away for several reasons costs once."""
    states = dict.fromkeys(Runaway.State.values, 0)
    tasks: dict[tuple[date, int], tuple[str, Decimal]] = {}
    for row in listed(scope, query):
        states[row.state] += 1
        if row.state == Runaway.State.OPEN:
            tasks[row.charge_date, row.query_id] = (row.currency, row.cost)
    costs: dict[str, Decimal] = {}
    for currency, cost in tasks.values():
        costs[currency] = costs.get(currency, Decimal(0)) + cost
    return Summary(states, costs)


@transaction.atomic
def decide(scope: Scope, number: int, decision: str, *, by: str, note: str = "") -> Runaway:
    """Say of a runaway that it was one (confirmed), that it was meant to be so (expected), or that it is open again.

    Raises RunawayError, and Runaway.DoesNotExist for one that is not in scope.
    """
    row = scope.of(Runaway.objects.select_for_update(of=("self",))).get(pk=number)
    if decision not in DECISIONS:
        raise RunawayError(f"decision is {decision!r}, expected one of: {', '.join(DECISIONS)}")
    if len(note) > 300:
        raise RunawayError("note is longer than 300 characters")
    if row.state == Runaway.State.WITHDRAWN:
        raise RunawayError("it is withdrawn: its task no longer passes the limits")
    before = row.state
    again = decision == Runaway.State.OPEN
    row.state, row.note = decision, note
    row.decided_by, row.decided_at = ("", None) if again else (by[:150], timezone.now())
    row.save()
    details: dict[str, Any] = {"before": before, "after": decision, "note": note, "reason": row.reason}
    audit.record(action="agents.decide", actor=by, subject=f"{row.charge_date} query {row.query_id}", details=details)
    return row
