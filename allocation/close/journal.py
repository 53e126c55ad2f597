"""The journal of a month: previewed in any state, built once the month is closed, posted by another person, exported once."""

import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from allocation.calc import fingerprints
from allocation.calc.journal import Journal, Line, journal
from allocation.calc.journal_cells import Month, stated
from allocation.calc.journal_template import KIND, Column, csv_bytes, parse
from allocation.close import books, gl, statements
from allocation.close.periods import state_of
from allocation.costing import terms
from allocation.models import (
    BillingPeriod,
    CostCentre,
    JournalEntry,
    JournalLine,
    Statement,
    TermsVersion,
)
from allocation.scope import Scope
from finops import audit, locks
from finops.approvals import SelfApproval
from finops.periods import Period

_LOCK = 0x4A4F5552  # "JOUR": one writer of journals at a time
_FIELDS = Line._fields
LONGEST = 60


class JournalError(ValueError):
    """A journal cannot take this step; the message says why."""


class Shown(NamedTuple):
    """A journal as it is read. ``entry`` None: a preview, of which nothing is kept."""

    entry: JournalEntry | None
    lines: list[Line]
    suspense: dict[str, tuple[int, Decimal]]


def load_template(document: Any, *, actor: str) -> TermsVersion:
    """Put the columns of the export in force. Raises TemplateError."""
    return terms.load(KIND, document, parse, actor=actor, charged=False)


def preview(period: Period) -> Journal:
    """The journal that the month would have now."""
    return journal(books.month(period), gl.of(period))


@transaction.atomic
def build(period: Period, by: str) -> JournalEntry:
    """Build the journal of a closed month; the same again is the one that was. Raises JournalError.

    It ties to the statements that were issued: the lines of a cost centre add up to its statement.
    """
    locks.hold(_LOCK)
    if state_of(period.start) != BillingPeriod.State.CLOSED:
        raise JournalError(f"{period} is {state_of(period.start)}: a journal is built once the month is closed")
    newest = _newest(period)
    if newest is not None and newest.posted_at:
        return newest
    month = books.month(period)
    found = journal(month, gl.of(period))
    _refuse_other_statements(period, month)
    content = digest(found.lines)
    if newest is not None and newest.content_hash == content:
        return newest
    entry = JournalEntry.objects.create(
        month=period.start, number=newest.number + 1 if newest else 1, content_hash=content, built_by=by[:150]
    )
    JournalLine.objects.bulk_create(
        (JournalLine(entry=entry, position=at, **line._asdict()) for at, line in enumerate(found.lines, start=1)),
        batch_size=2_000,
    )
    details = {"sha256": content, "lines": len(found.lines), "suspense": _told(found.suspense)}
    audit.record(action="journal.build", actor=by, subject=str(entry), details=details)
    return entry


@transaction.atomic
def post(period: Period, by: str) -> JournalEntry:
    """Release the journal, and the accepted statements with it. Raises SelfApproval and JournalError."""
    locks.hold(_LOCK)
    entry = _built(period)
    if entry.posted_at:
        raise JournalError(f"{entry} was posted by {entry.posted_by} already")
    if state_of(period.start) != BillingPeriod.State.CLOSED:
        raise JournalError(f"{period} is {state_of(period.start)}: a journal is posted while its month is closed")
    if entry.built_by == by[:150] and not settings.SELF_APPROVAL:
        raise SelfApproval(f"{by} built {entry}: another person posts it")
    JournalEntry.objects.filter(pk=entry.pk).update(posted_at=Now(), posted_by=by[:150])
    details = {"sha256": entry.content_hash, "built_by": entry.built_by}
    audit.record(action="journal.post", actor=by, subject=str(entry), details=details)
    statements.post(period, by)
    entry.refresh_from_db()
    return entry


@transaction.atomic
def export(period: Period, by: str, field: Callable[[Any], str], *, copy: bool = False) -> bytes:
    """The file for the books. Once; ``copy``: the same bytes again. Raises JournalError. ``field``: a value as CSV."""
    locks.hold(_LOCK)
    entry = _built(period)
    if not entry.posted_at:
        raise JournalError(f"{entry} is not posted: `journal post {period} --as USER`")
    if entry.exported_at and not copy:
        raise JournalError(
            f"{entry} was exported by {entry.exported_by} on {entry.exported_at:%Y-%m-%d} (SHA-256 "
            f"{entry.export_sha256[:12]}): two files would be booked twice; --copy writes the same one again"
        )
    if copy and not entry.exported_at:
        raise JournalError(f"{entry} was not exported yet: there is nothing to copy")
    document = entry.template if entry.exported_at else _template()
    content = csv_bytes(parse(document), stored(entry), _code(entry), str(period), field)
    written = hashlib.sha256(content).hexdigest()
    if entry.exported_at:
        if written != entry.export_sha256:
            raise JournalError(f"{entry}: the copy would differ from the file that was exported; it is not written")
        return content
    JournalEntry.objects.filter(pk=entry.pk).update(
        exported_at=Now(), exported_by=by[:150], export_sha256=written, template=document
    )
    details = {"sha256": written, "columns": [column.name for column in parse(document)]}
    audit.record(action="journal.export", actor=by, subject=str(entry), details=details)
    return content


@transaction.atomic
def number(period: Period, given: str, by: str) -> JournalEntry:
    """Note the document number that the books gave it, once. Raises JournalError."""
    locks.hold(_LOCK)
    entry, given = _built(period), given.strip()
    if not given or len(given) > LONGEST or not given.isprintable():
        raise JournalError(f"a document number is a text of at most {LONGEST} characters")
    if not entry.exported_at:
        raise JournalError(f"{entry} was not exported: the books cannot have numbered it")
    if entry.document_number == given:
        return entry
    if entry.document_number:
        raise JournalError(f"{entry} has the document number {entry.document_number} already")
    JournalEntry.objects.filter(pk=entry.pk).update(document_number=given)
    audit.record(action="journal.number", actor=by, subject=str(entry), details={"document_number": given})
    entry.refresh_from_db()
    return entry


def lines(period: Period, scope: Scope) -> Shown:
    """The journal that was built, else a preview; of a narrower scope only the lines of its cost centres."""
    entry = _newest(period)
    found = Journal(stored(entry), {}) if entry is not None else preview(period)
    mapping = gl.of(period)
    seen = found.lines
    if not scope.everything:
        codes = set(scope.of(CostCentre.objects.all(), "id").values_list("code", flat=True))
        seen = [line for line in seen if line.cost_centre in codes]
    suspense: dict[str, tuple[int, Decimal]] = {}
    for line in seen:
        if line.account == mapping.suspense:
            count, amount = suspense.get(line.currency, (0, Decimal(0)))
            suspense[line.currency] = count + 1, amount + line.debit + line.credit
    return Shown(entry, seen, suspense)


def digest(found: Sequence[Line]) -> str:
    """The hash of a journal's lines, as they are built or stored."""
    return fingerprints.digest(found)


def stored(entry: JournalEntry) -> list[Line]:
    """The lines of a journal that was built, in their order."""
    return [Line(*row) for row in entry.lines.order_by("position").values_list(*_FIELDS)]


def _code(entry: JournalEntry) -> str:
    return f"IL-{entry.month:%Y-%m}-{entry.number}"


def _newest(period: Period) -> JournalEntry | None:
    return JournalEntry.objects.filter(month=period.start).order_by("-number").first()


def _built(period: Period) -> JournalEntry:
    entry = _newest(period)
    if entry is None:
        raise JournalError(f"{period} has no journal yet: it is built when the month is closed")
    return entry


def _template() -> list[dict[str, str]]:
    columns: Sequence[Column] = terms.in_force(KIND, parse)
    return [{k: v for k, v in column._asdict().items() if k == "name" or v} for column in columns]


def _refuse_other_statements(period: Period, month: Month) -> None:
    """Raises JournalError where a statement says another amount than the journal's lines of its cost centre."""
    said = stated(month)
    newest = Statement.objects.filter(month=period.start).exclude(state=Statement.State.DRAFT).order_by("version")
    for row in {(each.cost_centre_id, each.currency): each for each in newest.select_related("cost_centre")}.values():
        amount = said.get((row.cost_centre.code, row.currency), Decimal(0))
        if amount != row.amount:
            raise JournalError(
                f"{period}: the statement of {row.cost_centre.code} says {row.amount} {row.currency}, the charges {amount}: "
                "run `manage.py verify`"
            )


def _told(suspense: dict[str, tuple[int, Decimal]]) -> dict[str, list[str]]:
    return {currency: [str(count), str(amount)] for currency, (count, amount) in suspense.items()}
