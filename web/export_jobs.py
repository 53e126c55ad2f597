"""Files that somebody asks the API for: asked for, looked after while they are built, and opened by a link that expires.

Here is what asking and opening need; what builds them is web.export_building, in a worker.
"""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from allocation import statement_selectors
from allocation.close import statement_views
from allocation.models import Grant
from allocation.scope import Scope, roles_of, scope_of
from finops import audit
from finops.periods import Period
from web.models import BuiltFile

# Kind -> forms, the default first. What is more than one file comes as a ZIP of them.
FORMATS: dict[str, tuple[str, ...]] = {
    "workbook": ("xlsx",), "statement": ("zip",), "charges": ("csv", "parquet"), "focus": ("csv", "parquet"),
    "journal": ("csv",),
}  # fmt: skip
JOURNAL_READERS = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE, Grant.Role.AUDITOR})
AT_ONCE = 10  # files that wait or are built for one user
_SALT = "web.exports"
State = BuiltFile.State


class ExportError(ValueError):
    """This file cannot be asked for; the message says why."""


class NotAllowed(ExportError):
    """Not by this user."""


class TooMany(ExportError):
    """Too many wait already."""


class LinkError(ValueError):
    """The link opens nothing; the message says why."""


class Wanted(NamedTuple):
    """What is asked for."""

    kind: str
    period: Period
    format: str = ""
    cost_centre: str = ""


def ask(wanted: Wanted, user: Any) -> BuiltFile:
    """Note that a file is wanted; a worker builds it, as far as the user sees. Raises ExportError."""
    forms = FORMATS.get(wanted.kind)
    if forms is None:
        raise ExportError(f"kind: one of {', '.join(FORMATS)}")
    if wanted.format and wanted.format not in forms:
        raise ExportError(f"format: a {wanted.kind} is written as {' or '.join(forms)}")
    if wanted.kind == "journal" and not roles_of(user) & JOURNAL_READERS:
        raise NotAllowed("the journal is for analyst, finance and auditor")
    scope = scope_for(user, wanted)
    if wanted.cost_centre and not scope.cost_centres:
        raise ExportError("cost_centre: there is none of this code, or not for you")
    if BuiltFile.objects.filter(user=user, state__in=(State.WAITING, State.BUILDING)).count() >= AT_ONCE:
        raise TooMany(f"{AT_ONCE} files wait already: ask again when one is done")
    made = BuiltFile.objects.create(
        kind=wanted.kind, format=wanted.format or forms[0], month=wanted.period.start, cost_centre=wanted.cost_centre,
        user=user, asked_by=user.get_username()[:150], expires_at=_expiry(timezone.now()),
    )  # fmt: skip
    details = {"kind": made.kind, "format": made.format, "cost_centre": made.cost_centre}
    audit.record(
        action="export.ask", actor=made.asked_by, subject=f"export {made.pk} of {wanted.period}", details=details
    )
    return made


def scope_for(user: Any, wanted: Wanted) -> Scope:
    """What a file of this kind may show this user, by their grants now."""
    scope = statement_views.scope_for(user) if wanted.kind == "statement" else scope_of(user)
    return statement_selectors.narrowed(scope, wanted.cost_centre) if wanted.cost_centre else scope


def mine(user: Any) -> "QuerySet[BuiltFile]":
    """The files that a user asked for, the newest first."""
    return BuiltFile.objects.filter(user=user).defer("content").order_by("-pk")


def path_of(file: BuiltFile) -> Path:
    """Where the content lies: a name that nobody chose."""
    return folder() / f"{file.pk}.{file.format}"


def folder() -> Path:
    """Where the files of exports lie."""
    return Path(settings.DATA_DIR) / "exports"


def scope_document(scope: Scope) -> dict[str, Any]:
    """A scope as it is kept with a file."""
    return {"everything": scope.everything, "cost_centres": sorted(scope.cost_centres)}


def link(file: BuiltFile) -> str:
    """An address that opens a file without a log-in until FINOPS_EXPORT_LINK_MINUTES are over."""
    held = {"file": file.pk, "user": file.user_id, "scope": _digest(file)}
    return f"{settings.SITE_URL}{reverse('export-file', args=[_signer().sign_object(held, compress=False)])}"


def opened(signed: str) -> BuiltFile:
    """The file of a link. Raises LinkError: also where its user lost rights that it was built with."""
    try:
        held = _signer().unsign_object(signed, max_age=timedelta(seconds=settings.EXPORT_LINK_SECONDS))
    except SignatureExpired:
        raise LinkError("this link has expired: the export's own address has a new one") from None
    except (BadSignature, ValueError):
        raise LinkError("this is no link of ours") from None
    rows = BuiltFile.objects.select_related("user").defer("content")
    file = rows.filter(pk=held["file"], user=held["user"], state=State.DONE).first()
    if file is None or (file.expires_at and file.expires_at <= timezone.now()) or not path_of(file).is_file():
        raise LinkError("the file is gone: ask for it again")
    if held["scope"] != _digest(file) or not still_seen(file):
        raise LinkError("this file shows what its user may not see any more")
    return file


def still_seen(file: BuiltFile) -> bool:
    """Whether its user still sees all that it was built with."""
    if file.user is None or file.scope is None:
        return False
    if file.kind == "journal" and not roles_of(file.user) & JOURNAL_READERS:
        return False
    now = scope_for(file.user, Wanted(file.kind, Period.month_of(file.month), file.format, file.cost_centre))
    return now.everything or (not file.scope["everything"] and set(file.scope["cost_centres"]) <= now.cost_centres)


def _digest(file: BuiltFile) -> str:
    return hashlib.sha256(json.dumps([file.sha256, file.scope], sort_keys=True).encode()).hexdigest()[:16]


def _signer() -> TimestampSigner:
    return TimestampSigner(salt=_SALT)


def _expiry(now: datetime) -> datetime:
    return now + timedelta(days=settings.EXPORT_DAYS)
