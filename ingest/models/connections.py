"""Connected sources: what is pulled, with which key, how far, and what things are called there."""

import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

if TYPE_CHECKING:  # generic in the stubs only
    _Field = models.Field[Any, Any]
else:
    _Field = models.Field


class TimeSpansField(_Field):
    """A set of intervals of time, PostgreSQL's tstzmultirange; psycopg's Multirange in Python."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002
        return "tstzmultirange"


class Credential(models.Model):
    """One secret of a provider, sealed. Unique by id; replaced as a whole, never read back.

    The secret is AES-256-GCM under a data key of its own, which is wrapped by the newest key of the ring; the seal is
    bound to (id, kind, version), so that a copied row does not open elsewhere. ``reference`` names an environment
    variable instead of holding a secret. See ingest.credentials.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=40)
    version = models.IntegerField(default=1, help_text="Rises with every new secret.")
    ring_key = models.CharField(max_length=16, blank=True, help_text="Fingerprint of the ring key that wraps.")
    wrapped_key = models.BinaryField(default=b"")
    sealed = models.BinaryField(default=b"")
    reference = models.CharField(max_length=100, blank=True, help_text="env:NAME, in place of a stored secret.")
    last_four = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(max_length=8, blank=True, help_text="Of the secret's SHA-256, to tell keys apart.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} ...{self.last_four}"


class Connection(models.Model):
    """One configured source. Unique by name; changed by administrators, its state by the process that holds its lease.

    Many workers may try: one leases it, and only while ``fence`` is its own may that one commit.
    """

    class Way(models.TextChoices):
        """How its records come."""

        PULL = "pull"
        FOLDER = "folder"
        PUSH = "push"

    name = models.SlugField(max_length=60, unique=True)
    kind = models.CharField(max_length=40)
    way = models.CharField(max_length=6, choices=Way.choices, default=Way.PULL)
    account = models.CharField(max_length=200, default="default", help_text="Part of the identity of its records.")
    base_url = models.CharField(max_length=500, blank=True)
    options = models.JSONField(default=dict)
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, null=True, related_name="connections")
    enabled = models.BooleanField(default=True)
    every = models.DurationField(help_text="How often it is pulled.")
    begins_on = models.DateField(help_text="The first day that is pulled.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    next_due_at = models.DateTimeField(null=True, help_text="NULL: at once.")
    fence = models.UUIDField(null=True, help_text="Who holds the lease.")
    lease_until = models.DateTimeField(null=True)
    last_tried_at = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0, help_text="In a row.")
    last_error = models.CharField(max_length=500, blank=True)
    names_at = models.DateTimeField(null=True, help_text="When names were refreshed.")

    def __str__(self) -> str:
        return self.name


class Coverage(models.Model):
    """What time a stream's complete answers cover: the cursor of a pull. Unique by (source, account, part, stream).

    Grows in the transaction of the data that it speaks of. ``covered`` holds only time that had ended when the answer was
    given, so that a day inside it is complete. See ingest.coverage.
    """

    source = models.CharField(max_length=40)
    account = models.CharField(max_length=200)
    part = models.CharField(max_length=200, blank=True, help_text="Billing account; empty: all of the account.")
    stream = models.CharField(max_length=60)
    covered = TimeSpansField(help_text="Half-open intervals in UTC.")
    observed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "account", "part", "stream"], name="coverage_is_unique")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.account} {self.stream}"


class SourceName(models.Model):
    """What people call a project, key or user that records name by id. Unique by (source, account, what, external_id).

    Refreshed by pulls; for display only, identity is the id.
    """

    source = models.CharField(max_length=40)
    account = models.CharField(max_length=200)
    what = models.CharField(max_length=20)
    external_id = models.CharField(max_length=200)
    name = models.CharField(max_length=300)
    seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "account", "what", "external_id"], name="source_name_is_unique")
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.external_id}: {self.name}"


class TakenFile(models.Model):
    """One version of a file that a folder connection has taken. Unique by (connection, path, version).

    Changed where a refused file is accepted and taken after all. A refused one is deleted once the file has changed or
    is gone.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="taken_files")
    path = models.CharField(max_length=1000)
    version = models.CharField(max_length=200, help_text="Size and time of change, or the object's ETag.")
    run = models.ForeignKey("ingest.IngestRun", on_delete=models.CASCADE, null=True)
    outcome = models.CharField(max_length=10, help_text="The state of its run.")
    taken_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "path", "version"], name="taken_file_is_unique")]

    def __str__(self) -> str:
        return self.path
