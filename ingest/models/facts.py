"""Facts: partitioned tables, created by ingest.partitions in the migration."""

from django.db import models
from django.db.models import CompositePrimaryKey

from finops.domains import CountField, MoneyNonNegativeField, QuantityField, TokenField


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
    # The upper byte is the label of a router: finops.router_labels.
    flags = models.SmallIntegerField(null=True, help_text="Bit 1: the source marks deep research.")
    begins = models.BooleanField(
        null=True, help_text="True: as many queries as it has requests begin here; NULL: none."
    )
    event_id = models.UUIDField()
    reported_cost = MoneyNonNegativeField(null=True)
    # Added later, and so the table's last column. NULL takes no byte of a row.
    caller = models.IntegerField(
        null=True, help_text="Hash of the agent that called this one, 0: nobody did; NULL: not known."
    )

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


class EventRequest(models.Model):
    """The provider's own id of a call that a trace or a body states. Unique by (charge_date, event_id).

    By it the call is found in the log of a gateway, whose event ids are made of the same id. Written with its event.
    """

    pk = CompositePrimaryKey("charge_date", "event_id")
    charge_date = models.DateField()
    event_id = models.UUIDField()
    request_id = models.TextField()

    class Meta:
        db_table = "event_request"

    def __str__(self) -> str:
        return self.request_id


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
    the facts, so that no mark is lost and nobody waits. A mark RATE_ANEW says that prices or agreements changed: the cube
    stands, and the day is rated and charged anew without a look at the facts.
    """

    charge_date = models.DateField()
    usage_key_id = models.IntegerField(help_text="ALL_KEYS: the whole day. RATE_ANEW: its money, not its cube.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["charge_date", "usage_key_id"], name="dirty_slice_by_date")]

    def __str__(self) -> str:
        return f"{self.charge_date} {self.usage_key_id}"


ALL_KEYS = 0
RATE_ANEW = -1
FACT_COLUMNS = tuple(field.attname for field in UsageFact._meta.local_fields)  # table order
