"""Anomalies as they were found, and what people said of them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from allocation.models import CostCentre
from finops.domains import MoneyField, RateField
from forecasting.calc.anomaly_alerts import VERDICTS
from forecasting.models.forecasts import Forecast


class Anomaly(models.Model):
    """One episode of one node: days that cost far more or less than was forecast for them. Never deleted.

    Unique by currency, level, key, whether it is that of a new key, and first day. Changes while its days are judged anew:
    it grows with its data, closes when people have said what it is, when data that came later shows it no more, or when
    nobody said anything for as long as days are judged; of the latter two ``why`` tells. ``level``: the FOCUS columns that
    tell the node apart, none: the whole; ``key``: their values, '' where there is none.
    """

    class State(models.TextChoices):
        """Whether somebody still has to look at it."""

        OPEN = "open"
        CLOSED = "closed"

    currency = models.CharField(max_length=3)
    level = ArrayField(models.CharField(max_length=40))
    key = ArrayField(models.TextField())
    cost_centre = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, related_name="+", help_text="Of its key; NULL: it has none."
    )
    kind = models.CharField(max_length=20, help_text="forecasting.calc.anomaly: what its strongest day is.")
    first_day = models.DateField()
    last_day = models.DateField(help_text="Included.")
    score = RateField(null=True, help_text="Usual errors off the forecast, at most; NULL: nothing was usual.")
    history = models.IntegerField(help_text="Days of the node's life before it.")
    expected = MoneyField(help_text="By the forecasts of each day from what was known before it, at that day's prices.")
    actual = MoneyField()
    impact = MoneyField(help_text="actual - expected")
    unknown = models.IntegerField(help_text="Days of its series of which the cost is not known: in no figure.")
    usual = MoneyField(null=True, help_text="Mean of the same weekdays of the four weeks before; NULL: there is none.")
    effects = models.JSONField(default=dict, help_text="Effect of the bridge -> money, from usual to actual.")
    cause = models.CharField(max_length=30, blank=True, help_text="The effect that explains most of it; '': none does.")
    feature = models.TextField(blank=True, help_text="The use case in which most of it lies; '': none has half.")
    changes = models.JSONField(default=list, help_text="Dated changes of prices in it, a text each.")
    forecast = models.ForeignKey(
        Forecast, on_delete=models.SET_NULL, null=True, related_name="+",
        help_text="The newest of its currency when it was judged; NULL: none was made, or it was pruned.",
    )  # fmt: skip
    told = models.BooleanField(
        default=False, help_text="To those who see everything: past the gate, at its highest node."
    )
    told_owner = models.BooleanField(default=False, help_text="The same to those who see only its cost centre.")
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    why = models.CharField(max_length=200, blank=True, help_text="Why it is closed, where nobody said what it is.")
    found_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(help_text="When its figures changed last.")

    class Meta:
        indexes = [models.Index(fields=["-last_day"], name="anomaly_by_last_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["currency", "level", "key", "first_day"], condition=~models.Q(kind="new_key"), name="anomaly_is_unique"
            ),
            models.UniqueConstraint(
                fields=["currency", "level", "key", "first_day"], condition=models.Q(kind="new_key"), name="new_key_is_unique"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.first_day} {self.kind} {'/'.join(self.key) or 'whole'} {self.impact} {self.currency}"


class AnomalyDay(models.Model):
    """A day of or around an anomaly, as it is drawn. Unique by anomaly and day. Rewritten with its anomaly."""

    pk = models.CompositePrimaryKey("anomaly", "day")
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    actual = MoneyField()
    expected = MoneyField(null=True, help_text="NULL: the node was too young, or its cost is not known.")
    low = MoneyField(null=True)
    high = MoneyField(null=True, help_text="Beyond it a day is an anomaly by itself.")
    inside = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.anomaly_id} {self.day} {self.actual}"


class AnomalyFeedback(models.Model):
    """What one person said of an anomaly. Append-only (a trigger refuses UPDATE and DELETE); the last word counts."""

    anomaly = models.ForeignKey(Anomaly, on_delete=models.PROTECT, related_name="feedback")
    verdict = models.CharField(max_length=8, choices=[(name, name) for name in VERDICTS])
    note = models.CharField(max_length=300, blank=True)
    said_by = models.CharField(max_length=150)
    said_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(verdict__in=VERDICTS), name="anomaly_verdict_is_known")
        ]

    def __str__(self) -> str:
        return f"{self.anomaly_id} {self.verdict} {self.said_by}"
