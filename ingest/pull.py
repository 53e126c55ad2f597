"""What a source that is pulled says and gets: streams, windows, pages, and the client it asks with.

A source says what to ask for; who asks, when, how often again, and what becomes of the answer is ingest.sync's.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from ingest.calc.reasons import Rejected
from ingest.calc.records import load_json
from ingest.calc.windows import Stream, Window

__all__ = [
    "Answer", "Client", "ConnectionFailed", "CursorExpired", "LeaseLost", "Name", "Option", "Page", "PullFailed", "Stream",
    "Value", "Window", "follow",
]  # fmt: skip

Value = str | int | bool | Sequence[str]


class PullFailed(Exception):
    """The answer could not be had, or not be trusted. The message is ours: nothing of a foreign body is in it."""


class ConnectionFailed(PullFailed):
    """What keeps one stream keeps all of the connection: nobody is there, or the key is none. Not asked for the others."""


class CursorExpired(PullFailed):
    """The provider no longer knows the cursor (HTTP 410): the window is asked again from its beginning."""


class LeaseLost(Exception):
    """The lease passed and another worker took over; nothing more is committed here. A client that waits may raise it."""


class Option(NamedTuple):
    """A setting of a connection of this kind."""

    name: str
    help: str
    default: str = ""
    required: bool = False


class Answer(NamedTuple):
    """A successful response."""

    body: bytes
    headers: Mapping[str, str]  # lower-case names
    at: datetime  # its Date, else when it came

    def json(self) -> Any:
        """The body as strict JSON. Raises PullFailed."""
        try:
            return load_json(self.body)
        except Rejected as rejected:
            raise PullFailed(f"the answer is no JSON ({rejected.detail})") from None


class Client(Protocol):
    """ingest.http.HttpClient, as a source sees it."""

    def get(self, path: str, params: Mapping[str, Value] | None = None) -> Answer:
        """GET below the connection's URL; a list is sent as a repeated parameter. Raises PullFailed, CursorExpired."""
        ...

    def post(self, path: str, body: Any) -> Answer:
        """POST a JSON body. Raises PullFailed."""
        ...


class Page(NamedTuple):
    """One document of an answer."""

    document: Any  # parsed JSON, or bytes where the source reads text itself
    place: str  # e.g. "usage/completions page 3"
    at: datetime


class Name(NamedTuple):
    """What people call something that records name by id."""

    what: str  # project, api_key, principal, ...
    id: str
    name: str


MAX_PAGES = 10_000


def follow(
    client: Client, path: str, params: Mapping[str, Value], *, cursor: str = "page", following: str = "next_page"
) -> Iterator[Page]:
    """The pages of a list that says ``has_more`` and, in ``following``, where. Raises PullFailed on loops.

    A page without ``has_more`` that says where, one that says there is more and not where, and a place seen before are
    no end.
    """
    seen: set[str] = set()
    asked = dict(params)
    for number in range(1, MAX_PAGES + 1):
        answer = client.get(path, asked)
        document = answer.json()
        if not isinstance(document, dict) or not isinstance(document.get("data"), list):
            raise PullFailed(f"page {number} of {path} is not a list of data")
        yield Page(document, f"{path} page {number}", answer.at)
        place = document.get(following)
        if document.get("has_more") is False or ("has_more" not in document and place is None):
            return
        if not isinstance(place, str) or not place:
            raise PullFailed(f"page {number} of {path} says there is more, and not where")
        if place in seen:
            raise PullFailed(f"page {number} of {path} leads back to a page seen before")
        seen.add(place)
        asked[cursor] = place
    raise PullFailed(f"more than {MAX_PAGES:,} pages of {path}")
