"""How often one caller may ask: against a loop that nobody meant, not as a quota. Imported by DRF's own settings."""

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from web.models import ApiToken

_REFUSED = "TooManyRequests"


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


def documented(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: every operation may be answered 429, by this rate or by the caller's share (web.shares)."""
    result["components"].setdefault("responses", {})[_REFUSED] = {
        "description": "Too many requests of this token or user; after Retry-After the same request may be sent again.",
        "headers": {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}},
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["429"] = {"$ref": f"#/components/responses/{_REFUSED}"}
    return result
