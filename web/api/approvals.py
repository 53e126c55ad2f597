"""/api/v1/approvals: what one person prepared and another decides."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from finops.approvals import ApprovalError, SelfApproval
from finops.models import Approval
from web import approving
from web.api import cursors
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import Approves
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")


class ApprovalOut(serializers.Serializer[Any]):
    """A request for approval."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    subject = serializers.CharField()
    state = serializers.ChoiceField(Approval.State.choices)
    prepared_by = serializers.CharField()
    prepared_at = serializers.DateTimeField()
    decided_by = serializers.CharField(allow_blank=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    details = serializers.DictField(help_text="What is asked for.")


_NAMES = tuple(ApprovalOut().fields)
_PAGE = inline_serializer("ApprovalPage", {"results": ApprovalOut(many=True), "next": _NEXT})


class Decision(serializers.Serializer[Any]):
    """Accept or reject, and why."""

    accept = serializers.BooleanField()
    reason = serializers.CharField(max_length=2_000, allow_blank=True, default="")


class ApprovalsView(Resource):
    """Requests for approval."""

    permission_classes = [Approves]

    @extend_schema(
        operation_id="approvals_list", tags=["approvals"], summary="Approvals",
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=Approval.State.values),
            OpenApiParameter("kind", OpenApiTypes.STR), *LIMIT_AND_CURSOR,
        ],
        responses={200: _PAGE, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The newest first."""
        cursors.known_only(request, ("state", "kind", "limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        rows = Approval.objects.order_by("-pk")
        if (state := request.query_params.get("state")) is not None:
            if state not in Approval.State.values:
                raise ValidationError({"state": f"one of {', '.join(Approval.State.values)}"})
            rows = rows.filter(state=state)
        if (kind := request.query_params.get("kind")) is not None:
            rows = rows.filter(kind=kind)
        if place is not None:
            rows = rows.filter(pk__lt=place[0])
        found = list(rows[: limit + 1])
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [described(asked) for asked in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


class DecisionView(Resource):
    """The decision on one request."""

    permission_classes = [Approves]

    @extend_schema(
        operation_id="approvals_decide", tags=["approvals"], summary="Decide", parameters=[PARAMETER], request=Decision,
        responses={200: ApprovalOut, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, number: int) -> Response:
        """Accepting carries it out; nobody accepts what they prepared. 409: it was decided already."""
        cursors.known_only(request, ())
        asked = Approval.objects.filter(pk=number).first()
        if asked is None:
            raise NotFound("There is no such request.")
        said = Decision(data=request.data)
        said.is_valid(raise_exception=True)
        try:
            return Response(described(approving.decide(asked, by=request.user.get_username(), **said.validated_data)))
        except SelfApproval as own:
            raise PermissionDenied(f"{own}.") from None
        except ApprovalError as decided:
            raise Conflict(f"{decided}.") from None
        except ValueError as wrong:
            raise Conflict(f"It cannot be carried out any more: {wrong}.") from None


def described(asked: Approval) -> dict[str, Any]:
    """A request as lists show it."""
    return {name: getattr(asked, name) for name in _NAMES}
