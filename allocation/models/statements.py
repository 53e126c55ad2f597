"""Statements: what a cost centre is charged for a month, and how far that is agreed."""

from django.db import models

from allocation.models.owners import CostCentre
from allocation.models.splits import Adjustment
from finops.domains import MoneyField


class Statement(models.Model):
    """What one cost centre owes for one month in one currency, by one version of the month's books.

    Unique by month, cost centre, currency and version (1; 2 after a reopening, ...). A draft is replaced while its month
    is open; once issued, triggers refuse any change of its figures, any step back and its deletion. Only
    allocation.close.statements writes it, each step with its audit event.
    """

    class State(models.TextChoices):
        """In the order in which it goes; disputed may be left out."""

        DRAFT = "draft"
        ISSUED = "issued"
        DISPUTED = "disputed"
        ACCEPTED = "accepted"
        POSTED = "posted"

    class Kind(models.TextChoices):
        """Whether the books follow; allocation.calc.statement_policy."""

        CHARGEBACK = "chargeback"
        SHOWBACK = "showback"

    month = models.DateField(help_text="Its first day.")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="statements")
    version = models.SmallIntegerField(default=1, help_text="Of the month's books: one more after each reopening.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    currency = models.CharField(max_length=3)
    amount = MoneyField(help_text="At the currency's minor unit.")
    document = models.JSONField(help_text="What it says: allocation.calc.statements.")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the document's canonical JSON.")
    drafted_at = models.DateTimeField()
    issued_at = models.DateTimeField(null=True)
    issued_by = models.CharField(max_length=150, blank=True)
    dispute_until = models.DateField(null=True, help_text="Last day on which it may be disputed; accepted after it.")
    disputed_at = models.DateTimeField(null=True)
    disputed_by = models.CharField(max_length=150, blank=True)
    dispute_reason = models.TextField(blank=True)
    resolution = models.TextField(blank=True, help_text="How the dispute ended.")
    adjustment = models.ForeignKey(
        Adjustment, on_delete=models.PROTECT, null=True, related_name="+",
        help_text="Of a dispute that was right: what an open month bears.",
    )  # fmt: skip
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.CharField(max_length=150, blank=True, help_text="Empty once accepted: by silence.")
    posted_at = models.DateTimeField(null=True)
    posted_by = models.CharField(max_length=150, blank=True)
    self_approved = models.BooleanField(default=False, help_text="Posted by who issued it, as the site allows.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["month", "cost_centre", "currency", "version"], name="statement_is_unique"),
            models.CheckConstraint(
                name="statement_posted_by_two",
                condition=~models.Q(state="posted")
                | models.Q(kind="chargeback")
                & ~models.Q(issued_by="")
                & ~models.Q(posted_by="")
                & (~models.Q(posted_by=models.F("issued_by")) | models.Q(self_approved=True)),
            ),
        ]
        indexes = [models.Index(fields=["state", "dispute_until"], name="statement_by_state")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.cost_centre_id} v{self.version} {self.amount} {self.currency} {self.state}"
