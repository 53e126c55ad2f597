"""Discovery: every module here defines one Source named ``SOURCE``; there is no list to edit."""

import importlib
import pkgutil
from functools import cache

from ingest.source import Source


class UnknownKind(ValueError):
    """No source of that kind; the message lists those there are."""


@cache
def all_sources() -> dict[str, Source]:
    """Kind -> source."""
    found: dict[str, Source] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda item: item.name):
        source: Source = importlib.import_module(f"{__name__}.{module.name}").SOURCE
        found[source.kind] = source
    return found


def get_source(kind: str) -> Source:
    """The source of this kind. Raises UnknownKind."""
    try:
        return all_sources()[kind]
    except KeyError:
        raise UnknownKind(f"unknown source {kind!r}; there are: {', '.join(all_sources())}") from None
