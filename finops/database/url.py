"""DATABASE_URL: read by libpq's own parser, so it means what it means to psql."""

import re

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from finops.env import env

_PLACES = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}


class DatabaseUrlError(ValueError):
    """DATABASE_URL is not a usable PostgreSQL address; the message says why and never repeats the password."""


def given_url() -> str:
    """DATABASE_URL or the content of DATABASE_URL_FILE; empty when neither is set, or when it is set to nothing."""
    return env("DATABASE_URL", "").strip()


def owner_url() -> str:
    """FINOPS_OWNER_URL or the content of FINOPS_OWNER_URL_FILE: how the database's owner comes in; empty when not set."""
    return env("FINOPS_OWNER_URL", "").strip()


def parse_url(url: str) -> dict[str, object]:
    """HOST, PORT, USER, PASSWORD, NAME (only those given) and OPTIONS, as Django wants them.

    Takes all that libpq takes: percent-encoding, IPv6 in brackets, a unix socket folder as `?host=/run/postgresql`,
    several hosts, and every connection parameter as a query option. Raises DatabaseUrlError.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme not in {"postgres", "postgresql"}:
        raise DatabaseUrlError(f"DATABASE_URL must start with postgresql:// (or postgres://), not {scheme or 'that'!r}")
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except ProgrammingError as error:
        raise DatabaseUrlError(f"DATABASE_URL cannot be read: {_without_secrets(str(error), url)}") from None
    if not parts.get("dbname") and "service" not in parts:
        raise DatabaseUrlError("DATABASE_URL names no database: end it with /NAME")
    _check_ports(parts.get("port", ""))
    settings: dict[str, object] = {place: parts[name] for name, place in _PLACES.items() if name in parts}
    options = {name: value for name, value in parts.items() if name not in _PLACES}
    return {"NAME": "", **settings, "OPTIONS": options}


def _check_ports(ports: str) -> None:
    for port in filter(None, ports.split(",")):
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise DatabaseUrlError(f"DATABASE_URL: the port must be a number from 1 to 65535, not {port!r}")


def _without_secrets(message: str, url: str) -> str:
    """Libpq quotes the token that it stumbled over, or the whole address: blank out what the address hides."""
    secrets = re.findall(r"://[^/?#]*?:(.*)@", url) + re.findall(r"[?&](?:ssl)?password=([^&]*)", url)
    for secret in filter(None, secrets):
        message = message.replace(secret, "***")
    return message.strip()
