"""Scenarios as they were saved, and their runs."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Scenario(models.Model):
    """One scenario under a name. Unique by name; changed only in whether others see it. Its content: ScenarioVersion.

    ``owner`` empty: it ships with the product, and everybody who sees scenarios sees it.
    """

    name = models.SlugField(max_length=60, unique=True)
    owner = models.CharField(max_length=150, blank=True, help_text="Username; empty: shipped with the product.")
    shared = models.BooleanField(default=False, help_text="Others who see all cost see it too.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class ScenarioVersion(models.Model):
    """One state of a scenario, whole. Unique by scenario and number; never changed or deleted (trigger).

    ``resolved`` has every value (forecasting.calc.scenario_stored), so that neither the assumption register nor the presets
    change it afterwards; ``parameters`` is the digest of those that move its figures.
    """

    scenario = models.ForeignKey(Scenario, on_delete=models.PROTECT, related_name="versions")
    number = models.IntegerField()
    document = models.JSONField(help_text="As it was written (forecasting.calc.scenario_document).")
    resolved = models.JSONField()
    parameters = models.CharField(max_length=64)
    register = models.IntegerField(null=True, help_text="Version of the assumption register; NULL: the shipped one.")
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scenario", "number"], name="scenario_version_is_unique")]

    def __str__(self) -> str:
        return f"{self.scenario} v{self.number}"


class ScenarioRun(models.Model):
    """One run of one version. Unique by version, data, budgets, seed, draws and result; never changed or deleted (trigger).

    ``origin`` is month 0, whole: the run can be done again from this row and its version alone, and gives ``content`` again,
    byte for byte, unless a newer product calculates otherwise: then its result is another row, which says so in ``notes``.
    ``data`` is the digest of month 0: the version of the data.
    """

    version = models.ForeignKey(ScenarioVersion, on_delete=models.PROTECT, related_name="runs")
    month = models.DateField(help_text="First day of month 0.")
    origin = models.JSONField(help_text="forecasting.calc.scenario_stored")
    data = models.CharField(max_length=64)
    budgets = ArrayField(  # of no domain: drivers do not know arrays of domains
        models.DecimalField(max_digits=24, decimal_places=12, null=True), help_text="By month from month 0; NULL: none."
    )
    seed = models.BigIntegerField()
    draws = models.IntegerField()
    notes = models.JSONField(default=list, help_text="What month 0 leaves out or guesses, a sentence each.")
    content = models.BinaryField(help_text="Canonical JSON (forecasting.calc.scenario_results.content).")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content.")
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "data", "budgets", "seed", "draws", "digest"], name="scenario_run_is_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} on {self.month:%Y-%m}"
