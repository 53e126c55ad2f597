"""Builds the files that somebody asked the API for, in a worker; and removes what has expired.

Files lie in FINOPS_DATA_DIR/exports, whole or not at all. One worker builds one file; the file of a worker that died is
begun again.
"""

import hashlib
import logging
import tempfile
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from allocation.calc.focus_columns import VERSIONS
from allocation.close import journal, statement_views
from allocation.close.accruals import AccrualError
from allocation.scope import Scope
from finops.periods import Period
from web import built_files, statement_sheet
from web.export_jobs import ExportError, NotAllowed, Wanted, folder, path_of, scope_document, scope_for, still_seen
from web.exports import charges, focus, statement
from web.exports.files import replacing, safe_part
from web.journals import lines_as_csv, standing
from web.models import BuiltFile
from web.paper import statement as paper

log = logging.getLogger(__name__)
State = BuiltFile.State
_DEAD_AFTER = timedelta(hours=1)  # of a try without an end; longer than the largest file takes
_EVERY = 1_000  # rows between two notes of how far it is


def build_waiting() -> int:
    """Build what waits, one after another, until nothing does; returns how many were built. Failures are noted."""
    done = 0
    while (file := _claim(timezone.now())) is not None:
        done += _build(file)
    return done


def remove_expired(now: datetime | None = None) -> int:
    """Remove files whose time is over, and what lies in the folder without a row. Returns how many rows."""
    gone = 0
    for file in BuiltFile.objects.filter(expires_at__lte=now or timezone.now()).defer("content"):
        path_of(file).unlink(missing_ok=True)
        file.delete()
        gone += 1
    known = {path_of(file).name for file in BuiltFile.objects.filter(user__isnull=False).defer("content")}
    before = (now or timezone.now()).timestamp() - _DEAD_AFTER.total_seconds()
    for path in folder().iterdir() if folder().is_dir() else ():
        if path.name not in known and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
    return gone


@transaction.atomic
def _claim(now: datetime) -> BuiltFile | None:
    rows = BuiltFile.objects.select_for_update(skip_locked=True, of=("self",)).defer("content")
    due = Q(state=State.WAITING) | Q(state=State.BUILDING, begun_at__lt=now - _DEAD_AFTER)
    file = rows.filter(due, user__isnull=False).order_by("pk").first()
    if file is not None:
        file.state, file.begun_at, file.error = State.BUILDING, now, ""
        file.save(update_fields=["state", "begun_at", "error"])
    return file


def _build(file: BuiltFile) -> bool:
    mine = BuiltFile.objects.filter(pk=file.pk, state=State.BUILDING, begun_at=file.begun_at)
    try:
        path, name, scope = _write(file)
    except ExportError as wrong:
        mine.update(state=State.FAILED, error=str(wrong)[:500], done_at=timezone.now())
        return False
    except Exception:
        log.exception("export %s", file.pk)
        mine.update(state=State.FAILED, error="a fault of ours; the worker's log has it", done_at=timezone.now())
        return False
    with path.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    mine.update(
        state=State.DONE, name=name, sha256=digest, size=path.stat().st_size, scope=scope_document(scope),
        done_at=timezone.now(), error="",
    )  # fmt: skip
    return True


def _write(file: BuiltFile) -> tuple[Path, str, Scope]:
    period = Period.month_of(file.month)
    scope = scope_for(file.user, Wanted(file.kind, period, file.format, file.cost_centre))
    file.scope = scope_document(scope)
    if not still_seen(file) or (file.cost_centre and not scope.cost_centres):
        raise NotAllowed("who asked for it may not see it any more")
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    path, code = path_of(file), safe_part(file.cost_centre) if file.cost_centre else ""
    return path, _WRITERS[file.kind](file, path, period, scope, code), scope


def _workbook(file: BuiltFile, path: Path, period: Period, scope: Scope, code: str) -> str:
    def progress(done: int, total: int) -> None:
        if done % _EVERY == 0 or done == total:
            built_files.note(file.pk, done, total)

    statement.write(path, scope, period, timezone.now(), progress=progress)
    return statement.file_name(period, code)


def _charges(file: BuiltFile, path: Path, period: Period, scope: Scope, code: str) -> str:
    charges.write(path, scope, period)
    return charges.file_name(period, file.format, code)


def _focus(file: BuiltFile, path: Path, period: Period, scope: Scope, code: str) -> str:
    """Every dataset of every version that is written, in one ZIP."""
    names = focus.file_names(period, VERSIONS, (file.format,), code)
    with tempfile.TemporaryDirectory(prefix="export-", dir=folder()) as aside:
        files = [focus.File(*names[name], Path(aside) / name) for name in names]
        focus.write(files, scope, period)
        _zip(path, [(each.path.name, each.path.read_bytes) for each in files])
    return f"focus_{period}{f'_{code}' if code else ''}_{file.format}.zip"


def _statement(_file: BuiltFile, path: Path, period: Period, scope: Scope, code: str) -> str:
    """A PDF for every statement of the month's newest version."""
    found = statement_views.of(period, scope)
    if not found:
        raise ExportError(f"there are no statements of {period} yet")
    sheets = [statement_sheet.read(each) for each in found]
    _zip(path, [(f"{sheet.file_name}.pdf", lambda sheet=sheet: paper.pdf(sheet)) for sheet in sheets])  # type: ignore[misc]
    return f"statements_{period}{f'_{code}' if code else ''}.zip"


def _journal(_file: BuiltFile, path: Path, period: Period, scope: Scope, code: str) -> str:
    """As it stands, with its state in every line: not the file for the books, which leaves once."""
    try:
        found = journal.lines(period, scope)
    except AccrualError as wrong:
        raise ExportError(str(wrong)) from None
    with replacing(path) as temporary:
        temporary.write_bytes(lines_as_csv(period, standing(found.entry), found.lines).content)
    return f"journal_{period}{f'_{code}' if code else ''}_{standing(found.entry)}.csv"


def _zip(path: Path, members: list[tuple[str, Callable[[], bytes]]]) -> None:
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content())


_WRITERS: dict[str, Callable[[BuiltFile, Path, Period, Scope, str], str]] = {
    "workbook": _workbook, "charges": _charges, "focus": _focus, "statement": _statement, "journal": _journal,
}  # fmt: skip
