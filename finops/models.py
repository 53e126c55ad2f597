"""Models that every package needs: who acts (User), what was done (AuditEvent), exchange rates, the site's marks."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from finops.domains import RateField


class User(AbstractUser):
    """One person or service that logs in. Unique by username; what they may do lies in allocation.Grant."""


class AuditEvent(models.Model):
    """One thing that somebody did. Append-only (a trigger refuses UPDATE, DELETE and TRUNCATE); never edited.

    ``hash`` covers the row and ``previous_hash``, so that any later change breaks the chain at that row
    (``manage.py audit_verify``). Rows are written one at a time under an advisory lock (finops.audit).
    """

    at = models.DateTimeField()
    actor = models.CharField(max_length=150, help_text="User name, or the command that ran.")
    action = models.CharField(max_length=80, help_text="What was done, e.g. rules.load.")
    subject = models.CharField(max_length=300, help_text="To what.")
    details = models.JSONField(default=dict)
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32, unique=True)

    class Meta:
        indexes = [models.Index(fields=["at"], name="audit_event_by_time")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.action} {self.subject}"


class AuditHead(models.Model):
    """Where the audit trail ends: one row, none before the first event. Advanced by a trigger of the trail, by nobody else.

    Kept outside the trail, so that one whose end was cut off is seen. The application only reads it.
    """

    id = models.SmallIntegerField(primary_key=True)
    events = models.BigIntegerField(help_text="How many there are.")
    last = models.BigIntegerField(help_text="Id of the last one.")
    hash = models.BinaryField(max_length=32, help_text="Of the last one.")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="audit_has_one_head")]

    def __str__(self) -> str:
        return f"{self.events} events, the last {self.last} {bytes(self.hash).hex()}"


class OwnerSetting(models.Model):
    """One setting that triggers ask, as the owner of the database was told it. Unique by name.

    Written by ``migrate`` (finops.database.roles) from the environment; the application's role only reads it.
    """

    name = models.CharField(max_length=60, primary_key=True)
    value = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class FxRate(models.Model):
    """One unit of ``base`` in ``quote`` on one day from one source. Unique by the three; a correction is a new source row."""

    day = models.DateField()
    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    rate = RateField()
    source = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "base", "quote", "source"], name="fx_rate_is_unique_per_day_and_source"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.base}/{self.quote} {self.rate}"


class Approval(models.Model):
    """One thing of money that one person prepared and another has to accept. Never changed once decided.

    Triggers see to it: content and proposer stay, a decision is taken once, by another person, and has its audit event in the
    same transaction. ``details`` is what is asked for, as its kind needs it to be carried out on acceptance.
    """

    class State(models.TextChoices):
        """Of the request."""

        PROPOSED = "proposed"
        ACCEPTED = "accepted"
        REJECTED = "rejected"
        SUPERSEDED = "superseded"  # by something newer; nobody decided it

    kind = models.CharField(max_length=40, help_text="What is asked for: price, other_charge, ...")
    subject = models.CharField(max_length=300)
    details = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    prepared_by = models.CharField(max_length=150)
    prepared_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["kind", "state"], name="approval_by_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} {self.state}"


class SiteMark(models.Model):
    """One named fact about this database (``demo``: holds demo data). Unique by name."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
