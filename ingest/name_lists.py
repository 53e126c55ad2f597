"""Lists of a provider's projects, keys and users, for the names beside their ids."""

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.pull import MAX_PAGES, Client, Name, PullFailed, Value


def listed(client: Client, path: str, params: Mapping[str, Value], *, cursor: str) -> Iterator[dict[str, Any]]:
    """The objects of a list that says ``has_more`` and ``last_id``, as both OpenAI and Anthropic keep. Raises PullFailed."""
    asked, seen = dict(params), set[str]()
    for number in range(1, MAX_PAGES + 1):
        document = client.get(path, asked).json()
        if not isinstance(document, dict) or not isinstance(document.get("data"), list):
            raise PullFailed(f"page {number} of {path} is not a list of data")
        yield from (item for item in document["data"] if isinstance(item, dict))
        if not document.get("has_more"):
            return
        last = document.get("last_id")
        if not isinstance(last, str) or not last:
            raise PullFailed(f"page {number} of {path} says there is more, and not where")
        if last in seen:
            raise PullFailed(f"page {number} of {path} leads back to a page seen before")
        seen.add(last)
        asked[cursor] = last
    raise PullFailed(f"more than {MAX_PAGES:,} pages of {path}")


def named(what: str, item: Mapping[str, Any]) -> Iterator[Name]:
    """What people call an object; nothing where it has neither name nor address."""
    name = item.get("name") or item.get("email")
    if isinstance(item.get("id"), str) and isinstance(name, str) and name:
        yield Name(what, item["id"], name)
