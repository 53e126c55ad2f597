"""Who is who: event ids, query ids, usage keys. Everything here is a pure hash of what the source says.

Ids never depend on a database id, a clock or the order of arrival, so that the same input in any order, cut or
repeated gives the same state (invariant 5).
"""

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ingest.calc.usage import DIMENSIONS

Ints = np.ndarray[Any, np.dtype[np.int64]]
SEPARATOR = "\x1f"
_MOST_CODES = 1 << 62
MAX_TAGS, MAX_TAG_LENGTH, MAX_DIMENSION_LENGTH = 16, 256, 512
# C0, and the marks that change the direction of text: with them a name shows in another order than it is compared.
_CONTROL = re.compile("[\x00-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def event_ids(kind: str, accounts: list[str], native_ids: list[str]) -> np.ndarray[Any, Any]:
    """blake2b-128 over ``kind \\x1f account \\x1f native_id`` of each row, as an array of 16-byte values (S16 view: V16)."""
    digests = bytearray()
    prefixes: dict[str, Any] = {}
    for account, native in zip(accounts, native_ids, strict=True):
        prefix = prefixes.get(account)
        if prefix is None:
            start = f"{kind}{SEPARATOR}{account}{SEPARATOR}".encode()
            prefix = prefixes[account] = blake2b(start, digest_size=16)
        state = prefix.copy()
        state.update(native.encode())
        digests += state.digest()
    return np.frombuffer(bytes(digests), dtype="V16")


def query_ids(kind: str, accounts: pa.Array, traces: pa.Array) -> tuple[Ints, np.ndarray[Any, np.dtype[np.bool_]]]:
    """A signed 64-bit hash of each row's trace and whether it has one (an empty trace is none)."""
    joined = pc.binary_join_element_wise(accounts, traces, SEPARATOR)
    known = pc.fill_null(pc.not_equal(traces, ""), False).to_numpy(zero_copy_only=False)
    encoded = joined.dictionary_encode()
    table = np.array(
        [
            int.from_bytes(blake2b(f"{kind}{SEPARATOR}{text}".encode(), digest_size=8).digest(), "big", signed=True)
            for text in encoded.dictionary.to_pylist()
        ]
        or [0],
        dtype=np.int64,
    )
    codes = pc.fill_null(encoded.indices, 0).to_numpy(zero_copy_only=False)
    return np.where(known, table[codes], 0), known


def canonical_tags(
    tags: Mapping[str, Any] | Iterable[tuple[str, Any]], allowed: frozenset[str]
) -> tuple[str | None, list[str]]:
    """Allow-listed tags as canonical JSON (sorted, at most 16, values at most 256 characters), and the keys left out."""
    items = tags.items() if isinstance(tags, Mapping) else tags
    kept: dict[str, str] = {}
    dropped: list[str] = []
    for key, value in items:
        if key in allowed and isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            kept[key] = clean(str(value))[:MAX_TAG_LENGTH]
        elif value not in (None, ""):
            dropped.append(str(key)[:60])
    if not kept:
        return None, dropped
    chosen = dict(sorted(kept.items())[:MAX_TAGS])
    dropped.extend(sorted(kept)[MAX_TAGS:])
    return json.dumps(chosen, ensure_ascii=False, separators=(",", ":")), dropped


def clean(text: str) -> str:
    """Text without control and direction characters: they break file formats and hide what a name says."""
    return _CONTROL.sub("", text)


def key_hash(layer: str, source: str, values: tuple[str, ...]) -> bytes:
    """The 16 bytes that make a usage key unique: blake2b-128 of layer, source and DIMENSIONS in order."""
    return blake2b(SEPARATOR.join((layer, source, *values)).encode(), digest_size=16).digest()


def distinct_keys(usage: pa.Table) -> tuple[list[tuple[str, ...]], Ints]:
    """The distinct combinations of DIMENSIONS (NULL as '', cleaned, cut to 512 characters) and each row's index."""
    codes, most = np.zeros(len(usage), dtype=np.int64), 1
    dictionaries: list[tuple[list[str], Ints | None]] = []
    for name in DIMENSIONS:
        column = usage[name].combine_chunks()
        if column.null_count == len(column):
            dictionaries.append(([""], None))
            continue
        encoded = pc.fill_null(column, "").dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        texts = encoded.dictionary.to_pylist()
        if name != "tags":  # canonical JSON, cleaned and bounded tag by tag
            texts = [clean(text)[:MAX_DIMENSION_LENGTH] for text in texts]
        if len(texts) == 1:
            dictionaries.append((texts, None))
            continue
        indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        dictionaries.append((texts, indices))
        if most * len(texts) > _MOST_CODES:
            codes, distinct = pd.factorize(codes)
            most = len(distinct)
        codes, most = codes * len(texts) + indices, most * len(texts)
    codes, _ = pd.factorize(codes)
    count = int(codes.max(initial=-1)) + 1
    first = np.full(count, len(usage), dtype=np.int64)
    np.minimum.at(first, codes, np.arange(len(usage)))
    keys = [
        tuple(texts[0] if indices is None else texts[indices[row]] for texts, indices in dictionaries) for row in first
    ]
    return keys, codes


def named_accounts(table: pa.Table, account: str, by_provider: Mapping[str, str]) -> pa.Table:
    """Rows that name no billing account belong to that of their provider, else to the import's account.

    ``account`` 'default' names nobody's: such rows may belong to any account of their provider.
    """
    column = table["billing_account"]
    if not column.null_count or (account == "default" and not by_provider):
        return table
    filled = pa.scalar(None if account == "default" else account, pa.string())
    if by_provider:
        names = table["provider"].combine_chunks().dictionary_encode()
        known = pa.array([by_provider.get(name) for name in names.dictionary.to_pylist()], pa.string())
        column = pc.coalesce(column, known.take(names.indices))
    place = table.column_names.index("billing_account")
    return table.set_column(place, table.schema.field(place), pc.coalesce(column, filled))
