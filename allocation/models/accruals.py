"""What is owed without an invoice at a month's end, and what invoices then changed: facts of each close."""

from django.db import models

from finops.domains import MoneyField, QuantityField


class AccrualRun(models.Model):
    """One computation of a month's accruals. Unique by month and version; the highest version is in force. Never changed.

    Appended while the month is not frozen (a trigger refuses more); the same content again is the version that was.
    """

    month = models.DateField(help_text="Its first day.")
    version = models.IntegerField()
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the rows.")
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(max_length=150)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["month", "version"], name="accrual_run_is_unique")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} v{self.version}"


class AccrualRow(models.Model):
    """A place (issuer, billing account, currency, legal entity) and a month that is billed. Abstract."""

    run = models.ForeignKey(AccrualRun, on_delete=models.CASCADE, related_name="%(class)ss")
    issuer = models.TextField()
    billing_account = models.TextField(blank=True)
    currency = models.CharField(max_length=3)
    legal_entity = models.TextField(blank=True)
    billed_month = models.DateField(help_text="First of the month that is billed; of a late one before the run's.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.run_id} {self.issuer} {self.billing_account} {self.billed_month:%Y-%m}"


class Accrual(AccrualRow):
    """What is owed of a place and billed month at the run's month end, as no invoice states it. Unique by all of them.

    Provenance *estimated*. ``reversed``: the accrual of the run before, taken back on the first day of the run's month; this
    one is taken back on the first day after it. Never changed.
    """

    invoice_id = models.TextField(help_text="Provisional: PROV-2026-09-openai-acct.")
    provenance = models.CharField(max_length=20, default="estimated")
    cost = MoneyField(help_text="Contracted cost to date.")
    computed = MoneyField(help_text="Of it what no bill or cost report states.")
    share = QuantityField(help_text="By which invoices were higher before.")
    estimate = MoneyField(help_text="computed x share: the known unexplained share.")
    amount = MoneyField(help_text="cost + estimate.")
    reversed = MoneyField()

    class Meta:
        db_table = "accrual"
        constraints = [
            models.UniqueConstraint(
                fields=["run", "issuer", "billing_account", "currency", "legal_entity", "billed_month"],
                name="accrual_is_unique",
            )
        ]


class TrueUp(AccrualRow):
    """What invoices of a place and billed month post in the run's month. Unique by all of them. Never changed.

    true_up = invoiced - accrued for a month that an earlier run accrued; of the run's own month it is what the invoice
    states beyond the month's charges.
    """

    numbers = models.JSONField(default=list, help_text="Of the invoices.")
    invoiced = MoneyField(help_text="Beyond what earlier runs posted.")
    accrued = MoneyField(help_text="By the run before; 0: nothing.")
    charged = MoneyField(help_text="What charges of the run's month bear of it.")
    amount = MoneyField(help_text="The true-up: the sum of its causes.")
    causes = models.JSONField(default=dict, help_text="Cause -> amount, as text.")

    class Meta:
        db_table = "true_up"
        constraints = [
            models.UniqueConstraint(
                fields=["run", "issuer", "billing_account", "currency", "legal_entity", "billed_month"],
                name="true_up_is_unique",
            )
        ]
