"""Who may open a page, by CONTRACTS 7: those who see everything read, an admin changes."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from allocation.models import Grant
from allocation.scope import ROLES_THAT_SEE_ALL, roles_of

View = Callable[..., HttpResponse]


def for_those_who_see_everything(view: View) -> View:
    """Analyst, finance, admin, auditor."""

    @wraps(view)
    def guarded(request: HttpRequest, *given: Any, **named: Any) -> HttpResponse:
        if not roles_of(request.user) & ROLES_THAT_SEE_ALL:
            raise PermissionDenied
        return view(request, *given, **named)

    return guarded


def for_admins(view: View) -> View:
    """Admin alone."""

    @wraps(view)
    def guarded(request: HttpRequest, *given: Any, **named: Any) -> HttpResponse:
        if not is_admin(request):
            raise PermissionDenied
        return view(request, *given, **named)

    return guarded


def for_finance(view: View) -> View:
    """Finance alone: who decides on money and keeps its reconciliation."""

    @wraps(view)
    def guarded(request: HttpRequest, *given: Any, **named: Any) -> HttpResponse:
        if not is_finance(request):
            raise PermissionDenied
        return view(request, *given, **named)

    return guarded


def is_finance(request: HttpRequest) -> bool:
    """Whether the reader may decide on money; nobody decides on what they prepared (finops.approvals)."""
    return Grant.Role.FINANCE in roles_of(request.user)


def is_admin(request: HttpRequest) -> bool:
    """Whether the reader may change sources."""
    return Grant.Role.ADMIN in roles_of(request.user)
