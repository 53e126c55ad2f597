"""Files that a background job builds: asked for, built by a worker with its progress, and kept."""

import hashlib
import tempfile
from datetime import date
from pathlib import Path

from django.db import connections
from django.utils import timezone

from allocation import statement_selectors
from allocation.scope import EVERYTHING
from finops.periods import Period
from web.exports import statement
from web.exports.files import safe_part
from web.models import BuiltFile

PDF = "application/pdf"
WORKBOOK = "workbook"
_EVERY = 1_000  # rows between two notes of how far it is


def ask(period: Period, *, by: str, cost_centre: str = "", name: str = "") -> BuiltFile:
    """Note that a workbook is wanted; ``build`` makes it."""
    part = safe_part(cost_centre) if cost_centre else ""
    return BuiltFile.objects.create(
        kind=WORKBOOK, name=name or statement.file_name(period, part), month=period.start, cost_centre=cost_centre,
        asked_by=by[:150],
    )  # fmt: skip


def keep(kind: str, name: str, period: Period, content: bytes, *, by: str, cost_centre: str = "") -> BuiltFile:
    """A file that is built already."""
    return BuiltFile.objects.create(
        kind=kind, name=name, month=period.start, cost_centre=cost_centre, asked_by=by[:150], content=content,
        state=BuiltFile.State.DONE, sha256=hashlib.sha256(content).hexdigest(), done_at=timezone.now(),
    )  # fmt: skip


def build(number: int) -> BuiltFile:
    """Build a file that waits for it; what is under way or done already is left alone. What goes wrong is noted and raised."""
    waiting = BuiltFile.objects.filter(pk=number, state__in=(BuiltFile.State.WAITING, BuiltFile.State.FAILED))
    if waiting.update(state=BuiltFile.State.BUILDING, rows_done=0, error=""):
        mine = BuiltFile.objects.filter(pk=number)
        try:
            content = _workbook(mine.defer("content").get())
        except Exception as error:
            mine.update(state=BuiltFile.State.FAILED, error=f"{type(error).__name__}: {error}"[:500])
            raise
        digest = hashlib.sha256(content).hexdigest()
        mine.update(state=BuiltFile.State.DONE, content=content, sha256=digest, done_at=timezone.now())
    return BuiltFile.objects.defer("content").get(pk=number)


def _workbook(asked: BuiltFile) -> bytes:
    period, scope = Period.month_of(date(asked.month.year, asked.month.month, 1)), EVERYTHING
    if asked.cost_centre:
        scope = statement_selectors.narrowed(EVERYTHING, asked.cost_centre)

    def progress(done: int, total: int) -> None:
        if done % _EVERY == 0 or done == total:
            note(asked.pk, done, total)

    with tempfile.TemporaryDirectory(prefix="workbook-") as folder:
        path = Path(folder) / "workbook.xlsx"
        statement.write(path, scope, period, timezone.now(), progress=progress)
        return path.read_bytes()


def note(number: int, done: int, total: int) -> None:
    """How far a file is, on a connection of its own: the workbook reads in one transaction, and others see this meanwhile."""
    with connections.create_connection("default").temporary_connection() as cursor:
        cursor.execute("UPDATE web_builtfile SET rows_done = %s, rows_total = %s WHERE id = %s", [done, total, number])
