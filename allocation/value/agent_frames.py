"""Tasks of agents from where they are kept to the arrays that allocation.calc.agents reads."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from django.db.models import QuerySet

from allocation.calc.agents import Tasks
from allocation.models import AgentTask, CostCentre, Runaway, Team

APART = "\x1f"  # between the parts of a workflow's name
_OWNER = ("cost_centre_id", "team_id", "feature", "environment", "currency")
_NUMBERS = (
    "calls", "agents", "depth", "fan_out", "retries", "failed", "resent_uncached", "resent_cached", "input", "cost",
    "unpriced", "broken",
)  # fmt: skip
_NAMES = ("query_id", "begins_at", *_OWNER, *_NUMBERS, "rounds", "tier", "charge_date")


class Kept(NamedTuple):
    """Tasks with, by query: how often they went round, whose they are (and when they began), and their tier."""

    tasks: Tasks
    rounds: dict[int, int]
    owners: dict[int, tuple[Any, ...]]
    tiers: dict[int, str]


class Workflow(NamedTuple):
    """The name of a workflow: what tasks have in common."""

    cost_centre: str
    team: str
    feature: str
    environment: str
    currency: str


def tasks_of(rows: "QuerySet[AgentTask]") -> Kept:
    """Rows of AgentTask as arrays, by day and query. A workflow is named by the parts of ``Workflow``, joined.

    One query that begins twice (a trace used again later) is the task of its last beginning for ``rounds``, ``owners`` and
    ``tiers``.
    """
    found = list(rows.order_by("charge_date", "query_id").values_list(*_NAMES))
    columns = dict(zip(_NAMES, zip(*found, strict=True) if found else [()] * len(_NAMES), strict=True))
    centres = dict(CostCentre.objects.values_list("id", "code"))
    teams = dict(Team.objects.values_list("id", "code"))
    owners = list(zip(*(columns[name] for name in _OWNER), strict=True))
    names = [APART.join((centres.get(centre, ""), teams.get(team, ""), *rest)) for centre, team, *rest in owners]
    queries = columns["query_id"]
    tasks = Tasks(
        workflow=objects(names), task=np.array(queries, dtype=np.int64),
        begins=np.array([at.timestamp() for at in columns["begins_at"]], dtype=np.float64).astype(np.int64) * 1_000_000,
        **{
            name: objects(columns[name]) if name == "cost" else
            np.array(columns[name], dtype=bool) if name == "broken" else
            np.array([-1 if value is None else value for value in columns[name]], dtype=np.int64)
            for name in _NUMBERS
        },
    )  # fmt: skip
    rounds = {query: number for query, number in zip(queries, columns["rounds"], strict=True) if number is not None}
    at = [(*owner, begins) for owner, begins in zip(owners, columns["begins_at"], strict=True)]
    return Kept(tasks, rounds, dict(zip(queries, at, strict=True)), dict(zip(queries, columns["tier"], strict=True)))


def named(workflow: str) -> Workflow:
    """The parts of a workflow's name."""
    return Workflow(*workflow.split(APART))


def name_of(row: AgentTask | Runaway) -> str:
    """The name of the workflow of a row."""
    centre, team = row.cost_centre, row.team
    owner = centre.code if centre else "", team.code if team else ""
    return APART.join((*owner, row.feature, row.environment, row.currency))


def objects(values: Sequence[Any]) -> Any:
    found = np.empty(len(values), dtype=object)
    found[:] = list(values)
    return found
