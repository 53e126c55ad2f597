"""Emptying a demo database."""

from django.db import connections, transaction

from finops.database.roles import OWNER_ALIAS
from web.demo.load import NotADemo, marked

# What any new database gets from the migrations, and what its owner told it.
_KEPT = ("django_migrations", "django_content_type", "auth_permission", "finops_ownersetting")


def reset() -> None:
    """Empty every table, as their owner. Raises NotADemo unless the database is marked as one."""
    if marked() is None:
        raise NotADemo("this database is no demo; only a demo is ever emptied")
    owner = OWNER_ALIAS if OWNER_ALIAS in connections.settings else "default"
    with transaction.atomic(using=owner), connections[owner].cursor() as cursor:
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
