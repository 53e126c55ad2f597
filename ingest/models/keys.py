"""Usage keys and rate slots."""

from django.db import models


class UsageKey(models.Model):
    """One distinct combination of attribution dimensions. Unique by ``key_hash`` (blake2b-128 of the canonical tuple).

    Never changed. Ids depend on the order of arrival: comparisons between databases use the hash.
    """

    id = models.AutoField(primary_key=True)
    key_hash = models.BinaryField(max_length=16, unique=True)
    layer = models.CharField(max_length=20)
    source = models.CharField(max_length=40)
    provider = models.TextField()
    host = models.TextField(blank=True)
    billing_account = models.TextField()
    project = models.TextField(blank=True)
    api_key = models.TextField(blank=True)
    principal = models.TextField(blank=True)
    model_requested = models.TextField(blank=True)
    model_served = models.TextField(blank=True)
    region = models.TextField(blank=True)
    mode = models.CharField(max_length=10)
    service_tier_requested = models.TextField(blank=True)
    service_tier_served = models.TextField(blank=True)
    effort = models.TextField(blank=True)
    operation = models.TextField(blank=True)
    environment = models.TextField(blank=True)
    feature = models.TextField(blank=True)
    reported_currency = models.CharField(max_length=3, help_text="Currency of the costs the source itself reports.")
    tags = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.provider} {self.model_served or self.model_requested}"


class RateSlot(models.Model):
    """The per-request conditions that a price may have and a usage key does not carry. Unique as a whole; never changed.

    ``context_over``: the highest context threshold of the model that the request lies above (0: base band).
    ``window_*``: minutes of the UTC day of the price window it fell into (-1: none). ``segment_from``: the last price
    change inside its UTC day at or before it (null: none). ``crossing``: in which input class the request crosses each
    threshold of an excess band (ingest.calc.price_excess). Within one slot cost is linear in the sums of tokens.
    """

    id = models.SmallAutoField(primary_key=True)
    context_over = models.BigIntegerField(default=0)
    window_start = models.SmallIntegerField(default=-1)
    window_end = models.SmallIntegerField(default=-1)
    segment_from = models.DateTimeField(null=True)
    crossing = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["context_over", "window_start", "window_end", "segment_from", "crossing"],
                nulls_distinct=False,
                name="rate_slot_is_unique",
            )
        ]

    def __str__(self) -> str:
        return f">{self.context_over} {self.window_start}-{self.window_end} {self.segment_from or ''} {self.crossing or ''}"
