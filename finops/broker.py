"""Where tasks wait: CELERY_BROKER_URL, else queues in the same PostgreSQL (pgmq, installed as plain SQL)."""

from typing import Any

from django.conf import settings
from django.db import connection, transaction
from pgmq.install import get_embedded_install_sql
from psycopg.conninfo import make_conninfo

_LOCK = 0x50474D51  # "PGMQ": one installer at a time
_PARTS = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "NAME": "dbname"}
_NOT_LIBPQ = {"isolation_level", "pool", "server_side_binding"}  # Django's own options
# Longer than any task: what is not acknowledged by then is delivered again (tasks are guarded by locks besides).
VISIBILITY_SECONDS = 3_600


def url() -> str:
    """Celery's broker_url. The address of pgmq stands in the transport options, where libpq reads all of it."""
    return str(settings.CELERY_BROKER_URL) or "pgmq://localhost"


def transport_options() -> dict[str, Any]:
    """Celery's broker_transport_options."""
    if settings.CELERY_BROKER_URL:
        # Redis looks for what a dead worker held only every tenth time by default.
        return {"visibility_timeout": VISIBILITY_SECONDS, "unacked_restore_throttle": 1}
    return {
        "conn_string": _conninfo(settings.DATABASES["default"]), "init_extension": False, "pool_size": 4,
        "visibility_timeout": VISIBILITY_SECONDS, "wait_time_seconds": 1, "poll_interval_ms": 250, "polling_interval": 0.1,
    }  # fmt: skip


def _conninfo(database: Any) -> str:
    parts = {name: str(database[place]) for place, name in _PARTS.items() if database.get(place)}
    options = {name: value for name, value in database["OPTIONS"].items() if name not in _NOT_LIBPQ}
    return make_conninfo(**(options | parts))


def install() -> None:
    """Make pgmq's schema in the database; nothing happens where it is, or where another broker is set."""
    if settings.CELERY_BROKER_URL:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT to_regclass('pgmq.meta')")
        if cursor.fetchone() == (None,):
            cursor.execute(get_embedded_install_sql())
