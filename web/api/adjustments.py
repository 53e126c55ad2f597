"""/api/v1/adjustments: money that people move between cost centres; each waits for another person's approval."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.attribution import adjustments
from allocation.models import Adjustment
from finops.models import Approval
from web.api import cursors
from web.api.approvals import ApprovalOut, described
from web.api.inline import inline_serializer
from web.api.invoices import MONTH, month_of, number
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import Prepares
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")


class AdjustmentPart(serializers.Serializer[Any]):
    """What one cost centre bears more, or less."""

    cost_centre = serializers.CharField()
    team = serializers.CharField(required=False, allow_blank=True)
    amount = serializers.CharField(help_text="A decimal string; below zero: it bears less.")


class Evidence(serializers.Serializer[Any]):
    """How it is known: a text, and a link or the hash of a file."""

    text = serializers.CharField()
    link = serializers.CharField(required=False)
    sha256 = serializers.CharField(required=False)


class NewAdjustment(serializers.Serializer[Any]):
    """Parts sum to zero, or a pool bears the opposite."""

    month = serializers.CharField(help_text="YYYY-MM: what it is about; of a frozen one it is posted into an open one.")
    currency = serializers.CharField(min_length=3, max_length=3)
    reason = serializers.CharField()
    evidence = Evidence()
    parts = AdjustmentPart(many=True)
    pool = serializers.CharField(required=False, allow_blank=True, help_text="Code of a pool of one cost centre.")


_OUT: dict[str, Any] = {
    "approval": serializers.IntegerField(help_text="The request: /api/v1/approvals."),
    "state": serializers.ChoiceField(Approval.State.choices),
    "adjustment": serializers.IntegerField(allow_null=True, help_text="Its number once it is posted."),
    "month": serializers.CharField(),
    "charge_date": serializers.DateField(allow_null=True, help_text="The day that it is charged on."),
    "currency": serializers.CharField(),
    "reason": serializers.CharField(),
    "evidence": Evidence(),
    "pool": serializers.CharField(allow_blank=True),
    "parts": AdjustmentPart(many=True, help_text="As posted, the pool's part included; until then as asked for."),
    "prepared_by": serializers.CharField(),
    "decided_by": serializers.CharField(allow_blank=True),
}


class AdjustmentsView(Resource):
    """Adjustments."""

    permission_classes = [Prepares]

    @extend_schema(
        operation_id="adjustments_list", tags=["allocation"], summary="Adjustments", parameters=[MONTH, *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "AdjustmentPage", {"results": inline_serializer("Adjustment", {**_OUT}, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """All that were asked for, the newest first, with what became of them."""
        cursors.known_only(request, ("month", "limit", "cursor"))
        limit, place, month = cursors.limit_of(request), cursors.place_of(request, [int]), month_of(request)
        rows = adjustments.requests()
        if month is not None:
            rows = rows.filter(details__adjustment__month=str(month))
        if (before := number(place)) is not None:
            rows = rows.filter(pk__lt=before)
        found = list(rows[: limit + 1])
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [_out(asked) for asked in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))

    @extend_schema(
        operation_id="adjustments_propose", tags=["allocation"], summary="Propose an adjustment", parameters=[PARAMETER],
        request=NewAdjustment, responses={202: ApprovalOut, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Another person of finance posts it by accepting the approval."""
        cursors.known_only(request, ())
        try:
            asked = adjustments.propose(request.data, by=request.user.get_username())
        except ValueError as wrong:
            raise ValidationError({"detail": str(wrong)}) from None
        return Response(described(asked), status=202)


def _out(asked: Approval) -> dict[str, Any]:
    written = asked.details["adjustment"]
    posted: Adjustment | None = getattr(asked, "adjustment", None)
    return {
        "approval": asked.pk, "state": asked.state, "adjustment": posted and posted.pk, "month": written["month"],
        "charge_date": posted and posted.charge_date, "currency": written["currency"], "reason": written["reason"],
        "evidence": written["evidence"], "pool": written.get("pool") or "",
        "parts": posted.parts if posted else written["parts"], "prepared_by": asked.prepared_by,
        "decided_by": asked.decided_by,
    }  # fmt: skip
