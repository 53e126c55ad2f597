"""What a caller may do: within the scope of the token, within the roles of the user (CONTRACTS 7)."""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request

from allocation.models import Grant
from allocation.scope import ROLES_THAT_SEE_ALL, roles_of
from allocation.value.agent_runaways import DECIDERS
from forecasting.watch_alerts import ANSWERERS, CAPPERS
from web.audit_log import READ_AUDIT
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


class ChangedBy(SeesEverything):
    """Those who see everything may read; a subclass names the roles that may change, and what that is called."""

    roles: frozenset[str] = frozenset()
    changing = "Changing this"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the grants of the user, read afresh."""
        allowed, reads = super().has_permission(request, view), request.method in SAFE_METHODS
        if allowed and (reads or roles_of(request.user) & self.roles):
            return True
        if not reads and self.message != WithinTokenScope.message:
            self.message = f"{self.changing} needs the role {' or '.join(sorted(self.roles))}."
        return False


class WrittenBy(WithinTokenScope):
    """Everybody reads what is in their scope; a subclass names the roles that may change."""

    roles: frozenset[str] = frozenset()

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the grants of the user, read afresh."""
        if not super().has_permission(request, view):
            self.message = super().message
            return False
        return request.method in SAFE_METHODS or bool(roles_of(request.user) & self.roles)


class ProposesBudgets(WrittenBy):
    """Owners propose for their own cost centres, finance for all."""

    message = "Proposing a budget needs the role owner (of the cost centre) or finance."
    roles = frozenset({Grant.Role.OWNER, Grant.Role.FINANCE})


class AnswersForBenefits(WrittenBy):
    """Owners attest for their own cost centres, finance for all."""

    message = "Attesting a benefit needs the role owner (of the cost centre) or finance."
    roles = frozenset({Grant.Role.OWNER, Grant.Role.FINANCE})


class ProposesAssumptions(WrittenBy):
    """Everybody reads what figures rest on; analyst and finance propose."""

    message = "Proposing assumptions needs the role analyst or finance."
    roles = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE})


class ProposesCalendar(WrittenBy):
    """Everybody reads what forecasts know of; analyst and finance propose."""

    message = "Proposing calendar events needs the role analyst or finance."
    roles = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE})


class WritesOutcomes(WrittenBy):
    """An analyst or finance writes (CONTRACTS 7: outcomes)."""

    message = "Writing outcomes, benchmark runs and benefits needs the role analyst or finance."
    roles = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE})


class DecidesRunaways(WrittenBy):
    """Analysts and finance decide on all runaways, owners on their own."""

    message = "Deciding on a runaway needs the role analyst, finance or owner of its cost centre."
    roles = DECIDERS


class JudgesAnomalies(WrittenBy):
    """Analysts and finance say what any anomaly is, owners of their cost centre's (forecasting.anomalies_gate)."""

    message = "Saying what an anomaly is needs the role analyst, finance or owner of its cost centre."
    roles = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE, Grant.Role.OWNER})


class AnswersAlerts(WrittenBy):
    """Analysts and finance answer and silence all alerts, owners their own."""

    message = "Answering alerts needs the role analyst, finance or owner of the cost centre."
    roles = ANSWERERS


class CapsQueries(WrittenBy):
    """Analysts and finance say what a query may cost."""

    message = "Capping what a query costs needs the role analyst or finance."
    roles = CAPPERS


class ReadsAudit(WithinTokenScope):
    """Finance, admin and auditor (CONTRACTS 7: audit)."""

    message = "This needs the role finance, admin or auditor."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the grants of the user, read afresh."""
        if not super().has_permission(request, view):
            self.message = super().message
            return False
        return bool(roles_of(request.user) & READ_AUDIT)


class Administers(ChangedBy):
    """An admin may change (CONTRACTS 7: sources and credentials)."""

    roles = frozenset({Grant.Role.ADMIN})


class Proposes(ChangedBy):
    """An analyst or finance may propose (CONTRACTS 7: prices, agreements, invoices)."""

    changing = "Proposing this"
    roles = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE})


class WritesScenarios(ChangedBy):
    """Scenarios are of all cost: those who see it read what is shared, analyst and finance write (CONTRACTS 7: scenarios)."""

    changing = "Saving and running scenarios"
    roles = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE})


class Approves(ChangedBy):
    """Finance decides, and never on what it prepared itself (finops.approvals)."""

    changing = "Deciding this"
    roles = frozenset({Grant.Role.FINANCE})


class KeepsBooks(ChangedBy):
    """Analyst, finance and auditor read; finance prepares and approves another's (CONTRACTS 7: periods, journal)."""

    message = "This needs the role analyst, finance or auditor."
    roles = frozenset({Grant.Role.FINANCE})
    readers = frozenset({Grant.Role.ANALYST, Grant.Role.FINANCE, Grant.Role.AUDITOR})

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """By the grants of the user, read afresh."""
        return super().has_permission(request, view) and bool(roles_of(request.user) & self.readers)


class Prepares(KeepsBooks):
    """Finance prepares, and another of finance decides (CONTRACTS 7: adjustments)."""

    changing = "Preparing this"
