"""Manifests of closed months: one canonical document, its hash, and what a recomputation finds changed."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

FORMAT = 1


def canonical(document: Mapping[str, Any]) -> str:
    """The one way to write a document: keys sorted, no spaces, characters as they are."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical document, in hexadecimal."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def differences(kept: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What a table's rows are now against what its manifest says: rows, sums by currency and column, else the hash.

    In: {rows, sums: {currency: {column: amount as text}}, sha256} twice.
    """
    if kept["rows"] != now["rows"]:
        yield f"{kept['rows']} rows, now {now['rows']}"
    for currency in sorted(kept["sums"].keys() | now["sums"].keys()):
        was, is_ = kept["sums"].get(currency, {}), now["sums"].get(currency, {})
        for column in sorted(was.keys() | is_.keys()):
            if was.get(column) != is_.get(column):
                yield f"{column} {was.get(column)} {currency}, now {is_.get(column)}"
    if kept["sha256"] != now["sha256"]:
        yield "content changed"
