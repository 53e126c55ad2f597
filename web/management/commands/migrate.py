"""Django's migrate, as the database's owner."""

from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections, transaction

from finops.database.roles import OWNER_ALIAS, SELF_APPROVAL, separate, tell


class Command(migrate.Command):
    """Changes tables as their owner, and then gives each to its role (finops.database.roles)."""

    def handle(self, *args: Any, **options: Any) -> None:
        if OWNER_ALIAS not in connections.settings or options["database"] != "default":
            super().handle(*args, **options)
            return
        super().handle(*args, **options | {"database": OWNER_ALIAS})
        with transaction.atomic(using=OWNER_ALIAS), connections[OWNER_ALIAS].cursor() as cursor:
            separate(cursor, connections.settings["default"]["USER"])
            cursor.execute("SELECT to_regclass('public.finops_ownersetting') IS NOT NULL")
            if cursor.fetchone() == (True,):  # else it was migrated to a version before it
                tell(cursor, SELF_APPROVAL, value=settings.SELF_APPROVAL)
        connections[OWNER_ALIAS].close()
