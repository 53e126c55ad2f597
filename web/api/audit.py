"""GET /api/v1/audit: who did what when, what was before and after, why, and in which request."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from finops.models import AuditEvent
from web import audit_log
from web.api import cursors
from web.api.inline import inline_serializer
from web.api.invoices import number
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import ReadsAudit
from web.api.problems import answers
from web.api.resource import Resource

_EVENT: dict[str, Any] = {
    "id": serializers.IntegerField(),
    "at": serializers.DateTimeField(),
    "actor": serializers.CharField(help_text="User name, or the command that ran."),
    "action": serializers.CharField(),
    "subject": serializers.CharField(allow_blank=True),
    "reason": serializers.CharField(allow_blank=True),
    "request": serializers.CharField(allow_blank=True, help_text="X-Request-ID; empty for commands and workers."),
    "before": serializers.JSONField(allow_null=True),
    "after": serializers.JSONField(allow_null=True),
    "details": serializers.DictField(help_text="All that was written, with the above."),
    "previous_hash": serializers.CharField(
        allow_blank=True, help_text="SHA-256 of the event before; empty: the first."
    ),
    "hash": serializers.CharField(help_text="SHA-256 over it and this event: manage.py audit_verify."),
}
_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_DAY = {"type": "string", "format": "date"}


class AuditView(Resource):
    """The audit trail."""

    permission_classes = [ReadsAudit]

    @extend_schema(
        operation_id="audit_list", tags=["audit"], summary="The audit trail",
        parameters=[
            OpenApiParameter("actor", OpenApiTypes.STR),
            OpenApiParameter("action", OpenApiTypes.STR, description="Or its beginning: `statement` finds statement.accept."),
            OpenApiParameter("subject", OpenApiTypes.STR, description="A part of it."),
            OpenApiParameter("request", OpenApiTypes.STR, description="X-Request-ID."),
            OpenApiParameter("start", _DAY, description="First day, UTC."),
            OpenApiParameter("end", _DAY, description="Last day, UTC."),
            *LIMIT_AND_CURSOR,
        ],
        responses={
            200: inline_serializer(
                "AuditPage", {"results": inline_serializer("AuditEvent", {**_EVENT}, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The newest first."""
        cursors.known_only(request, (*audit_log.FILTERS, "limit", "cursor"))
        limit, place = cursors.limit_of(request), cursors.place_of(request, [int])
        given = {name: request.query_params.get(name, "") for name in audit_log.FILTERS}
        try:
            found = list(audit_log.events(given, before=number(place))[: limit + 1])
        except audit_log.FilterError as wrong:
            raise ValidationError({wrong.name: str(wrong)}) from None
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [_told(event) for event in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


def _told(event: AuditEvent) -> dict[str, Any]:
    said = audit_log.told(event)
    return {
        "id": event.pk, "at": event.at, "actor": event.actor, "action": event.action, "subject": event.subject,
        "reason": said.reason, "request": said.request, "before": said.before, "after": said.after,
        "details": event.details, "previous_hash": bytes(event.previous_hash).hex(), "hash": bytes(event.hash).hex(),
    }  # fmt: skip
