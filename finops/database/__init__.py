"""Where PostgreSQL is: the server that DATABASE_URL names, else one of our own beside the data (`embedded`).

Never both. This module only reads, so that importing the settings starts nothing; `manage.py` starts the server.
"""

from pathlib import Path

from psycopg import IsolationLevel

from finops.database import embedded
from finops.database.roles import OWNER_ALIAS
from finops.database.url import given_url, owner_url, parse_url

NOT_RUNNING = "the embedded PostgreSQL is not running: start through manage.py"
APPLICATION_NAME = "finops"
CONNECT_SECONDS = "10"
KEEP_SECONDS = 60


def databases(data_dir: Path) -> dict[str, dict[str, object]]:
    """Django's DATABASES: ``default``, as the application; ``owner``, where that is another role (see `roles`).

    Raises DatabaseUrlError when DATABASE_URL or FINOPS_OWNER_URL cannot be used.
    """
    found = _given() if given_url() else _embedded(data_dir)
    return {alias: _complete(settings) for alias, settings in found.items()}


def _complete(settings: dict[str, object]) -> dict[str, object]:
    given = settings["OPTIONS"]
    assert isinstance(given, dict)
    options = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": APPLICATION_NAME,
        # Said aloud, so that a server whose default is another level behaves the same: upserts rely on this one.
        "isolation_level": IsolationLevel.READ_COMMITTED,
    } | given
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": KEEP_SECONDS,
        "CONN_HEALTH_CHECKS": True,
    } | settings | {"OPTIONS": options}  # fmt: skip


def _given() -> dict[str, dict[str, object]]:
    found = {"default": parse_url(given_url())}
    if owner := owner_url():
        found[OWNER_ALIAS] = parse_url(owner)
    return found


def _embedded(data_dir: Path) -> dict[str, dict[str, object]]:
    server = embedded.recorded(data_dir)
    if server is None:
        # libpq puts the name of a service it does not know into its error, at once and without the network.
        return {"default": {"NAME": embedded.DATABASE, "OPTIONS": {"service": NOT_RUNNING}}}
    place: dict[str, object] = {
        "HOST": server.host,
        "PORT": str(server.port),
        "NAME": server.database,
        # The binaries are built without TLS: skip the negotiation, whatever PGSSLMODE says.
        "OPTIONS": {"sslmode": "disable", "gssencmode": "disable"},
    }
    return {
        "default": place | {"USER": embedded.APPLICATION, "PASSWORD": server.application_password},
        OWNER_ALIAS: place | {"USER": server.user, "PASSWORD": server.password},
    }
