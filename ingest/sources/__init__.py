"""Discovery: every module here defines one Source named ``SOURCE``; there is no list to edit.

So does every module of the packages that FINOPS_SOURCE_PACKAGES names: a site's own sources live outside this one.
"""

import importlib
import pkgutil
from functools import cache

from django.conf import settings

from ingest.source import Source


class UnknownKind(ValueError):
    """No source of that kind; the message lists those there are."""


@cache
def all_sources() -> dict[str, Source]:
    """Kind -> source, in the order of the kinds. Raises ValueError when two modules claim one kind."""
    found: dict[str, Source] = {}
    for package in (__name__, *settings.SOURCE_PACKAGES):
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            source: Source = importlib.import_module(f"{package}.{module.name}").SOURCE
            if source.kind in found:
                raise ValueError(f"{package}.{module.name}: there is a source {source.kind} already")
            found[source.kind] = source
    return dict(sorted(found.items()))


def get_source(kind: str) -> Source:
    """The source of this kind. Raises UnknownKind."""
    try:
        return all_sources()[kind]
    except KeyError:
        raise UnknownKind(f"unknown source {kind!r}; there are: {', '.join(all_sources())}") from None
