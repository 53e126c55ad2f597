"""What the web keeps for itself."""

import hashlib
import secrets

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """One key to the API. Unique by the SHA-256 of its secret, which is shown once and never stored.

    Changed only by use (``last_used_at``) and revocation.
    """

    class Scope(models.TextChoices):
        """What the bearer may do; never more than the user may."""

        READ = "read"
        WRITE = "write"
        INGEST = "ingest"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    scope = models.CharField(max_length=10, choices=Scope.choices)
    prefix = models.CharField(max_length=12, help_text="First characters of the secret, to tell tokens apart.")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.prefix}... of {self.user_id}"

    @staticmethod
    def new_secret() -> str:
        """A fresh secret of 256 bits."""
        return f"il_{secrets.token_urlsafe(32)}"

    @staticmethod
    def digest_of(secret: str) -> str:
        """How a secret is looked up: a random 256-bit value needs no slow hash."""
        return hashlib.sha256(secret.encode()).hexdigest()
