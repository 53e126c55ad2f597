"""How long one statement of a web request may run: a costly question is cut off before it hurts those of others.

Commands and workers have no such limit. A request that changes something gets more time: what it does happens whole or not
at all, and is not asked for by the dozen.
"""

import contextlib
import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import psycopg
from django.conf import settings
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from psycopg.errors import QueryCanceled

WRITES_TAKE = 8  # times as long
_SAFE = ("GET", "HEAD", "OPTIONS")
_limit: ContextVar[int] = ContextVar("statement_limit", default=0)  # milliseconds; 0: none
_log = logging.getLogger(__name__)


class StatementLimitMiddleware:
    """Sets the limit for the request and takes it away after it, whoever uses the connection next."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer within the limit."""
        seconds = settings.STATEMENT_SECONDS * (1 if request.method in _SAFE else WRITES_TAKE)
        token = _limit.set(seconds * 1000)
        _say(seconds * 1000)
        try:
            return self._get_response(request)
        finally:
            _limit.reset(token)
            _say(0)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A page that says what to do; the API has its own (web.api.problems)."""
        if not was_cut_off(error):
            return None
        _log.warning("a statement ran longer than %d s and was cut off", settings.STATEMENT_SECONDS)
        return render(request, "503.html", status=503)


def was_cut_off(error: BaseException) -> bool:
    """Whether this is what a statement raises that ran out of time."""
    return isinstance(error, OperationalError) and isinstance(error.__cause__, QueryCanceled)


def _say(milliseconds: int) -> None:
    """To the connection, if there is one; not as a statement of Django's, which would be counted and logged."""
    raw = connection.connection
    if raw is None or raw.closed:
        return
    with contextlib.suppress(psycopg.Error):  # a broken connection is replaced, a failed transaction rolled back
        raw.execute(f"SET statement_timeout = {milliseconds:d}")


@receiver(connection_created)
def _limited(connection: Any, **_: Any) -> None:
    """A connection that is made within a request."""
    if milliseconds := _limit.get():
        connection.connection.execute(f"SET statement_timeout = {milliseconds:d}")
