"""A file that a person gives to a page: kept aside while its mapping is tried and mended, then imported."""

import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from finops import audit
from finops.models import User
from ingest import mapping_trial
from ingest.calc.mapping import parse_mapping
from ingest.intake import Stopped
from ingest.models import IngestRun
from ingest.services import Import, ingest_file
from ingest.source import NotThisKind
from ingest.streams import Bomb

KIND = "generic"
BYTES_MAX, RECORDS = 20_000_000, 500  # of a file; that a preview looks at
_KEPT_SECONDS = 24 * 3600
_TOKEN = re.compile(r"[0-9a-f]{32}")


class UploadError(ValueError):
    """The file cannot be taken; the message says why."""


def keep(file: "UploadedFile[bytes]", user: User) -> str:
    """Keep the file aside for a day; returns what names it for this user. Raises UploadError."""
    if not file.size or file.size > BYTES_MAX:
        raise UploadError("the file is empty" if not file.size else f"it is larger than {BYTES_MAX // 1_000_000} MB")
    _forget_old()
    token = secrets.token_hex(16)
    folder = _folder(user, token)
    folder.mkdir(parents=True, mode=0o700)
    with (folder / (re.sub(r"[^\w.-]+", "_", file.name or "")[-80:].lstrip("._-") or "file")).open("wb") as kept:
        for chunk in file.chunks():
            kept.write(chunk)
    return token


def kept(token: str, user: User) -> Path:
    """The file that ``keep`` named so. Raises UploadError where this user has none."""
    found = sorted(_folder(user, token).glob("*")) if _TOKEN.fullmatch(token) else []
    if not found:
        raise UploadError("the file is not kept any more: choose it again")
    return found[0]


def columns(path: Path) -> dict[str, str]:
    """Its columns, with the first value of each. Raises UploadError where no record can be read."""
    try:
        found = mapping_trial.columns(path, limit=RECORDS)
    except (NotThisKind, Bomb) as wrong:
        raise UploadError(str(wrong)) from None
    if not found:
        raise UploadError("no record of it can be read")
    return found


def preview(path: Path, mapping: dict[str, Any]) -> dict[str, Any]:
    """What the mapping makes of the first records (see mapping_trial.trial). Raises UploadError and MappingError."""
    try:
        return mapping_trial.trial(path, parse_mapping(mapping), limit=RECORDS)
    except (NotThisKind, Bomb) as wrong:
        raise UploadError(str(wrong)) from None


def take(token: str, user: User, *, mapping: dict[str, Any], account: str, accept_bad: bool) -> IngestRun:
    """Import it; the run, done. Raises UploadError, also where too many records are bad, and MappingError."""
    path = kept(token, user)
    job = Import(path, KIND, account=account, mapping=mapping, accept_bad=accept_bad, accept_by="the box below")
    try:
        run = ingest_file(job)
    except Stopped as stopped:
        raise UploadError(str(stopped)) from None
    told = {"run": run.pk, "file": path.name, "stored": run.stored, "rejected": run.quarantined, "mapping": mapping}
    audit.record(action="usage.upload", actor=user.username, subject=account, details=told)
    shutil.rmtree(path.parent, ignore_errors=True)
    return run


def _folder(user: User, token: str) -> Path:
    return Path(settings.DATA_DIR) / "uploads" / f"{user.pk}-{token}"


def _forget_old() -> None:
    for folder in (Path(settings.DATA_DIR) / "uploads").glob("*"):
        if folder.is_dir() and folder.stat().st_mtime < time.time() - _KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
