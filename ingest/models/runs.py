"""Runs and what they did not take."""

from django.db import models


class IngestRun(models.Model):
    """One attempt to read one input (a file, a pushed batch, or a window of a pulled stream). Unique by id.

    Changed by its own process only, which proves itself by ``fence`` with every batch; once ``lease_until`` has passed
    anyone may end it as failed. One that has ended may be dismissed, which is noted (ingest.dismissals).
    ``read = stored + changed + duplicate + quarantined + skipped``.
    """

    class State(models.TextChoices):
        """Where the run stands."""

        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        REFUSED = "refused"

    source = models.CharField(max_length=40)
    account = models.CharField(max_length=200)
    input_name = models.CharField(max_length=500)
    connection = models.ForeignKey("ingest.Connection", on_delete=models.SET_NULL, null=True, related_name="runs")
    stream = models.CharField(max_length=60, blank=True, help_text="Of a pull: which series.")
    window_start = models.DateTimeField(null=True, help_text="Of a pull: the time that was asked for.")
    window_end = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed or was refused.")
    observed_at = models.DateTimeField(
        help_text="When the input said what it says; the latest statement of a fact wins."
    )
    started_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    fence = models.UUIDField(help_text="A batch is committed only while this is still the run's own.")
    identity = models.CharField(max_length=10, default="native", help_text="row: ids are hashes of whole rows.")
    read = models.BigIntegerField(default=0)
    stored = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    duplicate = models.BigIntegerField(default=0)
    quarantined = models.BigIntegerField(default=0)
    skipped = models.JSONField(default=dict, help_text="Reason -> count of records that are no usage.")
    totals = models.JSONField(default=dict, help_text="What this run stored or changed, as strings.")
    notes = models.JSONField(default=dict, help_text="Counts worth knowing: unknown fields, dropped tags, merged rows.")

    class Meta:
        indexes = [models.Index(fields=["source", "account", "stream", "-id"], name="run_by_stream")]

    def __str__(self) -> str:
        return f"{self.pk} {self.source} {self.input_name} {self.state}"


class Quarantine(models.Model):
    """One record that was not taken, without its content. Written once, with the batch it stood in; never changed."""

    run = models.ForeignKey(IngestRun, on_delete=models.CASCADE, related_name="quarantine")
    reason = models.CharField(max_length=24)
    detail = models.CharField(
        max_length=200, blank=True, help_text="Field and what was wrong with it; never a value of text."
    )
    place = models.CharField(max_length=200, help_text="Line number or JSON pointer.")
    byte_offset = models.BigIntegerField(null=True)
    sha256 = models.BinaryField(max_length=32, help_text="Of the record as it stood.")

    class Meta:
        indexes = [models.Index(fields=["run", "reason"], name="quarantine_by_run")]

    def __str__(self) -> str:
        return f"{self.reason} at {self.place}"
