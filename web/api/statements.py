"""/api/v1/statements: what cost centres are charged, and their answers."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.close import statement_views, statements
from allocation.close.statements import LONGEST, StatementError
from allocation.models import Grant, Statement
from allocation.scope import roles_of
from finops.approvals import SelfApproval
from web.api import cursors
from web.api.given import given_in
from web.api.inline import inline_serializer
from web.api.invoices import MONTH, month_of, number
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_STATEMENT: dict[str, Any] = {
    "id": serializers.IntegerField(),
    "month": serializers.CharField(help_text="YYYY-MM"),
    "x_CostCentre": serializers.CharField(),
    "version": serializers.IntegerField(help_text="Of the month's books: one more after each reopening."),
    "replaced": serializers.BooleanField(help_text="Whether there is a later version."),
    "kind": serializers.ChoiceField(Statement.Kind.choices, help_text="showback: for information, never posted."),
    "state": serializers.ChoiceField(Statement.State.choices),
    "BillingCurrency": serializers.CharField(),
    "amount": serializers.CharField(help_text="EffectiveCost at the currency's minor unit."),
    "charged": inline_serializer(
        "StatementCharged",
        {
            "amount": serializers.CharField(help_text="What the cost centre pays, at its currency's minor unit."),
            "currency": serializers.CharField(help_text="The cost centre's."),
            "rate": serializers.CharField(
                allow_null=True, help_text="Of its currency for 1; null: amount is in it already."
            ),
            "rate_day": serializers.DateField(allow_null=True),
            "rate_source": serializers.CharField(allow_null=True),
        },
    ),
    "content_hash": serializers.CharField(help_text="SHA-256 of the document: sorted keys, no blanks, UTF-8."),
    "issued_at": serializers.DateTimeField(allow_null=True),
    "issued_by": serializers.CharField(allow_blank=True),
    "dispute_until": serializers.DateField(
        allow_null=True, help_text="Accepted after this day (UTC) without a dispute."
    ),
    "disputed_at": serializers.DateTimeField(allow_null=True),
    "disputed_by": serializers.CharField(allow_blank=True),
    "dispute_reason": serializers.CharField(allow_blank=True),
    "resolution": serializers.CharField(allow_blank=True),
    "adjustment": serializers.IntegerField(
        allow_null=True, help_text="Which adjustment ended the dispute; null: none."
    ),
    "accepted_at": serializers.DateTimeField(allow_null=True),
    "accepted_by": serializers.CharField(allow_blank=True, help_text="Empty once accepted: by silence."),
    "posted_at": serializers.DateTimeField(allow_null=True),
    "posted_by": serializers.CharField(allow_blank=True),
}
_ONE = {**_STATEMENT, "document": serializers.DictField(help_text="What it says; its amounts add up.")}
_FILTERS = (
    MONTH,
    OpenApiParameter("state", OpenApiTypes.STR, enum=Statement.State.values),
    OpenApiParameter("cost_centre", OpenApiTypes.STR, description="Its code."),
)
_ONE_OUT = inline_serializer("StatementDocument", {**_ONE})


class Acceptance(serializers.Serializer[Any]):
    """Nothing to say: an empty object."""


class Dispute(serializers.Serializer[Any]):
    """What is wrong."""

    reason = serializers.CharField(max_length=LONGEST)


class Resolution(serializers.Serializer[Any]):
    """How a dispute ends."""

    resolution = serializers.CharField(max_length=LONGEST)
    adjustment = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=2**63 - 1,
        help_text="Number of the adjustment, if there is one.",
    )  # fmt: skip


class StatementsView(Resource):
    """Statements that the caller may see: all of them, or those of the cost centres they own."""

    @extend_schema(
        operation_id="statements_list", tags=["statements"], summary="Statements", parameters=[*_FILTERS, *LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "StatementPage", {"results": inline_serializer("Statement", {**_STATEMENT}, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Every version, the newest first; without their documents."""
        cursors.known_only(request, ("month", "state", "cost_centre", "limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        state = request.query_params.get("state", "")
        if state and state not in Statement.State.values:
            raise ValidationError({"state": f"one of {', '.join(Statement.State.values)}"})
        found = statement_views.listing(
            statement_views.scope_for(request.user), period=month_of(request), state=state,
            code=request.query_params.get("cost_centre", ""), before=number(place), limit=limit + 1,
        )  # fmt: skip
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [_told(each) for each in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


class StatementView(Resource):
    """One statement."""

    @extend_schema(
        operation_id="statements_read", tags=["statements"], summary="One statement with its document",
        responses={200: _ONE_OUT, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, statement: int) -> Response:
        """What it says, and how far it is agreed."""
        cursors.known_only(request, ())
        return Response(_whole(_held(request, statement)))


class AnswerView(Resource):
    """One step of one statement."""

    fields: type[serializers.Serializer[Any]]
    work: Callable[..., Statement]
    roles: frozenset[str] = frozenset()

    def answered(self, request: Request, statement: int) -> Response:
        """Take the step. Raises the API's exceptions."""
        cursors.known_only(request, ())
        held = _held(request, statement)
        allowed = roles_of(request.user) & self.roles if self.roles else statement_views.may_answer(request.user, held)
        if not allowed:
            raise PermissionDenied("This needs the role finance." if self.roles else _WHO)
        given = given_in(self.fields, request)
        try:
            type(self).work(held, by=request.user.get_username(), **given)
        except SelfApproval as own:
            raise PermissionDenied(f"{own}.") from None
        except StatementError as wrong:
            raise Conflict(f"{wrong}.") from None
        return Response(_whole(_held(request, statement)))


_WHO = "This needs an owner of the cost centre, or the role finance."
_CODES = (400, 401, 403, 404, 409, 413, 415, 422)


class AcceptView(AnswerView):
    """Acceptance."""

    fields, work = Acceptance, staticmethod(statements.accept)

    @extend_schema(
        operation_id="statements_accept", tags=["statements"], summary="Accept a statement", parameters=[PARAMETER],
        request=Acceptance, responses={200: _ONE_OUT, **answers(*_CODES)},
    )  # fmt: skip
    @once
    def post(self, request: Request, statement: int) -> Response:
        """By an owner of the cost centre or finance; who disputed it withdraws thereby. 409: it is past that."""
        return self.answered(request, statement)


class DisputeView(AnswerView):
    """Objection."""

    fields, work = Dispute, staticmethod(statements.dispute)

    @extend_schema(
        operation_id="statements_dispute", tags=["statements"], summary="Dispute a statement", parameters=[PARAMETER],
        request=Dispute, responses={200: _ONE_OUT, **answers(*_CODES)},
    )  # fmt: skip
    @once
    def post(self, request: Request, statement: int) -> Response:
        """Within its window, with a reason; its figures stay as they are. 409: the window is over, or it is answered."""
        return self.answered(request, statement)


class ResolveView(AnswerView):
    """End of a dispute."""

    fields, work, roles = Resolution, staticmethod(statements.resolve), frozenset({Grant.Role.FINANCE})

    @extend_schema(
        operation_id="statements_resolve", tags=["statements"], summary="Resolve a dispute", parameters=[PARAMETER],
        request=Resolution, responses={200: _ONE_OUT, **answers(*_CODES)},
    )  # fmt: skip
    @once
    def post(self, request: Request, statement: int) -> Response:
        """By finance, never by who disputes it; what was wrong is adjusted in an open month. 409: it is not disputed."""
        return self.answered(request, statement)


def _held(request: Request, wanted: int) -> Statement:
    found = statement_views.one(statement_views.scope_for(request.user), wanted) if wanted < 2**63 else None
    if found is None:
        raise NotFound("There is no such statement.")
    return found


def _told(each: Statement) -> dict[str, Any]:
    names = [name for name in _STATEMENT if hasattr(each, name) and name not in ("month", "amount", "adjustment")]
    return {
        **{name: getattr(each, name) for name in names}, "month": f"{each.month:%Y-%m}",
        "x_CostCentre": each.cost_centre.code, "BillingCurrency": each.currency,
        "amount": str(statement_views.at_minor_unit(each.amount, each.currency)), "adjustment": each.adjustment_id,
        "charged": statement_views.charged(each)._asdict(),
    }  # fmt: skip


def _whole(each: Statement) -> dict[str, Any]:
    return _told(each) | {"document": each.document}
