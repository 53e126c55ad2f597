"""Billing periods: their states, gates waived, checklist and manifests; and what is posted late against frozen ones."""

from django.db import models

from finops.domains import QuantityField
from finops.models import Approval


class BillingPeriod(models.Model):
    """One month of charge dates and how far its books are. Unique by month; a month without a row is open.

    Changed only by allocation.closing, each step with its audit event. From soft_closed on the month is *frozen*: triggers
    refuse any change of its charges, their shares and what pages read of them, and let it leave that state only for an
    accepted request of another person (Approval of kind period.reopen); it is then open again as its next version.
    """

    class State(models.TextChoices):
        """The order of a close; reopening leads back to open."""

        OPEN = "open"
        PRELIMINARY = "preliminary"
        SOFT_CLOSED = "soft_closed"
        CLOSED = "closed"

    month = models.DateField(unique=True, help_text="Its first day.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    since = models.DateTimeField(auto_now=True)
    version = models.IntegerField(default=1, db_default=1, help_text="One more with every reopening.")
    self_approved = models.BooleanField(
        default=False, db_default=False, help_text="One person alone did or opened it: FINOPS_SELF_APPROVAL."
    )
    prepared_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    prepared_at = models.DateTimeField(null=True)
    soft_closed_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    soft_closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    closed_at = models.DateTimeField(null=True)
    restated_rules = models.IntegerField(
        null=True, help_text="Version of the rules by which corrections are made since the month was allocated anew."
    )
    passed_gates = models.JSONField(
        default=list, db_default=models.Value([], models.JSONField()),
        help_text="Its gates as they were measured at its last step.",
    )  # fmt: skip
    frozen_versions = models.JSONField(
        default=dict, help_text="What the figures were computed with, at soft close: name -> version and hash."
    )

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.state}"


class GateWaiver(models.Model):
    """One gate that a month may pass although it fails: asked for by one person, accepted by another. Never changed.

    Unique by period, version and approval. Holds up to ``value``: what fails worse than that was not waived.
    """

    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="waivers")
    version = models.IntegerField(help_text="Of the period.")
    gate = models.CharField(max_length=20)
    value = QuantityField(help_text="Of the gate, when it was asked for.")
    reason = models.TextField()
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["period", "version"], name="waiver_by_period")]

    def __str__(self) -> str:
        return f"{self.period_id} {self.gate}: {self.reason}"


class CloseTask(models.Model):
    """One line of a month's checklist, made of the close policy in force when work on it began.

    Unique by period, version and code. Only ``done_by`` and ``done_at`` change, of tasks that are done by hand: the state
    of the others follows from the gates or the state of the month.
    """

    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="tasks")
    version = models.IntegerField(help_text="Of the period.")
    position = models.SmallIntegerField()
    code = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    owner = models.CharField(max_length=150, help_text="A user or a role.")
    due = models.DateField()
    gates = models.JSONField(default=list, help_text="Done when these pass; empty: by step or by hand.")
    step = models.CharField(max_length=12, blank=True, help_text="Done when the month is that far; empty: by hand.")
    link = models.CharField(max_length=200, blank=True)
    done_by = models.CharField(max_length=150, blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["period", "version", "code"], name="close_task_is_unique")]

    def __str__(self) -> str:
        return f"{self.period_id} {self.code}"


class PeriodManifest(models.Model):
    """What a month held when it was frozen: counts, sums, versions, waivers, hashes. Unique by period and version.

    Written at soft close; never changed, also when the month is opened again (a trigger refuses it). ``sha256`` is that of
    the canonical document (allocation.calc.manifests), which holds one per table over its rows in natural keys.
    """

    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="manifests")
    version = models.IntegerField(help_text="Of the period.")
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["period", "version"], name="period_manifest_is_unique")]

    def __str__(self) -> str:
        return f"{self.period_id} v{self.version} {self.sha256[:12]}"


class Correction(models.Model):
    """One posting of what a day of a frozen month costs now beyond what was posted of it. Never changed.

    Its rows are charges of an open month (``posted_on``) that reverse and restate those of ``charge_date``.
    """

    class Cause(models.TextChoices):
        """Why the day costs something else now."""

        LATE_USAGE = "late_usage"
        RERATE = "rerate"
        RULES = "rules"
        AGREEMENT = "agreement"
        BILL = "bill"

    charge_date = models.DateField(help_text="The frozen day.")
    posted_on = models.DateField(help_text="The day of the open month that bears it.")
    cause = models.CharField(max_length=12, choices=Cause.choices)
    posted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["charge_date"], name="correction_by_day"),
            models.Index(fields=["posted_on"], name="correction_by_posting"),
        ]

    def __str__(self) -> str:
        return f"{self.charge_date} {self.cause}, posted on {self.posted_on}"
