"""What is moved between cost centres after the rules: splits of shared cost, standard rates, and adjustments by people."""

from django.db import models

from allocation.models.owners import CostCentre, Team
from finops.domains import MoneyField
from finops.models import Approval


class Basis(models.TextChoices):
    """Of rows of cost_daily that no charge stands behind."""

    SHARED = "shared"
    VARIANCE = "variance"


class SplitCost(models.Model):
    """One amount that one pool (or rate card) puts on one cost centre: negative on the source, positive on a target.

    Unique by day, basis, pool, who bears it, from whom it comes, and the dimensions of the cost that is moved. Over the
    cost centres the rows of a pool sum to zero in every dimension and cost column, so that any slice of the cost still
    ties; cost_daily has the same rows with the same basis. Replaced as a whole month in an open period
    (allocation.attribution), never changed in a frozen one.
    """

    charge_date = models.DateField()
    basis = models.CharField(max_length=12, choices=Basis.choices)
    pool = models.CharField(max_length=100, help_text="Code of the pool or of the rate card.")
    step = models.SmallIntegerField(help_text="1, 2, ... in the order of the document.")
    kind = models.CharField(max_length=12, help_text="What is moved: direct, idle, unused, unexplained, shared, ...")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, null=True, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="+")
    source = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, related_name="+", help_text="Who bore it; NULL: nobody."
    )
    source_team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="+")
    provider = models.TextField()
    model = models.TextField()
    tier = models.CharField(max_length=10)
    tier_estimated = models.BooleanField()
    environment = models.TextField(blank=True)
    feature = models.TextField(blank=True)
    provenance = models.CharField(max_length=20)
    billing_currency = models.CharField(max_length=3)
    list_cost = MoneyField()
    contracted_cost = MoneyField()
    effective_cost = MoneyField()
    billed_cost = MoneyField()

    class Meta:
        db_table = "split_cost"
        indexes = [models.Index(fields=["charge_date"], name="split_cost_by_date")]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "charge_date", "basis", "pool", "kind", "cost_centre", "team", "source", "source_team", "provider", "model",
                    "tier", "tier_estimated", "environment", "feature", "provenance", "billing_currency",
                ],
                nulls_distinct=False,
                name="split_cost_is_unique",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.charge_date} {self.pool} {self.cost_centre_id} {self.effective_cost}"


class SplitOutcome(models.Model):
    """What became of one pool (or rate card) in one month and currency. Unique by the four.

    Derived with the rows of split_cost and replaced with them. ``weights``: cost centre -> weight, as text.
    """

    month = models.DateField(db_column="charge_date", help_text="Its first day; freezes like the rows of the month.")
    basis = models.CharField(max_length=12, choices=Basis.choices)
    code = models.CharField(max_length=100)
    step = models.SmallIntegerField()
    version = models.IntegerField(help_text="Of the document (TermsVersion).")
    currency = models.CharField(max_length=3)
    found = MoneyField(
        help_text="EffectiveCost at the source: of a pool before it is emptied, of a card the actual cost."
    )
    moved = MoneyField(
        help_text="EffectiveCost that left the source; of a card the variance, positive: under-recovered."
    )
    weights = models.JSONField(default=dict)
    note = models.TextField(blank=True, help_text="Why something stays at the source; empty: nothing does.")

    class Meta:
        db_table = "split_outcome"
        constraints = [
            models.UniqueConstraint(fields=["month", "basis", "code", "currency"], name="split_outcome_is_unique")
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.code} {self.moved}"


class StaleMonth(models.Model):
    """One month whose splits and rate cards are older than its cost. Unique by month; gone once they were run again."""

    month = models.DateField(unique=True, help_text="Its first day.")

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class Adjustment(models.Model):
    """One move of money between cost centres that one person asked for and another approved. Never changed.

    Its parts sum to zero. It is charged on ``charge_date`` (allocation.costing.adjustments): a day of the month it was
    asked for, or, where that is frozen, of the month that was open when it was approved.
    """

    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="adjustment")
    month = models.DateField(help_text="First day of the month it is about.")
    charge_date = models.DateField()
    late = models.BooleanField(help_text="The month it is about was frozen already.")
    currency = models.CharField(max_length=3)
    reason = models.TextField()
    evidence = models.JSONField(help_text="text, and link or sha256.")
    pool = models.CharField(max_length=100, blank=True, help_text="Code of the pool that funds it; empty: none.")
    parts = models.JSONField(help_text="[{cost_centre, team, amount}]: what each of them bears, amounts as text.")
    prepared_by = models.CharField(max_length=150)
    approved_by = models.CharField(max_length=150)
    approved_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["charge_date"], name="adjustment_by_day")]

    def __str__(self) -> str:
        return f"adjustment {self.pk}"
