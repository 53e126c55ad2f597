"""The header Idempotency-Key on every POST: the same key and request twice have one effect and one answer."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from web import idempotency
from web.api import bodies

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
PARAMETER = OpenApiParameter(
    HEADER, OpenApiTypes.STR, OpenApiParameter.HEADER, pattern="^[!-~]{1,255}$",
    description="1 to 255 characters of your choice. For 24 hours the same request with it is answered as the first was, "
    f"with `{REPLAYED}: true`, and does nothing; only successes are kept.",
)  # fmt: skip
ViewT = TypeVar("ViewT")


class Conflict(APIException):
    """It cannot be done now, or not as things stand."""

    status_code = status.HTTP_409_CONFLICT


class KeyOfAnother(APIException):
    """The key was used for something else."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = f"This {HEADER} belongs to another request."


class StillUnderWay(Conflict):
    """The first request has no answer yet."""

    default_detail = f"The first request with this {HEADER} is still under way; ask again."
    wait = 1  # seconds; DRF sends it as Retry-After


def once(post: Callable[..., Response]) -> Callable[..., Response]:
    """A POST that honours the header; without it the work is done every time."""

    @wraps(post)
    def posted(view: Any, request: Request, **names: str) -> Response:
        body = bodies.raw(request)
        key = request.headers.get(HEADER)
        if key is None:
            return post(view, request, **names)
        if not (1 <= len(key) <= 255 and key.isascii() and all("!" <= char <= "~" for char in key)):
            raise ParseError(f"{HEADER}: 1 to 255 characters, letters, digits and marks")
        kind = request.headers.get("Content-Encoding", ""), request.content_type or ""
        address = f"{request.method} {request.get_full_path()}"
        mine = idempotency.digest(address.encode(), *(text.encode() for text in kind), body)
        try:
            row = idempotency.begin(request.user, key, mine)
        except idempotency.UnderWay:
            raise StillUnderWay from None
        except idempotency.OtherRequest:
            raise KeyOfAnother from None
        if row.status is not None:
            return Response(json.loads(row.answer), status=row.status, headers={REPLAYED: "true"})
        return _done(row, lambda: post(view, request, **names))

    return posted


def _done(row: Any, work: Callable[[], Response]) -> Response:
    try:
        response = work()
    except BaseException:
        idempotency.give_up(row)
        raise
    if status.is_success(response.status_code):
        idempotency.keep(row, response.status_code, JSONRenderer().render(response.data).decode())
    else:
        idempotency.give_up(row)
    return response
