"""/api/v1/agents: what tasks of agents do and cost by workflow, which ran away, and what outcomes cost with their failures."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.agents import MINIMUM
from allocation.models import Runaway
from allocation.scope import scope_of
from allocation.selectors import CostQuery
from allocation.statement_selectors import snapshot
from allocation.value import agent_runaways, agents, roi, unknowns
from web import workflow_rows
from web.api import agents_docs as docs
from web.api import cursors
from web.api.cost_request import parse
from web.api.permissions import DecidesRunaways
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource

_PERIOD = ("month", "start", "end")
_FILTERS = tuple(f"filter[{name}]" for name in agents.FILTERS)


class WorkflowsView(Resource):
    """Workflows of agents."""

    @extend_schema(
        operation_id="agents_workflows", tags=["agents"], summary="What tasks of agents do and cost, by workflow",
        parameters=docs.WORKFLOW_PARAMETERS, responses={200: docs.WORKFLOWS, **answers(400, 401, 403)},
        examples=docs.WORKFLOW_EXAMPLES,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """A task is a query of several calls, or of a named agent, or that an outcome names; a workflow is what tasks of one
        owner, use case and environment are. Costs are at list prices. Quantiles and the cost of an outcome are null below the
        minimum of tasks. What was sent again is at most what a call's input has in common in size with the call of the same
        agent before it; no text is looked at. `elsewhere` counts tasks in other currencies, which no figure holds.
        """
        cursors.known_only(request, (*_PERIOD, "currency", *_FILTERS))
        query = _query(request)
        with snapshot():
            found = agents.report(scope_of(request.user), query)
        rows = [
            workflow_rows.owner(line) | workflow_rows.figures(line.found) | {"runaways": line.runaways}
            for line in found.lines
        ]
        return Response(
            {
                "BillingCurrency": query.currency, "minimum_tasks": MINIMUM, "as_of": found.as_of, "days_behind": found.behind,
                "queries": found.queries, "elsewhere": found.elsewhere,
                "limits": {name: None if value is None else str(value) for name, value in found.limits._asdict().items()},
                "results": rows, "totals": found.whole and workflow_rows.figures(found.whole),
                "by_calls": [workflow_rows.bin_row(one) for one in found.bins],
                "notes": unknowns.notes(scope_of(request.user), query),
            }
        )  # fmt: skip


class OutcomeCostsView(Resource):
    """What outcomes cost."""

    @extend_schema(
        operation_id="agents_outcomes", tags=["agents"], summary="What a resolved task costs with its failures",
        parameters=docs.OUTCOME_PARAMETERS, responses={200: docs.OUTCOMES, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """By use case, of outcomes that name their trace: the cost of all attempts at a task, failed ones included, per resolved
        task; with what people cost who took over. Null below the minimum of resolved tasks.
        """
        cursors.known_only(request, (*_PERIOD, "currency"))
        query = _query(request)
        with snapshot():
            found = agents.outcome_costs(scope_of(request.user), query)
        rows = [workflow_rows.outcome_row(one) for one in found]
        notes = unknowns.notes(scope_of(request.user), query)
        return Response(
            {"BillingCurrency": query.currency, "minimum_resolved": MINIMUM, "notes": notes, "results": rows}
        )


class RunawaysView(Resource):
    """Tasks that ran away."""

    @extend_schema(
        operation_id="agents_runaways", tags=["agents"], summary="Tasks of agents that ran away",
        parameters=docs.RUNAWAY_PARAMETERS, responses={200: docs.RUNAWAYS, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """In the order they were found. `bound` is what `value` passed: what the workflow's own past allows (`calls`, `cost`), a
        cap (`calls_cap`, `cost_cap`), or rounds of the same calls (`loop`).
        """
        cursors.known_only(request, (*_PERIOD, "state", *_FILTERS, "limit", "cursor"))
        query, state = _query(request), request.query_params.get("state", "")
        if state and state not in Runaway.State.values:
            raise ValidationError({"state": f"one of {', '.join(Runaway.State.values)}"})
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        rows = agent_runaways.listed(scope_of(request.user), query, state).order_by("pk")
        found = list((rows if place is None else rows.filter(pk__gt=place[0]))[: limit + 1])
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [workflow_rows.runaway_row(row) for row in found[:limit]]
        notes = unknowns.of_filters(scope_of(request.user), query.period, query.filters)
        body = {"notes": notes, "results": results, "next": cursor}
        return Response(body, headers=cursors.link(request, cursor))


class RunawayDecision(serializers.Serializer[Any]):
    """What a person says of a runaway."""

    decision = serializers.ChoiceField(agent_runaways.DECISIONS, help_text="expected: it was meant to be so.")
    note = serializers.CharField(required=False, allow_blank=True, max_length=300)


class DecideRunawayView(Resource):
    """A person's word on one runaway."""

    permission_classes = [DecidesRunaways]

    @extend_schema(
        operation_id="agents_decide", tags=["agents"], summary="Decide on a runaway", parameters=[PARAMETER],
        request=RunawayDecision, responses={200: docs.RUNAWAY, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, number: int) -> Response:
        """Confirmed or expected it stays so, whatever is computed later; `open` takes a decision back."""
        cursors.known_only(request, ())
        said = RunawayDecision(data=request.data)
        said.is_valid(raise_exception=True)
        given = said.validated_data
        try:
            row = agent_runaways.decide(
                scope_of(request.user), number, given["decision"], by=request.user.get_username(), note=given.get("note", "")
            )  # fmt: skip
        except (Runaway.DoesNotExist, OverflowError):
            raise NotFound from None
        except agent_runaways.RunawayError as wrong:
            raise Conflict(f"{wrong}.") from None
        return Response(workflow_rows.runaway_row(row))


def _query(request: Request) -> CostQuery:
    given = request.query_params.copy()
    if not {*_PERIOD} & {*given}:
        given["month"] = f"{roi.newest()}"
    asked = parse(given)
    return CostQuery(asked.period, filters=asked.filters, currency=asked.currency)
