"""Usage keys of charges of no call: rules, filters and scopes apply to them as to usage."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from allocation.costing.work import Entry
from ingest.calc.identity import canonical_tags, key_hash
from ingest.calc.usage import DIMENSIONS
from ingest.models import UsageKey

SOURCE = "agreement"  # of all usage keys of charges of no call


def entry_keys(entries: Sequence[Entry]) -> list[int]:
    """The usage key id of each entry; keys not seen before are made. Raises KeyError for an unknown dimension."""
    keys = [(entry.layer, _canonical(entry.dimensions)) for entry in entries]
    hashes = {key_hash(layer, SOURCE, values): (layer, values) for layer, values in keys}
    known = _known(list(hashes))
    if missing := [digest for digest in sorted(hashes) if digest not in known]:
        UsageKey.objects.bulk_create([_row(digest, *hashes[digest]) for digest in missing], ignore_conflicts=True)
        known |= _known(missing)
    return [known[key_hash(layer, SOURCE, values)] for layer, values in keys]


def _known(hashes: Sequence[bytes]) -> dict[bytes, int]:
    rows = UsageKey.objects.filter(key_hash__in=hashes).values_list("key_hash", "id")
    return {bytes(digest): number for digest, number in rows}


def _canonical(dimensions: Mapping[str, Any]) -> tuple[str, ...]:
    if unknown := dimensions.keys() - set(DIMENSIONS):
        raise KeyError(f"not a dimension of a usage key: {', '.join(sorted(unknown))}")
    tags, _ = canonical_tags(dimensions.get("tags") or {}, frozenset(settings.TAG_KEYS))
    given = {"mode": "sync", "reported_currency": settings.REPORT_CURRENCY, **dimensions, "tags": tags or ""}
    return tuple(str(given.get(name) or "") for name in DIMENSIONS)


def _row(digest: bytes, layer: str, values: tuple[str, ...]) -> UsageKey:
    given = dict(zip(DIMENSIONS, values, strict=True))
    tags = json.loads(given.pop("tags") or "{}")
    return UsageKey(key_hash=digest, layer=layer, source=SOURCE, tags=tags, **given)
