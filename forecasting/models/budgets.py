"""Budgets: what was meant to be spent."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from allocation.models import CostCentre
from finops.domains import MoneyField
from finops.models import Approval
from forecasting.calc.fiscal import PATTERNS, Calendar


class Budget(models.Model):
    """One budget of one fiscal year, with the calendar of that year. Unique by year and name; never changed.

    Budgets of a year add up: a second one is for other money.
    """

    fiscal_year = models.IntegerField(validators=[MinValueValidator(2000), MaxValueValidator(2100)])
    name = models.CharField(max_length=100)
    pattern = models.CharField(max_length=6, choices=[(name, name) for name in PATTERNS], default="months")
    first_month = models.SmallIntegerField(default=1)
    weekday = models.SmallIntegerField(default=6, help_text="On which a year of weeks begins: 0 Monday to 6 Sunday.")
    begins = models.CharField(max_length=7, default="nearest", help_text="forecasting.calc.fiscal.BEGINS")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["fiscal_year", "name"], name="budget_is_unique")]

    def __str__(self) -> str:
        return f"{self.name} {self.fiscal_year}"

    @property
    def calendar(self) -> Calendar:
        """How its year runs."""
        return Calendar(self.pattern, self.first_month, self.weekday, self.begins)


class BudgetVersion(models.Model):
    """One state of a budget, whole. Unique by budget and number; changed once, when a second person accepts it.

    The one accepted last is in force. ``covers``: cost centres whose lines it replaces, the others' being those of ``base``;
    NULL: all lines are its own.
    """

    class Kind(models.TextChoices):
        """What it is to finance."""

        ORIGINAL = "original"
        APPROVED = "approved"
        REFORECAST = "reforecast"

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="versions")
    number = models.IntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    base = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    covers = models.JSONField(null=True)
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, null=True, related_name="+")
    loaded_by = models.CharField(max_length=150)
    loaded_at = models.DateTimeField(auto_now_add=True)
    approved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "number"], name="budget_version_is_unique")]

    def __str__(self) -> str:
        return f"{self.budget} v{self.number} {self.kind}"


class BudgetLine(models.Model):
    """One amount of one version for the days from ``start`` up to, not including, ``end`` (a fiscal period). Never changed.

    Unique by version, whose and of what. Cost centre NULL: the whole; provider and model empty: all. Lines of one cost centre
    add up; lines of the whole, where a version has any, stand beside those of the cost centres, not above them in a sum.
    """

    version = models.ForeignKey(BudgetVersion, on_delete=models.CASCADE, related_name="lines")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, null=True, related_name="+")
    provider = models.TextField(blank=True)
    model = models.TextField(blank=True)
    start = models.DateField()
    end = models.DateField()
    amount = MoneyField()
    currency = models.CharField(max_length=3)

    class Meta:
        indexes = [models.Index(fields=["start", "end"], name="budget_line_by_days")]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "cost_centre", "provider", "model", "currency", "start"],
                nulls_distinct=False,
                name="budget_line_is_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.start} {self.cost_centre_id or 'whole'} {self.amount} {self.currency}"
