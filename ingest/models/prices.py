"""Price books."""

from django.db import models

from finops.domains import RateField
from finops.models import Approval


class PriceBookVersion(models.Model):
    """One state of one book. Unique by book and content; never changed but for ``live``.

    A load, an approval and a proposal each make a version of their own: what was in force at any time can be read again.
    """

    book = models.CharField(max_length=10, help_text="override, contract, builtin or snapshot.")
    content_hash = models.CharField(
        max_length=64, help_text="Of its file, the prices in force and held, and the matching rules."
    )
    file_hash = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the file that was loaded last.")
    origin = models.CharField(max_length=300)
    loaded_at = models.DateTimeField(auto_now_add=True)
    loaded_by = models.CharField(max_length=150, blank=True)
    live = models.BooleanField(default=True, help_text="Its prices are in force; a later load of the book replaces it.")
    matching = models.JSONField(default=dict, help_text="How model names of usage are matched to models of the book.")
    report = models.JSONField(
        default=dict,
        help_text="Of the load: counts, changes that passed with a note, held ones, what was not expressed.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["book", "content_hash"], name="price_book_version_is_unique"),
            models.UniqueConstraint(
                fields=["book"], condition=models.Q(live=True), name="one_version_of_a_book_is_live"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.book} {self.content_hash[:12]}"


class PriceTerms(models.Model):
    """Columns of one dated price of one class or unit of one model under one set of conditions."""

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
        abstract = True


class Price(PriceTerms):
    """One dated price of one version of a book. Never overwritten.

    Inside a version no two rows for the same conditions overlap in time or in their windows of the day (exclusion
    constraint in the migration).
    """

    version = models.ForeignKey(PriceBookVersion, on_delete=models.CASCADE, related_name="prices")

    class Meta:
        indexes = [models.Index(fields=["provider", "model"], name="price_by_model")]
        # price_do_not_overlap: exclusion constraint, by SQL in the migration (btree_gist)

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.price_class} {self.rate}"


class HeldPrice(PriceTerms):
    """One price of a load that is not in force, or that would go: usage would cost so much more or less that a person has
    to approve it.

    Unique by load, conditions and ``valid_from``; never changed but for ``superseded``. One approval (kind ``price``) covers
    all held prices of a model in a load. Accepted, it makes a version with these prices; until then, and when rejected,
    the former ones stay.
    """

    version = models.ForeignKey(PriceBookVersion, on_delete=models.CASCADE, related_name="held")
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="held_prices")
    former_rate = RateField()
    former_per = models.BigIntegerField()
    reason = models.TextField(help_text="Factor, and the slip of units that it looks like.")
    removes = models.BooleanField(default=False, help_text="It is this price that would go.")
    superseded = models.BooleanField(default=False, help_text="A later load says something else; it was not decided.")

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.price_class} {self.former_rate} -> {self.rate}"
