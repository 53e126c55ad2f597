"""/api/v1/scenarios: presets and saved scenarios, their versions and runs, and several beside each other.

A run takes less than a second at the usual number of draws and is made while the caller waits; draws are bounded.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from forecasting import scenarios
from forecasting import scenarios_selectors as selectors
from forecasting.models import ScenarioRun
from web import scenario_files
from web.api import cursors, scenarios_docs
from web.api import scenarios_asked as asking
from web.api.books import AnyAccept
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import WritesScenarios
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource
from web.api.scenarios_rows import compared, described, detail, listed
from web.downloads import XLSX, xlsx_file

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")


def _page(name: str, row: Any) -> Any:
    return inline_serializer(name, {"results": serializers.ListField(child=row), "next": _NEXT})


class _Scenarios(Resource):
    permission_classes = [WritesScenarios]


class ScenariosView(_Scenarios):
    """Scenarios."""

    @extend_schema(
        operation_id="scenarios_list", tags=["scenarios"], summary="Presets and saved scenarios",
        parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: _page("ScenarioPage", inline_serializer("ListedScenario", {**scenarios_docs.LISTED})),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """What ships with the product, what others share, and one's own, by name."""
        cursors.known_only(request, ("limit", "cursor"))
        rows = sorted(selectors.listed(_name(request)), key=lambda one: one.name)
        page, cursor = cursors.page(request, rows, lambda one: [one.name], [str])
        return Response(
            {"results": [listed(one) for one in page], "next": cursor}, headers=cursors.link(request, cursor)
        )

    @extend_schema(
        operation_id="scenarios_save", tags=["scenarios"], summary="Save a scenario", parameters=[PARAMETER],
        request=scenarios_docs.NewScenario, examples=[scenarios_docs.EXAMPLE],
        responses={
            201: inline_serializer("SavedScenario", {**scenarios_docs.LISTED}), **answers(400, 401, 403, 409, 413, 415, 422),
        },
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """A new scenario, or the next version of one. The same document again makes no new version."""
        cursors.known_only(request, ())
        version = asking.told(
            lambda: scenarios.save(asking.document(request), by=_name(request), shared=asking.shared(request))
        )
        return Response(listed(selectors.find(version.scenario.name, _name(request))), status=201)


class ScenarioView(_Scenarios):
    """One scenario."""

    @extend_schema(
        operation_id="scenarios_read", tags=["scenarios"], summary="A scenario with its values",
        responses={200: scenarios_docs.DETAIL, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """Every parameter with low, base, high and source. A preset has the values that the register gives it now."""
        cursors.known_only(request, ())
        return Response(detail(asking.told(lambda: selectors.find(name, _name(request)))))


class ScenarioVersionsView(_Scenarios):
    """Versions of a scenario."""

    @extend_schema(
        operation_id="scenarios_versions", tags=["scenarios"], summary="Versions of a scenario",
        parameters=[*LIMIT_AND_CURSOR],
        responses={200: _page("ScenarioVersionPage", scenarios_docs.VERSION), **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """The newest first; none is ever changed."""
        cursors.known_only(request, ("limit", "cursor"))
        asking.told(lambda: selectors.find(name, _name(request)))
        return _listed(request, selectors.versions(name, _name(request)), "number", lambda one: {
            "version": one.number, "parameters": one.parameters, "register": one.register, "made_by": one.made_by,
            "made_at": one.made_at, "document": one.document,
        })  # fmt: skip

    @extend_schema(
        operation_id="scenarios_save_version", tags=["scenarios"], summary="A new version of a scenario",
        parameters=[PARAMETER], request=scenarios_docs.NewScenario, examples=[scenarios_docs.EXAMPLE],
        responses={201: scenarios_docs.DETAIL, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, name: str) -> Response:
        """Of a scenario that is one's own or shared. The document names it, or has no name."""
        cursors.known_only(request, ())
        asking.told(lambda: selectors.find(name, _name(request)))
        document = asking.document(request)
        if isinstance(document, dict) and document.setdefault("name", name) != name:
            raise ValidationError({"name": f"the document is of {document['name']}, the address of {name}"})
        asking.told(lambda: scenarios.save(document, by=_name(request), shared=asking.shared(request)))
        return Response(detail(selectors.find(name, _name(request))), status=201)


class ScenarioRunsView(_Scenarios):
    """Runs of a scenario."""

    @extend_schema(
        operation_id="scenarios_runs", tags=["scenarios"], summary="Runs of a scenario", parameters=[*LIMIT_AND_CURSOR],
        responses={200: _page("ScenarioRunPage", inline_serializer("ScenarioRun", {**scenarios_docs.RUN})),
                   **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """The newest first; none is ever changed."""
        cursors.known_only(request, ("limit", "cursor"))
        asking.told(lambda: selectors.find(name, _name(request)))
        return _listed(request, selectors.runs(name, _name(request)), "pk", described)

    @extend_schema(
        operation_id="scenarios_run", tags=["scenarios"], summary="Run a scenario", parameters=[PARAMETER],
        request=scenarios_docs.NewRun,
        responses={
            200: scenarios_docs.RESULT, 201: scenarios_docs.RESULT, **answers(400, 401, 403, 404, 409, 413, 415, 422)
        },
    )  # fmt: skip
    @once
    def post(self, request: Request, name: str) -> Response:
        """The newest version from month 0 of the ledger. 201: a new run. 200: the same run on the same data is stored already,
        and this is it, with the same bytes. 409: there is no whole month to start from.
        """
        cursors.known_only(request, ())
        given = request.data if isinstance(request.data, dict) else None
        if given is None or set(given) - {"month", "seed", "draws"}:
            raise ValidationError({"detail": "the body is an object with some of month, seed, draws"})
        asked, by = asking.asked(given), _name(request)
        row, new = asking.told(lambda: scenarios.run_or_known(selectors.to_run(name, by, by=by), asked, by=by))
        return Response({**described(row), "result": selectors.result(row)}, status=201 if new else 200)


class ScenarioResultView(_Scenarios):
    """What a run says."""

    @extend_schema(
        operation_id="scenarios_result", tags=["scenarios"], summary="Result of a run",
        parameters=[scenarios_docs.RUN_NUMBER], responses={200: scenarios_docs.RESULT, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """Fans by month and tier, odds against budgets, capacity, cost of a task, tornado and indices."""
        row = run_of(request, name)
        return Response({**described(row), "result": selectors.result(row)})


class ScenarioBytesView(_Scenarios):
    """The stored bytes of a run."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="scenarios_json", tags=["scenarios"], summary="A run as the JSON file that was hashed",
        parameters=[scenarios_docs.RUN_NUMBER],
        responses={200: scenarios_docs.CONTENT, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, name: str) -> HttpResponse:
        """Canonical: the same run on the same data gives the same bytes."""
        return scenario_files.as_json(run_of(request, name))


class ScenarioBookView(_Scenarios):
    """A run as a workbook."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="scenarios_xlsx", tags=["scenarios"], summary="A run as a workbook",
        parameters=[scenarios_docs.RUN_NUMBER],
        responses={(200, XLSX): OpenApiResponse(OpenApiTypes.BINARY), **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, name: str) -> HttpResponse:
        """Sheets: scenario, cost by month, beside it, cost of a task, sensitivity, parameters."""
        row = run_of(request, name)
        return xlsx_file(scenario_files.name(row), scenario_files.sheets(row))


class CompareScenariosView(_Scenarios):
    """Several scenarios with the same luck."""

    @extend_schema(
        operation_id="scenarios_compare", tags=["scenarios"], summary="Compare scenarios",
        parameters=[
            OpenApiParameter(
                "scenario", OpenApiTypes.STR, required=True,
                description=f"{selectors.FEWEST} to {selectors.MOST} names, by commas; the others are held against the first.",
            ),
            *scenarios_docs.ASKED,
        ],
        responses={200: scenarios_docs.COMPARISON, **answers(400, 401, 403, 404, 409)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """From one month 0 with common random numbers: a difference is that of the parameters alone. Nothing is stored."""
        cursors.known_only(request, ("scenario", "month", "seed", "draws"))
        names = [name for name in request.query_params.get("scenario", "").split(",") if name]
        found = asking.told(
            lambda: selectors.compared(names, _name(request), asking.asked(request.query_params.dict()))
        )
        return Response(compared(found))


def run_of(request: Request, name: str) -> ScenarioRun:
    """The run that an address asks for. Raises NotFound, ValidationError."""
    cursors.known_only(request, ("run",))
    asking.told(lambda: selectors.find(name, _name(request)))
    rows = selectors.runs(name, _name(request))
    if "run" in request.query_params:
        rows = rows.filter(pk=asking.Numbers(request.query_params.dict()).get("run", 0))
    row = rows.first()
    if row is None:
        raise NotFound(f"{name} has no such run; POST /api/v1/scenarios/{name}/runs makes one.")
    return row


def _listed(request: Request, rows: "QuerySet[Any]", place: str, row_of: Callable[[Any], dict[str, Any]]) -> Response:
    limit, before = cursors.limit_of(request), cursors.place_of(request, [int])
    found = list((rows if before is None else rows.filter(**{f"{place}__lt": before[0]}))[: limit + 1])
    cursor = cursors.written(request, [getattr(found[limit - 1], place)]) if len(found) > limit else None
    results = [row_of(one) for one in found[:limit]]
    return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


def _name(request: Request) -> str:
    name: str = request.user.get_username()
    return name
