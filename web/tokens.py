"""API tokens: made, listed, revoked. Every change is audited; a secret is known only when it is made."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from finops import audit
from finops.models import User
from web.models import ApiToken

DAYS_MAX = 366


class TokenError(ValueError):
    """A token cannot be made or found; the message says why."""


@transaction.atomic
def create(*, username: str, scope: str, days: int, actor: str) -> tuple[ApiToken, str]:
    """A new token and its secret. Raises TokenError."""
    if not 1 <= days <= DAYS_MAX:
        raise TokenError(f"a token lives 1 to {DAYS_MAX} days, not {days}")
    if scope not in ApiToken.Scope.values:
        raise TokenError(f"a token's scope is one of {', '.join(ApiToken.Scope.values)}, not {scope!r}")
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise TokenError(f"there is no active user {username!r}")
    secret = ApiToken.new_secret()
    token = ApiToken.objects.create(
        user=user, scope=scope, prefix=secret[:10], digest=ApiToken.digest_of(secret),
        expires_at=timezone.now() + timedelta(days=days),
    )  # fmt: skip
    audit.record(
        action="token.create", actor=actor, subject=f"token {token.pk} of {username}",
        details={"scope": scope, "expires_at": token.expires_at.isoformat()},
    )  # fmt: skip
    return token, secret


@transaction.atomic
def revoke(*, token: int, actor: str) -> ApiToken:
    """End a token now; one that has ended stays as it is. Raises TokenError."""
    found = ApiToken.objects.select_for_update(of=("self",)).select_related("user").filter(pk=token).first()
    if found is None:
        raise TokenError(f"there is no token {token}")
    if found.revoked_at is None:
        found.revoked_at = timezone.now()
        found.save(update_fields=["revoked_at"])
        audit.record(action="token.revoke", actor=actor, subject=f"token {token} of {found.user.username}")
    return found


def tokens() -> "QuerySet[ApiToken]":
    """All tokens, oldest first, with their users."""
    return ApiToken.objects.select_related("user").order_by("id")


def described(token: ApiToken, now: datetime) -> dict[str, Any]:
    """A token as lists show it; never its secret or digest."""
    ended = "revoked" if token.revoked_at else "expired" if token.expires_at <= now else "active"
    return {
        "id": token.pk, "user": token.user.get_username(), "scope": token.scope, "prefix": token.prefix, "state": ended,
        "created_at": token.created_at, "expires_at": token.expires_at, "last_used_at": token.last_used_at,
    }  # fmt: skip
