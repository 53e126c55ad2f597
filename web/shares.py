"""Every caller has a share of the web process: one who asks for much at once waits, and does not keep others from theirs."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import render

from finops.requests import client_address

RUNNING, WAITING, SECONDS = 3, 8, 20.0  # requests of one caller in one process, and how long the last of them waits
RETRY_AFTER = "2"
_FREE = ("/healthz", "/readyz", "/metrics", "/dash/_dash-component-suites/")  # what costs nothing, and probes
_TOLD = "Too many of your requests at once; the others are being answered. Send this one again in a moment."


class TooMany(Exception):
    """The caller's share is used, and enough wait already."""


class Shares:
    """Who has how many requests under way in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def one(self, caller: str) -> Iterator[None]:
        """Hold one place while the block runs. Raises TooMany."""
        with self._changed:
            if self._running[caller] >= RUNNING:
                self._wait(caller)
            self._running[caller] += 1
        try:
            yield
        finally:
            with self._changed:
                self._running[caller] -= 1
                self._running += Counter()  # drops callers who have none
                self._changed.notify_all()

    def _wait(self, caller: str) -> None:
        if self._waiting[caller] >= WAITING:
            raise TooMany
        self._waiting[caller] += 1
        try:
            if not self._changed.wait_for(lambda: self._running[caller] < RUNNING, timeout=SECONDS):
                raise TooMany
        finally:
            self._waiting[caller] -= 1
            self._waiting += Counter()


class FairShareMiddleware:
    """Before sessions and authentication: who waits holds no connection to the database."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._shares = Shares()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer in turn."""
        if request.path.startswith(_FREE):
            return self._get_response(request)
        try:
            with self._shares.one(_caller(request)):
                return self._get_response(request)
        except TooMany:
            return _refused(request)


def _caller(request: HttpRequest) -> str:
    """By token or session, unread; else by address."""
    session = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    known = request.headers.get("Authorization") or session or client_address(request) or ""
    return hashlib.sha256(known.encode()).hexdigest()


def _refused(request: HttpRequest) -> HttpResponseBase:
    response: HttpResponseBase
    if request.path.startswith("/api/"):
        problem = {"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": _TOLD,
                   "instance": request.path}  # fmt: skip
        response = JsonResponse(problem, status=429, content_type="application/problem+json")
    else:
        response = render(request, "429.html", {"told": _TOLD}, status=429)
    response["Retry-After"] = RETRY_AFTER
    return response
