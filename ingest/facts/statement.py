"""One way to read rows, for the modules of this package."""

from typing import Any

from django.db import connection


def rows(sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
