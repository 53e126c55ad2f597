"""/api/v1/outcomes and /api/v1/benchmark-runs: results as the site's own systems send them, in batches that may be sent again."""

from collections.abc import Callable, Sequence
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.outcomes_fields import Refusal
from allocation.models import BenchmarkRun, Outcome
from allocation.scope import scope_of
from allocation.value import outcomes
from finops.periods import Period, PeriodError
from ingest.calc.reasons import Rejected
from web.api import bodies, cursors, outcomes_docs
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import WritesOutcomes
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_MONEY = ("value", "cost", "fallback_cost")


class OutcomesView(Resource):
    """Outcomes."""

    permission_classes = [WritesOutcomes]

    @extend_schema(
        operation_id="outcomes_list", tags=["outcomes"], summary="Outcomes",
        parameters=[
            OpenApiParameter("month", OpenApiTypes.STR, pattern="^[0-9]{4}-[0-9]{2}$", description="Cohort of spend."),
            OpenApiParameter("source", OpenApiTypes.STR), *LIMIT_AND_CURSOR,
        ],
        responses={200: outcomes_docs.OUTCOME_PAGE, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Outcomes of the cost centres you may see as they were stated last, in the order they were first recorded."""
        cursors.known_only(request, ("month", "source", "limit", "cursor"))
        rows = outcomes.listed(scope_of(request.user))
        if (text := request.query_params.get("month")) is not None:
            try:
                rows = rows.filter(spend_month=Period.month(text).start)
            except PeriodError as wrong:
                raise ValidationError({"month": str(wrong)}) from None
        if (source := request.query_params.get("source")) is not None:
            rows = rows.filter(source=source)
        return paged(request, rows, _outcome)

    @extend_schema(
        operation_id="outcomes_create", tags=["outcomes"], summary="Send outcomes", parameters=[PARAMETER],
        request=outcomes_docs.OUTCOMES_BODY, examples=[outcomes_docs.OUTCOMES_EXAMPLE],
        responses={200: outcomes_docs.TAKEN, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Up to 10,000 outcomes. A row is known by `source` and `id`: sent again it changes nothing, with a later
        `observed_at` it replaces what was said before, which is kept. A refused row is told with its reason, its neighbours
        are kept. Codes and numbers alone: there is no field for the text of an end user.
        """
        return Response(taken(request, "outcomes", outcomes.take))


class BenchmarkRunsView(Resource):
    """Benchmark runs."""

    permission_classes = [WritesOutcomes]

    @extend_schema(
        operation_id="benchmark_runs_list", tags=["outcomes"], summary="Benchmark runs", parameters=[*LIMIT_AND_CURSOR],
        responses={200: outcomes_docs.RUN_PAGE, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """All of them, in the order they were recorded: they are published results, of nobody's spend."""
        cursors.known_only(request, ("limit", "cursor"))
        return paged(request, BenchmarkRun.objects.order_by("pk"), _run)

    @extend_schema(
        operation_id="benchmark_runs_create", tags=["outcomes"], summary="Send benchmark runs", parameters=[PARAMETER],
        request=outcomes_docs.RUNS_BODY, examples=[outcomes_docs.RUNS_EXAMPLE],
        responses={200: outcomes_docs.TAKEN, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Up to 10,000 runs, known by `source` and `id` as outcomes are."""
        return Response(taken(request, "benchmark_runs", outcomes.take_benchmarks))


def taken(request: Request, name: str, take: Callable[..., outcomes.Taken]) -> dict[str, Any]:
    """What became of the rows of a body: a list, ``{name: [...]}``, one row, or a row a line."""
    cursors.known_only(request, ())
    rows: Sequence[Any] = bodies.records(request)
    if len(rows) == 1 and isinstance(rows[0], dict) and set(rows[0]) == {name}:
        rows = rows[0][name]
        if not isinstance(rows, list):
            raise ValidationError({name: "a list of rows"})
    if len(rows) > outcomes.MAX_BATCH:
        raise bodies.TooLarge(f"{len(rows):,} rows; send at most {outcomes.MAX_BATCH:,} at once.")
    found = take([None if isinstance(row, Rejected) else row for row in rows], by=request.user.get_username())
    unread = [
        Refusal(number, row.reason, "", row.detail) if isinstance(row, Rejected) else None
        for number, row in enumerate(rows, start=1)
    ]
    return found._replace(refused=[unread[each.row - 1] or each for each in found.refused]).as_json()


def paged(request: Request, rows: Any, described: Callable[[Any], dict[str, Any]]) -> Response:
    """A page of rows in the order of their numbers."""
    limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
    if place is not None:
        rows = rows.filter(pk__gt=place[0])
    found = list(rows[: limit + 1])
    cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
    results = [described(row) for row in found[:limit]]
    return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


def _outcome(row: Outcome) -> dict[str, Any]:
    plain = ("source", "task", "setting", "at", "observed_at", "feature", "tier", "model", "effort", "success", "rubric",
             "currency", "evidence", "counts", "claims")  # fmt: skip
    return {
        "id": row.number, "spend_month": f"{row.spend_month:%Y-%m}", "cost_centre": row.cost_centre and row.cost_centre.code,
        "team": row.team and row.team.code, "query": None if row.query_id is None else str(row.query_id),
        **{name: getattr(row, name) for name in plain}, **{name: decimal(getattr(row, name)) for name in (*_MONEY, "quality")},
    }  # fmt: skip


def _run(row: BenchmarkRun) -> dict[str, Any]:
    plain = (
        "source",
        "observed_at",
        "task_class",
        "features",
        "model",
        "effort",
        "tasks",
        "currency",
        "run_on",
        "evidence",
    )
    tokens = {name: None if (n := getattr(row, name)) is None else str(n) for name in ("input_tokens", "output_tokens")}
    return {
        "id": row.number, **{name: getattr(row, name) for name in plain}, **tokens,
        "score": decimal(row.score), "cost": decimal(row.cost),
    }  # fmt: skip


def decimal(value: Any) -> str | None:
    """As exact text without needless zeros."""
    return None if value is None else f"{value.normalize():f}"
