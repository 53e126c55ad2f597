"""Bodies of answers, decoded while they come, so that no few bytes inflate to more than somebody wants."""

import zlib
from collections.abc import Iterable, Iterator

import httpx

from ingest.pull import PullFailed

_STEP = 1 << 20


def decoded(response: httpx.Response) -> Iterator[bytes]:
    """The body in pieces. Raises PullFailed for a coding that was not asked for; zlib.error."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding == "identity":
        return response.iter_raw()
    if coding in {"gzip", "x-gzip", "deflate"}:
        return inflated(response.iter_raw())
    raise PullFailed("the answer is in a coding that was not asked for")


def inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Of gzip (several members, as RFC 9110 allows) and zlib. Raises zlib.error, also when the end is missing."""
    inflater = zlib.decompressobj(wbits=47)
    for piece in pieces:
        left = piece
        while left:
            if inflater.eof:
                inflater = zlib.decompressobj(wbits=47)
            yield inflater.decompress(left, _STEP)
            left = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    yield inflater.flush()
    if not inflater.eof:
        raise zlib.error


def bounded(pieces: Iterable[bytes], most: int, place: str) -> Iterator[bytes]:
    """The pieces, so long as they are no more than ``most`` bytes together. Raises PullFailed."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise PullFailed(f"{place} answered with more than {most:,} bytes")
        yield piece
