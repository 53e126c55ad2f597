"""Who calls the API with a bearer token. Imported by DRF's own settings: nothing here may import its views."""

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from web.models import ApiToken

_USE_IS_NOTED_EVERY = timedelta(minutes=1)
_REFUSAL = "This token is unknown, expired or revoked."  # which of them is nobody's business


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer il_...``. Another scheme, or none, is left to the session."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        """The user and the token. Raises AuthenticationFailed for a token that is not, or no longer, good."""
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2:
            raise AuthenticationFailed("The header is written `Authorization: Bearer TOKEN`.")
        digest = ApiToken.digest_of(words[1].decode("latin-1"))
        token = ApiToken.objects.select_related("user").filter(digest=digest).first()
        now = timezone.now()
        if token is None or token.revoked_at is not None or token.expires_at <= now or not token.user.is_active:
            raise AuthenticationFailed(_REFUSAL)
        _note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """For WWW-Authenticate; makes a missing login 401 and not 403."""
        return 'Bearer realm="Inference Ledger"'


class OwnSession(SessionAuthentication):
    """The session of who has logged in. Its CSRF check leaves the body to the view, which reads it row by row where it may."""

    def enforce_csrf(self, request: Any) -> None:
        """Raise PermissionDenied without the right token, which is looked for in the header, or in a form's fields."""
        super().enforce_csrf(getattr(request, "_request", request))


def _note_use(token: ApiToken) -> None:
    before = timezone.now() - _USE_IS_NOTED_EVERY
    if token.last_used_at is None or token.last_used_at <= before:
        idle = Q(last_used_at=None) | Q(last_used_at__lte=before)
        ApiToken.objects.filter(idle, pk=token.pk).update(last_used_at=timezone.now())


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document names the token."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002
        """HTTP bearer."""
        return {"type": "http", "scheme": "bearer", "description": "Made by `manage.py token create`."}


class OwnSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """How the OpenAPI document names the session."""

    target_class = "web.api.authentication.OwnSession"
