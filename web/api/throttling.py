"""How often one caller may ask: against a loop that nobody meant, not as a quota. Imported by DRF's own settings."""

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from web.models import ApiToken


class PerCaller(SimpleRateThrottle):
    """FINOPS_API_RATE requests by one token, or one user's sessions, in each web process.

    A token of scope ingest is not counted: senders are bounded by what one request may hold, and a refusal loses them
    nothing but time.
    """

    scope = "caller"

    def get_cache_key(self, request: Request, view: Any) -> str | None:  # noqa: ARG002
        """Of whom to count; None: of nobody."""
        if isinstance(request.auth, ApiToken):
            return None if request.auth.scope == ApiToken.Scope.INGEST else f"throttle_token_{request.auth.pk}"
        return f"throttle_user_{request.user.pk}" if request.user and request.user.is_authenticated else None
