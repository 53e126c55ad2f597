"""System checks: is the database one that the migrations and queries run on, and can the settings be read?"""

from collections.abc import Collection, Sequence
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import OperationalError, connections

from finops import encryption

OLDEST, NEWEST = 15, 18
EXTENSIONS = ("btree_gist",)


def check_server(version: int, extensions: Collection[str]) -> list[CheckMessage]:
    """What is wrong with a server of this version (as in server_version_num: 180006) and available extensions."""
    major, messages = version // 10_000, list[CheckMessage]()
    if major < OLDEST:
        messages.append(Error(f"PostgreSQL {major} is too old: {OLDEST} to {NEWEST} are supported.", id="finops.E001"))
    elif major > NEWEST:
        messages.append(Warning(f"PostgreSQL {major} is newer than any we have tested ({NEWEST}).", id="finops.W001"))
    messages += [
        Error(
            f"PostgreSQL extension {name} is not available.",
            hint="It is part of PostgreSQL's contrib modules: install those on the server (postgresql-contrib).",
            id="finops.E002",
        )
        for name in EXTENSIONS
        if name not in extensions
    ]
    return messages


@register(Tags.security)
def check_settings(**_: Any) -> list[CheckMessage]:
    """Are the networks networks, and the encryption keys keys?"""
    messages = list[CheckMessage]()
    for name in ("ALLOWED_NETWORKS", "METRICS_NETWORKS"):
        try:
            for text in getattr(settings, name):
                ip_network(text)
        except ValueError as error:
            messages.append(Error(f"FINOPS_{name}: {error}.", id="finops.E004"))
    if settings.ENCRYPTION_KEYS:
        try:
            encryption.ring()
        except encryption.EncryptionError as error:
            messages.append(Error(f"{error}.", id="finops.E005"))
    return messages


@register(Tags.database)
def check_databases(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Ask each database that the caller wants checked (`migrate`, `check --database`); without one, ask none."""
    return [message for alias in databases or () for message in _check_database(alias)]


def _check_database(alias: str) -> list[CheckMessage]:
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute("select current_setting('server_version_num')::int")
            version = cursor.fetchone()[0]
            cursor.execute("select name from pg_available_extensions")
            extensions = {name for (name,) in cursor.fetchall()}
    except OperationalError as error:
        return [Error(f"The database does not answer: {error}", id="finops.E003")]
    return check_server(version, extensions)
