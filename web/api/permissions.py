"""What a caller may do: within the scope of the token, within the roles of the user (CONTRACTS 7)."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request

from allocation.models import Grant
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
            reads = request.method in SAFE_METHODS and hasattr(view, str(request.method).lower())
            return bool(getattr(view, "ingests", False)) and not reads  # what the view does not have is a 405
        if request.auth.scope == ApiToken.Scope.READ:
            return request.method in SAFE_METHODS
        return request.auth.scope == ApiToken.Scope.WRITE


class IngestToken(WithinTokenScope):
    """A token of scope ingest and nothing else: a person's session or write token must not be mistaken for a sender."""

    message = "This needs a token of scope ingest."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the token alone; its user needs no role."""
        if not IsAuthenticated.has_permission(self, request, view):
            return False
        is_ingest = isinstance(request.auth, ApiToken) and request.auth.scope == ApiToken.Scope.INGEST
        return is_ingest and super().has_permission(request, view)


class SeesEverything(WithinTokenScope):
    """Analyst, finance, admin or auditor: sources, runs and quarantine are not scoped by cost centre."""

    message = "This needs the role analyst, finance, admin or auditor."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the grants of the user, read afresh."""
        if not super().has_permission(request, view):
            self.message = super().message  # the token's scope, not the role, is what lacks
            return False
        return bool(roles_of(request.user) & ROLES_THAT_SEE_ALL)


class Administers(SeesEverything):
    """Those who see everything may read; an admin may change (CONTRACTS 7: sources and credentials)."""

    message = "Reading this needs the role analyst, finance, admin or auditor; changing it, admin."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the grants of the user, read afresh."""
        if not super().has_permission(request, view):
            return False
        return request.method in SAFE_METHODS or Grant.Role.ADMIN in roles_of(request.user)


class Proposes(SeesEverything):
    """Those who see everything may read; an analyst or finance may propose (CONTRACTS 7: prices, agreements, invoices)."""

    message = "Reading this needs the role analyst, finance, admin or auditor; proposing, analyst or finance."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the grants of the user, read afresh."""
        if not super().has_permission(request, view):
            return False
        return request.method in SAFE_METHODS or bool(roles_of(request.user) & {Grant.Role.ANALYST, Grant.Role.FINANCE})


class Approves(SeesEverything):
    """Those who see everything may read; finance decides, and never on what it prepared itself (finops.approvals)."""

    message = "Reading this needs the role analyst, finance, admin or auditor; deciding, finance."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the grants of the user, read afresh."""
        if not super().has_permission(request, view):
            return False
        return request.method in SAFE_METHODS or Grant.Role.FINANCE in roles_of(request.user)
