"""Opaque cursors: where a page ended, bound to the question, so that a cursor never continues another one."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

LIMIT, LIMIT_MAX = 200, 1000
Place = list[str | int | None]
RowT = TypeVar("RowT")


def limit_of(request: Request) -> int:
    """Rows per page. Raises ValidationError."""
    text = request.query_params.get("limit", str(LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= LIMIT_MAX):
        raise ValidationError({"limit": f"a number from 1 to {LIMIT_MAX}"})
    return int(text)


def written(request: Request, place: Sequence[str | int | None]) -> str:
    """The cursor that continues this request after the row at ``place``."""
    text = json.dumps([_question(request), *place], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(request: Request, kinds: Sequence[type]) -> Place | None:
    """Where to go on; None at the start. ``kinds``: the types of a row's place. Raises ValidationError."""
    text = request.query_params.get("cursor")
    if text is None:
        return None
    wrong = ValidationError({"cursor": "not a cursor of this question; start again without one"})
    try:
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise wrong from None
    if not isinstance(found, list) or len(found) != len(kinds) + 1 or found[0] != _question(request):
        raise wrong
    place: Place = found[1:]
    for value, kind in zip(place, kinds, strict=True):
        if type(value) is not kind and not (value is None and kind is str):
            raise wrong
        if isinstance(value, int) and not 0 <= value < 2**63:
            raise wrong
    return place


def page(
    request: Request, rows: Sequence[RowT], key: Callable[[RowT], Sequence[str | int | None]], kinds: Sequence[type]
) -> tuple[Sequence[RowT], str | None]:
    """Of a list that was made whole: the page that is asked for and the next one's cursor. Raises ValidationError.

    ``rows`` in the order of their ``key``, which no two share; None in it is the empty text.
    """
    limit, place = limit_of(request), place_of(request, kinds)
    if place is not None:
        before = _comparable(place)
        rows = [row for row in rows if _comparable(key(row)) > before]
    cursor = written(request, key(rows[limit - 1])) if len(rows) > limit else None
    return rows[:limit], cursor


def _comparable(place: Sequence[str | int | None]) -> tuple[Any, ...]:
    return tuple("" if value is None else value for value in place)


def link(request: Request, cursor: str | None) -> dict[str, str]:
    """RFC 8288: the next page's address as a header."""
    if cursor is None:
        return {}
    given = [(name, value) for name, value in request.query_params.items() if name != "cursor"]
    return {"Link": f'<{request.path}?{urlencode([*given, ("cursor", cursor)])}>; rel="next"'}


def known_only(request: Request, names: Sequence[str]) -> None:
    """Refuse parameters that would be ignored, and those given twice: a typing error must not widen an answer."""
    for name in request.query_params:
        if name not in names:
            raise ValidationError({name[:60]: f"no such parameter; possible: {', '.join(names)}"})
        if len(request.query_params.getlist(name)) > 1:
            raise ValidationError({name[:60]: "given twice"})
        if any(not char.isprintable() for value in request.query_params.getlist(name) for char in value):
            raise ValidationError({name[:60]: "holds control characters"})


def _question(request: Request) -> str:
    asked = sorted((name, value) for name, value in request.query_params.items() if name not in ("cursor", "limit"))
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
