"""The one client that providers are asked with: bounded in time, bytes and tries, and led nowhere by an answer.

It is httpx's transport without httpx's client: nothing here follows a redirect, keeps a cookie or reads a proxy from the
environment. What goes wrong is said in our own words; a foreign body may echo the key and is never quoted.
"""

import json
import random
import re
import ssl
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Self

import httpcore
import httpx

from finops import redaction
from ingest.bodies import bounded, decoded
from ingest.network import Guard, IPNetwork, Unresolved, allowed_networks, parse_url, port_of
from ingest.pull import Answer, ConnectionFailed, CursorExpired, PullFailed, Value

USER_AGENT = "InferenceLedger/0.1.0"

_AGAIN = frozenset({408, 429, 500, 502, 503, 504, 529})  # 529: Anthropic is overloaded
_EXPIRED = frozenset({404, 410})
_BACK_OFF, _BACK_OFF_MOST, _RETRY_AFTER_MOST = 1.0, 60.0, 900.0
_ERROR_BYTES = 65_536
_WORD = re.compile(r"[a-z0-9_.-]{1,60}")
_JSON = re.compile(r"(application|text)/([a-z0-9.+-]+\+)?json", re.IGNORECASE)
_CLOCK_SKEW = timedelta(minutes=5)


class KeyRefused(PullFailed):
    """The provider does not accept the credential, or not for this (401, 403). Asking again would change nothing."""


class KeyUnknown(KeyRefused, ConnectionFailed):
    """The provider does not accept the credential at all (401)."""


class Unreachable(ConnectionFailed):
    """Nobody to talk to: the name has no address, nothing answers there, or who answers has no valid certificate."""


class Limits(NamedTuple):
    """What one request may take."""

    connect: float = 10.0  # seconds each
    read: float = 60.0
    write: float = 30.0
    pool: float = 10.0
    request: float = 180.0  # one try, from the first byte sent to the last byte read
    patience: float = 1_500.0  # all tries and the pauses between them
    body: int = 64 * 1024 * 1024  # bytes, decoded


_LIMITS = Limits()


class Received(Answer):
    """A successful response, of the type that it declares."""

    __slots__ = ()

    def json(self) -> Any:
        """The body as strict JSON. Raises PullFailed, also for a page of HTML that says it is one."""
        declared = self.headers.get("content-type", "").partition(";")[0].strip()
        if declared and not _JSON.fullmatch(declared):
            raise PullFailed("the answer is not JSON by its own content type")
        return super().json()


class _Again(NamedTuple):
    """A try that failed in a way that may pass."""

    failed: PullFailed  # unless it passes
    after: float | None = None  # seconds that the server asks for


class HttpClient:
    """Asks below one URL with one set of headers. For one thread; close it. See ingest.pull.Client."""

    def __init__(  # noqa: PLR0913  every clock and die can be a test's
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        allowed: Sequence[IPNetwork] | None = None,
        tries: int = 5,
        limits: Limits = _LIMITS,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        guard: Guard | None = None,
    ) -> None:
        """Raises AddressRefused for a URL, PullFailed for a header, that cannot be used; connects to nothing."""
        self._base = parse_url(base_url)
        self._headers = _checked(headers)
        self._tries, self._limits = tries, limits
        self._clock, self._now, self._sleep, self._jitter = clock, now, sleep, jitter
        self._guard = guard or Guard(
            allowed_networks() if allowed is None else allowed, plain=self._base.scheme == "http", clock=clock
        )
        self._transport = _GuardedTransport(self._guard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def get(self, path: str, params: Mapping[str, Value] | None = None) -> Answer:
        """GET below the base URL; a list is sent as a repeated parameter.

        Raises PullFailed, KeyRefused, CursorExpired.
        """
        return self._ask(self._request("GET", path, params=params))

    def post(self, path: str, body: Any) -> Answer:
        """POST a JSON body, or bytes as they are; only to where asking twice is asking once. Raises PullFailed, KeyRefused."""
        return self._ask(self._request("POST", path, **{"content" if isinstance(body, bytes) else "json": body}))

    def _request(self, method: str, path: str, **given: Any) -> httpx.Request:
        limits = {name: getattr(self._limits, name) for name in ("connect", "read", "write", "pool")}
        return httpx.Request(method, self._url(path), headers=self._headers, extensions={"timeout": limits}, **given)

    def _url(self, path: str) -> httpx.URL:
        """A path below the base URL; or an absolute URL that a provider gives as the next page, if it is of this origin."""
        try:
            if re.match(r"[a-z][a-z0-9+.-]*:", path, re.IGNORECASE):
                url = httpx.URL(path)
                if _origin(url) != _origin(self._base) or url.userinfo:
                    raise PullFailed("the answer leads to another server, which is not followed")
                return url
            return self._base.copy_with(
                raw_path=f"{self._base.raw_path.decode().rstrip('/')}/{path.lstrip('/')}".encode()
            )
        except (httpx.InvalidURL, UnicodeError):
            raise PullFailed("the answer leads to something that is no URL") from None

    def _ask(self, request: httpx.Request) -> Answer:
        path = request.url.raw_path.decode().partition("?")[0]
        place = f"{request.method} {_server(request.url)}{path}"
        until = self._clock() + self._limits.patience
        number = 0
        while True:
            number += 1
            outcome = self._try(request, place)
            if isinstance(outcome, Answer):
                return outcome
            pause = self._jitter() * min(_BACK_OFF * 2 ** (number - 1), _BACK_OFF_MOST)
            if outcome.after is not None and outcome.after > 0:
                pause = min(outcome.after, _RETRY_AFTER_MOST)
            if number >= self._tries or self._clock() + pause >= until:
                raise type(outcome.failed)(f"{outcome.failed}" + (f"; tried {number} times" if number > 1 else ""))
            self._sleep(pause)

    def _try(self, request: httpx.Request, place: str) -> Answer | _Again:
        self._guard.deadline = self._clock() + self._limits.request
        try:
            response = self._transport.handle_request(request)
            try:
                return self._read(response, place)
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if _caused(error, ssl.SSLCertVerificationError):
                raise _unreachable(request.url, error) from None
            return _Again(_unreachable(request.url, error))
        except httpx.TimeoutException:
            return _Again(PullFailed(f"{place} did not answer in time"))
        except (httpx.NetworkError, httpx.RemoteProtocolError, zlib.error):
            return _Again(PullFailed(f"{place} broke off"))
        except httpx.HTTPError:
            raise PullFailed(f"{place} cannot be asked") from None

    def _read(self, response: httpx.Response, place: str) -> Answer | _Again:
        status, headers = response.status_code, response.headers
        if status < 300:
            body = b"".join(bounded(decoded(response), self._limits.body, place))
            return Received(body, {name.lower(): value for name, value in headers.items()}, self._at(headers))
        if status < 400:
            raise PullFailed(f"{place} answered {status}: redirects are not followed")
        told = f"{place} answered {status}{self._reason(response, place)}"
        if status in _AGAIN:
            return _Again(PullFailed(told), self._asked_to_wait(headers))
        if status == 401:
            raise KeyUnknown(f"{told}: the key is not accepted; replace it")
        if status == 403:
            raise KeyRefused(f"{told}: the key lacks the permission")
        raise (CursorExpired if status in _EXPIRED else PullFailed)(told)

    def _at(self, headers: httpx.Headers) -> datetime:
        """The time of the answer; a server whose clock is ahead must not win over all later answers."""
        now, date = self._now(), _http_date(headers.get("date", ""))
        return now if date is None or date > now + _CLOCK_SKEW else date

    def _asked_to_wait(self, headers: httpx.Headers) -> float | None:
        text = headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
            return float(text)
        date = _http_date(text)
        return None if date is None else (date - (_http_date(headers.get("date", "")) or self._now())).total_seconds()

    def _reason(self, response: httpx.Response, place: str) -> str:
        """`` (rate_limit_error)`` when the body names its error by a plain word, which is no part of what we sent."""
        try:
            error = json.loads(b"".join(bounded(decoded(response), _ERROR_BYTES, place)))["error"]
            words = [error.get("code"), error.get("type"), error.get("status")]
        except (
            PullFailed,
            httpx.HTTPError,
            zlib.error,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
        ):
            return ""
        sent = [part.lower() for value in self._headers.values() for part in value.split()]
        for word in words:
            if isinstance(word, str) and _WORD.fullmatch(word.lower()) and not _echoes(word.lower(), sent):
                return f" ({word.lower()})"
        return ""


class _GuardedTransport(httpx.HTTPTransport):
    """httpx's transport, whose sockets the guard opens."""

    def __init__(self, guard: Guard) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=guard, max_connections=4
        )


def _checked(headers: Mapping[str, str]) -> httpx.Headers:
    for name, value in headers.items():
        if not re.fullmatch(r"[!-9;-~]+", name) or not re.fullmatch(r"[ -~]*", value):
            raise PullFailed("the credential holds a character that no header may: store it again")
        if re.search(r"auth|key|token|secret|cookie", name, re.IGNORECASE):
            redaction.hide(value.rpartition(" ")[2])
    all_of_them = httpx.Headers({"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"})
    all_of_them.update(headers)
    return all_of_them


def _server(url: httpx.URL, *, always: bool = False) -> str:
    """Host and port, the latter where it is not that of the scheme; an IPv6 address in brackets."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{port_of(url)}" if always or url.port else host


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return (url.scheme, url.host, port_of(url)) if url.scheme in {"http", "https"} else (url.scheme, "", 0)


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _echoes(word: str, sent: Sequence[str]) -> bool:
    """Whether a word may be a piece of what we sent, or hold one."""
    return any(word in part or (len(part) >= 8 and part in word) for part in sent)


def _unreachable(url: httpx.URL, error: BaseException) -> Unreachable:
    """What is wrong between here and a host and port, and what to do about it."""
    place, port = _server(url, always=True), port_of(url)
    for cause, told in (
        (Unresolved, "cannot be reached: the name has no address; check the spelling of the URL, and this machine's DNS"),
        (ConnectionRefusedError, f"cannot be reached: nothing listens at port {port}; check the port, and that it runs"),
        (ssl.SSLCertVerificationError, "cannot be trusted: the server's certificate is not valid for it; check the name "
         "in the URL, and that this machine trusts who issued the certificate"),
        (ssl.SSLError, f"cannot be reached: port {port} does not speak TLS as it should; check https:// and the port"),
    ):  # fmt: skip
        if _caused(error, cause):
            return Unreachable(f"{place} {told}")
    return Unreachable(f"{place} cannot be reached; check the address and port, and firewalls on the way")


def _caused(error: BaseException | None, cause: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, cause):
            return True
        error = error.__cause__ or error.__context__
    return False
