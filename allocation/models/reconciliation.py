"""Invoices as their issuers state them, what is charged of them beyond usage, and reconciliations."""

from django.db import models

from finops.domains import MoneyField, QuantityField, RateField
from finops.models import Approval

WITHDRAWN = "withdrawn"


class Invoice(models.Model):
    """One revision of one invoice of a provider for one billing period. Unique by issuer, number and revision.

    Derived from billed lines that carry its number (``source`` lines; a change of them is a new revision), or entered by
    hand: by command at once, else in force once another person has accepted ``approval``. Never changed; the highest
    revision in force counts. One that is withdrawn states nothing in its last revision (``content_hash`` WITHDRAWN).
    """

    class Source(models.TextChoices):
        """Where it comes from."""

        LINES = "lines", "lines of a provider's file"
        MANUAL = "manual", "entered by hand"

    issuer = models.TextField()
    number = models.TextField(help_text="FOCUS InvoiceId.")
    revision = models.IntegerField(default=1)
    provider = models.TextField(blank=True, help_text="Whose usage it bills; of derived ones the usage keys say it.")
    billing_account = models.TextField(blank=True)
    issued_on = models.DateField(null=True)
    billing_period = models.DateField(help_text="First of the month it bills.")
    currency = models.CharField(max_length=3)
    total = MoneyField(help_text="With tax.")
    tax = MoneyField(default=0)
    exchange_rate = RateField(
        null=True, help_text="Units of currency for one of the currency in which usage is priced, if it states one."
    )
    source = models.CharField(max_length=6, choices=Source.choices)
    content_hash = models.CharField(max_length=64)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, null=True, related_name="+")
    entered_at = models.DateTimeField(auto_now_add=True)
    entered_by = models.CharField(max_length=150)

    class Meta:
        db_table = "invoice"
        indexes = [models.Index(fields=["billing_period"], name="invoice_by_period")]
        constraints = [
            models.UniqueConstraint(fields=["issuer", "number", "revision"], name="invoice_is_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.issuer} {self.number} rev. {self.revision}"

    @property
    def withdrawn(self) -> bool:
        """Whether this revision takes the invoice out of force."""
        return self.content_hash == WITHDRAWN


class InvoiceLine(models.Model):
    """One line of one revision of an invoice. Unique by invoice and position; written with it, never changed.

    Of derived invoices: the sum of the billed lines of a day, usage key, class, scope and category. '' and NULL where the
    invoice does not say; scope '' is all that the account used.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    position = models.IntegerField()
    description = models.TextField(blank=True)
    charge_date = models.DateField(null=True)
    usage_key_id = models.IntegerField(null=True, help_text="Of derived ones.")
    model = models.TextField(blank=True)
    price_class = models.CharField(max_length=30, blank=True)
    mode = models.CharField(max_length=10, blank=True)
    service_tier = models.TextField(null=True)  # noqa: DJ001 - '' is the ordinary tier, NULL is not stated
    scope = models.TextField(blank=True)
    charge_category = models.CharField(max_length=12)
    charge_class = models.CharField(max_length=12, blank=True)
    quantity = QuantityField(null=True)
    amount = MoneyField()
    currency = models.CharField(max_length=3)
    lines = models.IntegerField(default=1, help_text="Of how many printed amounts it is the sum.")

    class Meta:
        db_table = "invoice_line"
        constraints = [models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_is_unique")]

    def __str__(self) -> str:
        return f"{self.invoice_id}.{self.position} {self.amount}"


class InvoiceResidual(models.Model):
    """What invoices without days charge beyond all else that is charged of an account and scope in a billing period.

    Unique by period, provider, account, scope, category and currency. Derived from charges and the invoices in force;
    replaced when either changes, and the period's last day, on which it is posted, is charged anew.
    """

    billing_period = models.DateField()
    provider = models.TextField()
    billing_account = models.TextField(blank=True)
    scope = models.TextField(blank=True)
    charge_category = models.CharField(max_length=12)
    currency = models.CharField(max_length=3)
    number = models.TextField(help_text="Of the invoice, or of the first of several.")
    effective_cost = MoneyField()
    billed_cost = MoneyField()
    cause = models.CharField(max_length=24)

    class Meta:
        db_table = "invoice_residual"
        constraints = [
            models.UniqueConstraint(
                fields=["billing_period", "provider", "billing_account", "scope", "charge_category", "currency"],
                name="invoice_residual_is_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.billing_period} {self.provider} {self.scope} {self.effective_cost}"


class Reconciliation(models.Model):
    """One run of the reconciliation of one month. Unique by month and number; never changed.

    ``hash`` covers all inputs and lines: the same inputs again are the run that was. ``inputs`` names their versions,
    ``totals`` holds per currency computed, stated, causes, unexplained, explained (a share) and lines by state.
    """

    month = models.DateField(help_text="First of the billing period.")
    number = models.IntegerField()
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(max_length=150)
    hash = models.CharField(max_length=64)
    inputs = models.JSONField(default=dict)
    totals = models.JSONField(default=list)

    class Meta:
        db_table = "reconciliation"
        constraints = [models.UniqueConstraint(fields=["month", "number"], name="reconciliation_is_unique")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} run {self.number}"


class ReconciliationLine(models.Model):
    """One place of a reconciliation (allocation.calc.reconcile_rows.Line). Unique by run and place.

    Amounts never change; ``owner`` (who clears it up) and ``note`` may be set by finance, and go over to the same place of
    the next run of the month.
    """

    reconciliation = models.ForeignKey(Reconciliation, on_delete=models.CASCADE, related_name="lines")
    provider = models.TextField()
    billing_account = models.TextField(blank=True)
    model = models.TextField(blank=True)
    price_class = models.CharField(max_length=30, blank=True)
    charge_date = models.DateField(null=True)
    charge_category = models.CharField(max_length=12)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=16)
    computed = MoneyField()
    provider_usage = MoneyField(null=True)
    cost_report = MoneyField(null=True)
    invoice = MoneyField(null=True)
    causes = models.JSONField(default=dict, help_text="Cause -> amount, as text.")
    unexplained = MoneyField()
    owner = models.CharField(max_length=150, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        db_table = "reconciliation_line"
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "reconciliation", "provider", "billing_account", "model", "price_class", "charge_date",
                    "charge_category", "currency",
                ],
                nulls_distinct=False,
                name="reconciliation_line_is_unique",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.charge_date} {self.state}"
