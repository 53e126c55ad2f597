"""Reads of tasks of agents: what workflows do and cost, how tasks are distributed, what an outcome costs with its failures.

All of it reads agent_task, within a scope; costs are those of the calls at list prices.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Count, Min, QuerySet, Sum

from allocation import selectors
from allocation.calc import agents as calc
from allocation.calc.agents_runaway import Limits
from allocation.models import AgentDay, AgentTask, CostDaily, Runaway
from allocation.scope import Scope
from allocation.selectors import CostQuery
from allocation.value import agent_frames, agent_tasks, outcome_traces
from allocation.value.agent_frames import Workflow

FILTERS = ("x_CostCentre", "x_Team", "x_Feature", "x_Environment", "x_QueryTier")
BINS = (1, 2, 4, 8, 16, 32, 64, 128)  # least calls of a task of each bin
ALL = "all"
ZERO = Decimal(0)


class Line(NamedTuple):
    """One workflow with how many of its tasks are open runaways; ``queries``: all queries of its use case and owner."""

    of: Workflow
    found: calc.Workflow
    runaways: int


class Bin(NamedTuple):
    """Tasks of at least ``least`` calls, fewer than the next bin's."""

    least: int
    tasks: int
    calls: int
    cost: Decimal
    failed: int  # tasks that ended on a failed call, or whose outcome says that they failed


class Report(NamedTuple):
    """The workflows of one question in its currency, the dearest first, all of them as one, and what stands beside.

    ``whole`` is None where there is no task. ``elsewhere``: tasks in other currencies, or of which no call has a price.
    ``queries``: all queries of the same question, tasks or not. ``as_of``: when the last of its days was derived.
    """

    lines: list[Line]
    whole: calc.Workflow | None
    bins: list[Bin]
    elsewhere: dict[str, int]
    queries: int
    as_of: datetime | None
    behind: int  # days whose tasks are not as their facts and costs are
    limits: Limits


def report(scope: Scope, query: CostQuery) -> Report:
    """What the tasks did that began in the query's period."""
    rows = selectors.filtered(scope, AgentTask.objects.all(), query)
    others = rows.exclude(currency=query.currency).order_by("currency").values_list("currency")
    tasks = agent_frames.tasks_of(rows.filter(currency=query.currency)).tasks
    known = outcomes_of(query)
    open_ones: dict[str, set[tuple[date, int]]] = defaultdict(set)
    for row in selectors.filtered(scope, _open(), query).filter(currency=query.currency):
        open_ones[agent_frames.name_of(row)].add((row.charge_date, row.query_id))
    lines = [
        Line(agent_frames.named(one.workflow), one, len(open_ones[one.workflow]))
        for one in calc.workflows(tasks, known)
    ]
    together = tasks._replace(workflow=agent_frames.objects([ALL] * len(tasks.task)))
    whole = calc.workflows(together, known)
    counted = selectors.filtered(scope, CostDaily.objects.all(), query).aggregate(all=Sum("queries"))["all"]
    days = AgentDay.objects.filter(charge_date__gte=query.period.start, charge_date__lt=query.period.end)
    return Report(
        lines, whole[0] if whole else None, _bins(tasks, known), dict(others.annotate(Count("query_id"))), int(counted or 0),
        days.aggregate(at=Min("at"))["at"], agent_tasks.behind(query.period), agent_tasks.limits(),
    )  # fmt: skip


def _open() -> "QuerySet[Runaway]":
    return Runaway.objects.filter(state=Runaway.State.OPEN).select_related("cost_centre", "team")


def outcomes_of(query: CostQuery) -> dict[int, bool]:
    """Query -> whether it succeeded, of those that outcomes name; of several attempts in one query one is enough."""
    found: dict[int, bool] = {}
    for number, success in outcome_traces.naming(query.period).values_list("query_id", "success"):
        if number is not None:
            found[number] = success or found.get(number, False)
    return found


def _bins(tasks: calc.Tasks, known: Mapping[int, bool]) -> list[Bin]:
    bins = np.searchsorted(BINS, tasks.calls, side="right") - 1
    pairs = zip(tasks.task.tolist(), tasks.broken.tolist(), strict=True)
    failed = np.array([not known.get(task, not broken) for task, broken in pairs], dtype=bool)
    found = []
    for number, least in enumerate(BINS):
        mine = bins == number
        cost = sum(tasks.cost[mine].tolist(), ZERO)
        found.append(Bin(least, int(mine.sum()), int(tasks.calls[mine].sum()), cost, int(failed[mine].sum())))
    return found


class OutcomeCost(NamedTuple):
    """What the tasks of one feature cost by the traces of all their attempts, failed ones included.

    ``untraced``: tasks with an attempt whose trace is not known, or has unpriced calls; they are in no other figure.
    Ratios are None below the minimum of resolved tasks. ``people``: what people cost who took over.
    """

    feature: str
    tasks: int
    resolved: int
    attempts: int
    cost: Decimal
    failed_cost: Decimal  # of queries of which no outcome says that they succeeded
    people: Decimal
    per_resolved: Decimal | None
    per_resolved_with_people: Decimal | None
    untraced: int


def outcome_costs(scope: Scope, query: CostQuery) -> list[OutcomeCost]:
    """By feature, the dearest first; of outcomes whose cohort is a month of the period, in the question's currency.

    A task is what its source calls so: its attempts may be several queries, of several days. Costs of people in another
    currency than the question's are left out.
    """
    named = outcome_traces.naming(query.period)
    rows = scope.of(named.filter(spend_month__gte=query.period.start, spend_month__lt=query.period.end))
    names = ("feature", "setting", "task", "query_id", "success", "fallback_cost", "currency")
    attempts: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
    people: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    feature_of: dict[tuple[str, str], str] = {}
    for feature, setting, task, number, success, fallback, currency in rows.order_by("pk").values_list(*names):
        attempts[setting, task].append((number or 0, success))
        feature_of.setdefault((setting, task), feature)
        if fallback is not None and currency == query.currency:
            people[setting, task] += fallback
    tried_in = {number for tried in attempts.values() for number, _ in tried}
    costs, succeeded = _costs(scope, query, tried_in), outcomes_of(query)
    sums: dict[str, list[Any]] = defaultdict(lambda: [0, 0, 0, ZERO, ZERO, ZERO, 0])
    for task, tried in attempts.items():
        into = sums[feature_of[task]]
        if any(number not in costs for number, _ in tried):
            into[6] += 1
            continue
        every = {number for number, _ in tried}
        into[0] += 1
        into[1] += any(success for _, success in tried)
        into[2] += len(tried)
        into[3] += sum((costs[number] for number in every), ZERO)
        into[4] += sum((costs[number] for number in every if not succeeded[number]), ZERO)
        into[5] += people[task]
    lines = []
    for feature, (tasks, resolved, tries, cost, failed, helped, untraced) in sums.items():
        each = [amount / resolved if resolved >= calc.MINIMUM else None for amount in (cost, cost + helped)]
        lines.append(OutcomeCost(feature, tasks, resolved, tries, cost, failed, helped, each[0], each[1], untraced))
    return sorted(lines, key=lambda line: (-line.cost, line.feature))


def _costs(scope: Scope, query: CostQuery, numbers: Collection[int]) -> dict[int, Decimal]:
    """Query -> what its calls cost, of these queries, where each has a price."""
    tasks = AgentTask.objects.filter(outcome_traces.near(query.period), query_id__in=numbers)
    rows = scope.of(tasks.filter(currency=query.currency))
    found: dict[int, Decimal] = defaultdict(Decimal)
    unpriced = set()
    for number, cost, lacking in rows.values_list("query_id", "cost", "unpriced"):
        found[number] += cost
        if lacking:
            unpriced.add(number)
    return {number: cost for number, cost in found.items() if number not in unpriced}
