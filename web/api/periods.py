"""/api/v1/periods: months with their states, gates and checklists, and the steps of a close, which take two people."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from allocation import closing
from allocation.calc.closing import OnePerson, StepError
from allocation.close import checklist, gates, states, waivers
from finops.models import Approval
from finops.periods import Period, PeriodError
from web import periods
from web.api import cursors
from web.api.approvals import ApprovalOut, described
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.period_docs import DETAIL, MONTH, PAGE, Reopening, Step, Tick, Waiver
from web.api.permissions import KeepsBooks
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource

_POSTED = answers(400, 401, 403, 404, 409, 413, 415, 422)


def _period(text: str) -> Period:
    try:
        return Period.month(text)
    except PeriodError as wrong:
        raise NotFound(f"{wrong}.") from None


def _detail(period: Period) -> Response:
    found = periods.detail(period)
    found["waiting"] = [described(asked) for asked in Approval.objects.filter(pk__in=found["waiting"]).order_by("pk")]
    return Response(found)


class PeriodsView(Resource):
    """Months."""

    permission_classes = [KeepsBooks]

    @extend_schema(
        operation_id="periods_list", tags=["periods"], summary="Months and their states", parameters=[*LIMIT_AND_CURSOR],
        responses={200: PAGE, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Every month that has cost or a state, the newest first."""
        cursors.known_only(request, ("limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [str])
        rows = periods.listing()
        if place is not None:
            rows = [row for row in rows if row["month"] < str(place[0])]
        cursor = cursors.written(request, [rows[limit - 1]["month"]]) if len(rows) > limit else None
        return Response({"results": rows[:limit], "next": cursor}, headers=cursors.link(request, cursor))


class PeriodView(Resource):
    """One month."""

    permission_classes = [KeepsBooks]

    @extend_schema(
        operation_id="periods_read", tags=["periods"], summary="A month: gates, checklist, versions, manifest",
        parameters=[MONTH], responses={200: DETAIL, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, month: str) -> Response:
        """Gates are measured now; the manifest is that of the last soft close of this version."""
        cursors.known_only(request, ())
        return _detail(_period(month))


class _PostView(Resource):
    """Something that is done with a month: what the body says, and who says it."""

    permission_classes = [KeepsBooks]

    def said(self, request: Request, month: str, form: type[Serializer[Any]]) -> tuple[Period, dict[str, Any], str]:
        """The month, the fields of the body, and who asks. Raises NotFound and ValidationError."""
        cursors.known_only(request, ())
        period, body = _period(month), form(data=request.data)
        body.is_valid(raise_exception=True)
        return period, dict(body.validated_data), request.user.get_username()


@contextmanager
def _refusals() -> Iterator[None]:
    """403 for what takes another person, 409 for what cannot be done as things stand."""
    try:
        yield
    except OnePerson as alone:
        raise PermissionDenied(f"{alone}.") from None
    except StepError as held:
        raise Conflict(f"{held}.") from None


class StepView(_PostView):
    """The steps of a close."""

    @extend_schema(
        operation_id="periods_step", tags=["periods"], summary="Take a step", parameters=[MONTH, PARAMETER], request=Step,
        responses={200: DETAIL, **_POSTED},
    )  # fmt: skip
    @once
    def post(self, request: Request, month: str) -> Response:
        """preliminary, then soft_closed and closed by another person. 409: a gate fails, or the step is not the next one."""
        period, said, by = self.said(request, month, Step)
        with _refusals():
            closing.close_step(period, said["to"], by=by)
        return _detail(period)


class WaiverView(_PostView):
    """Requests that a gate be waived."""

    @extend_schema(
        operation_id="periods_waive", tags=["periods"], summary="Ask for a waiver", parameters=[MONTH, PARAMETER],
        request=Waiver, responses={202: ApprovalOut, **_POSTED},
    )  # fmt: skip
    @once
    def post(self, request: Request, month: str) -> Response:
        """Another person accepts it at `approvals/{id}/decision`; it holds up to the value that the gate has now."""
        period, said, by = self.said(request, month, Waiver)
        held, to = states.of(period), closing.next_of(period)
        if to is None:
            raise Conflict(f"{period} is closed.")
        gate = next((gate for gate in gates.of(period, to, held.version) if gate.code == said["gate"]), None)
        if gate is None:
            raise ValidationError({"gate": "not one of this month's gates"})
        with _refusals():
            asked = waivers.propose(period, held.version, gate, said["reason"], by=by)
        return Response(described(asked), status=202)


class ReopenView(_PostView):
    """Requests to open a month again."""

    @extend_schema(
        operation_id="periods_reopen", tags=["periods"], summary="Ask to open a month again", parameters=[MONTH, PARAMETER],
        request=Reopening, responses={202: ApprovalOut, **_POSTED},
    )  # fmt: skip
    @once
    def post(self, request: Request, month: str) -> Response:
        """Another person accepts it at `approvals/{id}/decision`; the month is then open as its next version."""
        period, said, by = self.said(request, month, Reopening)
        with _refusals():
            asked = closing.propose_reopen(period, said["reason"], by=by)
        return Response(described(asked), status=202)


class TaskView(_PostView):
    """Tasks of the checklist that are done by hand."""

    @extend_schema(
        operation_id="periods_task", tags=["periods"], summary="Tick a task", parameters=[MONTH, PARAMETER], request=Tick,
        responses={200: DETAIL, **_POSTED},
    )  # fmt: skip
    @once
    def post(self, request: Request, month: str) -> Response:
        """Who said so, and when, is kept with it."""
        period, said, by = self.said(request, month, Tick)
        with _refusals():
            checklist.mark(period, said["task"], by=by, done=said["done"])
        return _detail(period)
