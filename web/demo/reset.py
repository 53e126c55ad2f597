"""Emptying a demo database."""

from django.db import connection, transaction

from web.demo.load import NotADemo, marked

# What any new database gets from the migrations.
_KEPT = ("django_migrations", "django_content_type", "auth_permission")


@transaction.atomic
def reset() -> None:
    """Empty every table. Raises NotADemo unless the database is marked as one."""
    if marked() is None:
        raise NotADemo("this database is no demo; only a demo is ever emptied")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) "
            "FROM pg_class c WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace = 'public'::regnamespace ORDER BY 1"
        )
        tables = {name: guarded for name, guarded in cursor.fetchall() if name not in _KEPT}
        # The triggers that protect audit trail and closed periods protect them from this too.
        for name in (name for name, guarded in tables.items() if guarded):
            cursor.execute(f'ALTER TABLE "{name}" DISABLE TRIGGER USER')
        names = ", ".join(f'"{name}"' for name in tables)
        cursor.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        for name in (name for name, guarded in tables.items() if guarded):
            cursor.execute(f'ALTER TABLE "{name}" ENABLE TRIGGER USER')
