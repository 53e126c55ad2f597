"""Connected sources: make, change, try and disable them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from finops import audit
from finops.models import User
from ingest import credentials, dismissals, runs
from ingest.calc.windows import Window, align
from ingest.connection_settings import BACKFILL as BACKFILL
from ingest.connection_settings import LEAST as LEAST
from ingest.connection_settings import NAME as NAME
from ingest.connection_settings import Settings as Settings
from ingest.connection_settings import WrongConnection as WrongConnection
from ingest.connection_settings import checked
from ingest.http import HttpClient
from ingest.models import Connection
from ingest.network import same_server
from ingest.pull import ConnectionFailed, PullFailed
from ingest.reading import groups_of_pages
from ingest.services import context_of, latest_us
from ingest.source import NotThisKind, Source
from ingest.source_faults import SourceFailed, listed
from ingest.sources import get_source

_BREATH = 20.0  # seconds
_ENOUGH = 3  # streams that fail at once: the others would too


def connect(settings: Settings, *, secret: str = "", by: User | None) -> Connection:
    """Make a connection. ``secret``: the key, or ``env:NAME``; stored sealed. Raises WrongConnection."""
    source = checked(settings, keyed=bool(secret))
    _only_one(settings)
    begins_on = settings.begins_on or (runs.database_now() - BACKFILL).date()
    try:
        with transaction.atomic():
            made = Connection.objects.create(
                name=settings.name, kind=settings.kind, way=settings.way, account=settings.account,
                base_url=settings.base_url or source.default_url, options=dict(settings.options or {}),
                every=settings.every, begins_on=begins_on, created_by=by,
                credential=credentials.seal(settings.kind, secret, by) if secret else None,
            )  # fmt: skip
            audit.record(
                action="connection.created",
                actor=_actor(by),
                subject=made.name,
                details={"kind": made.kind, "account": made.account},
            )
    except IntegrityError:
        raise WrongConnection(_taken(settings.name), "name") from None
    return made


def _taken(name: str) -> str:
    return (
        f"there is a connection {name!r} already: choose another name, or give that one another key with `connection key "
        f"{name}`, change it with `connection edit {name}`, forget it with `connection remove {name}`"
    )


def _only_one(settings: Settings) -> None:
    """Two pulls of one kind into one account would each take what the other states for vanished."""
    pulls = Connection.objects.filter(kind=settings.kind, account=settings.account, way=Connection.Way.PULL)
    other = pulls.exclude(name=settings.name).first()
    if settings.way == Connection.Way.PULL and other is not None:
        raise WrongConnection(
            f"{other.name} pulls {settings.kind} into account {settings.account!r} already: give this one an account of "
            f"its own, or remove {other.name}"
        )


def replace_secret(connection: Connection, secret: str, *, by: User | None) -> None:
    """Store another key for a connection; the former one is gone."""
    if not get_source(connection.kind).secret:
        raise WrongConnection(f"{connection.kind} takes no key")
    with transaction.atomic():
        if connection.credential is None:
            connection.credential = credentials.seal(connection.kind, secret, by)
        else:
            credentials.replace(connection.credential, secret, by)
        connection.next_due_at, connection.failures = None, 0
        connection.save(update_fields=["credential", "next_due_at", "failures"])
        audit.record(action="connection.key_replaced", actor=_actor(by), subject=connection.name)


def set_enabled(connection: Connection, *, enabled: bool, by: User | None) -> None:
    """Pull it, or leave it alone. What it delivered stays."""
    connection.enabled, connection.next_due_at = enabled, None
    with transaction.atomic():
        connection.save(update_fields=["enabled", "next_due_at"])
        audit.record(
            action="connection.enabled" if enabled else "connection.disabled", actor=_actor(by), subject=connection.name
        )


EDITABLE = ("name", "base_url", "options", "every", "begins_on")


@sensitive_variables("secret")
def edit(connection: Connection, *, by: User | None, secret: str = "", **changes: Any) -> None:
    """Change what was said of a connection: ``name, base_url, options, every, begins_on``. Raises WrongConnection.

    ``options`` replaces all of them. Checked like a new one. A stored key goes to the server it was given for: with a
    URL of another server it is entered again (``secret``). What was delivered stays; the change counts from the next
    sync, which is due at once.
    """
    if stray := sorted(set(changes) - set(EDITABLE)):
        raise WrongConnection(f"{', '.join(stray)} cannot be changed; {', '.join(EDITABLE)} can")
    former = {name: getattr(connection, name) for name in EDITABLE}
    said = {**former, **changes}
    settings = Settings(kind=connection.kind, way=connection.way, account=connection.account, **said)
    source = checked(settings, keyed=bool(secret) or connection.credential is not None)
    said["base_url"], said["options"] = said["base_url"] or source.default_url, dict(said["options"] or {})
    said["begins_on"] = said["begins_on"] or former["begins_on"]
    changed = {name: said[name] for name in EDITABLE if said[name] != former[name]}
    if connection.credential and not secret and "base_url" in changed:
        _same_server(former["base_url"], said["base_url"])
    due = {"next_due_at": None, "failures": 0} if changed.keys() - {"name"} else {}
    try:
        with transaction.atomic():
            if secret:
                replace_secret(connection, secret, by=by)
            Connection.objects.filter(pk=connection.pk).update(**changed, **due)
            details = {"changed": sorted(changed), "name": said["name"]}
            audit.record(action="connection.changed", actor=_actor(by), subject=former["name"], details=details)
    except IntegrityError:
        raise WrongConnection(_taken(said["name"]), "name") from None
    connection.refresh_from_db()


def _same_server(former: str, url: str) -> None:
    if not former or not same_server(former, url):
        raise WrongConnection("the stored key was given for another server: enter it again together with the new URL")


def remove(connection: Connection, *, by: User | None) -> None:
    """Forget a connection and its key. Its runs and all facts stay. Raises WrongConnection while a sync holds it.

    Runs that brought nothing are dismissed with it: an account that never delivered is no source.
    """
    with transaction.atomic():
        row = Connection.objects.select_for_update().get(pk=connection.pk)
        if row.lease_until is not None and row.lease_until > runs.database_now():
            raise WrongConnection(
                f"{row.name} is being synchronised until {row.lease_until:%H:%M} UTC at the latest: remove it then"
            )
        credential = row.credential
        dismissals.with_connection(row)
        row.delete()
        if credential is not None and not credential.connections.exists():
            credential.delete()
        details = {"kind": row.kind, "account": row.account, "way": row.way}
        audit.record(action="connection.removed", actor=_actor(by), subject=row.name, details=details)


def _actor(by: User | None) -> str:
    return by.get_username() if by is not None else credentials.COMMAND_LINE


@contextmanager
def client_of(
    connection: Connection, source: Source, *, heartbeat: Callable[[], None] = lambda: None, tries: int = 5
) -> Iterator[HttpClient]:
    """A client with the connection's URL and key. Raises PullFailed when the key does not open."""
    secret = credentials.open_secret(connection.credential) if connection.credential is not None else ""

    def sleep(seconds: float) -> None:  # a provider may ask for a quarter of an hour; a lease is shorter
        while seconds > 0:
            time.sleep(min(seconds, _BREATH))
            seconds -= _BREATH
            heartbeat()

    client = HttpClient(connection.base_url, source.headers(secret), sleep=sleep, tries=tries)
    try:
        yield client
    finally:
        client.close()


@dataclass
class Trial:
    """What a connection answers, without keeping any of it."""

    ok: bool
    said: str  # one sentence
    records: int = 0
    rejected: int = 0


def try_out(connection: Connection) -> Trial:
    """Ask for the newest window of each stream and read its first page; stores nothing."""
    source = get_source(connection.kind)
    now, context = runs.database_now(), context_of(options=connection.options)
    records = rejected = answered = 0
    refused: list[str] = []
    streams = list(source.streams(connection.options))
    try:
        with client_of(connection, source, tries=1) as client:
            for stream in streams:
                end = align(now, stream.width, up=True)
                window = Window(end - max(stream.width, min(stream.chunk, timedelta(days=1))), end)
                try:
                    found = listed(source, stream.name, source.pages, client, stream, window, connection.options)
                    pages = list(islice(found, 1))
                    for group in groups_of_pages(pages, source, context, latest_us=latest_us()):
                        if group.truncated:
                            raise PullFailed(group.truncated)
                        records, rejected = records + group.read, rejected + len(group.rejects)
                    answered += 1
                except ConnectionFailed:
                    raise
                except (PullFailed, NotThisKind, SourceFailed) as failed:
                    refused.append(f"{stream.name}: {failed}")
                if not answered and len(refused) == _ENOUGH:
                    break
    except PullFailed as failed:
        return Trial(False, str(failed))
    if not answered:
        return Trial(False, refused[0] if refused else "there is nothing to pull")
    said = f"The key works; {records:,} records on the first pages" + (
        f"; not readable: {'; '.join(refused)}" if refused else ""
    )
    return Trial(True, said, records, rejected)
