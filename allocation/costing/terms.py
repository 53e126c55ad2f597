"""The agreements in force, by kind, and how a document becomes them."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from functools import lru_cache
from typing import Any

from django.db import transaction

from allocation.models import Charge, TermsVersion
from finops import audit
from finops.models import SiteMark
from ingest.models import RATE_ANEW, DirtySlice, FactDay

CHARGED = "agreements"  # the mark that says until which day they are charged
Parse = Callable[[Any], Any]
_HELD: ContextVar[dict[str, str] | None] = ContextVar("terms", default=None)  # kind -> content hash


class TermsError(ValueError):
    """A document of agreements cannot be used; the message names the entry and the field."""


@transaction.atomic
def load(kind: str, document: Any, parse: Parse, *, actor: str, charged: bool = True) -> TermsVersion:
    """Make a document the version in force of its kind, and mark every day to be charged anew. Raises TermsError.

    The same content again is the version it was. ``parse`` (of the kind's calc module) refuses what cannot be used.
    ``charged``: whether charges hang on it.
    """
    text = json.dumps(document, sort_keys=True, default=str)
    written = json.loads(text)
    parse(written)
    digest = hashlib.sha256(text.encode()).hexdigest()
    versions = TermsVersion.objects.filter(kind=kind).order_by("-number")
    newest = versions.first()
    if newest is not None and newest.live and newest.content_hash == digest:
        return newest
    versions.filter(live=True).update(live=False)
    version = TermsVersion.objects.create(
        kind=kind, number=newest.number + 1 if newest else 1, content_hash=digest, document=written,
        loaded_by=actor[:150],
    )  # fmt: skip
    details = {"sha256": digest, "before": newest and f"v{newest.number} {newest.content_hash}"}
    audit.record(action=f"{kind}.load", actor=actor, subject=f"v{version.number}", details=details)
    if not charged:
        return version
    SiteMark.objects.filter(name=CHARGED).delete()  # days without usage are charged from its beginning
    charge_anew()
    return version


def in_force(kind: str, parse: Parse) -> Any:
    """What ``parse`` makes of the live document of a kind; of an empty list where there is none."""
    if (held := _HELD.get()) is not None:
        return _parsed(kind, held.get(kind), parse)
    live = TermsVersion.objects.filter(kind=kind, live=True).values_list("content_hash", flat=True).first()
    return _parsed(kind, live, parse)


@contextmanager
def held() -> Iterator[None]:
    """Read once what is in force, for all that is asked within: a day is charged by one state of the agreements.

    What is loaded meanwhile marks the day again.
    """
    live = dict(TermsVersion.objects.filter(live=True).values_list("kind", "content_hash"))
    token = _HELD.set(live)
    try:
        yield
    finally:
        _HELD.reset(token)


def of(kind: str, content_hash: str | None, parse: Parse) -> Any:
    """What ``parse`` makes of the document with this content, in force or not; None: of an empty list."""
    return _parsed(kind, content_hash, parse)


@lru_cache(maxsize=16)  # by content: a version that is rolled back gives its number to the next one
def _parsed(kind: str, content_hash: str | None, parse: Parse) -> Any:
    if content_hash is None:
        return parse([])
    return parse(TermsVersion.objects.filter(kind=kind, content_hash=content_hash).latest("number").document)


def charge_anew() -> None:
    """Mark every day that has usage or charges, also those that only an agreement before charged."""
    rate_anew(
        day
        for rows in (FactDay.objects, Charge.objects)
        for day in rows.values_list("charge_date", flat=True).distinct()
    )


def rate_anew(days: Iterable[date]) -> None:
    """Mark days to be rated and charged anew from the cube as it stands."""
    DirtySlice.objects.bulk_create([DirtySlice(charge_date=day, usage_key_id=RATE_ANEW) for day in sorted(set(days))])
