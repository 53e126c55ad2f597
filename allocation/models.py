"""Owners, rules, tier policies, and the derived rows: cube, ratings, charges, allocated cost."""

from django.conf import settings
from django.db import models
from django.db.models import CompositePrimaryKey

from finops.domains import MoneyField, MoneyNonNegativeField, QuantityField, RateField, TokenField
from finops.focus import TIERS

TIER_CHOICES = [(tier, tier.capitalize()) for tier in TIERS]


class CostCentre(models.Model):
    """One owner of cost in the books. Unique by code. Changed by people with an audit event; never deleted once used."""

    code = models.CharField(max_length=60, unique=True)
    name = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=3, default="USD")

    def __str__(self) -> str:
        return self.code


class Team(models.Model):
    """One team inside a cost centre. Unique by cost centre and code."""

    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="teams")
    code = models.CharField(max_length=60)
    name = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cost_centre", "code"], name="team_is_unique_in_cost_centre")]

    def __str__(self) -> str:
        return f"{self.cost_centre_id}/{self.code}"


class Grant(models.Model):
    """One role of one user; viewer and owner name the cost centre they hold it for. Unique by the three.

    Roles are separate permissions, not a ladder: a person may hold several.
    """

    class Role(models.TextChoices):
        """CONTRACTS 7."""

        VIEWER = "viewer"
        OWNER = "owner"
        ANALYST = "analyst"
        FINANCE = "finance"
        ADMIN = "admin"
        AUDITOR = "auditor"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=10, choices=Role.choices)
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.CASCADE, null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role", "cost_centre"], nulls_distinct=False, name="grant_is_unique"
            ),
            models.CheckConstraint(
                name="viewer_and_owner_name_a_cost_centre_others_do_not",
                condition=models.Q(role__in=["viewer", "owner"], cost_centre__isnull=False)
                | ~models.Q(role__in=["viewer", "owner"]) & models.Q(cost_centre__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} {self.cost_centre_id or ''}"


class RuleVersion(models.Model):
    """One load of the rules file. Unique by number; the newest is in force for open periods. Never changed."""

    number = models.IntegerField(unique=True)
    content_hash = models.CharField(max_length=64)
    loaded_at = models.DateTimeField(auto_now_add=True)
    loaded_by = models.CharField(max_length=150)

    def __str__(self) -> str:
        return f"rules v{self.number}"


class AllocationRule(models.Model):
    """One rule of one version: when its conditions hold, cost goes to its targets. Unique by version and rule id."""

    version = models.ForeignKey(RuleVersion, on_delete=models.CASCADE, related_name="rules")
    rule = models.CharField(max_length=60)
    priority = models.IntegerField(help_text="Lower fires first; ties by lower rule id.")
    valid_from = models.DateField(null=True)
    valid_to = models.DateField(null=True, help_text="First day on which it no longer holds.")
    conditions = models.JSONField(help_text="The rule's `when`, as written.")
    targets = models.JSONField(help_text="The rule's `to`, as written.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "rule"], name="rule_is_unique_in_version")]

    def __str__(self) -> str:
        return self.rule


class TierPolicy(models.Model):
    """One version of the rules that say which kind of query a query is. Unique by version; never changed but for live."""

    version = models.IntegerField(unique=True)
    policy = models.JSONField()
    content_hash = models.CharField(max_length=64)
    loaded_at = models.DateTimeField(auto_now_add=True)
    live = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["live"], condition=models.Q(live=True), name="one_tier_policy_is_live")
        ]

    def __str__(self) -> str:
        return f"tier policy v{self.version}"


class TierRule(models.Model):
    """One way to a tier: policy version, rule, the condition that fired, and whether from averages of a bucket.

    ``usage_event.tier_rule`` holds its id, so that every event carries rule and evidence in two bytes. Unique by its
    content; never changed.
    """

    id = models.SmallAutoField(primary_key=True)
    policy = models.ForeignKey(TierPolicy, on_delete=models.PROTECT, related_name="rules")
    rule = models.CharField(max_length=20)
    condition = models.CharField(max_length=120, help_text="The condition that fired, e.g. output_reasoning>=2000.")
    tier = models.CharField(max_length=10, choices=TIER_CHOICES)
    estimated = models.BooleanField(help_text="From per-request averages of a provider's bucket.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "rule", "condition", "tier", "estimated"], name="tier_rule_is_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tier} by {self.rule}: {self.condition}"


class CubeKey(models.Model):
    """Key columns of the cube's tables."""

    charge_date = models.DateField()
    usage_key_id = models.IntegerField()
    tier = models.CharField(max_length=10)
    tier_estimated = models.BooleanField()
    rate_slot_id = models.IntegerField()

    class Meta:
        abstract = True


_CUBE_KEY = ("charge_date", "usage_key_id", "tier", "tier_estimated", "rate_slot_id")


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


class Charge(models.Model):
    """One line of cost: the only thing that allocation, statements, FOCUS and forecasts read.

    For usage: one per date, usage key, tier, class and price. Unique by (charge_date, usage_key, tier, tier_estimated,
    sku_id, sku_price_id, charge_category, charge_class, provenance, origin). Replaced with its slice in an open period,
    never changed in a closed one. Cost columns are NULL where unpriced.
    """

    charge_date = models.DateField()
    billing_period = models.DateField(help_text="First day of the billing period on the issuer's clock.")
    usage_key_id = models.IntegerField(null=True)
    tier = models.CharField(max_length=10, blank=True)
    tier_estimated = models.BooleanField(default=False)
    charge_category = models.CharField(max_length=20)
    charge_class = models.CharField(max_length=20, blank=True)
    sku_id = models.TextField(help_text="provider/model/class")
    sku_price_id = models.TextField(blank=True, help_text="Natural key of the price; empty: unpriced.")
    price_class = models.CharField(max_length=30)
    consumed_quantity = QuantityField()
    consumed_unit = models.CharField(max_length=30)
    list_unit_price = RateField(null=True)
    pricing_unit = models.BigIntegerField(null=True)
    list_cost = MoneyField(null=True)
    contracted_cost = MoneyField(null=True)
    effective_cost = MoneyField(null=True)
    billed_cost = MoneyField(null=True)
    proxy_cost = MoneyField(null=True)
    billing_currency = models.CharField(max_length=3)
    provenance = models.CharField(max_length=20)
    origin = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="parts")

    class Meta:
        db_table = "charge"
        indexes = [models.Index(fields=["charge_date", "usage_key_id"], name="charge_by_slice")]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "charge_date", "usage_key_id", "tier", "tier_estimated", "sku_id", "sku_price_id",
                    "charge_category", "charge_class", "provenance", "origin",
                ],
                nulls_distinct=False,
                name="charge_is_unique",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.charge_date} {self.sku_id} {self.effective_cost}"


class AllocatedCost(models.Model):
    """One share of one charge and who bears it; cost_centre NULL is *unallocated*. Unique by charge and part.

    The shares of a charge sum to it exactly, in every cost column. Replaced with its slice in an open period.
    """

    charge = models.ForeignKey(Charge, on_delete=models.CASCADE, related_name="allocated")
    charge_date = models.DateField()
    part = models.SmallIntegerField(help_text="0, 1, ... in the order of the rule's targets.")
    rule = models.ForeignKey(AllocationRule, on_delete=models.PROTECT, null=True)
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, null=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True)
    quantity = QuantityField()
    list_cost = MoneyField(null=True)
    contracted_cost = MoneyField(null=True)
    effective_cost = MoneyField(null=True)
    billed_cost = MoneyField(null=True)
    proxy_cost = MoneyField(null=True)

    class Meta:
        db_table = "allocated_cost"
        constraints = [models.UniqueConstraint(fields=["charge", "part"], name="allocated_cost_is_unique")]
        indexes = [models.Index(fields=["charge_date", "cost_centre"], name="allocated_cost_by_date")]

    def __str__(self) -> str:
        return f"{self.charge_id}.{self.part} {self.effective_cost}"


class CostDaily(models.Model):
    """What pages and API read: allocated cost of one day by its dimensions. Unique by all of them.

    Derived from allocated_cost (money), the cube (requests, queries) and the assignment of usage keys; replaced with
    its day. ``unpriced_*`` carries usage without a price, which is in no cost column.
    """

    charge_date = models.DateField()
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, null=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True)
    provider = models.TextField()
    model = models.TextField()
    tier = models.CharField(max_length=10)
    tier_estimated = models.BooleanField()
    environment = models.TextField(blank=True)
    feature = models.TextField(blank=True)
    provenance = models.CharField(max_length=20)
    billing_currency = models.CharField(max_length=3)
    list_cost = MoneyField()
    contracted_cost = MoneyField()
    effective_cost = MoneyField()
    billed_cost = MoneyField()
    requests = models.BigIntegerField()
    queries = models.BigIntegerField()
    tokens = models.BigIntegerField()
    unpriced_tokens = models.BigIntegerField()
    unpriced_estimate = MoneyField()

    class Meta:
        db_table = "cost_daily"
        indexes = [models.Index(fields=["charge_date"], name="cost_daily_by_date")]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "charge_date", "cost_centre", "team", "provider", "model", "tier", "tier_estimated",
                    "environment", "feature", "provenance", "billing_currency",
                ],
                nulls_distinct=False,
                name="cost_daily_is_unique",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.charge_date} {self.cost_centre_id} {self.model} {self.effective_cost}"


class QueryCostDaily(models.Model):
    """How dear queries were: count and cost of the queries that began on one day, by log10 bin (20 a decade).

    Unique by day, owner, provider, model, tier, environment and bin. ``bin`` NULL: the query cost nothing or has usage
    without a price. Replaced with its day. ``cost`` is exact; only the bin is a float's business.
    """

    charge_date = models.DateField()
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, null=True)
    provider = models.TextField()
    model = models.TextField()
    tier = models.CharField(max_length=10)
    environment = models.TextField(blank=True)
    bin = models.SmallIntegerField(null=True, help_text="floor(20 * log10(cost of the query)).")
    queries = models.BigIntegerField()
    cost = MoneyField()

    class Meta:
        db_table = "query_cost_daily"
        indexes = [models.Index(fields=["charge_date"], name="query_cost_daily_by_date")]

    def __str__(self) -> str:
        return f"{self.charge_date} {self.tier} {self.bin} {self.queries}"


CUBE_COLUMNS = tuple(field.attname for field in UsageDaily._meta.local_fields)  # table order
