"""Who may open a page, by CONTRACTS 7: those who see everything read, an admin changes."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from allocation.models import Grant
from allocation.scope import ROLES_THAT_SEE_ALL, roles_of
from web.audit_log import READ_AUDIT

View = Callable[..., HttpResponse]


def _guard(allows: Callable[[HttpRequest], bool]) -> Callable[[View], View]:
    """403 for whoever it does not allow."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *given: Any, **named: Any) -> HttpResponse:
            if not allows(request):
                raise PermissionDenied
            return view(request, *given, **named)

        return guarded

    return decorate


def sees_everything(request: HttpRequest) -> bool:
    """Whether the reader is analyst, finance, admin or auditor."""
    return bool(roles_of(request.user) & ROLES_THAT_SEE_ALL)


def is_finance(request: HttpRequest) -> bool:
    """Whether the reader may decide on money; nobody decides on what they prepared (finops.approvals)."""
    return Grant.Role.FINANCE in roles_of(request.user)


def is_admin(request: HttpRequest) -> bool:
    """Whether the reader may change sources."""
    return Grant.Role.ADMIN in roles_of(request.user)


def sees_books(request: HttpRequest) -> bool:
    """Whether the reader is analyst, finance or auditor: periods, journal and adjustments are no admin's."""
    return bool(roles_of(request.user) & {Grant.Role.ANALYST, Grant.Role.FINANCE, Grant.Role.AUDITOR})


def reads_audit(request: HttpRequest) -> bool:
    """Whether the reader is finance, admin or auditor."""
    return bool(roles_of(request.user) & READ_AUDIT)


for_those_who_see_everything = _guard(sees_everything)
for_those_who_see_the_books = _guard(sees_books)
for_those_who_read_the_audit_trail = _guard(reads_audit)
for_admins = _guard(is_admin)
for_finance = _guard(is_finance)  # who decides on money and keeps its reconciliation
