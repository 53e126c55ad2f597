"""What tasks of agents did and cost, and those that ran away."""

from django.db import models
from django.db.models import CompositePrimaryKey

from allocation.models.owners import CostCentre, Team
from finops.domains import CountField, MoneyNonNegativeField, QuantityField, TokenField


class WorkflowKey(models.Model):
    """Whose and which workflow a task belongs to: by the usage key of its first call, and the currency of its prices."""

    cost_centre = models.ForeignKey(
        CostCentre, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    feature = models.TextField(blank=True)
    environment = models.TextField(blank=True)
    currency = models.CharField(max_length=3, blank=True, help_text="Of the prices of its calls; empty: none has one.")

    class Meta:
        abstract = True


class AgentTask(WorkflowKey):
    """One task of an agent: a query of several calls, or of a named agent, or that an outcome names. Unique by the day on
    which it begins and its query.

    Derived from the facts and the ratings of its day and those it goes on into; replaced with its day, written by
    allocation.value.agent_tasks alone. ``cost`` is that of its calls with a price, at list.
    """

    pk = CompositePrimaryKey("charge_date", "query_id")
    charge_date = models.DateField()
    query_id = models.BigIntegerField(help_text="Hash of the trace.")
    begins_at = models.DateTimeField()
    tier = models.CharField(max_length=10)
    calls = CountField()
    agents = CountField(help_text="Distinct names of agents.")
    depth = CountField(null=True, help_text="Agents above one another; NULL: no call says who called it.")
    fan_out = CountField(null=True, help_text="Most agents that one called; NULL: no call says who called it.")
    retries = CountField()
    failed = CountField(help_text="Calls that failed.")
    resent_uncached = TokenField(help_text="Input at most that the same agent had sent before, at the full price.")
    resent_cached = TokenField(help_text="The same, read from a cache.")
    input = TokenField()
    cost = MoneyNonNegativeField()
    unpriced = CountField(help_text="Calls without a price, or in another currency.")
    broken = models.BooleanField(help_text="Its last call failed.")
    rounds = CountField(null=True, help_text="How often the same calls came one after another; NULL: no loop.")

    class Meta:
        db_table = "agent_task"
        indexes = [models.Index(fields=["query_id"], name="agent_task_by_query")]

    def __str__(self) -> str:
        return f"{self.charge_date} {self.query_id}"


class AgentDay(models.Model):
    """One day whose tasks of agents have been derived. Unique by charge_date; replaced with its tasks.

    ``stale``: facts or costs of the day, or of one that its tasks go on into, changed since.
    """

    charge_date = models.DateField(primary_key=True)
    stale = models.BooleanField(default=False)
    borne = models.CharField(max_length=32, help_text="Digest of who bore the day's usage (AllocatedDay.borne).")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_day"

    def __str__(self) -> str:
        return f"{self.charge_date}"


class Runaway(WorkflowKey):
    """One task of an agent that ran away, for one reason. Unique by its day, query and reason.

    Found when the task's day is derived, with figures of then; while it is open they follow the task, and it is withdrawn
    when they no longer say so. A person's decision stands.
    """

    class State(models.TextChoices):
        """What has become of it."""

        OPEN = "open"
        CONFIRMED = "confirmed"
        EXPECTED = "expected"
        WITHDRAWN = "withdrawn"

    charge_date = models.DateField()
    query_id = models.BigIntegerField()
    begins_at = models.DateTimeField()
    tier = models.CharField(max_length=10)
    reason = models.CharField(max_length=10, help_text="calls, calls_cap, cost, cost_cap or loop.")
    value = QuantityField(help_text="Its calls, cost or rounds.")
    bound = QuantityField(help_text="What the value passed.")
    calls = CountField()
    cost = MoneyNonNegativeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    found_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "agent_runaway"
        constraints = [
            models.UniqueConstraint(
                fields=["charge_date", "query_id", "reason"], name="task_runs_away_once_for_a_reason"
            )
        ]
        indexes = [models.Index(fields=["state", "-id"], name="agent_runaway_by_state")]

    def __str__(self) -> str:
        return f"{self.charge_date} {self.query_id} {self.reason}"
