"""Facts and what they hang on. ``usage_event`` and its companions are partitioned and created by SQL in the migration."""

from django.db import models
from django.db.models import CompositePrimaryKey

from finops.domains import CountField, MoneyNonNegativeField, QuantityField, RateField, TokenField


class IngestRun(models.Model):
    """One attempt to read one input (a file, later a pull window). Unique by id.

    Changed by its own process only, which proves itself by ``fence`` with every batch; once ``lease_until`` has passed
    anyone may end it as failed. ``read = stored + changed + duplicate + quarantined + skipped``.
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
    change inside its UTC day at or before it (null: none). Within one slot cost is linear in the sums of tokens.
    """

    id = models.SmallAutoField(primary_key=True)
    context_over = models.BigIntegerField(default=0)
    window_start = models.SmallIntegerField(default=-1)
    window_end = models.SmallIntegerField(default=-1)
    segment_from = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["context_over", "window_start", "window_end", "segment_from"],
                nulls_distinct=False,
                name="rate_slot_is_unique",
            )
        ]

    def __str__(self) -> str:
        return f">{self.context_over} {self.window_start}-{self.window_end} {self.segment_from or ''}"


class UsageFact(models.Model):
    """Columns of one usage fact; see UsageEvent. No cost of ours, no text, no JSON; zero is stored as NULL."""

    # Order of the table: 8-byte, 4-byte, 2-byte, 1-byte, then what needs no alignment. Padding would cost 4 bytes a row.
    query_id = models.BigIntegerField(null=True, help_text="Hash of the trace; NULL: the event is its own query.")
    occurred_at = models.DateTimeField()
    saved_tokens = TokenField(null=True, help_text="Tokens that a gateway's cache saved.")
    input_uncached = TokenField(null=True)
    cache_read = TokenField(null=True)
    cache_write_5m = TokenField(null=True)
    cache_write_1h = TokenField(null=True)
    output_visible = TokenField(null=True)
    output_reasoning = TokenField(null=True, help_text="NULL: not split by the source (in output_visible); 0: none.")
    input_audio = TokenField(null=True)
    cache_read_audio = TokenField(null=True)
    output_audio = TokenField(null=True)
    input_image = TokenField(null=True)
    cache_read_image = TokenField(null=True)
    output_image = TokenField(null=True)
    input_video = TokenField(null=True)
    output_video = TokenField(null=True)
    run_id = models.IntegerField(help_text="Whose observed_at says which version is the latest; ties: the higher run.")
    usage_key_id = models.IntegerField()
    charge_date = models.DateField()
    requests = CountField(null=True, help_text="NULL: one call. Otherwise the requests of a provider's bucket.")
    failed = CountField(null=True)
    agent = models.IntegerField(null=True, help_text="32-bit hash of the agent's name, to count agents of a trace.")
    rate_slot_id = models.SmallIntegerField()
    tier_rule = models.SmallIntegerField(
        help_text="allocation.TierRule: policy version, rule and condition that fired."
    )
    tool_calls = models.SmallIntegerField(null=True)
    flags = models.SmallIntegerField(null=True, help_text="Bit 1: the source marks deep research.")
    begins = models.BooleanField(
        null=True, help_text="True: as many queries as it has requests begin here; NULL: none."
    )
    event_id = models.UUIDField()
    reported_cost = MoneyNonNegativeField(null=True)

    class Meta:
        abstract = True


class UsageEvent(UsageFact):
    """One provider call, or one provider bucket (``requests`` > 1). Unique by (charge_date, event_id).

    Written by ingest.facts only. Replaced when a run with a later ``observed_at`` states it otherwise (the former version
    goes to UsageEventHistory); ``tier_rule`` and ``queries`` follow when calls join its trace. Partitioned by month.
    """

    pk = CompositePrimaryKey("charge_date", "event_id")

    class Meta:
        db_table = "usage_event"
        indexes = [
            # Date first: with the query first the index decays as the table grows (every batch touches all of it).
            models.Index(
                fields=["charge_date", "query_id"],
                condition=models.Q(query_id__isnull=False),
                name="usage_event_by_query",
            )
        ]

    def __str__(self) -> str:
        return str(self.event_id)


class UsageEventHistory(UsageFact):
    """One superseded version of a usage event. Unique by (charge_date, event_id, run_id); never changed."""

    pk = CompositePrimaryKey("charge_date", "event_id", "run_id")

    class Meta:
        db_table = "usage_event_history"

    def __str__(self) -> str:
        return f"{self.event_id} of run {self.run_id}"


class UsageEventUnit(models.Model):
    """Usage of one event that is not tokens. Unique by (charge_date, event_id, unit); follows its event."""

    pk = CompositePrimaryKey("charge_date", "event_id", "unit")
    charge_date = models.DateField()
    event_id = models.UUIDField()
    unit = models.SmallIntegerField(help_text="finops.tokens.UNITS")
    quantity = QuantityField()

    class Meta:
        db_table = "usage_event_unit"

    def __str__(self) -> str:
        return f"{self.event_id} {self.unit} {self.quantity}"


class FactDay(models.Model):
    """One charge date that holds facts, or may: made before the first fact of the day. Unique by date; never deleted.

    Spares a look at the facts to learn on which days a trace can have calls.
    """

    charge_date = models.DateField(primary_key=True)

    def __str__(self) -> str:
        return f"{self.charge_date}"


class DirtySlice(models.Model):
    """One mark that the facts, prices or rules behind (charge_date, usage_key) changed. A log, not a set.

    Writers only append, in the transaction of their facts; the refresher deletes exactly the rows it saw before it read
    the facts, so that no mark is lost and nobody waits.
    """

    charge_date = models.DateField()
    usage_key_id = models.IntegerField(help_text="ALL_KEYS: the whole day.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["charge_date", "usage_key_id"], name="dirty_slice_by_date")]

    def __str__(self) -> str:
        return f"{self.charge_date} {self.usage_key_id}"


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


ALL_KEYS = 0
FACT_COLUMNS = tuple(field.attname for field in UsageFact._meta.local_fields)  # table order
