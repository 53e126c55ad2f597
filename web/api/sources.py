"""/api/v1/sources: what is connected and how it goes; an admin connects, changes and asks for a sync."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from finops.models import User
from ingest import connections, health_selectors
from ingest.connections import Settings, WrongConnection
from ingest.models import Connection
from ingest.pull import PullFailed
from ingest.source_status import Status
from ingest.sources import all_sources
from web import connecting
from web.api import cursors
from web.api.given import given_in
from web.api.inline import inline_serializer
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import Administers
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource
from web.api.source_docs import SOURCE, ChangedSource, NewSource

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_NAME = OpenApiParameter("name", OpenApiTypes.STR, OpenApiParameter.PATH, pattern=f"^{connecting.NAME}$")


class SourcesView(Resource):
    """All sources; connect another."""

    permission_classes = [Administers]

    @extend_schema(
        operation_id="sources_list", tags=["sources"], summary="Sources", parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer("SourcePage", {"results": SOURCE(many=True), "next": _NEXT}),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Connections by name, then accounts whose records were imported or sent without one: they have the name of
        their kind, `way` is `file`, and there is no address of their own.
        """
        cursors.known_only(request, ("limit", "cursor"))
        limit = cursors.limit_of(request)
        place = cursors.place_of(request, [str, str, str])
        found = sorted(health_selectors.statuses(timezone.now()), key=_key)
        if place is not None:
            at = tuple(str(value or "") for value in place)
            found = [status for status in found if _key(status) > at]
        cursor = cursors.written(request, _key(found[limit - 1])) if len(found) > limit else None
        results = [described(status) for status in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))

    @extend_schema(
        operation_id="sources_create", tags=["sources"], summary="Connect a source", parameters=[PARAMETER],
        request=NewSource, responses={201: SOURCE, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    @sensitive_variables("said")
    def post(self, request: Request) -> Response:
        """Saved after it has answered once with this key, or unseen with `untried`. The key is never shown again."""
        cursors.known_only(request, ())
        said = given_in(NewSource, request)
        settings = Settings(
            said["name"], said["kind"], account=said["account"], base_url=said["base_url"],
            options={name: value for name, value in said["options"].items() if value},
            every=timedelta(minutes=said["every"]), begins_on=said.get("begins_on"),
        )  # fmt: skip
        if Connection.objects.filter(name=settings.name).exists():
            raise Conflict(f"There is a source {settings.name} already.")
        try:
            connecting.connect_tried(settings, said.get("key", ""), by=_user(request), untried=said["untried"])
        except connecting.NotTried as failed:
            raise ValidationError({"detail": f"Not saved, the trial failed: {failed}"}) from None
        except (WrongConnection, PullFailed) as wrong:
            raise ValidationError({"detail": str(wrong)}) from None
        return Response(described(_status(settings.name)), status=201)


class SourceView(Resource):
    """One source."""

    permission_classes = [Administers]

    @extend_schema(
        operation_id="sources_read", tags=["sources"], summary="One source", parameters=[_NAME],
        responses={200: SOURCE, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """State, freshness and completeness of a connection."""
        cursors.known_only(request, ())
        return Response(described(_status(name)))

    @extend_schema(
        operation_id="sources_change", tags=["sources"], summary="Change a source", parameters=[_NAME, PARAMETER],
        request=ChangedSource, responses={200: SOURCE, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    @sensitive_variables("said")
    def patch(self, request: Request, name: str) -> Response:
        """Enable or disable it, replace its key, change how often it is pulled."""
        cursors.known_only(request, ())
        said, item = given_in(ChangedSource, request), _connection(name)
        try:
            if "key" in said:
                connections.replace_secret(item, said["key"], by=_user(request))
            if "every" in said:
                connecting.set_every(item, timedelta(minutes=said["every"]), by=_user(request))
            if "enabled" in said:
                connections.set_enabled(item, enabled=said["enabled"], by=_user(request))
        except (WrongConnection, PullFailed) as wrong:
            raise ValidationError({"detail": str(wrong)}) from None
        return Response(described(_status(name)))


class SyncView(Resource):
    """Pull one source now."""

    permission_classes = [Administers]

    @extend_schema(
        operation_id="sources_sync", tags=["sources"], summary="Pull a source now", parameters=[_NAME, PARAMETER],
        request=None, responses={200: SOURCE, **answers(400, 401, 403, 404, 409, 413, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, name: str) -> Response:
        """Makes it due: a worker takes it with the next tick. Its runs and state say what became of it."""
        cursors.known_only(request, ())
        try:
            connecting.ask_for_sync(_connection(name), by=_user(request))
        except connecting.CannotSync as cannot:
            raise Conflict(f"{cannot}.") from None
        return Response(described(_status(name)))


def _user(request: Request) -> User:
    user = request.user
    if not isinstance(user, User):  # the permission lets nobody else through
        raise NotAuthenticated
    return user


def _key(status: Status) -> tuple[str, str, str]:
    return (f"0{status.name}" if status.connection else "1", status.kind, status.account)


def _connection(name: str) -> Connection:
    found = Connection.objects.select_related("credential").filter(name=name).first()
    if found is None:
        raise NotFound("There is no such source.")
    return found


def _status(name: str) -> Status:
    _connection(name)
    return health_selectors.statuses(timezone.now(), name)[0]


def described(status: Status) -> dict[str, Any]:
    """A source as lists show it; of its key what tells it from others."""
    item, source = status.connection, all_sources().get(status.kind)
    complete, days = status.complete_days()
    key = item.credential if item else None
    return {
        "name": status.name or status.kind, "kind": status.kind, "layer": source.layer if source else "",
        "way": status.way, "account": status.account, "state": status.state, "running": status.is_running,
        "last_ok_at": item.last_ok_at if item else status.last_done_at,
        "last_tried_at": item.last_tried_at if item else None, "next_due_at": item.next_due_at if item else None,
        "last_error": item.last_error if item else "", "failures": item.failures if item else 0,
        "complete_until": status.complete_until, "complete_days": complete, "days": days, "records_7d": status.records,
        "begins_on": item.begins_on if item else None,
        "every": round(item.every.total_seconds() / 60) if item else None,
        "base_url": item.base_url if item else "", "options": item.options if item else {},
        "key": {
            name: getattr(key, name) for name in ("last_four", "fingerprint", "reference", "version", "last_used_at")
        } if key else None,
    }  # fmt: skip
