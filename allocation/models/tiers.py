"""Tier policies and the ways to a tier."""

from django.db import models

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
