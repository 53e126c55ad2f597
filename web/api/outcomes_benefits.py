"""/api/v1/benefits: what spend brought about, claimed by one person, attested by another, accepted by a third."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ParseError, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc.outcomes_fields import Wrong
from allocation.calc.roi_gains import STATED
from allocation.models import Benefit
from allocation.scope import scope_of
from allocation.value import roi_benefits, roi_claims
from finops.approvals import ApprovalError, SelfApproval
from web import approving
from web.api import bodies, cursors, outcomes_docs
from web.api.approvals import Decision
from web.api.outcomes import decimal, paged
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import AnswersForBenefits, Approves, WritesOutcomes
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource


class BenefitsView(Resource):
    """Benefits."""

    permission_classes = [WritesOutcomes]

    @extend_schema(
        operation_id="benefits_list", tags=["outcomes"], summary="Benefits", parameters=[*LIMIT_AND_CURSOR],
        responses={200: outcomes_docs.BENEFIT_LIST, **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Of the cost centres you may see, in the order they were claimed. Cash, capacity and quality do not add up."""
        cursors.known_only(request, ("limit", "cursor"))
        return paged(request, roi_claims.listed(scope_of(request.user)).order_by("pk"), described)

    @extend_schema(
        operation_id="benefits_create", tags=["outcomes"], summary="Claim a benefit", parameters=[PARAMETER],
        request=outcomes_docs.BENEFIT_BODY, examples=[outcomes_docs.BENEFIT_EXAMPLE],
        responses={200: outcomes_docs.BENEFIT_OUT, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Claim an effect of a month. It counts once whatever features brought it about: another claim of the same effect and
        month is a 409 unless it `replaces` one that nobody attested.
        """
        cursors.known_only(request, ())
        rows = bodies.records(request)
        if len(rows) != 1:
            raise ParseError("The body is one benefit.")
        try:
            made = roi_benefits.claim(rows[0], by=request.user.get_username(), scope=scope_of(request.user))
        except Wrong as wrong:
            raise ValidationError({wrong.field or "detail": wrong.detail}) from None
        except roi_benefits.BenefitError as wrong:
            raise Conflict(f"{wrong}.") from None
        return Response(described(made))


class AttestView(Resource):
    """The owner's word on one benefit."""

    permission_classes = [AnswersForBenefits]

    @extend_schema(
        operation_id="benefits_attest", tags=["outcomes"], summary="Attest a benefit", parameters=[PARAMETER], request=None,
        responses={200: outcomes_docs.BENEFIT_OUT, **answers(400, 401, 403, 404, 409, 413, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, number: int) -> Response:
        """Answer for a claim; another person of finance is asked to accept it."""
        cursors.known_only(request, ())
        held = _found(request, number)
        try:
            return Response(described(roi_benefits.attest(held.pk, request.user)))
        except roi_benefits.NotYours as wrong:
            raise PermissionDenied(f"{wrong}.") from None
        except roi_benefits.BenefitError as wrong:
            raise Conflict(f"{wrong}.") from None


class AcceptBenefitView(Resource):
    """Finance's word on one benefit."""

    permission_classes = [Approves]

    @extend_schema(
        operation_id="benefits_decide", tags=["outcomes"], summary="Accept or refuse a benefit", parameters=[PARAMETER],
        request=Decision, responses={200: outcomes_docs.BENEFIT_OUT, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, number: int) -> Response:
        """Accepted it counts into return on spend; nobody accepts what they claimed or attested."""
        cursors.known_only(request, ())
        said = Decision(data=request.data)
        said.is_valid(raise_exception=True)
        held = _found(request, number)
        if held.approval is None:
            raise Conflict(f"{held} is {held.state}; its owner attests it first.")
        try:
            approving.decide(held.approval, by=request.user.get_username(), **said.validated_data)
        except SelfApproval as own:
            raise PermissionDenied(f"{own}.") from None
        except (ApprovalError, roi_benefits.BenefitError) as wrong:
            raise Conflict(f"{wrong}.") from None
        return Response(described(_found(request, number)))


def _found(request: Request, number: int) -> Benefit:
    held = roi_claims.listed(scope_of(request.user)).filter(pk=number).first() if number < 2**63 else None
    if held is None:
        raise NotFound("There is no such benefit.")
    return held


def described(row: Benefit) -> dict[str, Any]:
    """A benefit as API and page show it."""
    amount = roi_benefits.amount_of(row) if row.basis == STATED else None
    plain = ("effect", "kind", "basis", "pnl_line", "unit", "direction", "reference", "evidence", "matures_on", "features",
             "claimed_by", "attested_by", "decided_by")  # fmt: skip
    return {
        "id": row.pk, "month": f"{row.month:%Y-%m}", "cost_centre": row.cost_centre.code, "team": row.team and row.team.code,
        **{name: getattr(row, name) for name in plain}, "amount": decimal(amount), "state": roi_benefits.standing(row),
        **{name: decimal(getattr(row, name)) for name in ("baseline", "actual", "realisation")}, "approval": row.approval_id,
    }  # fmt: skip
