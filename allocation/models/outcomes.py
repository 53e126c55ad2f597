"""What cost was for: outcomes as their sources state them, benefits as people answer for them, benchmark runs.

No text of end users: names, numbers and codes alone.
"""

from django.db import models

from allocation.models.owners import CostCentre, Team
from finops.domains import MoneyField, MoneyNonNegativeField, QuantityField, ShareField, TokenField
from finops.models import Approval


class Evidence(models.TextChoices):
    """How well something is known."""

    MEASURED = "measured"
    DECLARED = "declared"
    NONE = "none"


class OutcomeFields(models.Model):
    """What a source states of one attempt at a task."""

    observed_at = models.DateTimeField(help_text="When the source knew it; the latest wins in every order of arrival.")
    content_hash = models.CharField(max_length=32)
    recorded_at = models.DateTimeField(auto_now_add=True)
    task = models.CharField(max_length=310, help_text="The business result; several attempts, or features, share it.")
    setting = models.CharField(max_length=10, default="production", help_text="production or benchmark.")
    at = models.DateTimeField(help_text="When the outcome was reached, or missed.")
    spend_month = models.DateField(help_text="First day of the month whose cost worked towards it: its cohort.")
    query_id = models.BigIntegerField(null=True, help_text="The query, by the hash of its trace; NULL: not named.")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, null=True, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="+")
    feature = models.CharField(max_length=200, blank=True)
    tier = models.CharField(max_length=10, blank=True)
    model = models.CharField(max_length=200, blank=True)
    effort = models.CharField(max_length=40, blank=True)
    success = models.BooleanField()
    quality = ShareField(null=True, help_text="0 to 1 by the rubric.")
    rubric = models.CharField(
        max_length=100, blank=True, help_text="Name and version of what the quality is scored by."
    )
    value = MoneyField(null=True, help_text="What the result is worth; NULL: nobody says.")
    cost = MoneyNonNegativeField(null=True, help_text="Cost of this attempt as its source knows it; NULL: it does not.")
    fallback_cost = MoneyNonNegativeField(null=True, help_text="What people cost who took over; NULL: nobody did.")
    currency = models.CharField(max_length=3, blank=True, help_text="Of value and costs.")
    evidence = models.CharField(max_length=8, choices=Evidence.choices)

    class Meta:
        abstract = True


class Outcome(OutcomeFields):
    """One attempt at one task as its source states it last. Unique by source and number; changed only by a later statement.

    ``counts``: of all attempts at a task, in all features, the one that the task counts by: the last successful one, else
    the last. One at most per setting and task, so that what two features claim counts once.
    """

    source = models.CharField(max_length=100)
    number = models.CharField(max_length=200, help_text="The source's own id of it.")
    counts = models.BooleanField(default=False)
    claims = models.JSONField(default=list, help_text="Features that any statement named, where there are several.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "number"], name="outcome_is_unique_in_its_source"),
            models.UniqueConstraint(
                fields=["setting", "task"], condition=models.Q(counts=True), name="task_counts_once"
            ),
            models.CheckConstraint(
                name="quality_is_from_0_to_1",
                condition=models.Q(quality__isnull=True) | models.Q(quality__gte=0, quality__lte=1),
            ),
            models.CheckConstraint(name="cohort_is_the_first_of_a_month", condition=models.Q(spend_month__day=1)),
        ]
        indexes = [
            models.Index(fields=["setting", "task"], name="outcome_by_task"),
            models.Index(fields=["spend_month", "cost_centre"], name="outcome_by_cohort"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.number}"


class OutcomeHistory(OutcomeFields):
    """One statement on an outcome that a later one replaced, or that came after a later one. Unique by outcome, observed_at
    and content. Never changed.
    """

    outcome = models.ForeignKey(Outcome, on_delete=models.CASCADE, related_name="history")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["outcome", "observed_at", "content_hash"], name="outcome_statement_is_kept_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.outcome_id} {self.observed_at}"


class Benefit(models.Model):
    """One effect of the spend of one month that somebody answers for. Unique by effect and month, so that no second feature
    claims it: what several features brought about together names their shares.

    Its figures change until its owner attests them; then finance accepts or refuses them, another person. Of a class ``cash``
    it names the line of profit and loss where it shows; classes are never added to each other. ``basis`` outcomes: it is the
    value of the tasks that were resolved, and follows outcomes that come late.
    """

    class Kind(models.TextChoices):
        """What kind of benefit: money that shows in the books, time that is free for something else, or neither."""

        CASH = "cash"
        CAPACITY = "capacity"
        QUALITY = "quality"

    class State(models.TextChoices):
        """How far it has come."""

        CLAIMED = "claimed"
        ATTESTED = "attested"
        ACCEPTED = "accepted"
        REFUSED = "refused"

    effect = models.CharField(max_length=100, help_text="Code of the effect: handling-cost-support.")
    month = models.DateField(help_text="First day of the month whose spend brought it about: its cohort.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    basis = models.CharField(max_length=10, default="stated", help_text="stated, or outcomes.")
    pnl_line = models.CharField(max_length=200, blank=True, help_text="Line of profit and loss; of cash benefits.")
    unit = models.CharField(max_length=20, help_text="ISO 4217 of cash, hours of capacity, else what is counted.")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="+")
    features = models.JSONField(
        default=dict, help_text="Feature: its share as text; shares sum to 1. Empty: all of them."
    )
    baseline = QuantityField(null=True, help_text="Without it, per month, in the unit; NULL: of outcomes.")
    actual = QuantityField(null=True, help_text="With it, in the unit.")
    direction = models.CharField(max_length=8, default="decrease", help_text="decrease or increase is the benefit.")
    realisation = ShareField(help_text="How much of it is realised, 0 to 1.")
    evidence = models.CharField(max_length=8, choices=Evidence.choices)
    reference = models.CharField(max_length=300, blank=True, help_text="Where the evidence is kept: code or address.")
    matures_on = models.DateField(help_text="From when on the benefit of this cohort is expected to be known whole.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.CLAIMED)
    claimed_by = models.CharField(max_length=150)
    claimed_at = models.DateTimeField(auto_now_add=True)
    attested_by = models.CharField(max_length=150, blank=True)
    attested_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True)
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, null=True, related_name="benefit")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["effect", "month"], name="effect_is_claimed_once_a_month"),
            models.CheckConstraint(
                name="cash_alone_names_a_line_of_profit_and_loss",
                condition=models.Q(kind="cash") & ~models.Q(pnl_line="")
                | ~models.Q(kind="cash") & models.Q(pnl_line=""),
            ),
            models.CheckConstraint(
                name="realisation_is_from_0_to_1", condition=models.Q(realisation__gte=0, realisation__lte=1)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.effect} {self.month:%Y-%m}"


class BenchmarkRun(models.Model):
    """One run of one model at one effort over the tasks of one class. Unique by source and number; a later statement
    replaces it. Evidence of its own grade: it never counts as an outcome of own spend.
    """

    source = models.CharField(max_length=100)
    number = models.CharField(max_length=200)
    observed_at = models.DateTimeField()
    task_class = models.CharField(max_length=100)
    features = models.JSONField(default=list, help_text="Own features (use cases) that the class stands for.")
    model = models.CharField(max_length=200)
    effort = models.CharField(max_length=40, blank=True, help_text="Reasoning effort or budget; empty: the only one.")
    tasks = models.IntegerField(help_text="How many tasks were tried.")
    score = ShareField(help_text="0 to 1: share resolved, or mean score.")
    cost = MoneyNonNegativeField(null=True, help_text="Of the whole run; NULL: not known.")
    currency = models.CharField(max_length=3, blank=True)
    input_tokens = TokenField(null=True)
    output_tokens = TokenField(null=True)
    run_on = models.DateField()
    evidence = models.CharField(max_length=8, choices=Evidence.choices)
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "number"], name="benchmark_run_is_unique_in_its_source"),
            models.CheckConstraint(
                name="score_is_from_0_to_1", condition=models.Q(score__gte=0, score__lte=1, tasks__gte=1)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task_class} {self.model} {self.effort}"


class Comparison(models.Model):
    """One question declared before its evidence: is one model, effort or tier no worse than another, by more than a margin?
    Unique by what it compares, in which feature, and the day from which outcomes count. Never changed.
    """

    dimension = models.CharField(max_length=10, help_text="model, effort or tier.")
    base = models.CharField(max_length=200)
    candidate = models.CharField(max_length=200)
    feature = models.CharField(max_length=200, blank=True, help_text="Empty: all.")
    margin = ShareField(help_text="Of the share resolved that may be lost.")
    starts_on = models.DateField(help_text="Outcomes from this day on count; not before it was declared.")
    declared_at = models.DateTimeField(auto_now_add=True)
    declared_by = models.CharField(max_length=150)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dimension", "base", "candidate", "feature", "starts_on"], name="comparison_is_declared_once"
            ),
            models.CheckConstraint(name="margin_is_from_0_to_1", condition=models.Q(margin__gte=0, margin__lt=1)),
        ]

    def __str__(self) -> str:
        return f"{self.candidate} instead of {self.base}"
