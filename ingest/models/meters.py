"""Readings of meters: what counters stood at, so that what comes next can be counted from there."""

from django.db import models


class MeterReading(models.Model):
    """What all series of one meter said at one instant. Unique by (source, account, meter, started, at); never changed.

    Written in the transaction of the usage that it ends; usage of an interval is the difference of two neighbours
    (ingest.calc.counters), so that readings may arrive in any order. ``values`` are texts: exact, whatever their size.
    """

    source = models.CharField(max_length=40)
    account = models.CharField(max_length=200)
    meter = models.CharField(max_length=32, help_text="Hash of the labels of the scraped target.")
    started = models.DateTimeField(null=True, help_text="When its process began, where it says so.")
    at = models.DateTimeField()
    values = models.JSONField(help_text="Counter and its labels -> value.")
    run = models.ForeignKey("ingest.IngestRun", on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "account", "meter", "started", "at"], name="meter_reading_is_unique",
                nulls_distinct=False,
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.source} {self.account} {self.meter} at {self.at}"
