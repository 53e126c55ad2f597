"""Prepare the database for a site whose parts are started one by one."""

from typing import Any

from web.first_start import greeting, prepare
from web.management.base import LedgerCommand


class Command(LedgerCommand):
    """What `up` does before it serves; safe to repeat."""

    help = "Migrate, load price book and tier policy, make the first user."

    def run(self, **options: Any) -> dict[str, Any]:
        password = prepare("setup")
        self.stdout.write(greeting(password) if password else "The database is up to date.")
        return {"first_admin": bool(password)}
