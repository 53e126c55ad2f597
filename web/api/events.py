"""POST /api/v1/events: records that their own systems send."""

import re
from typing import Any

from django.db import DatabaseError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ingest import push, run_selectors
from ingest.intake import Refused, SourceWrong, Unfinished
from ingest.models import IngestRun
from ingest.sources import UnknownKind, all_sources, get_source
from web.api import bodies, cursors
from web.api.inline import inline_serializer
from web.api.permissions import IngestToken
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource
from web.run_summary import summary

_COUNTS = ("read", "stored", "changed", "duplicate", "quarantined", "unpriced")
_REJECTED: dict[str, Any] = {
    "index": serializers.IntegerField(allow_null=True, help_text="Of the record in the batch, from 0."),
    "place": serializers.CharField(help_text="Inside a record that is a page of many: with a JSON pointer."),
    "reason": serializers.CharField(),
    "detail": serializers.CharField(allow_blank=True, help_text="The field and what is wrong; never its content."),
}
_SUMMARY: dict[str, Any] = {
    "run": serializers.CharField(),
    "source": serializers.CharField(),
    "account": serializers.CharField(),
    "state": serializers.ChoiceField(IngestRun.State.values),
    **{name: serializers.IntegerField() for name in _COUNTS},
    "skipped": serializers.DictField(child=serializers.IntegerField(), help_text="Reason: records that are no usage."),
    "quarantine": serializers.DictField(child=serializers.IntegerField(), help_text="Reason: records not taken."),
    "currency": serializers.CharField(),
    "totals": serializers.DictField(help_text="What this batch stored or changed, as strings."),
    "identity": serializers.CharField(help_text="row: records without an id are known by their whole content."),
    "notes": serializers.DictField(help_text="Counts worth knowing: unknown fields, dropped tags."),
    "rejected": inline_serializer("RejectedRecord", _REJECTED, many=True),
}
_EVENTS = {"type": "array", "items": {}, "maxItems": push.MAX_BATCH}
_BODY: dict[Any, Any] = {
    "application/json": {
        "anyOf": [
            _EVENTS,
            {"type": "object", "required": ["events"], "properties": {"events": _EVENTS}},
            {"type": "object", "not": {"required": ["events"]}, "description": "One record."},
        ]
    },
    "application/x-ndjson": OpenApiTypes.STR,
}


class NotNow(APIException):
    """The database could not take the batch."""

    status_code = 503
    default_detail = "The batch could not be stored; send it again."
    wait = 5  # seconds; DRF sends it as Retry-After


class OurFault(APIException):
    """The source of this kind has a bug."""

    status_code = 500


class EventsView(Resource):
    """Batches of usage records."""

    permission_classes = [IngestToken]
    ingests = True

    @extend_schema(
        operation_id="events_create", tags=["ingest"], summary="Send usage records",
        parameters=[
            OpenApiParameter(
                "source", OpenApiTypes.STR, default="generic", pattern="^[a-z][a-z0-9_]{0,39}$",
                description="Kind of the records: generic (the columns of the default mapping) or another that is pushed.",
            ),
            OpenApiParameter(
                "account", OpenApiTypes.STR, default="default", pattern="^[!-~]([ -~]{0,198}[!-~])?$",
                description="Whose usage it is; part of the identity of every record.",
            ),
            PARAMETER,
        ],
        request=_BODY,
        responses={
            200: inline_serializer("TakenEvents", _SUMMARY),
            **answers(400, 401, 403, 409, 413, 415, 422, 500, 503),
        },
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Up to 10,000 records and 32 MB, plain or gzip; a record a line is taken as application/json, too. Every record
        is stored, known already or rejected with its reason when this answers; the same batch may be sent again, also in
        part, and nothing counts twice. Needs a token of scope ingest.
        """
        cursors.known_only(request, ("source", "account"))
        kind, account = _kind(request), _account(request)
        records = bodies.records(request)
        try:
            run = push.take_batch(kind, account, records)
        except push.TooMany as many:
            raise bodies.TooLarge(f"{many}; send the batch in parts.") from None
        except Refused as refused:
            raise ValidationError({"detail": str(refused)}) from None
        except SourceWrong as wrong:
            raise OurFault(
                f"{wrong}; the batch is not stored whole: once the source is mended, send it again"
            ) from wrong
        except (Unfinished, DatabaseError) as error:
            raise NotNow from error
        return Response(summary(run) | {"rejected": _rejected(run)})


def _kind(request: Request) -> str:
    kind = request.query_params.get("source", "generic")
    try:
        source = get_source(kind)
    except UnknownKind:
        source = None
    if source is None or not source.pushed:
        pushed = ", ".join(name for name, each in all_sources().items() if each.pushed)
        raise ValidationError({"source": f"a kind that is pushed: {pushed}"})
    return kind


def _account(request: Request) -> str:
    account = request.query_params.get("account", "default")
    if not 1 <= len(account) <= 200 or account != account.strip():
        raise ValidationError({"account": "1 to 200 characters"})
    return account


def _rejected(run: IngestRun) -> list[dict[str, Any]]:
    """Why each rejected record was, in the order of the batch."""
    if not run.quarantined:
        return []
    found = run_selectors.quarantine(run.pk, after=None, limit=run.quarantined)
    return [
        {"index": _index(row["place"]), "place": row["place"], "reason": row["reason"], "detail": row["detail"]}
        for row in found
    ]


def _index(place: str) -> int | None:
    match = re.match(r"event ([0-9]+)", place)
    return int(match[1]) if match else None
