"""/api/v1/query-caps: what a query may cost at most, and which ones cost more."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.scope import scope_of
from finops.focus import TIERS
from forecasting import watch, watch_selectors
from forecasting.calc.watch_policy import SEVERITIES
from forecasting.models import QueryCap
from forecasting.watch_alerts import AlertProblem
from web import watch_rows
from web.api import cursors, watch_docs
from web.api.alerts import number_of
from web.api.given import given_in
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import CapsQueries
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource

_CAP = inline_serializer("QueryCap", {**watch_docs.CAP})


class NewCap(serializers.Serializer[Any]):
    """A cap on what a query costs; what is left out means all."""

    most = serializers.CharField(
        max_length=40, help_text="A decimal string above 0, in the currency of the price lists."
    )
    severity = serializers.ChoiceField(SEVERITIES, required=False, help_text="Of a breach. Default: ticket.")
    cost_centre = serializers.CharField(required=False, allow_blank=True, max_length=60)
    tier = serializers.CharField(required=False, allow_blank=True, max_length=10, help_text=", ".join(TIERS))
    feature = serializers.CharField(required=False, allow_blank=True, max_length=300)
    provider = serializers.CharField(required=False, allow_blank=True, max_length=300)
    model = serializers.CharField(required=False, allow_blank=True, max_length=300)
    note = serializers.CharField(required=False, allow_blank=True, max_length=300)


class QueryCapsView(Resource):
    """Caps on what a query costs."""

    permission_classes = [CapsQueries]

    @extend_schema(
        operation_id="query_caps_list", tags=["alerts"], summary="Caps on what a query costs, and their breaches",
        parameters=[*LIMIT_AND_CURSOR],
        responses={200: watch_docs.page_of("QueryCapPage", "HeldCap", watch_docs.HELD), **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The oldest first, with the queries of the last 35 days. `exact`: number and money are known exactly; else both lie
        between their bounds (some queries are known by the average of a provider's bucket, or counted by another layer).
        """
        cursors.known_only(request, ("limit", "cursor"))
        found = watch_selectors.queries_of_caps(scope_of(request.user), timezone.now())
        page, cursor = cursors.page(request, found, lambda one: (one.cap.pk,), [int])
        body = {"results": [watch_rows.held(one) for one in page], "next": cursor}
        return Response(body, headers=cursors.link(request, cursor))

    @extend_schema(
        operation_id="query_caps_create", tags=["alerts"], summary="Cap what a query may cost", parameters=[PARAMETER],
        request=NewCap, responses={201: _CAP, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Counted with the next pass of the watch, the last 35 days too."""
        cursors.known_only(request, ())
        said = given_in(NewCap, request)
        try:
            row = watch.create_cap(scope_of(request.user), by=request.user.get_username(), **said)
        except AlertProblem as wrong:
            field, _, why = str(wrong).partition(": ")
            raise ValidationError({field: why}) from None
        return Response(watch_rows.cap(row), status=201)


class QueryCapView(Resource):
    """One cap."""

    permission_classes = [CapsQueries]

    @extend_schema(
        operation_id="query_caps_end", tags=["alerts"], summary="End a cap", parameters=[PARAMETER],
        responses={200: _CAP, **answers(400, 401, 403, 404, 409, 413, 422)},
    )  # fmt: skip
    @once
    def delete(self, request: Request, number: int) -> Response:
        """Nothing is held against it any more; its alert ends by itself. Answers with what it was."""
        cursors.known_only(request, ())
        try:
            row = watch.end_cap(
                scope_of(request.user), number_of(number), by=request.user.get_username(), now=timezone.now()
            )
        except QueryCap.DoesNotExist:
            raise NotFound("There is no such cap.") from None
        except AlertProblem as wrong:
            raise Conflict(f"{wrong}.") from None
        return Response(watch_rows.cap(row))
