"""Lines of cost reports and bills: partitioned tables, created by ingest.partitions in the migration."""

from django.db import models
from django.db.models import CompositePrimaryKey

from finops.domains import MoneyField, QuantityField


class LineFact(models.Model):
    """Columns of one billed line; amounts are signed and as its issuer states them."""

    charge_date = models.DateField()
    line_id = models.UUIDField()
    run_id = models.IntegerField(help_text="Whose observed_at says which version is the latest; ties: the higher run.")
    period_start = models.DateTimeField()
    period_end = models.DateTimeField(null=True)
    billing_period = models.DateField(help_text="First of the month it is billed in.")
    usage_key_id = models.IntegerField()
    scope = models.TextField()
    charge_category = models.CharField(max_length=12)
    charge_class = models.CharField(max_length=12, blank=True)
    description = models.TextField(blank=True)
    sku_id = models.TextField(blank=True)
    price_class = models.CharField(max_length=30, blank=True)
    consumed_quantity = QuantityField(null=True)
    consumed_unit = models.TextField(blank=True)
    list_cost = MoneyField(null=True)
    contracted_cost = MoneyField(null=True)
    effective_cost = MoneyField(null=True)
    billed_cost = MoneyField(null=True)
    billing_currency = models.CharField(max_length=3)
    invoice_id = models.TextField(blank=True)
    commitment_id = models.TextField(blank=True)
    commitment_status = models.CharField(max_length=10, blank=True)
    resource_id = models.TextField(blank=True)
    kind_of_cost = models.CharField(max_length=10, blank=True, help_text="notional: never in a total.")

    class Meta:
        abstract = True


class BilledLine(LineFact):
    """One line of a provider's cost report or bill. Unique by (charge_date, line_id). Partitioned by month.

    Written by ingest.facts only. Replaced when a run with a later ``observed_at`` states it otherwise; set to zero when a
    complete later answer no longer states it. The former version goes to BilledLineHistory.
    """

    pk = CompositePrimaryKey("charge_date", "line_id")

    class Meta:
        db_table = "billed_line"

    def __str__(self) -> str:
        return f"{self.charge_date} {self.description} {self.billed_cost}"


class BilledLineHistory(LineFact):
    """One superseded version of a billed line. Unique by (charge_date, line_id, run_id); never changed."""

    pk = CompositePrimaryKey("charge_date", "line_id", "run_id")

    class Meta:
        db_table = "billed_line_history"

    def __str__(self) -> str:
        return f"{self.line_id} of run {self.run_id}"


LINE_COLUMNS = tuple(field.attname for field in LineFact._meta.local_fields)  # table order
