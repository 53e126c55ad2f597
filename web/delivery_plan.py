"""The document ``deliveries``: on which working day which files go where. Entries of the file::

    - {code: books, working_day: 3, files: [workbook, statements], stage: preliminary, channel: folder, address: /srv/books}
    - {code: erp, working_day: 8, files: [workbook], stage: final, channel: object_storage, address: "s3://books/ledger"}

The working day is counted in the month after the one that is delivered. *preliminary* goes on that day while the month is
open; *final* on that day or, where the month is not closed by then, once it is.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from allocation.calc.closing import working_day
from allocation.costing import terms
from allocation.models import TermsVersion
from finops.periods import Period
from ingest.network import AddressRefused
from ingest.stores import check_store
from web.models import Delivery

KIND = "deliveries"
WORKBOOK, STATEMENTS = "workbook", "statements"
FILES = (WORKBOOK, STATEMENTS)
CHANNELS = (Delivery.Channel.EMAIL.value, Delivery.Channel.FOLDER.value, Delivery.Channel.OBJECT_STORAGE.value)
_FIELDS = ("code", "working_day", "files", "stage", "channel", "address", "cost_centre")
_LAST_DAY = 20


class PlanError(ValueError):
    """A plan of deliveries cannot be used; the message names the entry and the field."""


class Planned(NamedTuple):
    """One entry."""

    code: str
    working_day: int
    files: tuple[str, ...]
    stage: str
    channel: str
    address: str
    cost_centre: str

    def day(self, month: Period) -> date:
        """On which day the month's files go."""
        return working_day(month.end, self.working_day)


def parse(document: Any) -> tuple[Planned, ...]:
    """The entries of a document. Raises PlanError."""
    if not isinstance(document, list):
        raise PlanError("deliveries are a list of entries")
    found = tuple(_entry(entry, number) for number, entry in enumerate(document, start=1))
    codes = [one.code for one in found]
    if doubled := [code for code in codes if codes.count(code) > 1]:
        raise PlanError(f"{doubled[0]}: two entries have this code")
    return found


def load(document: Any, *, actor: str) -> TermsVersion:
    """Put a plan in force; what was due within the last weeks is made up for. Raises PlanError."""
    return terms.load(KIND, document, parse, actor=actor, charged=False)


def in_force() -> tuple[Planned, ...]:
    """The plan."""
    found: tuple[Planned, ...] = terms.in_force(KIND, parse)
    return found


def _entry(entry: Any, number: int) -> Planned:
    if not isinstance(entry, Mapping):
        raise PlanError(f"entry {number}: is no list of fields")
    code = entry.get("code")
    if not isinstance(code, str) or not code.strip() or len(code) > 60:
        raise PlanError(f"entry {number}: code: a name of at most 60 characters")
    for name in entry:
        if name not in _FIELDS:
            raise PlanError(f"{code}: {name}: is not known; possible: {', '.join(_FIELDS)}")
    day, files, stage = entry.get("working_day"), entry.get("files"), entry.get("stage")
    if not isinstance(day, int) or isinstance(day, bool) or not 1 <= day <= _LAST_DAY:
        raise PlanError(f"{code}: working_day: 1 to {_LAST_DAY}")
    if not isinstance(files, list) or not files or any(file not in FILES for file in files):
        raise PlanError(f"{code}: files: a list of {' and '.join(FILES)}")
    if stage not in Delivery.Stage.values:
        raise PlanError(f"{code}: stage: {' or '.join(Delivery.Stage.values)}")
    channel, address = entry.get("channel"), entry.get("address")
    if channel not in CHANNELS or not isinstance(address, str):
        raise PlanError(f"{code}: channel: {', '.join(CHANNELS)}, with an address")
    _check(code, channel, address)
    centre = entry.get("cost_centre", "")
    if not isinstance(centre, str):
        raise PlanError(f"{code}: cost_centre: a code")
    return Planned(code.strip(), day, tuple(dict.fromkeys(files)), stage, channel, address, centre)


def _check(code: str, channel: str, address: str) -> None:
    try:
        if channel == Delivery.Channel.EMAIL:
            validate_email(address)
        elif channel == Delivery.Channel.FOLDER:
            if not address.startswith("/") or "\x00" in address:
                raise PlanError(f"{code}: address: a folder is an absolute path")
        else:
            if "://" not in address:
                raise PlanError(f"{code}: address: an object store is a URL: s3://bucket/folder")
            check_store(address)
    except (ValidationError, AddressRefused) as wrong:
        told = "; ".join(wrong.messages) if isinstance(wrong, ValidationError) else str(wrong)
        raise PlanError(f"{code}: address: {told}") from None
