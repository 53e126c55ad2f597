"""GET /api/v1/cost-centres and /api/v1/teams: those whose cost the user may see, as they are today."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import statement_selectors
from allocation.attribution import cost_centres
from allocation.scope import scope_of
from web.api import cursors
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.problems import answers
from web.api.resource import Resource

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_TEAM: dict[str, Any] = {
    "cost_centre": serializers.CharField(),
    "code": serializers.CharField(),
    "name": serializers.CharField(allow_blank=True),
}
_COST_CENTRE: dict[str, Any] = {
    "code": serializers.CharField(),
    "name": serializers.CharField(allow_blank=True),
    "currency": serializers.CharField(help_text="ISO 4217: in which it is charged."),
    "parent": serializers.CharField(allow_null=True, help_text="Code of the cost centre above it."),
    "gl_account": serializers.CharField(allow_blank=True),
    "legal_entity": serializers.CharField(allow_blank=True),
    "owner": serializers.CharField(allow_null=True, help_text="User name of who answers for it."),
    "valid_from": serializers.DateField(allow_null=True),
    "valid_to": serializers.DateField(allow_null=True, help_text="First day on which it no longer holds."),
    "charging": serializers.ChoiceField(["showback", "chargeback"], help_text="Today; showback is for information."),
}


class CostCentresView(Resource):
    """Cost centres in scope."""

    @extend_schema(
        operation_id="cost_centres_list", tags=["owners"], summary="Cost centres", parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "CostCentrePage", {"results": inline_serializer("CostCentre", _COST_CENTRE, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The cost centres you may see, by code."""
        today = timezone.now().date()
        tree = cost_centres.on(today)
        rows = [
            {
                "code": row.code, "name": row.name, "currency": row.currency, "parent": row.parent and row.parent.code,
                "gl_account": row.gl_account, "legal_entity": row.legal_entity,
                "owner": row.owner and row.owner.get_username(), "valid_from": row.valid_from, "valid_to": row.valid_to,
                "charging": tree[row.code].charging_on(today) if row.code in tree else "chargeback",
            }
            for row in statement_selectors.cost_centres(scope_of(request.user))
        ]  # fmt: skip
        return _page(request, rows, "code")


class TeamsView(Resource):
    """Teams in scope."""

    @extend_schema(
        operation_id="teams_list", tags=["owners"], summary="Teams", parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer("TeamPage", {"results": inline_serializer("Team", _TEAM, many=True), "next": _NEXT}),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The teams of the cost centres you may see, by cost centre and code."""
        rows = [
            {"cost_centre": row.cost_centre.code, "code": row.code, "name": row.name}
            for row in statement_selectors.teams(scope_of(request.user))
        ]
        return _page(request, rows, "cost_centre", "code")


def _page(request: Request, rows: Sequence[dict[str, Any]], *names: str) -> Response:
    def key(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(row[name] for name in names)

    cursors.known_only(request, ("limit", "cursor"))
    limit = cursors.limit_of(request)
    place = cursors.place_of(request, [str] * len(names))
    if place is not None:
        at = tuple(str(value or "") for value in place)
        rows = [row for row in rows if key(row) > at]
    cursor = cursors.written(request, key(rows[limit - 1])) if len(rows) > limit else None
    return Response({"results": rows[:limit], "next": cursor}, headers=cursors.link(request, cursor))
