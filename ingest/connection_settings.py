"""What a person says of a connection, and what can be wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from ingest import runs
from ingest.models import Connection
from ingest.network import check_url
from ingest.pull import PullFailed
from ingest.services import WrongAccounts, context_of
from ingest.source import Source
from ingest.sources import UnknownKind, get_source
from ingest.stores import check_store

EVERY, LEAST = timedelta(hours=1), timedelta(minutes=1)
BACKFILL = timedelta(days=30)
NAME = r"[a-z0-9][a-z0-9_-]{0,59}"
_COMMON_OPTIONS = {"billing_accounts"}
_FOLDER_OPTIONS = {"url", "pattern", "mapping"}


class WrongConnection(ValueError):
    """What is wrong with the settings of a connection, in words for the person who made them.

    ``field``: the one that is wrong, by its name in Settings; empty where it is none or several.
    """

    def __init__(self, said: str, field: str = "") -> None:
        super().__init__(said)
        self.field = field


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


def _known(settings: Settings) -> Source:
    if not re.fullmatch(NAME, settings.name):
        said = "a name is made of small letters, digits, - and _, at most 60, the first no - or _"
        raise WrongConnection(said, "name")
    try:
        return get_source(settings.kind)
    except UnknownKind as unknown:
        raise WrongConnection(str(unknown)) from None


def checked(settings: Settings, *, keyed: bool) -> Source:
    """The source of these settings, with a key or without. Raises WrongConnection."""
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
    if settings.begins_on and settings.begins_on > (today := runs.database_now().date()):
        raise WrongConnection(
            f"it begins on {settings.begins_on}, and today is {today}: choose a day that has begun (UTC)", "begins_on"
        )
    if settings.every < LEAST:
        raise WrongConnection("more than once a minute is more than providers bear", "every")
    if settings.way == Connection.Way.FOLDER:
        _check_folder(str(given.get("url") or ""))
    if settings.way == Connection.Way.PULL:
        if source.secret and source.needs_secret and not keyed:
            raise WrongConnection(f"{settings.kind} needs a key: {source.secret}")
        try:
            check_url(settings.base_url or source.default_url)
        except PullFailed as failed:
            raise WrongConnection(str(failed), "base_url") from None
    return source


def _check_folder(url: str) -> None:
    if not url:
        raise WrongConnection("a folder needs its path or URL")
    try:
        check_store(url)
    except PullFailed as refused:
        raise WrongConnection(str(refused)) from None


def _try_options(source: Source, given: dict[str, str]) -> None:
    """What only those who use the options find wrong. Raises WrongConnection."""
    try:
        context_of(options=given)
        source.streams(given)
    except (WrongAccounts, PullFailed) as wrong:
        raise WrongConnection(str(wrong)) from None
    except (ValueError, KeyError):
        raise WrongConnection(f"{source.kind} cannot use these options; a number may be no number") from None
