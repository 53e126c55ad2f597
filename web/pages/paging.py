"""Long lists by pages, newest first: ?before= the id of the last row of the page before."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest


def before_of(request: HttpRequest) -> int | None:
    """Where the page begins. An id, or nothing: what is none is answered before (web.pages.parameters)."""
    text = request.GET.get("before", "")
    return int(text) if text else None


def page_of(request: HttpRequest, found: Sequence[Any], size: int, /, **chosen: str) -> dict[str, str]:
    """Addresses of the next page and the first: ``found`` holds one row more than a page where there is a next."""
    kept = {name: value for name, value in chosen.items() if value}
    older = f"?{urlencode({**kept, 'before': found[size - 1].pk})}" if len(found) > size else ""
    first = f"?{urlencode(kept)}" if request.GET.get("before") else ""
    return {"older": older, "newest": first}
