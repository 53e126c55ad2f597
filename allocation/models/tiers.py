"""Tier policies and the ways to a tier."""

from django.db import models
from django.db.models import CompositePrimaryKey

from finops.focus import TIERS

TIER_CHOICES = [(tier, tier.capitalize()) for tier in TIERS]


class TierPolicy(models.Model):
    """One version of the rules that say which kind of query a query is. Unique by version; never changed but for live."""

    version = models.IntegerField(unique=True)
    policy = models.JSONField()
    content_hash = models.CharField(max_length=64)
    loaded_at = models.DateTimeField(auto_now_add=True)
    live = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["live"], condition=models.Q(live=True), name="one_tier_policy_is_live")
        ]

    def __str__(self) -> str:
        return f"tier policy v{self.version}"


class TierRule(models.Model):
    """One way to a tier: policy version, rule, the condition that fired, and whether from averages of a bucket.

    ``usage_event.tier_rule`` holds its id, so that every event carries rule and evidence in two bytes. Unique by its
    content; never changed.
    """

    id = models.SmallAutoField(primary_key=True)
    policy = models.ForeignKey(TierPolicy, on_delete=models.PROTECT, related_name="rules")
    rule = models.CharField(max_length=20)
    condition = models.CharField(max_length=120, help_text="The condition that fired, e.g. output_reasoning>=2000.")
    tier = models.CharField(max_length=10, choices=TIER_CHOICES)
    estimated = models.BooleanField(help_text="From per-request averages of a provider's bucket.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "rule", "condition", "tier", "estimated"], name="tier_rule_is_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tier} by {self.rule}: {self.condition}"


class RuleDay(models.Model):
    """How many queries that begin on one date one way to a tier decided. Unique by both; derived with the day's calls."""

    pk = CompositePrimaryKey("charge_date", "tier_rule_id")
    charge_date = models.DateField()
    tier_rule_id = models.SmallIntegerField()
    queries = models.BigIntegerField()

    class Meta:
        db_table = "rule_day"

    def __str__(self) -> str:
        return f"{self.charge_date} {self.tier_rule_id}"


class TierDiff(models.Model):
    """What a policy would do, or did, to the queries of some days. Unique by policy, days and whether it was done.

    The latest one is kept: a later comparison of the same days replaces it.
    """

    policy = models.ForeignKey(TierPolicy, on_delete=models.CASCADE, related_name="diffs")
    start = models.DateField()
    end = models.DateField(help_text="The day after the last.")
    made_at = models.DateTimeField(auto_now=True)
    applied = models.BooleanField(help_text="The days were classified anew; otherwise it was only looked at.")
    result = models.JSONField(help_text="allocation.reclassify.written: money as text.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["policy", "start", "end", "applied"], name="tier_diff_is_unique")
        ]

    def __str__(self) -> str:
        return f"{self.policy} {self.start} {self.end}"
