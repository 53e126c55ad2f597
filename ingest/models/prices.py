"""Price books."""

from django.db import models

from finops.domains import RateField


class PriceBookVersion(models.Model):
    """One load of one book. Unique by book and content hash; never changed but for ``live``."""

    book = models.CharField(max_length=10, help_text="override, contract, builtin or snapshot.")
    content_hash = models.CharField(max_length=64)
    origin = models.CharField(max_length=300)
    loaded_at = models.DateTimeField(auto_now_add=True)
    live = models.BooleanField(default=True, help_text="Its prices are in force; a later load of the book replaces it.")
    matching = models.JSONField(default=dict, help_text="How model names of usage are matched to models of the book.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["book", "content_hash"], name="price_book_version_is_unique"),
            models.UniqueConstraint(
                fields=["book"], condition=models.Q(live=True), name="one_version_of_a_book_is_live"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.book} {self.content_hash[:12]}"


class Price(models.Model):
    """One dated price of one class or unit of one model under one set of conditions. Never overwritten.

    Inside a version no two rows for the same conditions overlap in time (exclusion constraint in the migration).
    """

    version = models.ForeignKey(PriceBookVersion, on_delete=models.CASCADE, related_name="prices")
    book = models.CharField(max_length=10)
    provider = models.TextField()
    model = models.TextField()
    price_class = models.CharField(max_length=30, help_text="A token class or a unit.")
    mode = models.CharField(max_length=10)
    service_tier = models.TextField(blank=True)
    region = models.TextField(blank=True)
    variant = models.TextField(blank=True)
    context_over = models.BigIntegerField(default=0)
    reprices_whole = models.BooleanField(default=True)
    window_start = models.TimeField(null=True)
    window_end = models.TimeField(null=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    currency = models.CharField(max_length=3)
    rate = RateField()
    per = models.BigIntegerField(default=1_000_000)
    source = models.TextField(blank=True)
    note = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["provider", "model"], name="price_by_model")]
        # price_do_not_overlap: exclusion constraint, by SQL in the migration (btree_gist)

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.price_class} {self.rate}"
