"""The cube and its ratings."""

from django.db import models
from django.db.models import CompositePrimaryKey

from finops.domains import MoneyField, MoneyNonNegativeField, QuantityField, RateField, TokenField

_CUBE_KEY = ("charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id")


class CubeKey(models.Model):
    """Key columns of the cube's tables."""

    charge_date = models.DateField()
    usage_key_id = models.IntegerField()
    tier = models.CharField(max_length=10)
    tier_estimated = models.BooleanField()
    rate_slot_id = models.IntegerField()

    class Meta:
        abstract = True


class UsageDaily(CubeKey):
    """The cube: sums of the facts of one date, usage key, tier and rate slot. Unique by those (and tier_estimated).

    Recomputed from the facts whenever its slice is dirty; nothing else writes it.
    """

    pk = CompositePrimaryKey(*_CUBE_KEY)
    events = models.BigIntegerField()
    requests = models.BigIntegerField()
    queries = models.BigIntegerField()
    failed = models.BigIntegerField()
    saved_tokens = TokenField(null=True)
    reported_cost = MoneyNonNegativeField(null=True)
    input_uncached = TokenField(null=True)
    cache_read = TokenField(null=True)
    cache_write_5m = TokenField(null=True)
    cache_write_1h = TokenField(null=True)
    output_visible = TokenField(null=True)
    output_reasoning = TokenField(null=True)
    input_audio = TokenField(null=True)
    cache_read_audio = TokenField(null=True)
    output_audio = TokenField(null=True)
    input_image = TokenField(null=True)
    cache_read_image = TokenField(null=True)
    output_image = TokenField(null=True)
    input_video = TokenField(null=True)
    output_video = TokenField(null=True)

    class Meta:
        db_table = "usage_daily"

    def __str__(self) -> str:
        return f"{self.charge_date} {self.usage_key_id} {self.tier}"


class UsageDailyUnit(CubeKey):
    """Sums of usage that is not tokens, beside the cube. Unique by the cube's key and the unit."""

    pk = CompositePrimaryKey(*_CUBE_KEY, "unit")
    unit = models.SmallIntegerField()
    quantity = QuantityField()

    class Meta:
        db_table = "usage_daily_unit"

    def __str__(self) -> str:
        return f"{self.charge_date} {self.usage_key_id} {self.unit}"


class BucketSpread(models.Model):
    """By what the buckets of one date and usage key were spread over tiers. Unique by both.

    ``source``: observed (queries of the same key that a lower layer saw that day), reference (recorded lengths of requests)
    or whole (its operation decides). Replaced with the key's slice of the cube.
    """

    pk = CompositePrimaryKey("charge_date", "usage_key_id")
    charge_date = models.DateField()
    usage_key_id = models.IntegerField()
    source = models.CharField(max_length=10)
    queries = models.BigIntegerField(help_text="Observed queries that it rests on; 0: none.")

    class Meta:
        db_table = "bucket_spread"

    def __str__(self) -> str:
        return f"{self.charge_date} {self.usage_key_id} {self.source}"


class DayCalls(models.Model):
    """What the calls of one day used, as Arrow tables: the distribution of cost per query follows new prices from here,
    without a look at the facts. Unique by charge_date and part (whole queries of a large day).

    Recomputed from the facts with the day's cube. ``stale``: costs changed since the distribution was made.
    """

    pk = CompositePrimaryKey("charge_date", "part")
    charge_date = models.DateField()
    part = models.SmallIntegerField()
    begun = models.BinaryField(help_text="Calls of queries that begin this day (allocation.calc.query_costs.Calls).")
    going_on = models.BinaryField(null=True, help_text="Calls of queries that began before; NULL: none.")
    stale = models.BooleanField(default=True)

    class Meta:
        db_table = "day_calls"

    def __str__(self) -> str:
        return f"{self.charge_date} {self.part}"


class Rating(CubeKey):
    """One cube row x one token class (or unit) at the price in force. Unique by the cube's key and the class.

    ``list_cost`` NULL: unpriced, with ``proxy_cost`` as an estimate that is never in a total. Replaced with its slice.
    """

    pk = CompositePrimaryKey(*_CUBE_KEY, "price_class")
    price_class = models.CharField(max_length=30)
    quantity = QuantityField()
    price_id = models.BigIntegerField(null=True, help_text="ingest.Price that applied; NULL: none does.")
    list_rate = RateField(null=True)
    per = models.BigIntegerField(null=True)
    list_cost = MoneyField(null=True)
    contracted_cost = MoneyField(null=True)
    currency = models.CharField(max_length=3)
    proxy_cost = MoneyField(null=True)
    assumed_standard = models.BooleanField(default=False, help_text="No price of its service tier: the standard one.")

    class Meta:
        db_table = "rating"

    def __str__(self) -> str:
        return f"{self.charge_date} {self.usage_key_id} {self.price_class} {self.list_cost}"


CUBE_COLUMNS = tuple(field.attname for field in UsageDaily._meta.local_fields)  # table order
