"""Tasks of agents from where they are kept to the arrays that allocation.calc.agents reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from allocation.calc.agents import Tasks
from allocation.models import AgentTask, CostCentre, Runaway, Team

APART = "\x1f"  # between the parts of a workflow's name
_NUMBERS = (
    "query_id", "calls", "agents", "depth", "fan_out", "retries", "failed", "resent_uncached", "resent_cached", "input",
    "unpriced", "broken", "rounds", "begins", "cost_centre_id", "team_id",
)  # fmt: skip
_TEXTS = ("feature", "environment", "currency", "tier")
_ROWS = (*_NUMBERS, *_TEXTS, "cost")
_AS_NUMBER = {"broken": "broken::int", "begins": "extract(epoch FROM begins_at) * 1000000"}  # else the column itself
_READ = (  # one row of a long value per column: a row per task would cost ten times as much to read
    f"SELECT {', '.join(f'string_agg(int8send(coalesce({_AS_NUMBER.get(name, name)}, -1)::bigint), %s)' for name in _NUMBERS)}, "
    f"{', '.join(f'array_agg({name}::text)' for name in _TEXTS)}, array_agg(cost::numeric) FROM ({{}}) AS found"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Kept:
    """Tasks, and by place beside them how often they went round (-1: not), whose they are and their tier."""

    tasks: Tasks
    begins: Sequence[int]  # us since 1970
    rounds: Sequence[int]
    owners: Sequence[tuple[Any, ...]]  # ids of cost centre and team (-1: none), feature, environment, currency
    tiers: Sequence[str]

    def by_query(self) -> dict[int, int]:
        """Query -> its place. One that begins twice (a trace used again later) is the task of its last beginning."""
        return {query: place for place, query in enumerate(self.tasks.task.tolist())}

    def looped(self) -> dict[int, int]:
        """Query -> how often it went round, of those that did."""
        return {q: self.rounds[place] for q, place in self.by_query().items() if self.rounds[place] >= 0}

    def owner(self, place: int) -> tuple[Any, ...]:
        """Ids of cost centre and team, feature, environment, currency, and when it began."""
        centre, team, *rest = self.owners[place]
        began = _EPOCH + timedelta(microseconds=self.begins[place])
        return (None if centre < 0 else centre, None if team < 0 else team, *rest, began)


class Workflow(NamedTuple):
    """The name of a workflow: what tasks have in common."""

    cost_centre: str
    team: str
    feature: str
    environment: str
    currency: str


def tasks_of(rows: "QuerySet[AgentTask]") -> Kept:
    """Rows of AgentTask as arrays, by day and query. A workflow is named by the parts of ``Workflow``, joined."""
    columns = _columns(rows)
    owners = list(
        zip(
            *(columns[name] for name in ("cost_centre_id", "team_id", "feature", "environment", "currency")),
            strict=True,
        )
    )
    centres = dict(CostCentre.objects.values_list("id", "code"))
    teams = dict(Team.objects.values_list("id", "code"))
    names = {
        owner: APART.join((centres.get(owner[0], ""), teams.get(owner[1], ""), *owner[2:])) for owner in set(owners)
    }
    arrays = {name: np.array(columns[name], dtype=np.int64) for name in _NUMBERS}
    tasks = Tasks(
        workflow=objects([names[owner] for owner in owners]), task=arrays["query_id"],
        begins=arrays["begins"] // 1_000_000 * 1_000_000, cost=objects(columns["cost"]),
        broken=arrays["broken"].astype(bool),
        **{name: arrays[name] for name in Tasks._fields if name in arrays and name not in ("begins", "broken")},
    )  # fmt: skip
    return Kept(tasks, columns["begins"], columns["rounds"], owners, columns["tier"])


def _columns(rows: "QuerySet[AgentTask]") -> Mapping[str, list[Any]]:
    kept = [name for name in _ROWS if name != "begins"]
    try:
        sql, params = rows.order_by("charge_date", "query_id").values(*kept, "begins_at").query.sql_with_params()
    except EmptyResultSet:  # a scope or filter that nothing meets
        return {name: [] for name in _ROWS}
    with connection.cursor() as cursor:
        cursor.execute(_READ.format(sql), [*[b""] * len(_NUMBERS), *params])
        (found,) = cursor.fetchall()
    numbers = [np.frombuffer(value or b"", ">i8").tolist() for value in found[: len(_NUMBERS)]]
    return dict(zip(_ROWS, [*numbers, *(list(value or ()) for value in found[len(_NUMBERS) :])], strict=True))


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
