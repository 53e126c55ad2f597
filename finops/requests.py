"""The id of the request that is being answered: what a caller sends as X-Request-ID, else one of our own.

Everything that the request changes has it in the audit trail (finops.audit), and the answer says it.
"""

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._:+/=-]{1,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")
_log = logging.getLogger(__name__)


def current() -> str:
    """The id; empty outside of a request."""
    return _current.get()


def client_address(request: HttpRequest) -> str | None:
    """Where a request comes from, by as many proxies as FINOPS_PROXIES says; None where that is no address.

    Each proxy adds to the end of X-Forwarded-For whom it got the request from. What stands before those was written by the
    caller, and is not believed.
    """
    said = request.META.get("REMOTE_ADDR", "")
    if settings.PROXIES:
        stations = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
        said = stations[-settings.PROXIES] if len(stations) >= settings.PROXIES else said
    try:
        return str(ip_address(said))
    except ValueError:
        return None


class RequestIdMiddleware:
    """First of all, so that whatever comes after has the id. What is no sane id is replaced and not repaired.

    One line of the log per request (level INFO; shown where FINOPS_LOG is json): what was asked by name of its view, never
    with the query string, by whom as a number, how it ended and how long it took.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the id."""
        given = request.headers.get(HEADER, "")
        held = given if _SANE.fullmatch(given) else uuid.uuid4().hex
        token, begun = _current.set(held), time.monotonic()
        try:
            response = self._get_response(request)
            _note(request, response, time.monotonic() - begun)
        finally:
            _current.reset(token)
        response[HEADER] = held
        return response


def _note(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    if not _log.isEnabledFor(logging.INFO):
        return
    match, user = request.resolver_match, getattr(request, "_cached_user", None)  # no question just for the log
    told = {
        "method": request.method, "view": match.view_name if match else "", "status": response.status_code,
        "seconds": round(seconds, 4), "user": user.pk if user is not None and user.is_authenticated else None,
    }  # fmt: skip
    _log.info("%s %s %s", told["method"], told["view"] or "-", told["status"], extra={"told": told})
