"""Charges and who bears them."""

from datetime import date, timedelta

from django.db import models

from allocation.models.owners import AllocationRule, CostCentre, Team
from allocation.models.periods import Correction
from finops.domains import MoneyField, QuantityField, RateField
from finops.periods import Period


class Charges(models.QuerySet["Charge"]):
    """Rows of charge."""

    def as_is(self, first: date, last: date) -> "Charges":
        """What these days cost as far as is known now: what was charged of them, and what corrects it since."""
        return self.filter(
            models.Q(charge_date__range=(first, last), correction=None) | models.Q(corrects_date__range=(first, last))
        )


class RecordHash(models.Func):
    """64 bits that tell rows apart by these columns; NULL equals NULL. Within a slice no two rows meet by chance."""

    function = "hash_record_extended"
    template = "%(function)s(ROW(%(expressions)s), 0)"
    output_field = models.BigIntegerField()


class Charge(models.Model):
    """One line of cost: the only thing that allocation, statements, FOCUS and forecasts read.

    For usage: one per date, usage key, tier, class, price, cause and agreement. For agreements (allocation.costing): what
    they cost that no call bears, under a usage key of their own layer. For lines of cost reports and bills (provenance
    billed, no tier): what they state beyond the computed charges below them, in full where there are none. For corrections
    (allocation.close.corrections): the reversal or restatement of what somebody bore of a frozen day. Unique by
    charge_is_unique. Replaced with its slice in an open period, never changed in a closed one. Cost columns are NULL
    where unpriced.
    """

    charge_date = models.DateField()
    billing_period = models.DateField(help_text="First day of the billing period on the issuer's clock.")
    usage_key_id = models.IntegerField(null=True)
    tier = models.CharField(max_length=10, blank=True)
    tier_estimated = models.BooleanField(default=False)
    charge_category = models.CharField(max_length=20)
    charge_class = models.CharField(max_length=20, blank=True)
    sku_id = models.TextField(help_text="provider/model/class")
    sku_price_id = models.TextField(blank=True, help_text="Natural key of the price; empty: unpriced.")
    price_class = models.CharField(max_length=30)
    consumed_quantity = QuantityField()
    consumed_unit = models.CharField(max_length=30)
    list_unit_price = RateField(null=True)
    pricing_unit = models.BigIntegerField(null=True)
    list_cost = MoneyField(null=True)
    contracted_cost = MoneyField(null=True)
    effective_cost = MoneyField(null=True)
    billed_cost = MoneyField(null=True)
    proxy_cost = MoneyField(null=True)
    billing_currency = models.CharField(max_length=3)
    provenance = models.CharField(max_length=20)
    scope = models.TextField(blank=True, help_text="Charge scope: ingest.calc.scopes.")
    cause = models.CharField(
        max_length=24,
        blank=True,
        help_text="Why lower layers do not explain it (allocation.calc.layers); empty: itself.",
    )
    subject = models.TextField(
        blank=True, db_default="", help_text="The agreement behind it: commitment azure-ptu-eu; empty: none."
    )
    commitment_id = models.TextField(blank=True, db_default="", help_text="FOCUS CommitmentDiscountId.")
    commitment_status = models.CharField(
        max_length=10,
        blank=True,
        db_default="",
        help_text="Used, Unused, Idle, Expired or Shortfall; empty: no commitment.",
    )
    owner = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="+",
        help_text="Who bears it whatever the rules say; NULL: by the rules.",
    )  # fmt: skip
    owner_team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    original_currency = models.CharField(
        max_length=3, blank=True, db_default="", help_text="Before conversion; empty: not converted."
    )
    original_cost = MoneyField(null=True, help_text="EffectiveCost in the original currency.")
    fx_rate = RateField(null=True, help_text="Units of billing_currency for one of original_currency.")
    fx_day = models.DateField(null=True, help_text="On which the rate was published; of a mean: the last of its days.")
    fx_source = models.TextField(blank=True, db_default="", help_text="Who published the rate.")
    origin = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="parts"
    )
    correction = models.ForeignKey(
        Correction, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="charges",
        help_text="The posting against a frozen month that it belongs to; owner is then who bears it, NULL: nobody.",
    )  # fmt: skip
    corrects_centre = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="+",
        help_text="Whose cost is corrected; another one than owner below the limit of materiality.",
    )  # fmt: skip
    corrects_team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    corrects_date = models.DateField(null=True, help_text="The frozen day it corrects.")
    reversal = models.BooleanField(default=False, db_default=False, help_text="Takes back what was posted before.")

    objects = Charges.as_manager()

    class Meta:
        db_table = "charge"
        indexes = [
            *(
                models.Index(fields=[name], name=f"charge_by_{name}", condition=models.Q(**{f"{name}__isnull": False}))
                for name in ("owner", "origin", "correction")
            ),
            models.Index(
                fields=["corrects_date"],
                name="charge_by_corrected_day",
                condition=models.Q(corrects_date__isnull=False),
            ),
        ]
        # A hash for what tells charges of one slice apart: a key of two dozen texts was a third of what a day's charges cost.
        constraints = [
            models.UniqueConstraint(
                "charge_date",
                "usage_key_id",
                RecordHash(
                    "tier", "tier_estimated", "sku_id", "sku_price_id", "price_class", "charge_category",
                    "charge_class", "billing_currency", "provenance", "scope", "cause", "subject", "commitment_id",
                    "commitment_status", "owner", "owner_team", "original_currency", "origin", "correction",
                    "corrects_centre", "corrects_team", "reversal",
                ),
                nulls_distinct=False,
                name="charge_is_unique",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.charge_date} {self.sku_id} {self.effective_cost}"


class AllocatedCosts(models.QuerySet["AllocatedCost"]):
    """Rows of allocated_cost."""

    def of_days(self, period: Period) -> "AllocatedCosts":
        """Of the days of a period, and so of their charges: said of both, or a join reads the charges of all years."""
        days = period.start, period.end - timedelta(days=1)
        return self.filter(charge_date__range=days, charge__charge_date__range=days)


class AllocatedCost(models.Model):
    """One share of one charge and who bears it; cost_centre NULL is *unallocated*. Its key is charge and part.

    The shares of a charge sum to it exactly, in every cost column, and are of its day. Replaced with its slice in an open
    period. Without foreign keys in the database, which would be a third of what writing a day costs: ``verify`` finds
    orphans.
    """

    pk = models.CompositePrimaryKey("charge_id", "part")
    charge = models.ForeignKey(
        Charge, on_delete=models.CASCADE, related_name="allocated", db_constraint=False, db_index=False
    )
    charge_date = models.DateField()
    part = models.SmallIntegerField(help_text="0, 1, ... in the order of the rule's targets.")
    rule = models.ForeignKey(AllocationRule, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False)
    cost_centre = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False
    )
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False)
    quantity = QuantityField()
    list_cost = MoneyField(null=True)
    contracted_cost = MoneyField(null=True)
    effective_cost = MoneyField(null=True)
    billed_cost = MoneyField(null=True)
    proxy_cost = MoneyField(null=True)

    objects = AllocatedCosts.as_manager()

    class Meta:
        db_table = "allocated_cost"
        indexes = [models.Index(fields=["charge_date", "cost_centre"], name="allocated_cost_by_date")]

    def __str__(self) -> str:
        return f"{self.charge_id}.{self.part} {self.effective_cost}"


class AllocatedDay(models.Model):
    """By which rules the charges of one day are allocated, and what came of it key by key. Unique by charge_date.

    Written with the day's allocated_cost: where rules change, only the charges of the keys that they give to somebody else
    are allocated anew.
    """

    charge_date = models.DateField(primary_key=True)
    rules = models.IntegerField(help_text="Number of the version of the rules; 0: none was loaded.")
    borne = models.JSONField(help_text="Usage key -> what the rules make of it, as a digest, and who bears its cost.")

    class Meta:
        db_table = "allocated_day"

    def __str__(self) -> str:
        return f"{self.charge_date} v{self.rules}"
