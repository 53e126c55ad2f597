"""Errors as RFC 9457 ``application/problem+json``: what went wrong and where, never anything internal."""

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults
from drf_spectacular.utils import OpenApiResponse
from psycopg.errors import QueryCanceled
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from web.api.inline import inline_serializer

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger(__name__)

PROBLEM = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(help_text="about:blank: the status says it all."),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "detail": serializers.CharField(),
        "instance": serializers.CharField(help_text="Path of the request."),
    },
)
_MEANING = {
    400: "A parameter is wrong; the detail says which.",
    401: "No token and no session, or a token that is unknown, expired or revoked.",
    403: "The roles of the user or the scope of the token do not allow it.",
    404: "There is no such thing, or not for this user.",
    409: "It cannot be done as things stand, or the first request with this Idempotency-Key is still under way.",
    413: "More than one request may hold.",
    415: "A content type or coding that is not taken here.",
    422: "The Idempotency-Key belongs to another request.",
    500: "Something is wrong on our side; the detail says what.",
    503: "Not now; the same request may be sent again.",
}


class TooLong(APIException):
    """The database cut the query off."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The answer took too long; ask for a shorter period or fewer dimensions."


def answers(*codes: int) -> dict[Any, OpenApiResponse]:
    """OpenAPI responses for these statuses."""
    return {(code, MEDIA_TYPE): OpenApiResponse(PROBLEM, _MEANING[code]) for code in codes}


def problem_json(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None for what nobody foresaw: Django logs it and ``server_error`` answers."""
    if isinstance(error, OperationalError) and isinstance(error.__cause__, QueryCanceled):
        error = TooLong()
    if isinstance(error, SuspiciousOperation):
        error = ValidationError("The request is malformed.")
    response = exception_handler(error, context)
    if response is None:
        return None
    response.data = _problem(response.status_code, _text(response.data), context["request"].path)
    response.content_type = MEDIA_TYPE
    return response


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's handler500: a problem for /api/, the page for people elsewhere."""
    if not request.path.startswith("/api/"):
        return defaults.server_error(request)
    return _plain(request, 500, "Something went wrong on our side; it has been logged.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler404: a problem for /api/, the page for people elsewhere."""
    if not request.path.startswith("/api/"):
        return defaults.page_not_found(request, exception)
    return _plain(request, 404, "There is nothing at this path.")


def _plain(request: HttpRequest, code: int, detail: str) -> JsonResponse:
    return JsonResponse(_problem(code, detail, request.path), status=code, content_type=MEDIA_TYPE)


def _problem(code: int, detail: str, path: str) -> dict[str, Any]:
    return {"type": "about:blank", "title": HTTPStatus(code).phrase, "status": code, "detail": detail, "instance": path}


def _text(data: Any) -> str:
    """DRF's nested details as one sentence: `field: reason; field: reason`."""
    if isinstance(data, dict):
        return "; ".join(
            _text(value) if name == "detail" else f"{name}: {_text(value)}" for name, value in data.items()
        )
    if isinstance(data, (list, tuple)):
        return " ".join(_text(value) for value in data)
    return str(data)
