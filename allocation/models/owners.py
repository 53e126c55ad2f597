"""Who bears cost, who may see it, and the rules that say so."""

from django.conf import settings
from django.db import models


class CostCentre(models.Model):
    """One owner of cost in the books. Unique by code. Changed by people with an audit event; never deleted once used.

    What the document of cost centres in force says of it today (kept in step by allocation.attribution.cost_centres, which
    also says what it was on any other day).
    """

    code = models.CharField(max_length=60, unique=True)
    name = models.CharField(max_length=200, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="children")
    gl_account = models.CharField(max_length=60, blank=True, db_default="", default="")
    legal_entity = models.CharField(max_length=200, blank=True, db_default="", default="")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+",
        help_text="Who answers for it; NULL: nobody is named, or there is no such user yet.",
    )  # fmt: skip
    valid_from = models.DateField(null=True)
    valid_to = models.DateField(null=True, help_text="First day on which it no longer holds.")

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
    note = models.TextField(blank=True, db_default="", default="", help_text="Why it is so, in its author's words.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "rule"], name="rule_is_unique_in_version")]

    def __str__(self) -> str:
        return self.rule
