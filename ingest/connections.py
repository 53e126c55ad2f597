"""Connected sources: make, change, try and disable them."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from finops import audit
from finops.models import User
from ingest import credentials, runs
from ingest.calc.windows import Window, align
from ingest.http import HttpClient
from ingest.models import Connection
from ingest.network import check_url
from ingest.pull import PullFailed
from ingest.reading import groups_of_pages
from ingest.services import WrongAccounts, context_of, latest_us
from ingest.source import NotThisKind, Source
from ingest.sources import UnknownKind, get_source

EVERY, LEAST = timedelta(hours=1), timedelta(minutes=1)
BACKFILL = timedelta(days=30)
NAME = r"[a-z0-9][a-z0-9_-]{0,59}"
_BREATH = 20.0  # seconds
_ENOUGH = 3  # streams that fail at once: the others would too


class WrongConnection(ValueError):
    """What is wrong with the settings of a connection, in words for the person who made them."""


@dataclass
class Settings:
    """What a person says of a connection."""

    name: str
    kind: str
    way: str = Connection.Way.PULL
    account: str = "default"
    base_url: str = ""
    options: Mapping[str, str] | None = None
    every: timedelta = EVERY
    begins_on: date | None = None


def connect(settings: Settings, *, secret: str = "", by: User | None) -> Connection:
    """Make a connection. ``secret``: the key, or ``env:NAME``; stored sealed. Raises WrongConnection."""
    source = _checked(settings, secret)
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
        raise WrongConnection(f"there is a connection {settings.name!r} already") from None
    return made


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


def _actor(by: User | None) -> str:
    return by.get_username() if by is not None else credentials.COMMAND_LINE


def _known(settings: Settings) -> Source:
    if not re.fullmatch(NAME, settings.name):
        raise WrongConnection("a name is made of small letters, digits, - and _, at most 60, the first no - or _")
    try:
        return get_source(settings.kind)
    except UnknownKind as unknown:
        raise WrongConnection(str(unknown)) from None


def _checked(settings: Settings, secret: str) -> Source:
    source = _known(settings)
    if settings.way == Connection.Way.PULL and not source.pulled:
        raise WrongConnection(f"{settings.kind} cannot be pulled; import its files or send its records")
    known = {option.name: option for option in source.options}
    given = settings.options or {}
    if stray := sorted(set(given) - set(known) - _COMMON_OPTIONS - _FOLDER_OPTIONS):
        raise WrongConnection(f"{settings.kind} has no option {', '.join(stray)}; it has: {', '.join(known) or 'none'}")
    if lacking := [name for name, option in known.items() if option.required and not given.get(name)]:
        raise WrongConnection(f"the option {', '.join(lacking)} is needed")
    _try_options(source, dict(given))
    if settings.every < LEAST:
        raise WrongConnection("more than once a minute is more than providers bear")
    if settings.way == Connection.Way.FOLDER:
        _check_folder(str(given.get("url") or ""))
    if settings.way == Connection.Way.PULL:
        if source.secret and source.needs_secret and not secret:
            raise WrongConnection(f"{settings.kind} needs a key: {source.secret}")
        try:
            check_url(settings.base_url or source.default_url)
        except PullFailed as failed:
            raise WrongConnection(str(failed)) from None
    return source


def _check_folder(url: str) -> None:
    if not url:
        raise WrongConnection("a folder needs its path or URL")
    if "://" in url and "@" in urlsplit(url).netloc:
        raise WrongConnection("a folder's URL holds no key: its store takes that from the environment of the worker")


def _try_options(source: Source, given: dict[str, str]) -> None:
    """What only those who use the options find wrong. Raises WrongConnection."""
    try:
        context_of(options=given)
        source.streams(given)
    except (WrongAccounts, PullFailed) as wrong:
        raise WrongConnection(str(wrong)) from None
    except (ValueError, KeyError):
        raise WrongConnection(f"{source.kind} cannot use these options; a number may be no number") from None


_COMMON_OPTIONS = {"billing_accounts"}
_FOLDER_OPTIONS = {"url", "pattern", "mapping"}


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
                    pages = list(islice(source.pages(client, stream, window, connection.options), 1))
                    for group in groups_of_pages(pages, source, context, latest_us=latest_us()):
                        if group.truncated:
                            raise PullFailed(group.truncated)
                        records, rejected = records + group.read, rejected + len(group.rejects)
                    answered += 1
                except (PullFailed, NotThisKind) as failed:
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
