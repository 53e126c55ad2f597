"""What pages read of a day: made of its charges and who bears them, replaced with it."""

from django.db import models

from allocation.models.owners import CostCentre, Team
from finops.domains import MoneyField, QuantityField, RateField


class OfDay(models.Model):
    """Whose cost of one day, of which usage: what cost_daily and class_daily are both by."""

    charge_date = models.DateField()
    cost_centre = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False
    )
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False)
    provider = models.TextField()
    model = models.TextField()
    tier = models.CharField(max_length=10)
    tier_estimated = models.BooleanField()
    environment = models.TextField(blank=True)
    feature = models.TextField(blank=True)
    provenance = models.CharField(max_length=20)
    billing_currency = models.CharField(max_length=3)

    class Meta:
        abstract = True


class CostDaily(OfDay):
    """What pages and API read: allocated cost of one day by its dimensions. Unique by all of them.

    Derived from allocated_cost (money), the cube (requests, queries) and the assignment of usage keys; replaced with
    its day. ``unpriced_*`` carries usage without a price, which is in no cost column, ``bill_priced_tokens`` that of it
    whose money a bill states, without the usage it is for.
    """

    basis = models.CharField(
        max_length=12,
        default="direct",
        db_default="direct",
        help_text="direct, idle (paid for and not used), correction (of a frozen month), shared, adjustment, variance.",
    )
    corrects_date = models.DateField(null=True, help_text="Of a correction: the frozen day that it corrects.")
    list_cost = MoneyField()
    contracted_cost = MoneyField()
    effective_cost = MoneyField()
    billed_cost = MoneyField()
    requests = models.BigIntegerField()
    queries = models.BigIntegerField()
    tokens = models.BigIntegerField()
    unpriced_tokens = models.BigIntegerField()
    bill_priced_tokens = models.BigIntegerField(default=0)
    unpriced_estimate = MoneyField()

    class Meta:
        db_table = "cost_daily"
        indexes = [
            models.Index(fields=["charge_date"], name="cost_daily_by_date"),
            models.Index(
                fields=["corrects_date"],
                name="cost_daily_by_corrected_day",
                condition=models.Q(corrects_date__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "charge_date", "cost_centre", "team", "provider", "model", "tier", "tier_estimated",
                    "environment", "feature", "provenance", "billing_currency", "basis", "corrects_date",
                ],
                nulls_distinct=False,
                name="cost_daily_is_unique",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.charge_date} {self.cost_centre_id} {self.model} {self.effective_cost}"


class ClassDaily(OfDay):
    """What the bridge, the tier table and KPIs of tokens read: allocated cost of one day by what cost_daily has and by class of
    price, by how it was served and by the currency of its price. Unique by all but the sums; corrections of a day together.

    Derived from allocated_cost and its charges, with the day's cost_daily: no question about tokens has to read thousands of
    charges a day. What is moved between cost centres (splits, rate cards) is no charge and not here.
    """

    basis = models.CharField(max_length=12, help_text="direct, idle, correction or adjustment, as cost_daily has it.")
    charge_category = models.CharField(max_length=20)
    price_class = models.CharField(max_length=30)
    service = models.TextField(help_text="mode/service tier of the usage key.")
    told = models.BooleanField(help_text="Its source says what of the output was reasoning.")
    original_currency = models.CharField(max_length=3, blank=True, help_text="Before conversion; empty: not converted.")
    fx_rate = RateField(null=True)
    quantity = QuantityField()
    priced_quantity = QuantityField(help_text="Of the quantity what has an EffectiveCost.")
    list_cost = MoneyField()
    contracted_cost = MoneyField()
    effective_cost = MoneyField()
    billed_cost = MoneyField()

    class Meta:
        db_table = "class_daily"
        indexes = [models.Index(fields=["charge_date"], name="class_daily_by_date")]

    def __str__(self) -> str:
        return f"{self.charge_date} {self.cost_centre_id} {self.model} {self.price_class} {self.effective_cost}"


class QueryCostDaily(models.Model):
    """How dear queries were: count and cost of the queries that began on one day, by log10 bin (20 a decade).

    Unique by day, owner, provider, model, tier, environment and bin. ``bin`` NULL: the query cost nothing or has usage
    without a price. Replaced with its day. ``cost`` is exact; only the bin is a float's business.
    """

    charge_date = models.DateField()
    cost_centre = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False
    )
    provider = models.TextField()
    model = models.TextField()
    tier = models.CharField(max_length=10)
    environment = models.TextField(blank=True)
    bin = models.SmallIntegerField(null=True, help_text="floor(20 * log10(cost of the query)).")
    queries = models.BigIntegerField()
    cost = MoneyField()

    class Meta:
        db_table = "query_cost_daily"
        indexes = [models.Index(fields=["charge_date"], name="query_cost_daily_by_date")]

    def __str__(self) -> str:
        return f"{self.charge_date} {self.tier} {self.bin} {self.queries}"
