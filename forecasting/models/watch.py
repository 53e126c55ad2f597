"""What is watched, what was found, and who was told."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from allocation.models import CostCentre
from finops.domains import MoneyField
from forecasting.calc import alerting
from forecasting.calc.watch_policy import SEVERITIES

_SEVERITIES = [(name, name) for name in SEVERITIES]


class SpendDay(models.Model):
    """One charge date whose cost is known by hour (SpendHour). Unique by date; replaced whenever its cost changes.

    ``fingerprint``: of the day's cost as it was then; ``last_hour``: begin of the last hour in which anything was used,
    NULL: nothing tells hours. Days older than the window of a watch are deleted.
    """

    charge_date = models.DateField(primary_key=True)
    fingerprint = models.CharField(max_length=64)
    last_hour = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.charge_date}"


class SpendHour(models.Model):
    """What one hour of one charge date cost somebody. Unique by date, hour and whose; replaced with its day.

    ``hour``: its begin; NULL: only the day is known (buckets of days, idle, shared and other charges). All rows of a day add
    up to its cost_daily exactly. ``unpriced``: usage without a price, at its proxy price.
    """

    charge_date = models.DateField()
    hour = models.DateTimeField(null=True)
    cost_centre = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    provider = models.TextField(blank=True)
    model = models.TextField(blank=True)
    tier = models.CharField(max_length=10, blank=True)
    billing_currency = models.CharField(max_length=3)
    cost = MoneyField()
    unpriced = MoneyField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["charge_date", "hour", "cost_centre", "provider", "model", "tier", "billing_currency"],
                nulls_distinct=False, name="spend_hour_is_unique",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.hour or self.charge_date} {self.cost}"


class QueryCap(models.Model):
    """What a query of some kind may cost at most. Never changed but for its end; dimensions that are empty mean all."""

    most = MoneyField(help_text="Per query, in the currency of the price lists.")
    severity = models.CharField(max_length=6, choices=_SEVERITIES)
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, null=True, related_name="+")
    tier = models.CharField(max_length=10, blank=True)
    feature = models.TextField(blank=True)
    provider = models.TextField(blank=True)
    model = models.TextField(blank=True)
    note = models.CharField(max_length=300, blank=True)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_by = models.CharField(max_length=150, blank=True)
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        code = self.cost_centre.code if self.cost_centre else ""
        of = (code, self.tier, self.feature, self.provider, self.model)
        return " / ".join(filter(None, of)) or "every query"

    @property
    def subject(self) -> str:
        """By which alerts name it."""
        return f"cap:{self.pk}"


class CapDay(models.Model):
    """The queries of one day held against one cap. Unique by both; replaced when the day's queries change.

    ``low`` and ``high``: bounds of the number above the cap, ``above_*`` of the money above it; equal where it is exact.
    """

    cap = models.ForeignKey(QueryCap, on_delete=models.CASCADE, related_name="days")
    charge_date = models.DateField()
    fingerprint = models.CharField(max_length=64)
    queries = models.BigIntegerField()
    without = models.BigIntegerField(help_text="Queries that cost nothing or have no price; in none of the others.")
    low = models.BigIntegerField()
    high = models.BigIntegerField()
    above_low = MoneyField()
    above_high = MoneyField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cap", "charge_date"], name="cap_day_is_unique")]

    def __str__(self) -> str:
        return f"{self.cap_id} {self.charge_date} {self.low}"


class Alert(models.Model):
    """One episode of one subject (a budget, a threshold of one, a cap, a band), as forecasting.calc.alerting keeps it.

    At most one of a subject is open. Changed by the watch, and by who acknowledges it; never once it has ended.
    """

    class Kind(models.TextChoices):
        """What its subject is."""

        BUDGET = "budget"
        CAP = "cap", "query cap"
        BAND = "band", "watch band"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    subject = models.CharField(max_length=600)
    label = models.CharField(max_length=300, help_text="The subject as people know it.")
    cost_centre = models.ForeignKey(
        CostCentre,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Whose; NULL: of those who see all.",
    )
    currency = models.CharField(max_length=3)
    opened_at = models.DateTimeField()
    fired_at = models.DateTimeField()
    severe_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    severity = models.CharField(max_length=6, choices=_SEVERITIES)
    money = MoneyField(help_text="At stake.")
    rules = ArrayField(models.CharField(max_length=60))
    why = models.TextField()
    once = models.BooleanField(default=False)
    told_severity = models.CharField(max_length=6, blank=True)
    told_money = models.JSONField(default=dict, help_text="Rule -> the money that was told last, in text.")
    told_at = models.DateTimeField(null=True)
    level = models.IntegerField(default=0)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_note = models.CharField(max_length=300, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["subject", "opened_at"], name="alert_by_subject")]
        constraints = [
            models.UniqueConstraint(
                fields=["subject"], condition=Q(ended_at=None), name="one_alert_of_a_subject_is_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.why}"


class AlertNotice(models.Model):
    """One thing that was to be told of an alert, and up to which level of people. Never changed but for ``routed_at``.

    To whom it went and what became of it, the deliveries with its occasion say.
    """

    KINDS = (alerting.OPENED, alerting.WORSE, alerting.UNANSWERED, alerting.ENDED)

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=10, choices=[(name, name) for name in KINDS])
    severity = models.CharField(max_length=6, choices=_SEVERITIES)
    level = models.IntegerField()
    money = MoneyField()
    why = models.TextField()
    made_at = models.DateTimeField()
    routed_at = models.DateTimeField(null=True, help_text="When it was given to those who send; NULL: not yet.")

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(routed_at=None), name="alert_notice_to_route")]

    def __str__(self) -> str:
        return f"{self.kind} {self.alert_id}"

    @property
    def occasion(self) -> str:
        """By which its deliveries are known."""
        return f"alert:{self.pk}"


class Silence(models.Model):
    """No notice about a subject (``*``: any) of at most a severity, for a while. Never changed but for its early end."""

    subject = models.CharField(max_length=600)
    severity = models.CharField(max_length=6, choices=_SEVERITIES, default=SEVERITIES[-1])
    cost_centre = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, related_name="+", help_text="Of its subject."
    )
    begins = models.DateTimeField()
    ends = models.DateTimeField()
    reason = models.CharField(max_length=300)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends__gte=models.F("begins")), name="silence_ends_after_it_begins")
        ]

    def __str__(self) -> str:
        return f"{self.subject} until {self.ends:%Y-%m-%d %H:%M}"
