"""The whole database as it stood, to begin from again: a tenth of what it takes to bring it there."""

from django.db import connection

from tests.conftest import KEPT, empty_ledger


class Kept:
    """All rows of all tables but those that every test keeps, and what comes next of each sequence."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
                "AND relnamespace = 'public'::regnamespace AND relname <> ALL(%s) ORDER BY relname",
                [list(KEPT)],
            )
            names = [row[0] for row in cursor.fetchall()]
            self.rows = {name: rows for name in names if (rows := self._read(cursor, name))}
            cursor.execute(
                "SELECT sequencename, last_value FROM pg_sequences "
                "WHERE schemaname = 'public' AND last_value IS NOT NULL"
            )
            self.sequences = cursor.fetchall()

    @staticmethod
    def _read(cursor: object, name: str) -> bytes:
        raw = cursor.cursor  # type: ignore[attr-defined]
        with raw.copy(f"COPY (SELECT * FROM {name}) TO STDOUT (FORMAT binary)") as copy:
            data = b"".join(bytes(piece) for piece in copy)
        return data if len(data) > 21 else b""  # header and trailer alone: no row

    def put_back(self) -> None:
        """Make the database what it was. Triggers do not run: what they refuse has passed them once."""
        empty_ledger()
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            for name, rows in self.rows.items():
                with cursor.cursor.copy(f"COPY {name} FROM STDIN (FORMAT binary)") as copy:
                    copy.write(rows)
            cursor.execute(
                "SELECT setval(format('public.%%I', name)::regclass, last) "
                "FROM unnest(%s::text[], %s::bigint[]) AS s(name, last)",
                [[name for name, _ in self.sequences], [last for _, last in self.sequences]],
            )
            cursor.execute("RESET session_replication_role")
