"""What a caller may do: within the scope of the token, within the roles of the user (CONTRACTS 7)."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request

from allocation.scope import ROLES_THAT_SEE_ALL, roles_of
from web.models import ApiToken

if TYPE_CHECKING:  # the settings name this module, and the views read the settings
    from rest_framework.views import APIView


class WithinTokenScope(IsAuthenticated):
    """Logged in, and within the token's scope: read may only GET, write may all that its user may, ingest nothing here.

    Views that take events from an ingest token say so themselves: ``ingests = True``.
    """

    message = "The scope of this token does not allow this."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Deny by default: an unknown scope may nothing."""
        if not super().has_permission(request, view):
            return False
        if not isinstance(request.auth, ApiToken):
            return True
        if request.auth.scope == ApiToken.Scope.INGEST:
            return bool(getattr(view, "ingests", False)) and request.method not in SAFE_METHODS
        if request.auth.scope == ApiToken.Scope.READ:
            return request.method in SAFE_METHODS
        return request.auth.scope == ApiToken.Scope.WRITE


class SeesEverything(WithinTokenScope):
    """Analyst, finance, admin or auditor: sources, runs and quarantine are not scoped by cost centre."""

    message = "This needs the role analyst, finance, admin or auditor."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the grants of the user, read afresh."""
        if not super().has_permission(request, view):
            self.message = super().message  # the token's scope, not the role, is what lacks
            return False
        return bool(roles_of(request.user) & ROLES_THAT_SEE_ALL)
