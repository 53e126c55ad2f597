"""Agreements about money: what people write down, by version, and what was settled from it over a period."""

from django.db import models

from finops.domains import QuantityField


class TermsVersion(models.Model):
    """One load of one kind of agreements (contracts, commitments, capacity, other_charges, currency).

    ``document`` is the file as it was written, parsed by the kind's calc module. Unique by kind and number; the live one
    is in force for open periods. Never changed but for ``live``; a document that waits for approval is not live yet.
    """

    kind = models.CharField(max_length=20)
    number = models.IntegerField()
    content_hash = models.CharField(max_length=64)
    document = models.JSONField()
    loaded_at = models.DateTimeField(auto_now_add=True)
    loaded_by = models.CharField(max_length=150)
    live = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "number"], name="terms_version_is_unique"),
            models.UniqueConstraint(
                fields=["kind"], condition=models.Q(live=True), name="one_version_of_a_kind_of_terms_is_live"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} v{self.number}"


class Settled(models.Model):
    """One figure that an agreement needs of more than a day: a blended rate, a credit's balance, a seat's first use.

    Derived from charges and the terms in force; unique by kind, agreement, day and name. Replaced when its inputs change,
    and the days that hang on it are charged anew.
    """

    kind = models.CharField(max_length=20)
    code = models.CharField(max_length=120)
    day = models.DateField(help_text="First day of what it is about.")
    name = models.CharField(max_length=120)
    value = QuantityField()
    currency = models.CharField(max_length=3, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "code", "day", "name"], name="settled_is_unique")]

    def __str__(self) -> str:
        return f"{self.kind} {self.code} {self.day} {self.name} {self.value}"
