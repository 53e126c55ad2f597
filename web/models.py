"""What the web keeps for itself."""

import hashlib
import secrets
from importlib import import_module

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
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


class BuiltFile(models.Model):
    """One file that a background job builds for somebody: who asks sees how far it is. Never changed once done.

    Kept here and not on a disk: whichever worker sends it again sends the same bytes. But what somebody asked the API for
    (``user``), which may be large, is a file in the data folder until it expires; then the row goes too.
    """

    class State(models.TextChoices):
        """Of the job."""

        WAITING = "waiting"
        BUILDING = "building"
        DONE = "done"
        FAILED = "failed"

    kind = models.CharField(max_length=20, help_text="workbook, statement, charges, focus, journal")
    name = models.CharField(max_length=200)
    month = models.DateField(help_text="First day of the month it is about.")
    cost_centre = models.CharField(max_length=60, blank=True, help_text="Empty: all.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    rows_done = models.IntegerField(default=0)
    rows_total = models.IntegerField(null=True)
    error = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    content = models.BinaryField(null=True)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    format = models.CharField(max_length=10, blank=True)
    size = models.BigIntegerField(null=True, help_text="Bytes.")
    scope = models.JSONField(null=True, help_text="What its reader might see as it was built: all, or cost centres.")
    begun_at = models.DateTimeField(null=True, help_text="Of the try that is under way.")
    expires_at = models.DateTimeField(null=True, help_text="NULL: it is kept.")

    class Meta:
        indexes = [models.Index(fields=["user", "id"], name="built_file_by_user")]

    def __str__(self) -> str:
        return f"{self.name} {self.state}"


class Delivery(models.Model):
    """One thing that goes to one address, and what became of it. Unique by occasion, kind, subject, channel and address.

    Forward only: waiting, sending, then sent; failed after its last try; unsure where a worker died while it sent what must
    not be sent twice. A person may set the last two to waiting again.
    """

    class Channel(models.TextChoices):
        """How it goes."""

        EMAIL = "email", "e-mail"
        WEBHOOK = "webhook"
        FOLDER = "folder"
        OBJECT_STORAGE = "object_storage", "object storage"

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"
        UNSURE = "unsure"

    class Stage(models.TextChoices):
        """Of the month's figures when it was built."""

        PRELIMINARY = "preliminary"
        FINAL = "final"

    occasion = models.CharField(
        max_length=150, help_text="What it was made for; the same again is the delivery that was."
    )
    kind = models.CharField(max_length=20, help_text="workbook, statement, notice")
    subject = models.CharField(
        max_length=200, help_text="Of a notice the statement's id, of files the month and whose."
    )
    month = models.DateField(null=True)
    stage = models.CharField(max_length=11, choices=Stage.choices, blank=True)
    number = models.IntegerField(default=1, help_text="1, 2, ... of this subject and stage.")
    channel = models.CharField(max_length=14, choices=Channel.choices)
    address = models.TextField()
    file = models.ForeignKey(BuiltFile, on_delete=models.PROTECT, null=True, related_name="deliveries")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.IntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["state", "next_at"], name="delivery_by_due")]
        constraints = [
            models.UniqueConstraint(
                fields=["occasion", "kind", "subject", "channel", "address"], name="delivery_is_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} to {self.address}: {self.state}"


class Webhook(models.Model):
    """One address that is told of what happens. Its secret is sealed; changed only by how far it was told, or removed."""

    url = models.CharField(max_length=500)
    events = models.JSONField(help_text="Names of web.webhooks.EVENTS.")
    credential = models.ForeignKey("ingest.Credential", on_delete=models.PROTECT, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    after_event = models.BigIntegerField(default=0, help_text="Audit events up to this id are dealt with.")
    after_correction = models.BigIntegerField(default=0, help_text="Corrections up to this id are dealt with.")

    def __str__(self) -> str:
        return self.url


class Session(AbstractBaseSession):
    """One log-in of one browser. Unique by its key, which only its cookie has; ends by log-out, by its age, or when deleted.

    Written by web.sessions. Whose a right was taken from has none left (web.log_in).
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    began_at = models.DateTimeField(null=True, help_text="NULL: nobody logged in yet.")
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=200, blank=True, help_text="What the browser calls itself.")
    way = models.CharField(max_length=10, blank=True, help_text="password or sso")

    class Meta(AbstractBaseSession.Meta):
        abstract = False

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        """The engine that reads and writes these rows; by its name, for it imports us."""
        found: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return found


class SsoIdentity(models.Model):
    """Who a user is at the provider of single sign-on. Unique by issuer and subject, one for a user; never changed.

    A name or address at the provider may pass to another person, the subject never does: users are found by it alone.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sso_identity")
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="sso_identity_is_unique")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"
