"""How /api/v1/agents is described in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from allocation.models import Runaway
from allocation.value.agents import FILTERS
from web import workflow_rows
from web.api.bridge_docs import NOTES
from web.api.cost_docs import PARAMETERS
from web.api.inline import inline_serializer
from web.api.outcomes_docs import number, text
from web.api.page_docs import A_MONTH, LIMIT_AND_CURSOR

_NAMES = ("month", "start", "end", "currency")
_FILTERS = [f"filter[{name}]" for name in FILTERS]
_MONTH = OpenApiParameter(
    "month",
    OpenApiTypes.STR,
    pattern="^20[0-9]{2}-(0[1-9]|1[0-2])$",
    description="Either this or `start` and `end`. Default: the newest month with cost.",
)

_PARAMETERS = [_MONTH, *(each for each in PARAMETERS if each.name != "month")]
OUTCOME_PARAMETERS = [each for each in _PARAMETERS if each.name in _NAMES]
WORKFLOW_PARAMETERS = [each for each in _PARAMETERS if each.name in (*_NAMES, *_FILTERS)]
RUNAWAY_PARAMETERS = [
    *(each for each in _PARAMETERS if each.name in (*_NAMES[:3], *_FILTERS)),
    OpenApiParameter("state", OpenApiTypes.STR, enum=Runaway.State.values), *LIMIT_AND_CURSOR,
]  # fmt: skip
_SAID = {
    "retries": "Calls of an agent after a failed one of its own.", "input": "Tokens of input, cached ones included.",
    "resent_uncached": "Input at most that the same agent had sent before, at the full price.",
    "resent_cached": "The same, read from a cache.", "unpriced": "Tasks with a call without a price; in no quantile of cost.",
    "tried": "Tasks of which an outcome says whether they succeeded.", "resolved": "Of these, those that did.",
    "broken": "Tasks without an outcome that ended on a failed call.", "tried_cost": "Of tasks with an outcome.",
    "failed_cost": "Of tasks whose outcome says that they failed.", "agents": "Distinct agents of a task, on average.",
    "failed_share": "Of the calls.", "mean_calls": "Calls of a task, on average.",
}  # fmt: skip


def _count(name: str = "") -> serializers.IntegerField:
    return serializers.IntegerField(help_text=_SAID.get(name, ""))


def _quantiles(name: str, field: Any) -> Any:
    return inline_serializer(name, {each: field() for each in ("p50", "p95", "p99")})


_FIGURES: dict[str, Any] = {
    **{name: _count(name) for name in workflow_rows.COUNTS},
    **{name: serializers.FloatField(help_text=_SAID[name]) for name in workflow_rows.SHARES},
    **{name: number(_SAID.get(name, "")) for name in workflow_rows.AMOUNTS},
    "depth": serializers.IntegerField(
        allow_null=True, help_text="Agents above one another, at most; null: nobody says."
    ),
    "fan_out": serializers.IntegerField(allow_null=True, help_text="Most agents that one called; null: nobody says."),
    "resent_share": serializers.FloatField(allow_null=True, help_text="Of the input, at most."),
    "calls_per_task": _quantiles("CallsPerTask", lambda: serializers.IntegerField(allow_null=True)),
    "cost_per_task": _quantiles("CostPerTask", lambda: number(null=True)),
    "cost_per_outcome": inline_serializer(
        "CostPerOutcome",
        {each: number(null=True) for each in ("estimate", "low", "high")},
        allow_null=True,
        help_text="Cost of all tasks with an outcome per success, with its 95 % interval.",
    ),
}
_BIN: dict[str, Any] = {
    "least": serializers.IntegerField(help_text="Calls of a task, at least."), "tasks": _count(), "calls": _count(),
    "cost": number(), "failed": serializers.IntegerField(help_text="Tasks that failed, or ended on a failed call."),
}  # fmt: skip
WORKFLOWS = inline_serializer(
    "Workflows",
    {
        "BillingCurrency": text(), "minimum_tasks": serializers.IntegerField(),
        "as_of": serializers.DateTimeField(allow_null=True, help_text="When the oldest of its days was derived."),
        "days_behind": serializers.IntegerField(help_text="Days that changed since, and are derived within minutes."),
        "queries": serializers.IntegerField(help_text="All queries of the question, tasks of agents or not."),
        "elsewhere": serializers.DictField(child=serializers.IntegerField(), help_text="By other currency; '': no price."),
        "limits": serializers.DictField(child=text(null=True), help_text="Beyond which a task has run away."),
        "results": inline_serializer(
            "WorkflowRow",
            {**{name: text(null=True) for name in workflow_rows.OWNER}, **_FIGURES, "runaways": _count()},
            many=True,
        ),
        "totals": inline_serializer("WorkflowTotals", dict(_FIGURES), allow_null=True, help_text="null: no task."),
        "by_calls": inline_serializer("TasksByCalls", _BIN, many=True), "notes": NOTES,
    },
)  # fmt: skip
WORKFLOW_EXAMPLES = [
    A_MONTH,
    OpenApiExample("One use case", parameter_only=("filter[x_Feature]", "query"), value="example-code-agent"),
]
_OUTCOME: dict[str, Any] = {
    "x_Feature": text(), **{name: _count() for name in workflow_rows.OUTCOME_COUNTS},
    **{name: number() for name in workflow_rows.OUTCOME_AMOUNTS},
    **{name: number("Per resolved task; null below the minimum.", null=True) for name in workflow_rows.OUTCOME_RATIOS},
    "untraced": serializers.IntegerField(help_text="Tasks with an attempt whose trace is not known or not priced: in no figure."),
}  # fmt: skip
OUTCOMES = inline_serializer(
    "OutcomeCosts",
    {
        "BillingCurrency": text(), "minimum_resolved": serializers.IntegerField(), "notes": NOTES,
        "results": inline_serializer("OutcomeCostRow", _OUTCOME, many=True),
    },
)  # fmt: skip
_RUNAWAY: dict[str, Any] = {
    "id": serializers.IntegerField(), "day": serializers.DateField(), "begins_at": serializers.DateTimeField(),
    "query": text("Hash of its trace."), **{name: text(null=True) for name in workflow_rows.OWNER},
    "x_QueryTier": text(), "reason": serializers.ChoiceField(list(workflow_rows.REASONS)), "value": number(), "bound": number(),
    "calls": serializers.IntegerField(), "cost": number(), "state": serializers.ChoiceField(Runaway.State.choices),
    "found_at": serializers.DateTimeField(), "decided_by": text(), "decided_at": serializers.DateTimeField(allow_null=True),
    "note": text(),
}  # fmt: skip
RUNAWAY = inline_serializer("RunawayTask", dict(_RUNAWAY))
RUNAWAYS = inline_serializer(
    "RunawayTasks",
    {
        "notes": NOTES,
        "results": inline_serializer("RunawayRow", dict(_RUNAWAY), many=True),
        "next": serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page."),
    },
)
