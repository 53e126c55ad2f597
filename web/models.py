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


class IdempotencyKey(models.Model):
    """One POST that its sender may repeat. Unique by (user, key); pruned after a day.

    Written before the work, in a transaction of its own, so that a second sender finds it; the answer is added when there
    is one, by whoever still has the row as of ``begun_at``. Only answers of success are kept.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=64, help_text="Keyed hash of method, address and body.")
    status = models.SmallIntegerField(null=True, help_text="NULL: the work is under way.")
    answer = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(help_text="Of the try that is under way; one that died is replaced.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_is_unique")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_by_age")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user_id}"
