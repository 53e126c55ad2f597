"""Writes of ingest: import a file, mark days to be derived again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from ingest import runs, streams
from ingest.breaker import Breaker
from ingest.facts import mark_dirty
from ingest.intake import Intake, Refused, Stopped, Unfinished, run_committed, take
from ingest.models import ALL_KEYS, IngestRun
from ingest.reading import groups
from ingest.redelivery import retire_former, zero_unstated
from ingest.source import Context, Source
from ingest.sources import get_source
from ingest.streams import Bomb

__all__ = [
    "FUTURE",
    "Import",
    "Refused",
    "Stopped",
    "Unfinished",
    "WrongAccounts",
    "ingest_file",
    "mark_days",
    "run_committed",
]

FUTURE = timedelta(minutes=5)


@dataclass
class Import:
    """Arguments of one import."""

    path: Path
    kind: str
    account: str = "default"
    mapping: Any = None
    at: datetime | None = None
    observed_at: datetime | None = None
    accept_bad: bool = False
    accept_by: str = "--accept-bad"  # what has it accept them, for the person who reads why it stopped
    options: Mapping[str, str] = field(default_factory=dict)  # of its kind, and billing_accounts
    part: bool = False  # of a delivery in several files: it replaces nothing
    whole: bool = False  # states all there is of the time it covers: what it does not state has vanished
    connection_id: int | None = None
    progress: Callable[[int], None] = lambda _: None  # called with the records read so far


class WrongAccounts(ValueError):
    """Billing accounts are not written as PROVIDER=ACCOUNT,..."""


def context_of(
    *, at: datetime | None = None, observed_at: datetime | None = None, mapping: Any = None,
    options: Mapping[str, str] | None = None,
) -> Context:  # fmt: skip
    """What sources may know, with the site's settings. Raises MappingError and WrongAccounts.

    The option ``billing_accounts`` is every kind's: PROVIDER=ACCOUNT,... for records that name none.
    """
    given = dict(options or {})
    written = given.pop("billing_accounts", "")
    pairs = [text.partition("=") for text in written.split(",") if text.strip()]
    if not all(provider.strip() and account.strip() for provider, _, account in pairs):
        raise WrongAccounts(f"billing accounts {written!r}: write PROVIDER=ACCOUNT,...")
    return Context(
        at=at, observed_at=observed_at, mapping=mapping, tag_keys=frozenset(settings.TAG_KEYS), options=given,
        billing_accounts={provider.strip(): account.strip() for provider, _, account in pairs},
    )  # fmt: skip


def latest_us() -> int:
    """The latest instant that a record may bear, in us since 1970: now and a little, by the database's clock."""
    return round((runs.database_now() + FUTURE).timestamp() * 1e6)


def ingest_file(job: Import) -> IngestRun:
    """Import one file. Returns the finished run; raises Refused, Unfinished, UnknownKind or OSError."""
    source = get_source(job.kind)
    context = context_of(at=job.at, observed_at=job.observed_at, mapping=job.mapping, options=job.options)
    ending = _ending(job, source, context)
    try:
        streams.refuse_bombs(job.path)
    except Bomb as bomb:
        raise Refused(f"{job.path.name}: {bomb}") from None
    run = runs.start(
        source=job.kind, account=job.account, input_name=job.path.name, observed_at=job.observed_at,
        connection_id=job.connection_id,
    )  # fmt: skip
    intake = Intake(run, source, context, Breaker(job.accept_bad, rest=job.accept_by), job.progress, ending)
    return take(intake, groups(job.path, source, context, latest_us=latest_us()))


def _ending(job: Import, source: Source, context: Context) -> Callable[[IngestRun], dict[str, Any]]:
    """What a complete import does with what it did not state. Raises Refused for ``whole`` where nothing states all."""
    if job.whole:
        stating = [stream for stream in source.streams(dict(job.options)) if stream.states_all]
        if not stating:
            raise Refused(f"{job.path.name}: no document of {job.kind} states all of a time; import it without whole")
        return lambda run: zero_unstated(run, source, stating, context.covered) if context.covered else _NOT_SAID
    if source.redelivers and not job.part:
        return lambda run: retire_former(run, source, context)
    return lambda _: {}


_NOT_SAID = {"kept_former": "it does not say what time it covers"}


def mark_days(days: list[date]) -> None:
    """Mark whole days dirty: everything derived from their facts is recomputed by the next refresh."""
    mark_dirty([(day, ALL_KEYS) for day in days])
