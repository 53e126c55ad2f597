"""The contract of a source: one file in ``ingest/sources/`` defines one, and nothing else needs editing.

A source turns raw records into the usage table of ``ingest.calc.usage``. It declares where its figures stand in the
layers of truth and how its records are identified, and never touches the database, prices or teams.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from ingest.calc.columns import FieldMapping
from ingest.calc.mapping import parse_mapping
from ingest.calc.reasons import Reject
from ingest.pull import Client, Name, Option, Page, Stream, Window

Record = dict[str, Any]


class Line(Record):
    """A row of LINE_SCHEMA (ingest.calc.lines) instead of a usage row: a line of a provider's cost report or bill."""


class NotThisKind(Exception):
    """The input is not of this kind at all; the import is refused and nothing is kept."""


@dataclass(frozen=True)
class Context:
    """What a source may know about the import besides the record."""

    at: datetime | None = None  # --at: the time of records that carry none
    observed_at: datetime | None = None
    mapping: Any = None  # the generic source's FieldMapping; given as data, it is checked here (MappingError)
    tag_keys: frozenset[str] = frozenset()
    options: dict[str, str] = field(default_factory=dict)  # what a person said of this kind (Source.options)
    billing_accounts: dict[str, str] = field(default_factory=dict)  # provider -> account, for rows that name none
    dropped_tags: Counter[str] = field(default_factory=Counter)
    unknown_fields: Counter[str] = field(default_factory=Counter)  # of records: counted by name, never kept
    covered: list["Covered"] = field(default_factory=list)  # what the input says it states whole
    state: dict[str, Any] = field(default_factory=dict)  # a source's own, for the length of one import

    def __post_init__(self) -> None:
        """Raises MappingError for a mapping that is wrong."""
        if self.mapping is not None and not isinstance(self.mapping, FieldMapping):
            object.__setattr__(self, "mapping", parse_mapping(self.mapping))


class Covered(NamedTuple):
    """The input states everything there is of these charges in this time: an account's day is complete by these."""

    account: str  # billing account; '' for all that the run's account holds
    stream: str  # what of it, e.g. an endpoint
    start: datetime
    end: datetime


class Guide(NamedTuple):
    """How a person connects this kind: a row of the README's table, and the help beside the form."""

    title: str
    connect: str  # the exact steps, in one paragraph
    permission: str  # the least that the key needs; '' for files
    tells: str  # what its figures can be attributed to
    cannot: str  # what it cannot say


class Parsed(NamedTuple):
    """A group of records, read: usage rows (USAGE_SCHEMA), rejects, and counts of records that are no usage."""

    usage: pa.Table
    rejects: list[Reject]
    skipped: Counter[str]


class Source(ABC):
    """One kind of input. Subclasses are ColumnSource (fast path over Arrow columns) or RowSource (record by record)."""

    kind: ClassVar[str]
    layer: ClassVar[str]  # invoice, cost_report, provider_usage, gateway, trace or meter, and no other
    maps: ClassVar[bool] = False  # takes a mapping file
    e_notation: ClassVar[bool] = False  # counts may be written 1e3
    lines_layer: ClassVar[str] = "cost_report"  # of its Lines
    scopes: ClassVar[tuple[str, ...]] = ()  # globs of the charge scopes its usage covers (ingest.calc.scopes)
    line_scopes: ClassVar[tuple[str, ...]] = ()  # and those its Lines cover
    issuer_zone: ClassVar[str] = "UTC"  # the clock of charge_date
    guide: ClassVar[Guide]
    # How it is connected; "file" is always possible.
    pushed: ClassVar[bool] = False  # takes records by POST /api/v1/events?source=KIND
    pulled: ClassVar[bool] = False  # has streams() and pages()
    default_url: ClassVar[str] = ""  # of its API, when it is one and the same for all
    secret: ClassVar[str] = ""  # what the credential is called; '' where none is needed
    needs_secret: ClassVar[bool] = True  # False: only some servers ask for it
    options: ClassVar[tuple[Option, ...]] = ()
    reads_text: ClassVar[bool] = False  # ``records`` takes a file that is no JSON as bytes (the Prometheus text format)
    keeps_readings: ClassVar[bool] = False  # counts from counters: context.state["readings"] is kept between imports
    redelivers: ClassVar[bool] = False  # a later delivery of a billing period replaces the lines of the former

    def layer_in(self, context: Context) -> str:  # noqa: ARG002
        """The layer of this import; only a source whose input may stand in several says another than ``layer``."""
        return self.layer

    def columns(self, names: Sequence[str], context: Context) -> None:  # noqa: B027  most sources accept any
        """Called once with the headings of a CSV or the columns of a Parquet file. Raises NotThisKind."""

    def is_page(self, document: Any) -> bool:
        """Whether a JSON value is a page (a document with many records) rather than one record."""
        return isinstance(document, list)

    def records(self, document: Any) -> Iterator[tuple[str, Record]]:
        """The records of a page with their JSON pointers. Raises NotThisKind for a document of another kind."""
        items = document if isinstance(document, list) else [document]
        for index, item in enumerate(items):
            yield (f"/{index}" if isinstance(document, list) else ""), item

    def headers(self, secret: str) -> dict[str, str]:
        """The headers that carry the credential."""
        return {"Authorization": f"Bearer {secret}"} if secret else {}

    def streams(self, options: dict[str, Any]) -> Sequence[Stream]:  # noqa: ARG002
        """What a connection with these options pulls, each with a cursor of its own."""
        return ()

    def pages(self, client: Client, stream: Stream, window: Window, options: dict[str, Any]) -> Iterator[Page]:
        """The raw pages of a window, which is aligned to the stream's buckets. Raises PullFailed.

        Pages are documents as ``records`` reads them. When the iterator ends, the answer was complete.
        """
        raise NotImplementedError

    def names(self, client: Client, options: dict[str, Any]) -> Iterator[Name]:  # noqa: ARG002
        """Names of projects, keys and users, to show beside their ids; refreshed now and then. Raises PullFailed."""
        return iter(())


class ColumnSource(Source):
    """A source whose records fit an Arrow schema, so that whole blocks are read at once."""

    schemas: ClassVar[tuple[pa.Schema, ...]]  # variants of the record, tried in this order

    @abstractmethod
    def usage(self, table: pa.Table, context: Context) -> Parsed:
        """Usage rows of records given as a table of one of ``schemas``; ``record`` numbers are the rows' positions.

        Rows as RowSource.row makes them, in a table of ``ingest.calc.usage.usage_table``.
        """


class RowSource(Source):
    """A source whose records are read one at a time."""

    @abstractmethod
    def row(self, record: Record, context: Context) -> list[Record]:
        """Usage rows (columns of USAGE_SCHEMA, missing ones NULL) of one record, or Lines, or both.

        ``native_id`` is required: by it a record is known when it comes again; without one it is quarantined
        (``unknown_shape``). Times are datetimes with a zone, amounts are Decimals. A name that is no column and a value
        that does not fit its column are bugs of the source: the import stops there.
        An empty list means: no usage (raise ``Skip`` to name why). Raises Rejected.
        """


class Skip(Exception):
    """This record is no usage (a heartbeat, a parent span); it is counted under the given reason."""
