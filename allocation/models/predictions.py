"""What was learnt to predict queries before their calls, and what was predicted."""

from django.db import models

from allocation.models.owners import CostCentre
from finops.domains import MoneyNonNegativeField, TokenField


class LearntPredictor(models.Model):
    """What one night learnt from the queries of ``since`` to ``through``. Never changed; the newest is in force, and the last
    few are kept. Bounded in size: a sample of the queries, the largest kinds of them.
    """

    learnt_at = models.DateTimeField(auto_now_add=True)
    since = models.DateField()
    through = models.DateField(help_text="Last day whose queries it knows.")
    queries = models.IntegerField(help_text="Queries it was learnt from.")
    every = models.IntegerField(help_text="Of so many queries one was looked at.")
    currency = models.CharField(max_length=3, help_text="Of its costs.")
    content = models.BinaryField(help_text="allocation.calc.predict_store.")
    content_hash = models.CharField(max_length=64)
    served = models.JSONField(default=dict, help_text="Model as it is asked for: as it is served, where that differs.")
    checked_since = models.DateField(null=True, help_text="First day that was predicted from the days before it alone.")
    checked = models.JSONField(
        default=list, help_text="How that fared: (cost centre, feature, predict_tracking.Counts); the largest of them."
    )

    def __str__(self) -> str:
        return f"learnt through {self.through}"


class Prediction(models.Model):
    """One prediction of a query that its asker named by its trace, and what came. Unique by query: the first one stands.

    What came is filled in from the facts, and follows them for some days, as calls that come late do. Forgotten after a quarter.
    """

    query_id = models.BigIntegerField(unique=True, help_text="Hash of the trace, as facts know it.")
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)
    through = models.DateField(help_text="Last day of the history that it was predicted from.")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.SET_NULL, null=True, related_name="+")
    feature = models.CharField(max_length=512)
    request = models.JSONField(help_text="Features of the query as they were stated.")
    candidates = models.JSONField(
        help_text="Model (*: any): tier, bounds of cost in the site's currency as text or null."
    )
    began_at = models.DateTimeField(null=True, help_text="First call of the query; NULL: none has come.")
    late = models.BooleanField(default=False, help_text="It was asked after its first call, and counts nowhere.")
    borne_by = models.ForeignKey(CostCentre, on_delete=models.SET_NULL, null=True, related_name="+")
    model = models.CharField(max_length=512, blank=True, help_text="As it came.")
    tier = models.CharField(max_length=10, blank=True, help_text="As it came.")
    output_tokens = TokenField(null=True)
    calls = models.IntegerField(null=True)
    cost = MoneyNonNegativeField(null=True, help_text="As it came; NULL: some of it has no price.")
    predicted = models.CharField(max_length=10, blank=True, help_text="Tier of the model that came, or unknown.")
    cost_low = MoneyNonNegativeField(null=True)
    cost_high = MoneyNonNegativeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["asked_at"], name="prediction_by_instant")]

    def __str__(self) -> str:
        return f"{self.feature} {self.asked_at:%Y-%m-%d}"
