"""What the logs of gateways have in common: free labels, hits of their own cache, and how they name providers."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ingest.calc.identity import canonical_tags
from ingest.calc.matching import PROVIDER_ALIASES
from ingest.calc.reasons import Rejected

_FEATURES, _ENVIRONMENTS = ("feature", "use_case"), ("environment", "env")


def provider_of(name: Any) -> str | None:
    """A provider as we call it."""
    if not isinstance(name, str) or not name:
        return None
    plain = name.lower().replace("-", "_").replace("google_vertex_ai", "vertex_ai")
    return PROVIDER_ALIASES.get(plain, name.lower())


def labels(pairs: Any, tag_keys: frozenset[str], dropped: Counter[str]) -> dict[str, str | None]:
    """Allow-listed tags, feature and environment of the labels a call bears. Names that begin with ``_`` are of users.

    ``dropped`` counts the names that are not allowed. Raises Rejected for labels that are no object.
    """
    if pairs is None:
        return {}
    if not isinstance(pairs, Mapping):
        raise Rejected("unknown_shape", "metadata is not an object")
    named = {str(name).lower(): value for name, value in pairs.items() if not str(name).startswith("_")}
    tags, others = canonical_tags(named, tag_keys)
    dropped.update(others)
    return {"tags": tags, "feature": _first(named, _FEATURES), "environment": _first(named, _ENVIRONMENTS)}


def usage(classes: Mapping[str, int], *, hit: bool) -> dict[str, int]:
    """The classes of a call; none, and what it saved, where the gateway answered from its own cache."""
    return {"saved_tokens": sum(classes.values())} if hit else dict(classes)


def _first(named: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if isinstance(value := named.get(name), str) and value), None)
