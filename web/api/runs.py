"""GET /api/v1/runs and /api/v1/quarantine: what was read, and what was not taken and why."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ingest import run_selectors
from ingest.models import IngestRun
from web.api import cursors
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import SeesEverything
from web.api.problems import answers
from web.api.resource import Resource

_COUNTS = ("read", "stored", "changed", "duplicate", "quarantined")
_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_RUN: dict[str, Any] = {
    "id": serializers.CharField(),
    "source": serializers.CharField(),
    "account": serializers.CharField(),
    "input": serializers.CharField(help_text="Name of the file or window."),
    "state": serializers.ChoiceField(IngestRun.State.values),
    "reason": serializers.CharField(allow_blank=True, help_text="Why it failed or was refused."),
    "observed_at": serializers.DateTimeField(),
    "started_at": serializers.DateTimeField(),
    "finished_at": serializers.DateTimeField(allow_null=True),
    **{name: serializers.IntegerField() for name in _COUNTS},
    "skipped": serializers.DictField(child=serializers.IntegerField(), help_text="Reason: records that are no usage."),
    "totals": serializers.DictField(help_text="What this run stored or changed, as strings."),
}
_QUARANTINED: dict[str, Any] = {
    "run": serializers.CharField(),
    "reason": serializers.CharField(),
    "detail": serializers.CharField(allow_blank=True),
    "place": serializers.CharField(help_text="Line number or JSON pointer."),
    "byte_offset": serializers.IntegerField(allow_null=True),
    "sha256": serializers.CharField(help_text="Of the record, whose content is not kept."),
}


_RUN_ID = OpenApiParameter(
    "run", OpenApiTypes.STR, required=True, pattern="^[1-9][0-9]{0,17}$", description="Id of the run."
)


class RunsView(Resource):
    """Imports."""

    permission_classes = [SeesEverything]

    @extend_schema(
        operation_id="runs_list", tags=["ingest"], summary="Imports", parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer("RunPage", {"results": inline_serializer("Run", _RUN, many=True), "next": _NEXT}),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Imports, newest first: read = stored + changed + duplicate + quarantined + skipped."""
        cursors.known_only(request, ("limit", "cursor"))
        limit = cursors.limit_of(request)
        found = run_selectors.runs(before=_id(cursors.place_of(request, [int])), limit=limit + 1)
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [_run(run) for run in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


class QuarantineView(Resource):
    """Records that an import did not take."""

    permission_classes = [SeesEverything]

    @extend_schema(
        operation_id="quarantine_list", tags=["ingest"], summary="Records that an import did not take",
        parameters=[_RUN_ID, *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "QuarantinePage", {"results": inline_serializer("Quarantined", _QUARANTINED, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403, 404),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """What a run did not take, with reason and place, in the order it was found."""
        cursors.known_only(request, ("run", "limit", "cursor"))
        limit = cursors.limit_of(request)
        text = request.query_params.get("run", "")
        if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 18 and text[0] != "0"):
            raise ValidationError({"run": "the id of a run"})
        place = cursors.place_of(request, [int])
        if not run_selectors.run_exists(int(text)):
            raise NotFound("There is no such run.")
        found = run_selectors.quarantine(int(text), after=_id(place), limit=limit + 1)
        cursor = cursors.written(request, [found[limit - 1]["id"]]) if len(found) > limit else None
        results = [{name: value for name, value in row.items() if name != "id"} for row in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


def _id(place: cursors.Place | None) -> int | None:
    return None if place is None or place[0] is None else int(place[0])


def _run(run: IngestRun) -> dict[str, Any]:
    return {
        "id": str(run.pk), "source": run.source, "account": run.account, "input": run.input_name, "state": run.state,
        "reason": run.reason, "observed_at": run.observed_at, "started_at": run.started_at,
        "finished_at": run.finished_at, **{name: getattr(run, name) for name in _COUNTS}, "skipped": run.skipped,
        "totals": run.totals,
    }  # fmt: skip
