"""/api/v1/alerts, /api/v1/silences: what the watch found, who answers, and for how long nothing is told."""

from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.scope import scope_of
from forecasting import watch_alerts
from forecasting.calc.watch_policy import SEVERITIES
from forecasting.models import Alert, Silence
from forecasting.watch_alerts import AlertProblem
from web import watch_rows
from web.api import cursors, watch_docs
from web.api.given import given_in
from web.api.inline import inline_serializer
from web.api.invoices import number as before_of
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import AnswersAlerts
from web.api.posting import PARAMETER, Conflict, once
from web.api.problems import answers
from web.api.resource import Resource

_STATES = ("open", "acknowledged", "ended")
_ALERT = inline_serializer("Alert", {**watch_docs.ALERT})
_SILENCE = inline_serializer("Silence", {**watch_docs.SILENCE})


class Answer(serializers.Serializer[Any]):
    """What a person says of an alert."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=300)


class _Instant(serializers.DateTimeField):
    """An instant: a time that says its zone."""

    default_error_messages: ClassVar[dict[str, Any]] = {"naive": "needs its zone, as 2026-10-02T09:00:00Z"}

    def enforce_timezone(self, value: datetime) -> datetime:
        """Refuse a time without one."""
        if value.tzinfo is None:
            self.fail("naive")
        return super().enforce_timezone(value)


class NewSilence(serializers.Serializer[Any]):
    """No notice for a while; alerts are kept all the same."""

    subject = serializers.CharField(max_length=600, help_text="Of an alert; `*`: everything (who sees everything).")
    ends = _Instant(help_text="With its zone; at most 90 days from now.")
    reason = serializers.CharField(max_length=300)
    severity = serializers.ChoiceField(
        SEVERITIES, required=False, help_text="The most that is held back. Default: page."
    )


class AlertsView(Resource):
    """Alerts."""

    @extend_schema(
        operation_id="alerts_list", tags=["alerts"], summary="Alerts",
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=list(_STATES), description="acknowledged: of the open ones."),
            OpenApiParameter("severity", OpenApiTypes.STR, enum=list(SEVERITIES)), *LIMIT_AND_CURSOR,
        ],
        responses={200: watch_docs.page_of("AlertPage", "ListedAlert", watch_docs.ALERT), **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The newest first. One alert is one episode of one subject: it ends after a day of quiet."""
        cursors.known_only(request, ("state", "severity", "limit", "cursor"))
        said = {name: request.query_params.get(name, "") for name in ("state", "severity")}
        for name, possible in (("state", _STATES), ("severity", SEVERITIES)):
            if said[name] not in ("", *possible):
                raise ValidationError({name: f"one of {', '.join(possible)}"})
        rows = watch_alerts.listed(scope_of(request.user), **said)
        return listed(request, rows, _described)


class AcknowledgeView(Resource):
    """A person's answer to one alert."""

    permission_classes = [AnswersAlerts]

    @extend_schema(
        operation_id="alerts_acknowledge", tags=["alerts"], summary="Acknowledge an alert", parameters=[PARAMETER],
        request=Answer, responses={200: _ALERT, **answers(400, 401, 403, 404, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request, number: int) -> Response:
        """Until it is more severe, or the money at stake is a multiple of what was told, nothing more is told of it."""
        cursors.known_only(request, ())
        said = given_in(Answer, request)
        try:
            row = watch_alerts.acknowledge(
                scope_of(request.user), number_of(number), by=request.user.get_username(), now=timezone.now(),
                note=said.get("note", ""),
            )  # fmt: skip
        except Alert.DoesNotExist:
            raise NotFound("There is no such alert.") from None
        except AlertProblem as wrong:
            raise Conflict(f"{wrong}.") from None
        return Response(_described([row])[0])


class SilencesView(Resource):
    """Silences."""

    permission_classes = [AnswersAlerts]

    @extend_schema(
        operation_id="silences_list", tags=["alerts"], summary="Silences", parameters=[*LIMIT_AND_CURSOR],
        responses={200: watch_docs.page_of("SilencePage", "ListedSilence", watch_docs.SILENCE), **answers(400, 401, 403)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The newest first, ended ones too."""
        cursors.known_only(request, ("limit", "cursor"))
        return listed(
            request, watch_alerts.silences(scope_of(request.user)), lambda rows: list(map(watch_rows.silence, rows))
        )

    @extend_schema(
        operation_id="silences_create", tags=["alerts"], summary="Silence a subject for a while", parameters=[PARAMETER],
        request=NewSilence, responses={201: _SILENCE, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """Notices are held back and nothing is lost: what is still so when it ends is told then."""
        cursors.known_only(request, ())
        said = given_in(NewSilence, request)
        try:
            row = watch_alerts.silence(
                scope_of(request.user), by=request.user.get_username(), now=timezone.now(), **said
            )
        except AlertProblem as wrong:
            raise ValidationError({"detail": str(wrong)}) from None
        return Response(watch_rows.silence(row), status=201)


class SilenceView(Resource):
    """One silence."""

    permission_classes = [AnswersAlerts]

    @extend_schema(
        operation_id="silences_end", tags=["alerts"], summary="End a silence", parameters=[PARAMETER],
        responses={200: _SILENCE, **answers(400, 401, 403, 404, 409, 413, 422)},
    )  # fmt: skip
    @once
    def delete(self, request: Request, number: int) -> Response:
        """Now, before its time; the row stays."""
        cursors.known_only(request, ())
        try:
            row = watch_alerts.end_silence(
                scope_of(request.user), number_of(number), by=request.user.get_username(), now=timezone.now()
            )
        except Silence.DoesNotExist:
            raise NotFound("There is no such silence.") from None
        except AlertProblem as wrong:
            raise Conflict(f"{wrong}.") from None
        return Response(watch_rows.silence(row))


def listed(request: Request, rows: Any, described: Any) -> Response:
    """A page of rows, the newest first. ``described``: rows as JSON."""
    limit, before = cursors.limit_of(request), before_of(cursors.place_of(request, [int]))
    rows = rows.order_by("-pk")
    found = list((rows if before is None else rows.filter(pk__lt=before))[: limit + 1])
    cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
    body = {"results": described(found[:limit]), "next": cursor}
    return Response(body, headers=cursors.link(request, cursor))


def _described(rows: list[Alert]) -> list[dict[str, Any]]:
    """Alerts with all their answers."""
    answers = watch_alerts.answers(rows)
    return [watch_rows.alert(one, answers.get(one.pk, ())) for one in rows]


def number_of(number: int) -> int:
    """Raises NotFound of what no row has."""
    if number >= 2**63:
        raise NotFound
    return number
