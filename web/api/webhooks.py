"""/api/v1/webhooks: addresses that are told what happens, signed, and what became of each telling."""

from typing import Any

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from web import webhooks
from web.api import cursors
from web.api.given import given_in
from web.api.inline import inline_serializer
from web.api.invoices import number as before_of
from web.api.page_docs import LIMIT_AND_CURSOR
from web.api.permissions import KeepsBooks
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource
from web.models import Delivery, Webhook

_NEXT = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")
_EVENTS = serializers.ListField(child=serializers.ChoiceField(webhooks.EVENTS), help_text="What it is told.")
_WEBHOOK: dict[str, Any] = {
    "id": serializers.IntegerField(),
    "url": serializers.CharField(),
    "events": _EVENTS,
    "secret_ends": serializers.CharField(
        allow_blank=True, help_text="Last four characters; nothing else of it is shown."
    ),
    "created_by": serializers.CharField(),
    "created_at": serializers.DateTimeField(),
}
_DELIVERY: dict[str, Any] = {
    "id": serializers.IntegerField(help_text="X-Ledger-Delivery of every try."),
    "event": serializers.CharField(),
    "event_id": serializers.CharField(help_text="`id` of the body."),
    "state": serializers.ChoiceField(Delivery.State.values, help_text="unsure: a worker ended while it sent this."),
    "attempts": serializers.IntegerField(),
    "error": serializers.CharField(allow_blank=True, help_text="Of the last try."),
    "created_at": serializers.DateTimeField(),
    "next_at": serializers.DateTimeField(allow_null=True, help_text="When it is tried next."),
    "sent_at": serializers.DateTimeField(allow_null=True),
}
_OUT = inline_serializer("Webhook", {**_WEBHOOK})


class NewWebhook(serializers.Serializer[Any]):
    """An address that takes a POST of JSON and answers with a 2xx."""

    url = serializers.CharField(max_length=webhooks.URL_MOST, help_text="Without ? and #. A redirect is a failure.")
    events = serializers.ListField(
        child=serializers.ChoiceField(webhooks.EVENTS), min_length=1, max_length=len(webhooks.EVENTS)
    )
    secret = serializers.CharField(
        write_only=True, max_length=webhooks.SECRET_MOST, trim_whitespace=False,
        help_text=f"{webhooks.SECRET_LEAST} to {webhooks.SECRET_MOST} characters, or env:NAME. Kept sealed, never shown.",
    )  # fmt: skip


class WebhooksView(Resource):
    """Webhooks."""

    permission_classes = [KeepsBooks]

    @extend_schema(
        operation_id="webhooks_list", tags=["webhooks"], summary="Webhooks", parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "WebhookPage", {"results": inline_serializer("ListedWebhook", {**_WEBHOOK}, many=True), "next": _NEXT}
            ),
            **answers(400, 401, 403),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The newest first."""
        cursors.known_only(request, ("limit", "cursor"))
        limit, before = cursors.limit_of(request), before_of(cursors.place_of(request, [int]))
        rows = _rows().order_by("-pk")
        found = list((rows if before is None else rows.filter(pk__lt=before))[: limit + 1])
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [_described(each) for each in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))

    @extend_schema(
        operation_id="webhooks_create", tags=["webhooks"], summary="Make a webhook", parameters=[PARAMETER],
        request=NewWebhook, responses={201: _OUT, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    @sensitive_variables("said", "given")
    def post(self, request: Request) -> Response:
        """It is told what happens from now on, as JSON: event, id, at, subject, month, actor, details.

        Headers: `X-Ledger-Event`, `X-Ledger-Delivery`, `X-Ledger-Timestamp` (seconds since 1970) and `X-Ledger-Signature:
        v1=HMAC`, the HMAC-SHA256 with the secret over the time stamp, a dot and the body, in hex. What is not answered with
        a 2xx is sent again, after pauses of a minute to six hours, eight times in all: know an `id` that you have had.
        """
        cursors.known_only(request, ())
        given = given_in(NewWebhook, request)
        try:
            made = webhooks.create(**given, by=request.user)
        except webhooks.WebhookError as wrong:
            raise ValidationError({"detail": str(wrong)}) from None
        return Response(_described(made), status=201)


class WebhookView(Resource):
    """One webhook."""

    permission_classes = [KeepsBooks]

    @extend_schema(
        operation_id="webhooks_read", tags=["webhooks"], summary="One webhook",
        responses={200: _OUT, **answers(400, 401, 403, 404)},
    )  # fmt: skip
    def get(self, request: Request, number: int) -> Response:
        """Where it goes and what it is told."""
        cursors.known_only(request, ())
        return Response(_described(_held(number)))

    @extend_schema(
        operation_id="webhooks_remove", tags=["webhooks"], summary="Remove a webhook", parameters=[PARAMETER],
        responses={200: _OUT, **answers(400, 401, 403, 404, 409, 413, 422)},
    )  # fmt: skip
    @once
    def delete(self, request: Request, number: int) -> Response:
        """It is told nothing more; what waits for it is given up. Answers with what it was."""
        cursors.known_only(request, ())
        held = _held(number)
        told = _described(held)
        webhooks.remove(held, by=request.user)
        return Response(told)


class WebhookDeliveriesView(Resource):
    """The log of one webhook."""

    permission_classes = [KeepsBooks]

    @extend_schema(
        operation_id="webhooks_deliveries", tags=["webhooks"], summary="What a webhook was told",
        parameters=[*LIMIT_AND_CURSOR],
        responses={
            200: inline_serializer(
                "WebhookDeliveryPage",
                {"results": inline_serializer("WebhookDelivery", {**_DELIVERY}, many=True), "next": _NEXT},
            ),
            **answers(400, 401, 403, 404),
        },
    )  # fmt: skip
    def get(self, request: Request, number: int) -> Response:
        """The newest first. The page Deliveries has a button for another try."""
        cursors.known_only(request, ("limit", "cursor"))
        limit, before = cursors.limit_of(request), before_of(cursors.place_of(request, [int]))
        rows = webhooks.of(_held(number).pk).order_by("-pk")
        found = list((rows if before is None else rows.filter(pk__lt=before))[: limit + 1])
        cursor = cursors.written(request, [found[limit - 1].pk]) if len(found) > limit else None
        results = [_delivered(each) for each in found[:limit]]
        return Response({"results": results, "next": cursor}, headers=cursors.link(request, cursor))


def _rows() -> Any:
    return Webhook.objects.select_related("credential", "created_by")


def _held(number: int) -> Webhook:
    found: Webhook | None = _rows().filter(pk=number).first() if number < 2**63 else None
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


def _described(held: Webhook) -> dict[str, Any]:
    return {
        "id": held.pk, "url": held.url, "events": held.events, "secret_ends": held.credential.last_four,
        "created_by": held.created_by.get_username(), "created_at": held.created_at,
    }  # fmt: skip


def _delivered(row: Delivery) -> dict[str, Any]:
    _, _, event, what = row.occasion.split(":")
    names = ("state", "attempts", "error", "created_at", "next_at", "sent_at")
    return {"id": row.pk, "event": event, "event_id": what, **{name: getattr(row, name) for name in names}}
