"""Forecasts as they were made."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from allocation.models import CostCentre
from finops.domains import MoneyField, RateField


class Forecast(models.Model):
    """One forecast of daily cost, all its series. Unique by digest: the same history asked the same way is stored once.

    Never changed, but for ``closes``: the month at whose close it was the one in force, which keeps it from being pruned.
    """

    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(max_length=150)
    history_from = models.DateField()
    starts_on = models.DateField(help_text="The first day that is forecast; history ends before it.")
    horizon = models.IntegerField(help_text="Days.")
    currency = models.CharField(max_length=3)
    dimensions = models.JSONField(help_text="FOCUS columns of the finest series, of which all others are sums.")
    prices = models.JSONField(help_text="Live versions of the price books: name -> number.")
    notes = models.JSONField(default=list, help_text="What was left out of history or forecast, a sentence each.")
    coverage = models.JSONField(help_text="Interval in percent -> share of past days inside it; null: not measured.")
    checked = models.BigIntegerField(help_text="Past days on which coverage was measured.")
    marks = models.JSONField(
        default=list, help_text="Events and price steps ahead: first, last, event ('': a price step), where, factor."
    )
    digest = models.CharField(max_length=64, unique=True)
    closes = models.DateField(null=True, help_text="First day of the month at whose close it was in force.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["closes"], name="forecast_at_close_is_unique")]

    def __str__(self) -> str:
        return f"{self.starts_on} +{self.horizon} {self.currency}"


class ForecastSeries(models.Model):
    """One series of a forecast: how it was forecast, or why it was refused. Unique by forecast, level and key. Never changed.

    ``level``: the FOCUS columns that tell it apart, none: the whole; ``key``: their values, '' where there is none.
    """

    forecast = models.ForeignKey(Forecast, on_delete=models.CASCADE, related_name="series")
    level = ArrayField(models.CharField(max_length=40))
    key = ArrayField(models.TextField())
    cost_centre = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, related_name="+", help_text="Of its key; NULL: it has none."
    )
    method = models.CharField(max_length=20, blank=True, help_text="Empty: refused.")
    refusal = models.TextField(blank=True, help_text="Why, or what of it is not in the sum.")
    history = models.IntegerField(help_text="Days since it first cost something.")
    checked = models.IntegerField(help_text="Past forecasts that it was judged by.")
    skill = RateField(null=True, help_text="Mean absolute error over that of seasonal naive; NULL: not measured.")
    basis = models.CharField(max_length=40, blank=True, help_text="Whose errors the intervals are made of.")
    coverage = models.JSONField(help_text="Interval in percent -> share of its past days inside; null: not measured.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["forecast", "level", "key"], name="forecast_series_is_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.forecast_id} {'/'.join(self.key) or 'whole'}"


class ForecastDay(models.Model):
    """What one day of a series is forecast to cost, with its intervals. Unique by series and day. Never changed.

    Points of a level are the sums of those of the finest series, to the last unit.
    """

    pk = models.CompositePrimaryKey("series", "day")
    series = models.ForeignKey(ForecastSeries, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    point = MoneyField()
    low_95 = MoneyField()
    low_80 = MoneyField()
    high_80 = MoneyField()
    high_95 = MoneyField()

    def __str__(self) -> str:
        return f"{self.series_id} {self.day} {self.point}"


class ForecastMonth(models.Model):
    """What one calendar month of a series is forecast to cost in all. Unique by series and month. Never changed.

    ``actual`` is what its days before the forecast cost; ``point`` and ``percentiles`` have it inside.
    """

    pk = models.CompositePrimaryKey("series", "month")
    series = models.ForeignKey(ForecastSeries, on_delete=models.CASCADE, related_name="months")
    month = models.DateField()
    whole = models.BooleanField(help_text="The forecast reaches its last day.")
    actual = MoneyField()
    point = MoneyField()
    percentiles = ArrayField(  # of no domain: drivers do not know arrays of domains
        models.DecimalField(max_digits=24, decimal_places=12),
        help_text="Of the month's total on the sample paths: 1 to 99.",
    )

    def __str__(self) -> str:
        return f"{self.series_id} {self.month:%Y-%m} {self.point}"


class Backtest(models.Model):
    """How good forecasts of this ledger would have been: one run over its past. Unique by digest, never changed.

    The same history asked the same way is stored once. ``scores``: a row a method and level of the hierarchy.
    """

    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(max_length=150)
    history_from = models.DateField()
    until = models.DateField(help_text="The first day that is not known.")
    horizon = models.IntegerField(help_text="Days.")
    origins = models.JSONField(help_text="First days of the forecasts made anew, oldest first; they do not overlap.")
    currency = models.CharField(max_length=3)
    dimensions = models.JSONField(help_text="FOCUS columns of the finest series.")
    scores = models.JSONField(help_text="forecasting.calc.backtest.SCORES, with method, level, series and cells.")
    refused = models.IntegerField(help_text="Finest series and origins that had no forecast.")
    digest = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return f"{self.until} {len(self.origins)} x {self.horizon} {self.currency}"
