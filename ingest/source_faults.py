"""What a source raises that no source may is a bug in it: said in one line with the place, never a bare traceback."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from django.db import Error

from ingest.calc.reasons import Rejected
from ingest.pull import LeaseLost, PullFailed
from ingest.source import NotThisKind, Skip, Source

T = TypeVar("T")
# What a source says by raising, and what goes through it from below: the lease, the disk, the database.
_MEANT = (Rejected, Skip, NotThisKind, PullFailed, LeaseLost, OSError, MemoryError, Error)


class SourceFailed(Exception):
    """A source has a bug; the message names its kind, the place of the record, and what it raised."""


def called(source: Source, place: str, do: Callable[..., T], *given: Any) -> T:
    """What the source answers. Raises what sources may raise, and SourceFailed for anything else."""
    try:
        return do(*given)
    except _MEANT:
        raise
    except Exception as error:
        raise _failed(source, place, error) from error


def listed(source: Source, place: str, do: Callable[..., Iterable[T]], *given: Any) -> Iterator[T]:
    """What the source yields, one by one. Raises as ``called`` does."""
    try:
        yield from do(*given)
    except _MEANT:
        raise
    except Exception as error:
        raise _failed(source, place, error) from error


def _failed(source: Source, place: str, error: Exception) -> SourceFailed:
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return SourceFailed(f"the source {source.kind} failed at {place}: {said}")
