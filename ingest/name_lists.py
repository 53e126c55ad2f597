"""Lists of a provider's projects, keys and users, for the names beside their ids."""

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.pull import Client, Name, Value, follow


def listed(client: Client, path: str, params: Mapping[str, Value], *, cursor: str) -> Iterator[dict[str, Any]]:
    """The objects of a list that says ``has_more`` and ``last_id``, as both OpenAI and Anthropic keep. Raises PullFailed."""
    for page in follow(client, path, params, cursor=cursor, following="last_id"):
        yield from (item for item in page.document["data"] if isinstance(item, dict))


def named(what: str, item: Mapping[str, Any]) -> Iterator[Name]:
    """What people call an object; nothing where it has neither name nor address."""
    name = item.get("name") or item.get("email")
    if isinstance(item.get("id"), str) and isinstance(name, str) and name:
        yield Name(what, item["id"], name)
