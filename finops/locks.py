"""Locks that the database keeps, and lets go of when their holder dies."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

REFRESHER = 0x52454652  # "REFR": whoever rewrites what is derived of a day or month; closing a month waits for it


@contextmanager
def try_lock(number: int) -> Iterator[bool]:
    """Hold an advisory lock for the length of the block; False when another session has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        row = cursor.fetchone()
    mine = bool(row and row[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])


def hold(number: int) -> None:
    """Wait for an advisory lock and hold it to the end of the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
